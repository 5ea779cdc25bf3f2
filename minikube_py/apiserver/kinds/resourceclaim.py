"""ResourceClaim: asks for devices; its status says which were allocated and who uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid
from minikube_py.api.resources import RESOURCECLAIMS
from minikube_py.apiserver.kinds import _resource_claims
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.resource_v1 import ResourceClaim


def default(obj: Object) -> None:
    _resource_claims.default_claim(obj.setdefault("spec", {}))


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {}


def prepare_update(new: Object, old: Object, context: Context) -> None:
    new["status"] = old.get("status", {})


def prepare_status(new: Object, old: Object, context: Context) -> None:
    new["spec"] = old["spec"]


def validate(obj: ResourceClaim) -> Sequence[FieldError]:
    return _resource_claims.validate_claim(obj.spec.devices, "spec.devices")


def validate_update(new: ResourceClaim, old: ResourceClaim) -> Sequence[FieldError]:
    return () if new.spec == old.spec else (invalid("spec", new.spec.to_dict(), "field is immutable"),)


def validate_status(new: ResourceClaim, old: ResourceClaim) -> Sequence[FieldError]:
    deleted = new.metadata.deletionTimestamp is not None
    return _resource_claims.validate_status(new.status, old.status, new.spec.devices, deleted)


def row(obj: Object) -> list[Any]:
    metadata, status = obj["metadata"], obj.get("status") or {}
    states = ["deleted"] if metadata.get("deletionTimestamp") else []
    if status.get("allocation") is not None:
        states.append("allocated")
        if status.get("reservedFor"):
            states.append("reserved")
    elif not states:
        states.append("pending")
    return [metadata["name"], ",".join(states), age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=RESOURCECLAIMS,
    singular="resourceclaim",
    subresources=(Subresource("status", "ResourceClaim", ("get", "patch", "update"), "resource/v1.ResourceClaim"),),
    status=True,
    columns=(NAME, Column("State", description="Whether devices are allocated, and reserved for somebody."), AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
)
