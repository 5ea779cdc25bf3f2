"""The store in memory: the same meaning as the others, nothing survives the process, no threads."""

from __future__ import annotations

import builtins
import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from operator import itemgetter

from ..daemon.clock import Clock, Handle
from .base import Change, Compacted, Conflict, Entry, Exists, FutureRevision, NotFound, Page, Unavailable, Watch
from .feed import Feed
from .keys import check_key, check_write, key_range

_revision = itemgetter(0)
_HISTORY_BATCH = 1000
# Timers may fire a rounding error early.
_SLACK = 0.001


class MemoryStore:
    """See `base.Store`. An empty store is at revision 1, as etcd's is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rev = 1
        self._oldest = 1
        self._current: dict[str, Entry] = {}
        # Every key that has history, sorted, and its writes as (revision, entry or None for a deletion).
        self._keys: list[str] = []
        self._writes: dict[str, list[tuple[int, Entry | None]]] = {}
        # Every write after `_oldest`: the one with revision r is at index r - _oldest - 1.
        self._log: list[Change] = []
        self._feed = Feed(1, self._history)
        self._deadlines: list[tuple[float, str, int]] = []
        self._timer: Handle | None = None
        self._closed = False

    async def revision(self) -> int:
        """See `Store.revision`."""
        self._check_open()
        return self._rev

    async def get(self, key: str) -> Entry:
        """See `Store.get`."""
        self._check_open()
        return self._existing(key)

    async def list(self, prefix: str, *, after_key: str = "", limit: int = 0, rev: int = 0) -> Page:
        """See `Store.list`."""
        self._check_open()
        if rev > self._rev:
            raise FutureRevision(rev, self._rev)
        if rev and rev < self._oldest:
            raise Compacted(rev, self._oldest)
        first, end = key_range(prefix, after_key)
        start, stop = bisect_left(self._keys, first), bisect_left(self._keys, end)
        entries: list[Entry] = []
        for index in range(start, stop):
            key = self._keys[index]
            entry = self._at(key, rev) if rev else self._current.get(key)
            if entry is not None:
                if limit and len(entries) == limit:
                    return Page(entries, rev or self._rev, True)
                entries.append(entry)
        return Page(entries, rev or self._rev, False)

    async def create(self, key: str, value: bytes, *, ttl: int = 0) -> Entry:
        """See `Store.create`."""
        self._check_open()
        check_write(key, value, ttl)
        if key in self._current:
            raise Exists(key)
        return self._put(key, value, None, ttl)

    async def update(self, key: str, value: bytes, *, at: int, ttl: int = 0) -> Entry:
        """See `Store.update`."""
        self._check_open()
        check_write(key, value, ttl)
        old = self._existing(key)
        if old.rev != at:
            raise Conflict(key, old)
        return self._put(key, value, old, ttl)

    async def delete(self, key: str, *, at: int = 0) -> Entry:
        """See `Store.delete`."""
        self._check_open()
        old = self._existing(key)
        if at and old.rev != at:
            raise Conflict(key, old)
        self._write(key, None, old)
        return Entry(key, old.value, self._rev)

    def watch(self, prefix: str, *, after: int) -> AbstractAsyncContextManager[Watch]:
        """See `Store.watch`."""
        key_range(prefix, "")
        return self._feed.watch(prefix, after)

    async def compact(self, rev: int) -> None:
        """See `Store.compact`."""
        self._check_open()
        if rev > self._rev:
            raise FutureRevision(rev, self._rev)
        if rev <= self._oldest:
            return
        forgotten = self._log[: rev - self._oldest]
        del self._log[: rev - self._oldest]
        self._oldest = rev
        for key in {change.key for change in forgotten}:
            writes = self._writes[key]
            newest = bisect_right(writes, rev, key=_revision) - 1
            # The newest write before `rev` is still the state there, unless it is a deletion.
            del writes[: newest if writes[newest][1] is not None else newest + 1]
            if not writes:
                del self._writes[key]
                del self._keys[bisect_left(self._keys, key)]

    async def close(self) -> None:
        """See `Store.close`; closing twice is harmless."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._feed.close(Unavailable("the store is closed"))

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")

    def _existing(self, key: str) -> Entry:
        entry = self._current.get(check_key(key))
        if entry is None:
            raise NotFound(key)
        return entry

    def _at(self, key: str, rev: int) -> Entry | None:
        writes = self._writes[key]
        index = bisect_right(writes, rev, key=_revision)
        return writes[index - 1][1] if index else None

    def _put(self, key: str, value: bytes, old: Entry | None, ttl: int) -> Entry:
        entry = Entry(key, value, self._rev + 1)
        self._write(key, entry, old)
        if ttl:
            heapq.heappush(self._deadlines, (self._clock.monotonic() + ttl, key, entry.rev))
            if self._deadlines[0][1:] == (key, entry.rev):
                self._set_timer()
        return entry

    def _write(self, key: str, new: Entry | None, old: Entry | None) -> None:
        self._rev += 1
        if new is None:
            del self._current[key]
        else:
            self._current[key] = new
        if key not in self._writes:
            insort(self._keys, key)
            self._writes[key] = []
        self._writes[key].append((self._rev, new))
        change = Change(self._rev, key, new, old)
        self._log.append(change)
        self._feed.publish((change,))

    async def _history(self, prefix: str, after: int, up_to: int) -> tuple[Sequence[Change], int]:
        if after < self._oldest:
            raise Compacted(after, self._oldest)
        up_to = min(up_to, after + _HISTORY_BATCH)
        await self._clock.sleep(0)
        if after < self._oldest:
            raise Compacted(after, self._oldest)
        part: builtins.list[Change] = self._log[after - self._oldest : up_to - self._oldest]
        return [change for change in part if change.key.startswith(prefix)], up_to

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._deadlines:
            self._timer = self._clock.call_later(self._deadlines[0][0] - self._clock.monotonic(), self._expire)

    def _expire(self) -> None:
        now = self._clock.monotonic() + _SLACK
        while self._deadlines and self._deadlines[0][0] <= now:
            _, key, rev = heapq.heappop(self._deadlines)
            entry = self._current.get(key)
            if entry is not None and entry.rev == rev:
                self._write(key, None, entry)
        self._set_timer()
