"""LimitRange: the least, the most and the usual amount of resources that one object of a namespace may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, required
from minikube_py.api.quantity import Quantity
from minikube_py.api.resources import LIMITRANGES
from minikube_py.apiserver.kinds import _quota
from minikube_py.apiserver.kinds._columns import CREATED_AT, NAME
from minikube_py.apiserver.kinds._objectmeta import qualified
from minikube_py.apiserver.kinds.base import Kind, Object
from minikube_py.apiserver.kinds.podspec.defaults import round_amounts
from minikube_py.apiserver.kinds.podspec.resources import container_resource_errors, overcommits

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import LimitRange, LimitRangeItem

_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_MEMBERS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_ONE = Quantity(10**9)
_MAX_MILLI = (2**63 - 1) // 1000


def default(obj: Object) -> None:
    """What a container gets unless it says otherwise follows from what it may have."""
    for item in obj.setdefault("spec", {}).get("limits") or ():
        for member in _MEMBERS:
            if amounts := item.get(member):
                round_amounts(amounts)
        if item.get("type") != "Container":
            continue
        limits = {**(item.get("max") or {}), **(item.get("default") or {})}
        requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
        if limits:
            item["default"] = limits
        if requests:
            item["defaultRequest"] = requests


def validate(obj: LimitRange) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    seen: set[str] = set()
    for i, item in enumerate(obj.spec.limits):
        path = f"spec.limits[{i}]"
        wrong = qualified(item.type)
        if not wrong and "/" not in item.type and item.type not in _TYPES:
            wrong = ["must be a standard limit type or fully qualified"]
        for sentence in wrong:
            errs.append(invalid(f"{path}.type", item.type, sentence))
        if item.type in seen:
            errs.append(duplicate(f"{path}.type", item.type))
        seen.add(item.type)
        _item(item, path, errs)
    return errs


def _item(item: LimitRangeItem, path: str, errs: list[FieldError]) -> None:
    checked = list(_MEMBERS)
    if item.type == "Pod":
        for member in ("default", "defaultRequest"):
            checked.remove(member)
            if getattr(item, member):
                errs.append(forbidden(f"{path}.{member}", "may not be specified when `type` is 'Pod'"))
    rule = container_resource_errors if item.type in ("Pod", "Container") else _quota.resource_name
    named: dict[str, dict[str, Quantity]] = {}
    for member in checked:
        amounts: Mapping[str, Quantity] = getattr(item, member)
        for name, amount in amounts.items():
            named.setdefault(name, {})[member] = amount
            for sentence in rule(name):
                errs.append(invalid(f"{path}.{member}[{name}]", name, sentence))
    if item.type == "PersistentVolumeClaim" and not {"min", "max"} & set(named.get("storage", ())):
        detail = "either minimum or maximum storage value is required, but neither was provided"
        errs.append(required(f"{path}.limits", detail))
    for name in sorted(named):
        _amounts(name, named[name], path, errs)


_ORDER = (
    # The lower member, the higher one, the one that is blamed, and how the sentence calls them.
    ("min", "max", "min", "min", "max"),
    ("min", "defaultRequest", "defaultRequest", "min", "default request"),
    ("defaultRequest", "max", "defaultRequest", "default request", "max"),
    ("defaultRequest", "default", "defaultRequest", "default request", "default limit"),
    ("min", "default", "default", "min", "default"),
    ("default", "max", "default", "default", "max"),
)


def _amounts(name: str, amounts: Mapping[str, Quantity], path: str, errs: list[FieldError]) -> None:
    """min <= defaultRequest <= default <= max, and a ratio that min and max leave room for."""
    for low, high, blamed, low_name, high_name in _ORDER:
        if low in amounts and high in amounts and amounts[low] > amounts[high]:
            detail = f"{low_name} value {amounts[low]} is greater than {high_name} value {amounts[high]}"
            errs.append(invalid(f"{path}.{blamed}[{name}]", str(amounts[blamed]), detail))
    ratio = amounts.get("maxLimitRequestRatio")
    if ratio is not None:
        where = f"{path}.maxLimitRequestRatio[{name}]"
        if ratio < _ONE:
            errs.append(invalid(where, str(ratio), f"ratio {ratio} is less than 1"))
        if "min" in amounts and "max" in amounts:
            most = _ratio(amounts["max"], amounts["min"])
            if ratio.nano / 10**9 > most:
                errs.append(invalid(where, str(ratio), f"ratio {ratio} is greater than max/min = {most:f}"))
    usual, asked = amounts.get("default"), amounts.get("defaultRequest")
    if usual is not None and asked is not None and usual != asked and not overcommits(name):
        detail = f"default value {usual} must equal to defaultRequest value {asked} in {name}"
        errs.append(invalid(f"{path}.defaultRequest[{name}]", str(asked), detail))


def _ratio(most: Quantity, least: Quantity) -> float:
    if max(most.value(), least.value()) < _MAX_MILLI:
        over, under = most.milli_value(), least.milli_value()
    else:
        over, under = most.value(), least.value()
    return over / under if under else float("inf")


def validate_update(new: LimitRange, old: LimitRange) -> Sequence[FieldError]:
    return validate(new)


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], metadata.get("creationTimestamp") or ""]


KIND = Kind(
    resource=LIMITRANGES,
    singular="limitrange",
    short_names=("limits",),
    columns=(NAME, CREATED_AT),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
)
