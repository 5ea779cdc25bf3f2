"""PodDisruptionBudget: how many Pods of an application evictions may take away at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, not_supported
from minikube_py.api.resources import PODDISRUPTIONBUDGETS
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import validate_label_selector
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.policy_v1 import PodDisruptionBudget

_STATUS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


def default(obj: Object) -> None:
    obj.setdefault("spec", {})
    status = obj.setdefault("status", {})
    for member in _STATUS:
        status.setdefault(member, 0)


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = dict.fromkeys(_STATUS, 0)


def validate(obj: PodDisruptionBudget) -> Sequence[FieldError]:
    spec, errs = obj.spec, list[FieldError]()
    if spec.minAvailable is not None and spec.maxUnavailable is not None:
        errs.append(invalid("spec", spec.to_dict(), "minAvailable and maxUnavailable cannot be both set"))
    for member in ("minAvailable", "maxUnavailable"):
        if (value := getattr(spec, member)) is not None:
            rules.number_or_percent(value, f"spec.{member}", errs, most=True)
    if spec.selector is not None:
        validate_label_selector(spec.selector, "spec.selector", errs)
    policy = spec.unhealthyPodEvictionPolicy
    if policy is not None and policy not in _POLICIES:
        errs.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES))
    return errs


def validate_update(new: PodDisruptionBudget, old: PodDisruptionBudget) -> Sequence[FieldError]:
    return validate(new)


def validate_status(new: PodDisruptionBudget, old: PodDisruptionBudget) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    rules.validate_conditions(new.status.conditions, "status.conditions", errs)
    rules.non_negative(new.status, "status", _STATUS, errs)
    return errs


def row(obj: Object) -> list[Any]:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    return [
        metadata["name"],
        "N/A" if least is None else str(least),
        "N/A" if most is None else str(most),
        status.get("disruptionsAllowed") or 0,
        age(metadata.get("creationTimestamp")),
    ]


KIND = Kind(
    resource=PODDISRUPTIONBUDGETS,
    singular="poddisruptionbudget",
    short_names=("pdb",),
    subresources=(workloads.status_of("PodDisruptionBudget", "policy/v1.PodDisruptionBudget"),),
    status=True,
    generation=True,
    columns=(
        NAME,
        Column("Min Available", description="How many, or what percentage, must stay."),
        Column("Max Unavailable", description="How many, or what percentage, may be missing."),
        Column("Allowed Disruptions", "integer", description="How many Pods may be evicted now."),
        AGE,
    ),
    row=row,
    validate_name=names.path_segment,
    default=default,
    prepare_create=prepare_create,
    prepare_update=workloads.keep_status,
    prepare_status=workloads.keep_spec,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
)
