"""Encryption at rest: which resources are kept encrypted, with which keys, and a store that does it on the way."""

from __future__ import annotations

from minikube_py.apiserver.encryption.config import load
from minikube_py.apiserver.encryption.providers import Keeper
from minikube_py.apiserver.encryption.store import EncryptedStore
from minikube_py.apiserver.storage import ROOT
from minikube_py.store.base import Store

__all__ = ["EncryptedStore", "encrypted"]


def encrypted(store: Store, path: str, core: frozenset[str]) -> EncryptedStore:
    """The store behind the configuration in `path`; `core` are the plurals of the core group, which has no name.

    Raises ValueError for a file that is wrong, OSError.
    """
    choose = load(path)
    keepers: dict[str, Keeper | None] = {}

    def keeper_of(key: str) -> Keeper | None:
        first, _, rest = key.removeprefix(ROOT).partition("/")
        if first in core:
            group, plural = "", first
        else:
            group, plural = first, rest.partition("/")[0]
        resource = f"{plural}.{group}"
        if resource not in keepers:
            keepers[resource] = choose(group, plural)
        return keepers[resource]

    return EncryptedStore(store, keeper_of)
