"""The SQLite file: its schema, how it is made, recognised and locked, and connections to it."""

from __future__ import annotations

import fcntl
import os
import sqlite3

from .base import Unavailable

# In the file's header; tells our files from every other SQLite database ("mkpy" in ASCII).
APPLICATION_ID = 0x6D6B7079
SCHEMA_VERSION = 1
_MAGIC = b"SQLite format 3\0"

# One row per write, never changed but for its deadline. A row without a value is a deletion. `prev` is the write
# that this one replaced (0: the key did not exist); `deadline` is when the store deletes the key, in milliseconds of
# wall time. The value comes last: columns behind a long value cost a walk over its overflow pages.
# An index on `key` is one on (key, rev), for rev is the row id. `meta` has:
#   compacted  history before this revision is forgotten    purged  ... and its rows are deleted up to this one
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE log (
    rev INTEGER PRIMARY KEY, key TEXT NOT NULL, prev INTEGER NOT NULL, deadline INTEGER, value BLOB
);
CREATE INDEX log_key ON log (key);
CREATE INDEX log_deadline ON log (deadline) WHERE deadline IS NOT NULL;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('compacted', 1), ('purged', 1);
"""


class Lock:
    """The right to be the one server of a database file, held until `release` or the end of the process."""

    def __init__(self, path: str) -> None:
        """Raises Unavailable when another server has it. `path` is afterwards free of symbolic links."""
        self.path = os.path.realpath(path)
        # A file of its own: closing any descriptor of the database itself would drop SQLite's POSIX locks on it.
        self._fd = os.open(self.path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise Unavailable(f"{path} is in use by another server") from None

    def release(self) -> None:
        os.close(self._fd)


def prepare(path: str) -> Lock:
    """Lock the database at `path` and make it if there is none.

    Raises Unavailable, and changes nothing, when the file is something else, of a newer schema or in use.
    """
    try:
        _recognise(path)
        lock = Lock(path)
        try:
            if not _recognise(path):
                _make(lock.path)
        except BaseException:
            lock.release()
            raise
        return lock
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"cannot open {path}: {error}") from error


def connect(path: str, *pragmas: str) -> sqlite3.Connection:
    """A connection in autocommit mode that any one thread at a time may use."""
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False, cached_statements=256)
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _recognise(path: str) -> bool:
    """Whether `path` has our database; False when it is missing or empty."""
    try:
        with open(path, "rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        return False
    if not header:
        return False
    if not header.startswith(_MAGIC) or len(header) < 100:
        raise Unavailable(f"{path} is not a database of this program; it is left as it is")
    version, application = (int.from_bytes(header[at : at + 4], "big") for at in (60, 68))
    if application != APPLICATION_ID:
        raise Unavailable(f"{path} is a database of another program; it is left as it is")
    if version > SCHEMA_VERSION:
        raise Unavailable(
            f"{path} has schema version {version}, this program knows versions up to {SCHEMA_VERSION}: "
            "use the program that wrote it"
        )
    return True


def _make(path: str) -> None:
    """Make the database under another name and rename it, so that no crash leaves half of one."""
    unfinished = path + ".new"
    for leftover in (unfinished, unfinished + "-journal", unfinished + "-wal", unfinished + "-shm"):
        if os.path.exists(leftover):
            os.unlink(leftover)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        connection.executescript(_SCHEMA)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    finally:
        connection.close()
    os.rename(unfinished, path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
