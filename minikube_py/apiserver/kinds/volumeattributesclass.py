"""VolumeAttributesClass: attributes of a volume (its speed) that may change while it is in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden
from minikube_py.api.resources import VOLUMEATTRIBUTESCLASSES
from minikube_py.apiserver.kinds import _storage
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.storage_v1 import VolumeAttributesClass


def validate(obj: VolumeAttributesClass) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    _storage.validate_provisioner(obj.driverName, "driverName", errs)
    _storage.validate_parameters(obj.parameters, "parameters", errs, allow_empty=False)
    return errs


def validate_update(new: VolumeAttributesClass, old: VolumeAttributesClass) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    for member in ("driverName", "parameters"):
        if getattr(new, member) != getattr(old, member):
            errs.append(forbidden(member, f"updates to {member} are forbidden."))
    return [*errs, *validate(new)]


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], obj.get("driverName", ""), age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=VOLUMEATTRIBUTESCLASSES,
    singular="volumeattributesclass",
    short_names=("vac",),
    columns=(NAME, Column("DriverName", description="The driver that understands the parameters."), AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    validate=validate,
    validate_update=validate_update,
)
