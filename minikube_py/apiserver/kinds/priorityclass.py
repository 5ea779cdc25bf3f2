"""PriorityClass: how important a Pod is, as a number with a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.api.resources import PRIORITYCLASSES
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.scheduling_v1 import PriorityClass

HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM_PREFIX = "system-"
SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""The classes of Kubernetes' own Pods; no other name may start like theirs."""

_POLICIES = ("PreemptLowerPriority", "Never")


def default(obj: Object) -> None:
    if obj.get("preemptionPolicy") is None:
        obj["preemptionPolicy"] = "PreemptLowerPriority"


def prepare_create(obj: Object, context: Context) -> None:
    """Kubernetes gives the object a generation and never counts it up."""
    obj["metadata"]["generation"] = 1


def validate(obj: PriorityClass) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    name = obj.metadata.name
    if name.startswith(SYSTEM_PREFIX):
        if why := _not_system(obj):
            detail = f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: "
            errs.append(forbidden("metadata.name", detail + why))
    elif obj.value > HIGHEST_USER_PRIORITY:
        detail = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        errs.append(forbidden("value", detail))
    if obj.preemptionPolicy == "":
        errs.append(required("preemptionPolicy"))
    elif obj.preemptionPolicy is not None and obj.preemptionPolicy not in _POLICIES:
        errs.append(not_supported("preemptionPolicy", obj.preemptionPolicy, _POLICIES))
    return errs


def _not_system(obj: PriorityClass) -> str:
    """Why the object is not one of the two system classes, empty if it is."""
    name = obj.metadata.name
    if name not in SYSTEM_CLASSES:
        return f"{name} is not a known system priority class"
    if obj.value != SYSTEM_CLASSES[name]:
        return f"value of {name} PriorityClass must be {SYSTEM_CLASSES[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if obj.globalDefault else ""


def validate_update(new: PriorityClass, old: PriorityClass) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    if new.value != old.value:
        errs.append(forbidden("value", "may not be changed in an update."))
    if new.preemptionPolicy != old.preemptionPolicy:
        errs.append(invalid("preemptionPolicy", new.preemptionPolicy, IMMUTABLE))
    return errs


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [
        metadata["name"],
        obj.get("value", 0),
        bool(obj.get("globalDefault")),
        age(metadata.get("creationTimestamp")),
        obj.get("preemptionPolicy") or "",
    ]


KIND = Kind(
    resource=PRIORITYCLASSES,
    singular="priorityclass",
    short_names=("pc",),
    columns=(
        NAME,
        Column("Value", "integer", description="The priority that Pods of the class get."),
        Column("Global-Default", "boolean", description="Whether Pods without a class get this one."),
        AGE,
        Column("PreemptionPolicy", description="Whether Pods of the class may drive others away."),
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    validate=validate,
    validate_update=validate_update,
)
