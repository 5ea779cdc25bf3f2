"""The store in one SQLite file: an append-only log of writes, for one API server."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar

from ..daemon.clock import Clock, Handle
from .base import Change, Compacted, Entry, FutureRevision, NotFound, Page, Unavailable, Watch
from .feed import Feed
from .keys import check_key, check_write, key_range
from .sqlite_file import Lock, connect, prepare
from .sqlite_log import Log, Write
from .sqlite_read import read_history, read_list
from .sqlite_writer import Writer

T = TypeVar("T")

_READERS = 2
_EXPIRE_BATCH = 64
_EXPIRE_RETRY_MS = 10_000
# How long a thread waits before it asks the running one for the interpreter's lock. Python's 5 ms would be added twice
# to each write while the event loop is busy.
_SWITCH_SECONDS = 0.0001

_GET = "SELECT key, value, rev FROM log WHERE key = ? AND rev <= ? ORDER BY rev DESC LIMIT 1"


async def open_sqlite(path: str, clock: Clock) -> SqliteStore:
    """The store in the file `path`, made when missing; its directory must exist.

    Raises Unavailable when the file is in use, of a newer schema, or no store. Lowers the process' switch interval.
    """
    lock = await asyncio.to_thread(prepare, path)
    try:
        store = SqliteStore(lock, clock)
    except BaseException as error:
        lock.release()
        if isinstance(error, sqlite3.Error | KeyError | OSError):
            raise Unavailable(f"cannot open {path}: {error}") from error
        raise
    if sys.getswitchinterval() > _SWITCH_SECONDS:
        sys.setswitchinterval(_SWITCH_SECONDS)
    return store


class SqliteStore:
    """See `base.Store`. Made by `open_sqlite`. An empty store is at revision 1, as etcd's is."""

    def __init__(self, lock: Lock, clock: Clock) -> None:
        self._lock, self._clock = lock, clock
        self._loop = asyncio.get_running_loop()
        self._log = Log(lock.path)
        # What is visible is what has been published, so gets, lists and watches never disagree.
        self._feed = Feed(self._log.rev, self._history)
        self._writer = Writer(lock.path, self._log, clock, self._publish)
        self._reader = connect(lock.path, "query_only=ON")
        self._idle_readers: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(_READERS, "store-reader")
        self._closing: asyncio.Task[None] | None = None
        self._timer: Handle | None = None
        self._timer_at: int | None = None
        self._expiring: asyncio.Task[None] | None = None
        self._set_timer(self._log.next_deadline())
        self._writer.purge()

    async def revision(self) -> int:
        """See `Store.revision`."""
        self._check_open()
        return self._feed.rev

    async def get(self, key: str) -> Entry:
        """See `Store.get`. Read on the event loop: a jump to a thread would cost many times as much."""
        self._check_open()
        try:
            row = self._reader.execute(_GET, (check_key(key), self._feed.rev)).fetchone()
        except sqlite3.Error as error:
            raise Unavailable(f"the store cannot read: {error}") from error
        if row is None or row[1] is None:
            raise NotFound(key)
        return Entry._make(row)

    async def list(self, prefix: str, *, after_key: str = "", limit: int = 0, rev: int = 0) -> Page:
        """See `Store.list`."""
        self._check_open()
        first, end = key_range(prefix, after_key)
        while True:
            at = rev or self._feed.rev
            if at > self._feed.rev:
                raise FutureRevision(rev, self._feed.rev)
            entries, more = await self._read(read_list, first, end, at, limit)
            # Rows are deleted only after `oldest` has been moved: looking at it afterwards is enough.
            if at >= self._log.oldest:
                return Page(entries, at, more)
            if rev:
                raise Compacted(rev, self._log.oldest)

    async def create(self, key: str, value: bytes, *, ttl: int = 0) -> Entry:
        """See `Store.create`."""
        return await self._put(key, value, ttl, create=True)

    async def update(self, key: str, value: bytes, *, at: int, ttl: int = 0) -> Entry:
        """See `Store.update`."""
        return await self._put(key, value, ttl, at=at)

    async def delete(self, key: str, *, at: int = 0) -> Entry:
        """See `Store.delete`."""
        self._check_open()
        return await self._writer.write(Write(check_key(key), None, at=at))

    def watch(self, prefix: str, *, after: int) -> AbstractAsyncContextManager[Watch]:
        """See `Store.watch`."""
        key_range(prefix, "")
        return self._feed.watch(prefix, after)

    async def compact(self, rev: int) -> None:
        """See `Store.compact`."""
        self._check_open()
        if rev > self._feed.rev:
            raise FutureRevision(rev, self._feed.rev)
        try:
            self._log.compact(rev)
        except sqlite3.Error as error:
            raise Unavailable(f"the store cannot write: {error}") from error
        self._writer.purge()

    async def close(self) -> None:
        """See `Store.close`: finishes the writes that were begun. Closing twice is harmless."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="store-close")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._expiring is not None:
            self._expiring.cancel()
            with suppress(asyncio.CancelledError):
                await self._expiring
        await self._writer.close()
        await asyncio.to_thread(self._pool.shutdown)
        for connection in (self._reader, *self._idle_readers):
            connection.close()
        # The last connection copies the log into the database.
        await asyncio.to_thread(self._log.close)
        self._lock.release()
        self._feed.close(Unavailable("the store is closed"))

    def _check_open(self) -> None:
        if self._closing is not None:
            raise Unavailable("the store is closed")
        self._writer.check()

    async def _put(self, key: str, value: bytes, ttl: int, *, create: bool = False, at: int = 0) -> Entry:
        self._check_open()
        check_write(key, value, ttl)
        deadline = self._now() + ttl * 1000 if ttl else None
        return await self._writer.write(Write(key, value, create=create, at=at, deadline=deadline))

    def _publish(self, writes: Sequence[Write], changes: Sequence[Change]) -> None:
        self._feed.publish(changes)
        for write in writes:
            if write.deadline is not None:
                self._set_timer(write.deadline)

    async def _read(self, read: Callable[..., T], *args: object) -> T:
        def run() -> T:
            # Thread-safe: each list method is one step of the interpreter.
            reader = self._idle_readers.pop() if self._idle_readers else connect(self._lock.path, "query_only=ON")
            try:
                return read(reader, *args)
            finally:
                self._idle_readers.append(reader)

        try:
            return await self._loop.run_in_executor(self._pool, run)
        except sqlite3.Error as error:
            raise Unavailable(f"the store cannot read: {error}") from error

    async def _history(self, prefix: str, after: int, up_to: int) -> tuple[Sequence[Change], int]:
        self._check_open()
        changes, reached = await self._read(read_history, after, up_to, *key_range(prefix, ""))
        if after < self._log.oldest:
            raise Compacted(after, self._log.oldest)
        return changes, reached

    def _now(self) -> int:
        return int(self._clock.time() * 1000)

    def _set_timer(self, deadline: int | None) -> None:
        """See to it that `_due` runs at the deadline (ms) or before."""
        if deadline is None or self._closing is not None or (self._timer_at is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._clock.call_later(deadline / 1000 - self._clock.time(), self._due)

    def _due(self) -> None:
        self._timer = self._timer_at = None
        if self._closing is None and (self._expiring is None or self._expiring.done()):
            self._expiring = asyncio.create_task(self._expire(), name="store-expiry")

    async def _expire(self) -> None:
        # A timer may fire a rounding error early.
        now = self._now() + 1
        try:
            self._set_timer(self._log.next_deadline(after=now))
            while due := self._log.due(now, _EXPIRE_BATCH):
                await self._writer.write_all(due)
            # Timers that fired meanwhile found us busy.
            self._set_timer(self._log.next_deadline())
        except (sqlite3.Error, Unavailable):
            self._set_timer(now + _EXPIRE_RETRY_MS)
