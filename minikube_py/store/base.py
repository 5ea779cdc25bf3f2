"""The one interface of the store: a log of writes in which every write gets the next revision.

    get(key) -> Entry                                     NotFound
    list(prefix, after_key, limit, rev) -> Page           Compacted, FutureRevision
    create(key, value, ttl) -> Entry                      Exists
    update(key, value, at=rev, ttl) -> Entry              NotFound, Conflict
    delete(key, at=rev|0) -> Entry                        NotFound, Conflict
    watch(prefix, after=rev) -> async with ... Change...  Compacted
    compact(rev)

Values are bytes; keys are ASCII text, ordered bytewise. A driver's own errors become these in its file;
anything else that goes wrong there is `Unavailable`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol


class StoreError(Exception):
    """The root of what a store raises."""


class NotFound(StoreError):
    def __init__(self, key: str) -> None:
        super().__init__(f"key {key!r} not found")
        self.key = key


class Exists(StoreError):
    def __init__(self, key: str) -> None:
        super().__init__(f"key {key!r} exists")
        self.key = key


class Conflict(StoreError):
    """The key's revision is not the one the caller named; `current` is what it is now."""

    def __init__(self, key: str, current: Entry) -> None:
        super().__init__(f"key {key!r} is at revision {current.rev}")
        self.key = key
        self.current = current


class Compacted(StoreError):
    """The asked revision is older than the history that is kept; `oldest` is the oldest still readable."""

    def __init__(self, rev: int, oldest: int) -> None:
        super().__init__(f"revision {rev} has been compacted, the oldest is {oldest}")
        self.rev, self.oldest = rev, oldest


class FutureRevision(StoreError):
    """The asked revision has not been written yet."""

    def __init__(self, rev: int, current: int) -> None:
        super().__init__(f"revision {rev} is in the future, the current one is {current}")
        self.rev, self.current = rev, current


class Unavailable(StoreError):
    """The store cannot answer now (closed, disk full, etcd away). Whether a write took effect is unknown."""


class TooLarge(StoreError):
    """The value is over what this store takes in one write; nothing was stored and trying again is of no use."""

    def __init__(self, key: str, size: int) -> None:
        super().__init__(f"the value of key {key!r}, {size} bytes, is larger than the store takes")
        self.key, self.size = key, size


class Entry(NamedTuple):
    """A key's value and the revision of the write that gave it that value."""

    key: str
    value: bytes
    rev: int


class Page(NamedTuple):
    """Entries in key order as they were at `rev`; `more` says that the limit cut the list."""

    entries: Sequence[Entry]
    rev: int
    more: bool


class Change(NamedTuple):
    """One write. create: old is None; delete: new is None. A progress mark has key "" and neither.

    A progress mark at `rev` says: every change up to `rev` has been delivered.
    """

    rev: int
    key: str
    new: Entry | None
    old: Entry | None


class Watch(Protocol):
    """An open watch: iterate it for changes, in order, each once, without gaps."""

    def __aiter__(self) -> AsyncIterator[Change]: ...

    async def request_progress(self) -> None:
        """Have a progress mark delivered, in order, at a revision not older than any write acknowledged before."""
        ...


class Store(Protocol):
    """See the module. Every method may raise Unavailable; writes are durable when they return."""

    async def revision(self) -> int:
        """The current revision: not older than any write acknowledged before the call."""
        ...

    async def get(self, key: str) -> Entry: ...

    async def list(self, prefix: str, *, after_key: str = "", limit: int = 0, rev: int = 0) -> Page:
        """Entries whose key starts with `prefix` and is greater than `after_key`; rev 0 means now, limit 0 all."""
        ...

    async def create(self, key: str, value: bytes, *, ttl: int = 0) -> Entry:
        """Store a new key; with `ttl` the store deletes it by itself that many seconds later (a normal deletion).

        Create and update raise TooLarge for a value over the store's limit.
        """
        ...

    async def update(self, key: str, value: bytes, *, at: int, ttl: int = 0) -> Entry:
        """Replace the value if the key is still at revision `at`; the TTL starts anew, 0 removes it."""
        ...

    async def delete(self, key: str, *, at: int = 0) -> Entry:
        """Remove the key (if still at `at`, unless 0). The entry returned has the last value and the new revision."""
        ...

    def watch(self, prefix: str, *, after: int) -> AbstractAsyncContextManager[Watch]:
        """Changes below `prefix` with a revision greater than `after`; history first, then live.

        Raises Compacted from the context manager's entry or from the iteration. A future `after` waits for it.
        """
        ...

    async def compact(self, rev: int) -> None:
        """Forget history before `rev`: the state at `rev` and later stays readable. Going back is a no-op."""
        ...

    async def close(self) -> None: ...
