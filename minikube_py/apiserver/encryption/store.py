"""A store in front of another one: values of the configured resources are sealed on their way in, opened on it out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from minikube_py.apiserver.encryption.providers import Keeper, Unreadable
from minikube_py.store.base import Change, Conflict, Entry, Page, Store, TooLarge, Unavailable, Watch

KeeperOf = Callable[[str], Keeper | None]
"""The keeper of a store's key."""


class EncryptedStore:
    """Implements `Store`. What no key opens makes the operation fail as Unavailable: nothing is served in its place."""

    def __init__(self, inner: Store, keeper_of: KeeperOf) -> None:
        self._inner = inner
        self._keeper_of = keeper_of
        self._stale: set[str] = set()

    def stale(self, key: str) -> bool:
        """Whether the key's value is kept otherwise than it would be written today (a key was rotated)."""
        return key in self._stale

    async def revision(self) -> int:
        return await self._inner.revision()

    async def get(self, key: str) -> Entry:
        return self._open(await self._inner.get(key))

    async def list(self, prefix: str, *, after_key: str = "", limit: int = 0, rev: int = 0) -> Page:
        page = await self._inner.list(prefix, after_key=after_key, limit=limit, rev=rev)
        return page._replace(entries=[self._open(entry, note=not rev) for entry in page.entries])

    async def create(self, key: str, value: bytes, *, ttl: int = 0) -> Entry:
        try:
            entry = await self._inner.create(key, self._seal(key, value), ttl=ttl)
        except TooLarge:
            raise TooLarge(key, len(value)) from None
        return entry._replace(value=value)

    async def update(self, key: str, value: bytes, *, at: int, ttl: int = 0) -> Entry:
        try:
            entry = await self._inner.update(key, self._seal(key, value), at=at, ttl=ttl)
        except Conflict as lost:
            raise Conflict(key, self._open(lost.current)) from None
        except TooLarge:
            raise TooLarge(key, len(value)) from None
        self._stale.discard(key)
        return entry._replace(value=value)

    async def delete(self, key: str, *, at: int = 0) -> Entry:
        try:
            entry = await self._inner.delete(key, at=at)
        except Conflict as lost:
            raise Conflict(key, self._open(lost.current)) from None
        opened = self._open(entry, note=False)
        self._stale.discard(key)
        return opened

    def watch(self, prefix: str, *, after: int) -> AbstractAsyncContextManager[Watch]:
        return self._opened(self._inner.watch(prefix, after=after))

    @asynccontextmanager
    async def _opened(self, watch: AbstractAsyncContextManager[Watch]) -> AsyncIterator[Watch]:
        async with watch as changes:
            yield _Opened(changes, self)

    async def compact(self, rev: int) -> None:
        await self._inner.compact(rev)

    async def close(self) -> None:
        await self._inner.close()

    def change(self, change: Change) -> Change:
        """A change with its values opened."""
        if change.new is None and change.old is None:
            return change
        new = self._open(change.new) if change.new is not None else None
        old = self._open(change.old, note=False) if change.old is not None else None
        return change._replace(new=new, old=old)

    def _seal(self, key: str, value: bytes) -> bytes:
        keeper = self._keeper_of(key)
        return value if keeper is None else keeper.seal(key, value)

    def _open(self, entry: Entry, *, note: bool = True) -> Entry:
        keeper = self._keeper_of(entry.key)
        if keeper is None:
            return entry
        try:
            value, stale = keeper.open(entry.key, entry.value)
        except Unreadable as error:
            raise Unavailable(str(error)) from None
        if note:
            (self._stale.add if stale else self._stale.discard)(entry.key)
        return entry._replace(value=value)


class _Opened:
    """A watch whose changes are opened."""

    def __init__(self, inner: Watch, store: EncryptedStore) -> None:
        self._inner, self._store = inner, store

    async def __aiter__(self) -> AsyncIterator[Change]:
        async for change in self._inner:
            yield self._store.change(change)

    async def request_progress(self) -> None:
        await self._inner.request_progress()
