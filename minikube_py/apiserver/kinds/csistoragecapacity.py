"""CSIStorageCapacity: how much room a driver has for volumes of one class in one part of the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid
from minikube_py.api.quantity import Quantity
from minikube_py.api.resources import CSISTORAGECAPACITIES
from minikube_py.apiserver.kinds import _storage
from minikube_py.apiserver.kinds._columns import CREATED_AT, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE, validate_label_selector
from minikube_py.apiserver.kinds.base import Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.storage_v1 import CSIStorageCapacity

_ZERO = Quantity()


def validate(obj: CSIStorageCapacity) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    if obj.nodeTopology is not None:
        validate_label_selector(obj.nodeTopology, "nodeTopology", errs)
    _storage.validate_class_name(obj.storageClassName, "storageClassName", errs)
    if obj.capacity is not None and obj.capacity < _ZERO:
        errs.append(invalid("capacity", str(obj.capacity), _storage.NOT_NEGATIVE))
    return errs


def validate_update(new: CSIStorageCapacity, old: CSIStorageCapacity) -> Sequence[FieldError]:
    """What was asked of the driver stays; only its answer changes."""
    errs = [*validate(new)]
    if new.nodeTopology != old.nodeTopology:
        value = new.nodeTopology.to_dict() if new.nodeTopology is not None else None
        errs.append(invalid("nodeTopology", value, IMMUTABLE))
    if new.storageClassName != old.storageClassName:
        errs.append(invalid("storageClassName", new.storageClassName, IMMUTABLE))
    return errs


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], metadata.get("creationTimestamp") or ""]


KIND = Kind(
    resource=CSISTORAGECAPACITIES,
    singular="csistoragecapacity",
    columns=(NAME, CREATED_AT),
    row=row,
    validate_name=names.dns1123_subdomain,
    validate=validate,
    validate_update=validate_update,
)
