"""Watches fed inside the process: history first, then every published write, in order, without a gap."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from .base import Change, StoreError, Unavailable

# (prefix, after, up_to) -> the next changes and the revision they reach; raises Compacted.
History = Callable[[str, int, int], Awaitable[tuple[Sequence[Change], int]]]

# A watch whose reader is so far behind goes back to reading history, so that it cannot eat all memory.
MAX_WAITING = 10_000


class Feed:
    """Hands each published write to the open watches. Lives on the event loop; `rev` is the revision published."""

    def __init__(
        self,
        rev: int,
        history: History,
        *,
        confirm: Callable[[], Awaitable[None]] | None = None,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """`confirm` returns when every write acknowledged before the call has been published; None: they all are."""
        self.rev = rev
        self._history = history
        self._confirm = confirm
        self._max_waiting = max_waiting
        self._live: dict[str, dict[FeedWatch, None]] = {}
        self._open: dict[FeedWatch, None] = {}
        self._closed: Unavailable | None = None

    def publish(self, changes: Sequence[Change], rev: int = 0) -> None:
        """Deliver writes in revision order, newer than all before, which reach `rev` (0: the last of them)."""
        for prefix, watches in list(self._live.items()):
            matching = [change for change in changes if change.key.startswith(prefix)] if prefix else changes
            if matching:
                for watch in list(watches):
                    watch._push(matching)
        self.rev = rev or (changes[-1].rev if changes else self.rev)

    @asynccontextmanager
    async def watch(self, prefix: str, after: int) -> AsyncIterator[FeedWatch]:
        """See `Store.watch`. Revision 1 is the empty store, so nothing was written before it."""
        if self._closed:
            raise self._closed
        watch = FeedWatch(self, prefix, max(after, 1))
        self._open[watch] = None
        try:
            await watch._catch_up()
            yield watch
        finally:
            self._open.pop(watch, None)
            self._detach(watch)

    def close(self, reason: Unavailable) -> None:
        """Every open and later watch raises `reason` (open ones after what they already hold)."""
        self._closed = reason
        self.reset(self.rev, reason)

    def reset(self, rev: int, reason: StoreError) -> None:
        """Changes were missed: every open watch raises `reason`, after what it holds; go on at `rev`."""
        for watch in self._open:
            watch._end(reason)
        self._live.clear()
        self.rev = rev

    @property
    def open_watches(self) -> int:
        """How many watches are open."""
        return len(self._open)

    def _attach(self, watch: FeedWatch) -> None:
        self._live.setdefault(watch.prefix, {})[watch] = None

    def _detach(self, watch: FeedWatch) -> None:
        watches = self._live.get(watch.prefix)
        if watches is not None and watches.pop(watch, watch) is None and not watches:
            del self._live[watch.prefix]


class FeedWatch:
    """One watch: either behind (it reads history from `cursor` on) or live (it is pushed to)."""

    def __init__(self, feed: Feed, prefix: str, after: int) -> None:
        self.prefix = prefix
        self._feed = feed
        self._cursor = after
        self._live = False
        self._ready: deque[Change] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._marks = 0
        self._ended: StoreError | None = None

    def __aiter__(self) -> FeedWatch:
        return self

    async def __anext__(self) -> Change:
        while not self._ready:
            if self._ended:
                raise self._ended
            if not self._live:
                await self._catch_up()
                continue
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._ready.popleft()

    async def request_progress(self) -> None:
        """See `Watch.request_progress`; a watch that is behind marks its progress when it has caught up."""
        if self._feed._confirm is not None:
            await self._feed._confirm()
        if self._ended:
            raise self._ended
        self._marks += 1
        if self._live:
            self._mark()

    async def _catch_up(self) -> None:
        """Read one batch of history, or go live when there is none left. No await between that test and going live."""
        feed = self._feed
        if self._cursor < feed.rev:
            changes, self._cursor = await feed._history(self.prefix, self._cursor, feed.rev)
            self._ready.extend(changes)
        if self._cursor >= feed.rev and not self._ended:
            self._live = True
            feed._attach(self)
            self._mark()

    def _mark(self) -> None:
        if self._marks:
            self._ready.extend([Change(self._feed.rev, "", None, None)] * self._marks)
            self._marks = 0
            self._wake()

    def _push(self, changes: Sequence[Change]) -> None:
        if changes[0].rev <= self._cursor:
            # Only a watch from a future revision gets here: what it did not ask for is skipped.
            changes = [change for change in changes if change.rev > self._cursor]
            if not changes:
                return
        if len(self._ready) + len(changes) > self._max_waiting:
            self._cursor = max(self._cursor, changes[0].rev - 1)
            self._live = False
            self._feed._detach(self)
        else:
            self._ready.extend(changes)
        self._wake()

    def _end(self, reason: StoreError) -> None:
        self._ended = reason
        self._live = False
        self._wake()

    @property
    def _max_waiting(self) -> int:
        return self._feed._max_waiting

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
