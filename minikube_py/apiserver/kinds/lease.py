"""Lease: who holds something and until when; heartbeats and leader election live on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, required
from minikube_py.api.resources import LEASES
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.coordination_v1 import Lease


def validate(obj: Lease) -> Sequence[FieldError]:
    spec = obj.spec
    errs: list[FieldError] = []
    if spec.leaseDurationSeconds is not None and spec.leaseDurationSeconds <= 0:
        errs.append(invalid("spec.leaseDurationSeconds", spec.leaseDurationSeconds, "must be greater than 0"))
    if spec.leaseTransitions is not None and spec.leaseTransitions < 0:
        errs.append(invalid("spec.leaseTransitions", spec.leaseTransitions, "must be greater than or equal to 0"))
    if spec.strategy is not None:
        for sentence in names.qualified_name(spec.strategy) if "/" in spec.strategy else _coordinated(spec.strategy):
            errs.append(invalid("spec.strategy", spec.strategy, sentence))
    elif spec.preferredHolder:
        errs.append(required("spec.strategy", "must be specified when `preferredHolder` is set"))
    return errs


def _coordinated(strategy: str) -> list[str]:
    if strategy == "OldestEmulationVersion":
        return []
    return ["must be OldestEmulationVersion, or a name with a domain and a path"]


def validate_update(new: Lease, old: Lease) -> Sequence[FieldError]:
    return validate(new)


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    holder = (obj.get("spec") or {}).get("holderIdentity") or ""
    return [metadata["name"], holder, age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=LEASES,
    singular="lease",
    columns=(NAME, Column("Holder", description="Who holds the lease now; empty when nobody does."), AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    validate=validate,
    validate_update=validate_update,
)
