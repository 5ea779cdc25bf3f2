"""The log in the SQLite file, as its one writing connection sees it: plain statements, nothing asynchronous."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

import orjson

from .base import Change, Conflict, Entry, Exists, NotFound, StoreError
from .sqlite_file import connect

_NEWEST_OF_ONE = "SELECT key, value, rev FROM log WHERE key = ? ORDER BY rev DESC LIMIT 1"
_NEWEST = """
SELECT log.key, log.value, log.rev FROM json_each(?) AS asked
CROSS JOIN log ON log.rev = (SELECT MAX(rev) FROM log WHERE key = asked.value)
"""
_INSERT = "INSERT INTO log (rev, key, prev, deadline, value) VALUES "
# Small, because it runs on the event loop.
_PURGE_BATCH = 32

Row = tuple[int, str, int, int | None, bytes | None]


class Write:
    """One requested write and, after `plan`, its outcome. A delete has no value; `at` 0 stands for any revision."""

    __slots__ = ("at", "create", "deadline", "expiry", "key", "outcome", "value")

    def __init__(
        self,
        key: str,
        value: bytes | None,
        *,
        create: bool = False,
        at: int = 0,
        deadline: int | None = None,
        expiry: bool = False,
    ) -> None:
        self.key, self.value, self.at, self.create = key, value, at, create
        # `deadline` in ms of wall time; `expiry`: the store itself deletes revision `at`, whose deadline has come.
        self.deadline, self.expiry = deadline, expiry
        self.outcome: Entry | StoreError | None = None


def plan(writes: Sequence[Write], current: dict[str, Entry], rev: int) -> tuple[list[Row], list[Change]]:
    """Decide a group: sets each write's outcome, brings `current` up to date, returns rows and changes after `rev`.

    `current` has the existing entries of all keys that the group names. A write sees those before it in its group.
    """
    rows: list[Row] = []
    changes: list[Change] = []
    for write in writes:
        key, value = write.key, write.value
        old = current.get(key)
        if write.create:
            if old is not None:
                write.outcome = Exists(key)
                continue
        elif old is None:
            write.outcome = NotFound(key)
            continue
        elif old.rev != write.at and (write.at or value is not None):
            write.outcome = Conflict(key, old)
            continue
        rev += 1
        rows.append((rev, key, old.rev if old else 0, write.deadline, value))
        if value is None:
            assert old is not None
            del current[key]
            write.outcome = Entry(key, old.value, rev)
            changes.append(Change(rev, key, None, old))
        else:
            write.outcome = current[key] = new = Entry(key, value, rev)
            changes.append(Change(rev, key, new, old))
    return rows, changes


class Log:
    """Appends to the log and forgets its beginning. Every method may raise sqlite3.Error, having changed nothing."""

    def __init__(self, path: str) -> None:
        # NORMAL leaves the sync after each commit to us (`sync`), so that it can happen in a thread; SQLite itself
        # still syncs where its file needs it: when it begins the write-ahead file anew and around checkpoints.
        self._db = connect(path, "synchronous=NORMAL", "wal_autocheckpoint=0", "journal_size_limit=67108864")
        try:
            meta = dict(self._db.execute("SELECT name, value FROM meta").fetchall())
            self.oldest: int = meta["compacted"]
            self._purged: int = meta["purged"]
            # Compaction may have deleted the newest row, if that was a deletion.
            self.rev: int = max(self.oldest, self._db.execute("SELECT MAX(rev) FROM log").fetchone()[0] or 0)
            self._wal = os.open(path + "-wal", os.O_RDWR | os.O_CLOEXEC)
        except BaseException:
            self._db.close()
            raise

    def append(self, writes: Sequence[Write]) -> list[Change]:
        """Decide the writes and append what they change, all in one transaction. Not durable until `sync`."""
        rows, changes = plan(writes, self._newest({write.key for write in writes}), self.rev)
        due = [write.at for write in writes if write.expiry]
        if len(rows) == 1 and not due:
            self._db.execute(_INSERT + "(?,?,?,?,?)", rows[0])
        elif rows or due:
            self._transact(rows, due)
        self.rev += len(rows)
        return changes

    def sync(self) -> None:
        """Make all that was appended durable. Blocks; safe in a thread. Raises OSError."""
        os.fdatasync(self._wal)

    def grow(self, step: int, to_size: int) -> bool:
        """Write up to `step` zeros at the end of the write-ahead file; False when it has `to_size` bytes.

        Nothing may be appended meanwhile. SQLite takes zeros for the end of the log.
        """
        size = os.fstat(self._wal).st_size
        if size < to_size:
            os.pwrite(self._wal, bytes(min(step, to_size - size)), size)
        return size < to_size

    def due(self, now: int, limit: int) -> list[Write]:
        """The deletions to do for deadlines up to `now` (ms of wall time), the oldest first."""
        query = "SELECT key, rev FROM log WHERE deadline <= ? ORDER BY deadline LIMIT ?"
        return [Write(key, None, at=rev, expiry=True) for key, rev in self._db.execute(query, (now, limit)).fetchall()]

    def next_deadline(self, after: int = 0) -> int | None:
        """The earliest deadline greater than `after`, in ms; it may belong to a write that has been replaced since."""
        query = "SELECT MIN(deadline) FROM log WHERE deadline > ?"
        return self._db.execute(query, (after,)).fetchone()[0]  # type: ignore[no-any-return]

    def compact(self, rev: int) -> None:
        """Forget history before `rev`. Its rows go with calls of `purge`."""
        if rev > self.oldest:
            self._db.execute("UPDATE meta SET value = ? WHERE name = 'compacted'", (rev,))
            self.oldest = rev

    def purge(self) -> bool:
        """Delete some rows of forgotten history; False when there was nothing left to do.

        Goes once through the forgotten writes: each one's predecessor is no longer needed, nor is a deletion itself.
        """
        if self._purged >= self.oldest:
            return False
        batch = (self._purged, min(self._purged + _PURGE_BATCH, self.oldest))
        self._begin()
        try:
            self._db.execute(
                "DELETE FROM log WHERE rev IN (SELECT prev FROM log WHERE rev > ? AND rev <= ? AND prev > 0)", batch
            )
            self._db.execute("DELETE FROM log WHERE rev > ? AND rev <= ? AND value IS NULL", batch)
            self._db.execute("UPDATE meta SET value = ? WHERE name = 'purged'", batch[1:])
            self._db.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise
        self._purged = batch[1]
        return True

    def close(self) -> None:
        self._db.close()
        os.close(self._wal)

    def _newest(self, keys: set[str]) -> dict[str, Entry]:
        if len(keys) == 1:
            found = self._db.execute(_NEWEST_OF_ONE, tuple(keys)).fetchall()
        else:
            found = self._db.execute(_NEWEST, (orjson.dumps(list(keys)).decode(),)).fetchall()
        return {row[0]: Entry._make(row) for row in found if row[1] is not None}

    def _transact(self, rows: list[Row], due: list[int]) -> None:
        self._begin()
        try:
            start = 0
            while start < len(rows):
                # Powers of two, so that a few prepared statements serve every size.
                size = 1 << (len(rows) - start).bit_length() - 1
                values = [column for row in rows[start : start + size] for column in row]
                self._db.execute(_INSERT + ",".join(["(?,?,?,?,?)"] * size), values)
                start += size
            if due:
                # Also those of rows that have been replaced: a deadline is looked at once.
                query = "UPDATE log SET deadline = NULL WHERE rev IN (SELECT value FROM json_each(?))"
                self._db.execute(query, (orjson.dumps(due).decode(),))
            self._db.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise

    def _begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def _rollback(self) -> None:
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # SQLite has rolled back by itself, as it does after some I/O errors
