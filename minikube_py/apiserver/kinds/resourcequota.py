"""ResourceQuota: how much all the objects of a namespace may use together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, required
from minikube_py.api.quantity import Quantity
from minikube_py.api.resources import RESOURCEQUOTAS
from minikube_py.apiserver.kinds import _quota
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds._storage import keep_spec, keep_status
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource
from minikube_py.apiserver.kinds.podspec.defaults import round_amounts

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import ResourceQuota, ResourceQuotaSpec

_POD_SCOPES = ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity")
_SCOPES = frozenset({*_POD_SCOPES, "BestEffort", "VolumeAttributesClass"})
_COMPUTE = frozenset({"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"})
_CLAIMS = frozenset({"persistentvolumeclaims", "requests.storage"})
_ALONE = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
"""Scopes that are there or not: they have no values."""

_OPPOSITES = (frozenset({"BestEffort", "NotBestEffort"}), frozenset({"Terminating", "NotTerminating"}))


def default(obj: Object) -> None:
    for member, parts in (("spec", ("hard",)), ("status", ("hard", "used"))):
        block = obj.setdefault(member, {})
        for part in parts:
            if amounts := block.get(part):
                round_amounts(amounts)


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {}


def validate(obj: ResourceQuota) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    _amounts(obj.spec.hard, "spec.hard", errs)
    _scopes(obj.spec, errs)
    _selector(obj.spec, errs)
    return errs


def _amounts(amounts: Mapping[str, Quantity], path: str, errs: list[FieldError]) -> None:
    for name, amount in amounts.items():
        for sentence in _quota.quota_resource_name(name):
            errs.append(invalid(f"{path}[{name}]", name, sentence))
        _quota.validate_quota_amount(name, amount, f"{path}[{name}]", errs)


def _scopes(spec: ResourceQuotaSpec, errs: list[FieldError]) -> None:
    scopes, path = list(spec.scopes), "spec.scopes"
    for scope in scopes:
        if scope not in _SCOPES:
            errs.append(invalid(path, scopes, "unsupported scope"))
        _fitting(scope, spec.hard, path, scopes, errs)
    _opposites(scopes, path, scopes, errs)


def _selector(spec: ResourceQuotaSpec, errs: list[FieldError]) -> None:
    if spec.scopeSelector is None:
        return
    path = "spec.scopeSelector.matchExpressions"
    terms = spec.scopeSelector.matchExpressions
    for term in terms:
        if term.scopeName not in _SCOPES:
            errs.append(invalid(f"{path}.scopeName", term.scopeName, "unsupported scope"))
        _fitting(term.scopeName, spec.hard, path, spec.scopeSelector.to_dict(), errs)
        if term.scopeName in _ALONE and term.operator != "Exists":
            detail = f"must be 'Exist' when scope is any of {', '.join(_ALONE)}"
            errs.append(invalid(f"{path}.operator", term.operator, detail))
        match term.operator:
            case "In" | "NotIn":
                if not term.values:
                    detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                    errs.append(required(f"{path}.values", detail))
            case "Exists" | "DoesNotExist":
                if term.values:
                    detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                    errs.append(invalid(f"{path}.values", list(term.values), detail))
            case _:
                errs.append(invalid(f"{path}.operator", term.operator, "not a valid selector operator"))
    _opposites([t.scopeName for t in terms], path, list(spec.scopes), errs)


def _fitting(scope: str, hard: Iterable[str], path: str, value: Any, errs: list[FieldError]) -> None:
    """A scope chooses among Pods, or among claims: what is not used by them cannot be bounded under it."""
    for name in sorted(hard):
        if not _quota.is_quota_resource(name):
            continue
        if scope in _POD_SCOPES:
            fits = name == "pods" or name in _COMPUTE
        elif scope == "BestEffort":
            fits = name == "pods"
        else:
            fits = scope != "VolumeAttributesClass" or name in _CLAIMS
        if not fits:
            errs.append(invalid(path, value, "unsupported scope applied to resource"))


def _opposites(scopes: Iterable[str], path: str, value: Any, errs: list[FieldError]) -> None:
    chosen = set(scopes)
    for pair in _OPPOSITES:
        if pair <= chosen:
            errs.append(invalid(path, value, "conflicting scopes"))


def validate_update(new: ResourceQuota, old: ResourceQuota) -> Sequence[FieldError]:
    errs = [*validate(new)]
    if set(new.spec.scopes) != set(old.spec.scopes):
        errs.append(invalid("spec.scopes", list(new.spec.scopes), IMMUTABLE))
    return errs


def validate_status(new: ResourceQuota, old: ResourceQuota) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    _amounts(new.status.hard, "status.hard", errs)
    _amounts(new.status.used, "status.used", errs)
    return errs


def row(obj: Object) -> list[Any]:
    metadata, status = obj["metadata"], obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    cells: dict[bool, list[str]] = {False: [], True: []}
    for name in sorted(hard):
        cells[name.startswith("limits.")].append(f"{name}: {used.get(name, '0')}/{hard[name]}")
    age_cell = age(metadata.get("creationTimestamp"))
    return [metadata["name"], ", ".join(cells[False]), ", ".join(cells[True]), age_cell]


KIND = Kind(
    resource=RESOURCEQUOTAS,
    singular="resourcequota",
    short_names=("quota",),
    subresources=(Subresource("status", "ResourceQuota", ("get", "patch", "update"), "core/v1.ResourceQuota"),),
    status=True,
    columns=(
        NAME,
        Column("Request", description="What is used and allowed of everything but limits."),
        Column("Limit", description="What is used and allowed of the limits of containers."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
)
