"""IPAddress: an address that is taken, and by whom; its name is the address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, required
from minikube_py.api.resources import IPADDRESSES
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds._cells import NONE
from minikube_py.apiserver.kinds._columns import NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds._references import validate_group, validate_segments
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.networking_v1 import IPAddress


def validate(obj: IPAddress) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    parent, path = obj.spec.parentRef, "spec.parentRef"
    if parent is None:
        return (required(path),)
    validate_group(parent.group or None, f"{path}.group", errs)
    validate_segments(parent, ("resource", "name"), path, errs)
    for sentence in names.path_segment(parent.namespace):
        errs.append(invalid(f"{path}.namespace", parent.namespace, sentence))
    return errs


def validate_update(new: IPAddress, old: IPAddress) -> Sequence[FieldError]:
    if new.spec.parentRef != old.spec.parentRef:
        value = new.spec.parentRef.to_dict() if new.spec.parentRef is not None else None
        return (invalid("spec.parentRef", value, IMMUTABLE),)
    return ()


def warnings(obj: Object) -> Sequence[str]:
    """The truth about what a stored object does here."""
    return ("this server does not look at IPAddresses: the object is stored and keeps no address from a Service",)


def row(obj: Object) -> list[Any]:
    parent = (obj.get("spec") or {}).get("parentRef")
    shown = NONE
    if parent is not None:
        shown = parent.get("resource", "").lower()
        if group := parent.get("group"):
            shown += f".{group}"
        if namespace := parent.get("namespace"):
            shown += f"/{namespace}"
        shown += f"/{parent.get('name', '')}"
    return [obj["metadata"]["name"], shown]


KIND = Kind(
    resource=IPADDRESSES,
    singular="ipaddress",
    short_names=("ip",),
    columns=(NAME, Column("ParentRef", description="Whose address it is.")),
    row=row,
    validate_name=_net.canonical_ip,
    warnings=warnings,
    validate=validate,
    validate_update=validate_update,
)
