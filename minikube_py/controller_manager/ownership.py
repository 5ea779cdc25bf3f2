"""Who owns whom: a graph of objects by their owner references, and what is to become of one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from minikube_py.api.meta import Object
from minikube_py.api.resources import Resource

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

Policy = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True, slots=True)
class Item:
    """What the graph keeps of an object. `owners` are its owner references as they are."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    revision: str
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    owners: tuple[Object, ...] = field(default=(), hash=False)

    @classmethod
    def of(cls, resource: Resource, obj: Object) -> Item:
        """The projection of an object in JSON form."""
        metadata = obj["metadata"]
        return cls(
            resource,
            metadata.get("namespace") or "",
            metadata["name"],
            metadata["uid"],
            metadata["resourceVersion"],
            bool(metadata.get("deletionTimestamp")),
            tuple(metadata.get("finalizers") or ()),
            tuple(metadata.get("ownerReferences") or ()),
        )

    @property
    def removes_dependents_first(self) -> bool:
        """Whether it is being deleted in the foreground."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        """Whether it is being deleted and its dependents are to stay."""
        return self.deleting and ORPHAN in self.finalizers


class Graph:
    """Items by uid, and the dependents of every uid that is named as an owner, known or not."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._dependents: dict[str, set[str]] = {}

    def get(self, uid: str) -> Item | None:
        """The item, if it is known."""
        return self._items.get(uid)

    def dependents(self, uid: str) -> list[Item]:
        """The items that name `uid` as an owner, in the order of their uids."""
        return [self._items[d] for d in sorted(self._dependents.get(uid, ()))]

    def put(self, item: Item) -> None:
        """An item came or changed."""
        self.remove(item.uid)
        self._items[item.uid] = item
        for owner in item.owners:
            self._dependents.setdefault(owner["uid"], set()).add(item.uid)

    def remove(self, uid: str) -> None:
        """An item went. Those that name it still do."""
        item = self._items.pop(uid, None)
        for owner in item.owners if item is not None else ():
            found = self._dependents[owner["uid"]]
            found.discard(uid)
            if not found:
                del self._dependents[owner["uid"]]

    def blockers(self, uid: str) -> list[Item]:
        """The dependents that its foreground deletion must wait for."""

        def blocks(item: Item) -> bool:
            return any(o["uid"] == uid and o.get("blockOwnerDeletion") for o in item.owners)

        return [d for d in self.dependents(uid) if blocks(d)]


class Owner(Enum):
    """What an owner reference points to."""

    SOLID = "there"
    WAITING = "there, and waiting for its dependents to go"
    DANGLING = "gone"


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the item."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class Unlink:
    """Take away the references that hold it no more; these stay."""

    keep: tuple[Object, ...]


def plan(item: Item, owners: Sequence[tuple[Object, Owner]], dependents: Iterable[Item]) -> Delete | Unlink | None:
    """What is to become of an item, by upstream's rule; `owners` are its references with what they point to.

    One owner that is there keeps it. Else it goes: in the foreground when an owner waits for it and it has dependents
    of its own, otherwise as its finalizers ask, by default in the background.
    """
    if item.deleting or not owners:
        return None
    solid = tuple(ref for ref, state in owners if state is Owner.SOLID)
    if solid:
        return Unlink(solid) if len(solid) < len(owners) else None
    if any(state is Owner.WAITING for _, state in owners) and any(True for _ in dependents):
        return Delete("Foreground")
    if ORPHAN in item.finalizers:
        return Delete("Orphan")
    return Delete("Foreground" if FOREGROUND in item.finalizers else "Background")


def without_owner(item: Item, uid: str) -> list[Any]:
    """The owner references of an item that do not name `uid`."""
    return [o for o in item.owners if o["uid"] != uid]
