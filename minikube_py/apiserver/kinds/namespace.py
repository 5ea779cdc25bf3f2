"""Namespace: a scope for names; its deletion waits until everything in it is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid
from minikube_py.api.resources import NAMESPACES
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import validate_finalizer
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Namespace

NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZER = "kubernetes"


def default(obj: Object) -> None:
    """The label that carries the name, once the name is known, and the phase of a status."""
    metadata = obj.get("metadata") or {}
    if name := metadata.get("name"):
        labels = metadata.get("labels")
        if labels is None:
            metadata["labels"] = {NAME_LABEL: name}
        elif labels.get(NAME_LABEL) != name:
            labels[NAME_LABEL] = name
    obj.setdefault("spec", {})
    status = obj.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Active"


def prepare_create(obj: Object, context: Context) -> None:
    """A new namespace is Active and cannot vanish before its content is removed."""
    default(obj)
    obj["status"] = {"phase": "Active"}
    finalizers = obj["spec"].setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)


def prepare_update(new: Object, old: Object, context: Context) -> None:
    """spec.finalizers change through `finalize` only, status through `status` only."""
    _keep(new, old, "status")
    new.setdefault("spec", {}).pop("finalizers", None)
    if finalizers := (old.get("spec") or {}).get("finalizers"):
        new["spec"]["finalizers"] = finalizers


def prepare_status(new: Object, old: Object, context: Context) -> None:
    _keep(new, old, "spec")


def prepare_finalize(new: Object, old: Object, context: Context) -> None:
    """The `finalize` sub-resource changes spec.finalizers and nothing of the status."""
    _keep(new, old, "status")


def _keep(new: Object, old: Object, member: str) -> None:
    if member in old:
        new[member] = old[member]
    else:
        new.pop(member, None)


def validate(obj: Namespace) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    for i, name in enumerate(obj.spec.finalizers):
        errs += validate_finalizer(name, f"spec.finalizers[{i}]")
    return errs


def validate_finalize(new: Namespace, old: Namespace) -> Sequence[FieldError]:
    """What `finalize` is checked for beyond the metadata."""
    return validate(new)


def validate_status(new: Namespace, old: Namespace) -> Sequence[FieldError]:
    phase = new.status.phase
    if not new.metadata.deletionTimestamp:
        if phase != "Active":
            return (invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty"),)
    elif phase != "Terminating":
        return (invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty"),)
    return ()


def select_fields(obj: Object) -> Mapping[str, str]:
    return {"status.phase": (obj.get("status") or {}).get("phase") or ""}


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], (obj.get("status") or {}).get("phase", ""), age(metadata.get("creationTimestamp"))]


def held(obj: Object) -> bool:
    """The namespace controller's own finalizers keep a deleted Namespace until its content is gone."""
    return bool((obj.get("spec") or {}).get("finalizers"))


def prepare_delete(obj: Object, now: datetime) -> bool:
    """A Namespace that is marked as deleted is Terminating from that moment on."""
    status = obj.setdefault("status", {})
    changed: bool = status.get("phase") != "Terminating"
    status["phase"] = "Terminating"
    return changed


KIND = Kind(
    resource=NAMESPACES,
    singular="namespace",
    short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    subresources=(
        Subresource("finalize", "Namespace", ("update",), "core/v1.Namespace"),
        Subresource("status", "Namespace", ("get", "patch", "update"), "core/v1.Namespace"),
    ),
    status=True,
    columns=(NAME, Column("Status", description="Active, or Terminating while the content is being removed."), AGE),
    row=row,
    validate_name=names.dns1123_label,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_status=validate_status,
    select_fields=select_fields,
    held=held,
    prepare_delete=prepare_delete,
)
