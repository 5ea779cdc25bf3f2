"""Small questions and answers about an object's metadata and conditions, on JSON-form dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]


def key(obj: Mapping[str, Any]) -> str:
    """`namespace/name`, or `name` for an object without a namespace: how caches and queues name it."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    name: str = metadata["name"]
    return f"{namespace}/{name}" if namespace else name


def split_key(key: str) -> tuple[str, str]:
    """(namespace, name) of a key; the namespace is empty for a cluster-wide object. ValueError with two slashes."""
    namespace, slash, name = key.partition("/")
    if not slash:
        return "", key
    if "/" in name:
        raise ValueError(f"unexpected key format: {key!r}")
    return namespace, name


def controller_of(obj: Mapping[str, Any]) -> Object | None:
    """The owner reference marked `controller: true`, of which an object has at most one."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def is_controlled_by(obj: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    """Whether `owner`, by its uid, is the controller of `obj`."""
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == owner["metadata"]["uid"]


def owner_reference(owner: Mapping[str, Any]) -> Object:
    """The reference that makes `owner` (with apiVersion, kind, name and uid) the blocking controller of an object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def condition(obj: Mapping[str, Any], type: str) -> Object | None:
    """The condition of that type in `obj`'s status."""
    found: Object
    for found in (obj.get("status") or {}).get("conditions") or ():
        if found.get("type") == type:
            return found
    return None


def set_condition(conditions: list[Object], new: Mapping[str, Any], now: str) -> bool:
    """Put `new` (type, status, reason, message, ...) among `conditions`, in place; True when anything changed.

    `lastTransitionTime` is `new`'s own or `now` when the condition is new or its status differs, else the old one.
    Members of the old condition that `new` does not name stay (heartbeat and probe times), as upstream's helper does.
    """
    for old in conditions:
        if old.get("type") == new["type"]:
            break
    else:
        conditions.append({**new, "lastTransitionTime": new.get("lastTransitionTime") or now})
        return True
    merged = {**old, **new}
    if old.get("status") != new["status"]:
        merged["lastTransitionTime"] = new.get("lastTransitionTime") or now
    elif "lastTransitionTime" in old:
        merged["lastTransitionTime"] = old["lastTransitionTime"]
    else:
        merged["lastTransitionTime"] = now
    if merged == old:
        return False
    old.clear()
    old.update(merged)
    return True


def has_finalizer(obj: Mapping[str, Any], finalizer: str) -> bool:
    """Whether the object waits for `finalizer` before it goes."""
    return finalizer in (obj["metadata"].get("finalizers") or ())


def is_deleting(obj: Mapping[str, Any]) -> bool:
    """Whether deletion was asked for and has not finished."""
    return bool(obj["metadata"].get("deletionTimestamp"))
