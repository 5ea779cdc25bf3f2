"""The rules of deletion, as functions over the object: preconditions, propagation, who still holds it."""

from __future__ import annotations

from datetime import datetime

from minikube_py.api import errors
from minikube_py.apiserver import objectmeta
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.options import DeleteOptions


def check_preconditions(kind: Kind, obj: Object, options: DeleteOptions) -> None:
    """Raises Conflict when the object is not the one that the caller means."""
    metadata = obj["metadata"]
    for label, wanted, found in (
        ("UID", options.uid, metadata["uid"]),
        ("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
    ):
        if wanted and wanted != found:
            why = f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {found}"
            raise errors.conflict(kind.resource.group, kind.resource.plural, metadata["name"], why)


def mark(kind: Kind, obj: Object, options: DeleteOptions, now: datetime) -> tuple[bool, bool]:
    """Prepare the object for its deletion; (whether somebody still has to act, whether the object was changed).

    Nobody has to: it may be removed at once. Otherwise it carries the deletion stamp now.
    """
    grace = kind.grace_period(obj, options.grace_seconds) if kind.grace_period else 0
    changed = _set_propagation(obj, options.propagation or _default_propagation(kind, obj))
    if not grace and not obj["metadata"].get("finalizers") and not _held(kind, obj):
        return False, changed
    changed = objectmeta.mark_deleted(obj, grace, now) or changed
    if kind.prepare_delete is not None:
        changed = kind.prepare_delete(obj, now) or changed
    return True, changed


def is_finished(kind: Kind, obj: Object) -> bool:
    """A marked object whose last finalizer has just gone, with no grace period left, is deleted for good."""
    metadata = obj["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
        and not _held(kind, obj)
    )


def _held(kind: Kind, obj: Object) -> bool:
    """True when a kind has a finalizer of its own kind left (Namespace's spec.finalizers)."""
    return kind.held is not None and kind.held(obj)


def _default_propagation(kind: Kind, obj: Object) -> str:
    """What a deletion means that does not say: a finalizer that says it already counts more than the kind's custom."""
    said = {"orphan", "foregroundDeletion"} & set(obj["metadata"].get("finalizers") or ())
    return "Orphan" if kind.orphans and not said else ""


def _set_propagation(obj: Object, policy: str) -> bool:
    """Orphan and Foreground deletion are finalizers that the garbage collector acts on."""
    if not policy:
        return False
    metadata = obj["metadata"]
    before = list(metadata.get("finalizers") or ())
    wanted = [f for f in before if f not in ("orphan", "foregroundDeletion")]
    if policy == "Orphan":
        wanted.append("orphan")
    elif policy == "Foreground":
        wanted.append("foregroundDeletion")
    if wanted == before:
        return False
    if wanted:
        metadata["finalizers"] = wanted
    else:
        metadata.pop("finalizers", None)
    return True
