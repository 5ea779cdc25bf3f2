"""Opens the store that the configuration names; a driver is imported only when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..daemon.clock import Clock
from .base import Store

Backend = Literal["sqlite", "memory", "etcd3"]


@dataclass(frozen=True)
class TLSFiles:
    """Paths of PEM files for etcd's connections; empty means none (plain text when all are empty)."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


async def open_store(
    backend: Backend,
    *,
    clock: Clock,
    path: str = "",
    servers: Sequence[str] = (),
    prefix: str = "",
    tls: TLSFiles | None = None,
) -> Store:
    """The opened store of a backend.

    `path` is the database file of "sqlite" (made when missing). `servers` are the URLs of "etcd3"'s endpoints
    (`http://` or `https://`), `prefix` is put before each key there, `tls` names its files.
    Raises ValueError for options that do not fit, Unavailable when the store cannot be opened.
    """
    if backend != "sqlite" and path:
        raise ValueError(f"the {backend} store has no path")
    if backend != "etcd3" and (servers or prefix or tls):
        raise ValueError(f"servers, prefix and tls are for etcd3, not for {backend}")
    if backend == "memory":
        from .memory import MemoryStore

        return MemoryStore(clock)
    if backend == "sqlite":
        if not path:
            raise ValueError("the sqlite store needs a path")
        from .sqlite import open_sqlite

        return await open_sqlite(path, clock)
    if backend == "etcd3":
        if not servers:
            raise ValueError("the etcd3 store needs at least one server")
        from .etcd import open_etcd

        return await open_etcd(servers, clock, prefix=prefix, tls=tls)
    raise ValueError(f"unknown storage backend {backend!r}: use sqlite, memory or etcd3")
