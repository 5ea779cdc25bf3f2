"""CSINode: the volume drivers of a Node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, invalid, required
from minikube_py.api.resources import CSINODES
from minikube_py.apiserver.kinds import _storage
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE, qualified
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.storage_v1 import CSINode, CSINodeDriver

_MAX_NODE_ID = 256


def validate(obj: CSINode) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    seen: set[str] = set()
    for i, driver in enumerate(obj.spec.drivers):
        path = f"spec.drivers[{i}]"
        _driver(driver, path, errs)
        if driver.name in seen:
            errs.append(duplicate(f"{path}.name", driver.name))
        seen.add(driver.name)
    return errs


def _driver(driver: CSINodeDriver, path: str, errs: list[FieldError]) -> None:
    _storage.validate_driver_name(driver.name, f"{path}.name", errs)
    if not driver.nodeID:
        errs.append(required(f"{path}.nodeID"))
    if len(driver.nodeID.encode()) > _MAX_NODE_ID:
        errs.append(invalid(f"{path}.nodeID", driver.nodeID, f"must be {_MAX_NODE_ID} characters or less"))
    if driver.allocatable is not None and driver.allocatable.count is not None and driver.allocatable.count < 0:
        errs.append(invalid(f"{path}.allocatable.count", driver.allocatable.count, _storage.NOT_NEGATIVE))
    # Kubernetes names the driver, not the key.
    keys: set[str] = set()
    for key in driver.topologyKeys:
        if not key:
            errs.append(required(path))
        if key in keys:
            errs.append(duplicate(path, key))
        keys.add(key)
        for sentence in qualified(key):
            errs.append(invalid(path, key, sentence))


def validate_update(new: CSINode, old: CSINode) -> Sequence[FieldError]:
    """Drivers come and go; of one that stays only the number of volumes may change."""
    errs = [*validate(new)]
    before = {driver.name: driver for driver in old.spec.drivers}
    for driver in new.spec.drivers:
        known = before.get(driver.name)
        if known and (driver.nodeID, driver.topologyKeys) != (known.nodeID, known.topologyKeys):
            errs.append(invalid("spec.drivers", driver.to_dict(), IMMUTABLE))
    return errs


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    drivers = (obj.get("spec") or {}).get("drivers") or ()
    return [metadata["name"], len(drivers), age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=CSINODES,
    singular="csinode",
    columns=(NAME, Column("Drivers", "integer", description="How many drivers there are."), AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    validate=validate,
    validate_update=validate_update,
)
