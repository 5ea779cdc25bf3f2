"""Group commit: writes that wait together are appended together and made durable by one sync, then acknowledged."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ..daemon.clock import Clock
from .base import Change, Conflict, Entry, NotFound, Unavailable
from .sqlite_file import connect
from .sqlite_log import Log, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

# A group is bounded because appending it holds up the event loop.
_MAX_GROUP = 128
_MAX_GROUP_BYTES = 4 << 20
# The write-ahead file is copied into the database when it holds about so much. SQLite counts pages, we count writes.
_CHECKPOINT_BYTES = 16 << 20
_LONG_FRAMES = 8000
_ROW_BYTES = 6000
# A sync after writing inside that file takes half as long as after growing it, so once there is some work the file is
# grown ahead of need.
_GROW_AFTER = 512 << 10
_GROWN_BYTES = 32 << 20
_GROW_STEP = 2 << 20
_PURGE_PAUSE = 0.002

_Pending = tuple[Write, "asyncio.Future[Entry] | None"]


# Called with the writes of a group and what they changed, before any of them is acknowledged.
Publish = Callable[[Sequence[Write], Sequence[Change]], None]


class Writer:
    """Lives on the event loop, with one thread that does nothing but sync.

    Statements run on the loop itself: in a thread each of them would wait for the interpreter's lock while the loop is
    busy. One group is on its way at a time; whatever comes meanwhile is the next group, and a lone write goes at once.
    """

    def __init__(self, path: str, log: Log, clock: Clock, publish: Publish) -> None:
        self._path, self._log, self._clock, self._publish = path, log, clock, publish
        self._loop = asyncio.get_running_loop()
        self._pending: list[_Pending] = []
        self._scheduled = False
        self._syncing: tuple[list[_Pending], Sequence[Change]] | None = None
        self._paused = False
        self._failed: Unavailable | None = None
        self._idle: asyncio.Future[None] | None = None
        self._written = 0
        self._grown = False
        self._upkeep: asyncio.Task[None] | None = None
        self._purging: asyncio.Task[None] | None = None
        self._stopping = False
        # A thread of its own: writes may be waiting for it.
        self._helper = ThreadPoolExecutor(1, "store-upkeep")
        self._orders: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._sync_forever, name="store-sync", daemon=True)
        self._thread.start()

    async def write(self, write: Write) -> Entry:
        """Returns when the write is durable. Raises its StoreError, or Unavailable."""
        done: asyncio.Future[Entry] = self._loop.create_future()
        self._put((write, done))
        return await done

    async def write_all(self, writes: Sequence[Write]) -> None:
        """Queue writes whose outcomes nobody wants; returns when all are done. Raises Unavailable."""
        for write in writes[:-1]:
            self._put((write, None))
        with suppress(NotFound, Conflict):
            await self.write(writes[-1])

    def check(self) -> None:
        """Raise Unavailable if the file can no longer be trusted."""
        if self._failed is not None:
            raise self._failed

    def purge(self) -> None:
        """Delete forgotten history in the background, in small steps."""
        if self._purging is None or self._purging.done():
            self._purging = asyncio.create_task(self._purge(), name="store-purge")

    async def close(self) -> None:
        """Finish the writes that were begun and end the background work."""
        while self._pending or self._syncing:
            self._idle = self._loop.create_future()
            await self._idle
        self._stopping = True
        if self._purging is not None:
            self._purging.cancel()
            with suppress(asyncio.CancelledError):
                await self._purging
        if self._upkeep is not None:
            # Not cancelled: its thread works on the file.
            await self._upkeep
        self._orders.put(False)
        self._thread.join()
        self._helper.shutdown()

    def _put(self, item: _Pending) -> None:
        self._pending.append(item)
        if not self._scheduled and self._syncing is None:
            # Whatever else this turn of the loop brings goes into the same group.
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        while self._pending and not self._syncing and not self._paused:
            group = self._take_group()
            try:
                self.check()
                changes = self._log.append([write for write, _ in group])
            except (sqlite3.Error, Unavailable) as error:
                _refuse(group, Unavailable(f"the store cannot write: {error}"))
                continue
            if changes:
                self._syncing = group, changes
                self._orders.put(True)
                self._count(changes)
            else:
                self._acknowledge(group, changes)
        if self._idle is not None and not self._idle.done() and not self._syncing and not self._pending:
            self._idle.set_result(None)

    def _take_group(self) -> list[_Pending]:
        size = count = 0
        for write, _ in self._pending:
            size += len(write.value or b"")
            if count == _MAX_GROUP or (count and size > _MAX_GROUP_BYTES):
                break
            count += 1
        group, self._pending = self._pending[:count], self._pending[count:]
        return group

    def _synced(self, error: OSError | None) -> None:
        assert self._syncing is not None
        (group, changes), self._syncing = self._syncing, None
        if error is None:
            self._acknowledge(group, changes)
        else:
            # What a failed sync left on the disk is unknown, and a second one may lie. Only opening the file again
            # tells what is in it.
            self._failed = Unavailable(f"the store must be opened again: {error}")
            _refuse(group, self._failed)
        self._flush()

    def _acknowledge(self, group: list[_Pending], changes: Sequence[Change]) -> None:
        # Watches first: whoever is told of its write may rely on revisions and progress marks to cover it.
        self._publish([write for write, _ in group], changes)
        for write, done in group:
            if done is None or done.done():
                continue
            if isinstance(write.outcome, Entry):
                done.set_result(write.outcome)
            else:
                assert write.outcome is not None
                done.set_exception(write.outcome)

    def _sync_forever(self) -> None:
        while self._orders.get():
            error = None
            try:
                self._log.sync()
            except OSError as raised:
                error = raised
            try:
                self._loop.call_soon_threadsafe(self._synced, error)
            except RuntimeError:
                return  # the event loop has been closed: nobody waits any more

    def _count(self, changes: Sequence[Change]) -> None:
        self._written += sum(_ROW_BYTES + len(change.new.value if change.new else b"") for change in changes)
        if self._written > (_CHECKPOINT_BYTES if self._grown else _GROW_AFTER) and (
            self._upkeep is None or self._upkeep.done()
        ):
            self._written = 0
            self._upkeep = asyncio.create_task(self._checkpoint() if self._grown else self._grow(), name="store-upkeep")

    @contextmanager
    def _pause(self) -> Iterator[None]:
        """Let writes wait."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False
            self._flush()

    async def _grow(self) -> None:
        self._grown = True
        growing = True
        try:
            while growing and not self._stopping:
                with self._pause():
                    growing = await self._loop.run_in_executor(self._helper, self._log.grow, _GROW_STEP, _GROWN_BYTES)
        except OSError:
            pass  # a full disk, say: then without

    async def _checkpoint(self) -> None:
        database = connect(self._path, "synchronous=NORMAL", "wal_autocheckpoint=0")
        try:
            # A write that finds the whole log copied starts it anew. Under load there is always a rest: the log may
            # then grow to twice its usual size before writes have to wait until that is copied too.
            for _ in range(3):
                frames, copied = await self._loop.run_in_executor(self._helper, _copy, database)
                if frames - copied < 250:
                    break
            if frames > _LONG_FRAMES:
                with self._pause():
                    await self._loop.run_in_executor(self._helper, _copy, database)
        except sqlite3.Error:
            pass  # tried again after the next 16 MiB
        finally:
            database.close()

    async def _purge(self) -> None:
        try:
            while self._paused or self._log.purge():
                await self._clock.sleep(_PURGE_PAUSE)
        except sqlite3.Error:
            pass  # a full disk, say: history stays a little longer, the next compaction goes on


def _copy(database: sqlite3.Connection) -> tuple[int, int]:
    _, frames, copied = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return frames, copied


def _refuse(group: list[_Pending], error: Unavailable) -> None:
    for _, done in group:
        if done is not None and not done.done():
            done.set_exception(error)
