"""RuntimeClass: a way to run containers that Pods may choose, what it costs and where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from minikube_py.api import names, scheme
from minikube_py.api.errors import FieldError, duplicate, invalid
from minikube_py.api.resources import RUNTIMECLASSES
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE, validate_labels
from minikube_py.apiserver.kinds.base import Column, Kind, Object
from minikube_py.apiserver.kinds.podspec.defaults import round_amounts
from minikube_py.apiserver.kinds.podspec.resources import validate_requirements
from minikube_py.apiserver.kinds.podspec.scheduling import validate_tolerations
from minikube_py.apiserver.kinds.podspec.warnings import OLD_LABELS

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import ResourceRequirements
    from minikube_py.api.types.node_v1 import RuntimeClass


def default(obj: Object) -> None:
    if amounts := (obj.get("overhead") or {}).get("podFixed"):
        round_amounts(amounts)


def validate(obj: RuntimeClass) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    for sentence in names.dns1123_label(obj.handler):
        errs.append(invalid("handler", obj.handler, sentence))
    if obj.overhead is not None:
        # What a Pod costs beside its containers is like a limit of its own.
        limits = {name: str(amount) for name, amount in obj.overhead.podFixed.items()}
        requirements = scheme.model("core/v1.ResourceRequirements").model_validate({"limits": limits})
        validate_requirements(cast("ResourceRequirements", requirements), "overhead", errs)
    if obj.scheduling is not None:
        validate_labels(obj.scheduling.nodeSelector, "scheduling.nodeSelector", errs)
        tolerations = obj.scheduling.tolerations
        validate_tolerations(tolerations, "scheduling.tolerations", errs)
        for i, toleration in enumerate(tolerations):
            if toleration in tolerations[:i]:
                errs.append(duplicate(f"scheduling.tolerations[{i}]", toleration.to_dict()))
    return errs


def validate_update(new: RuntimeClass, old: RuntimeClass) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    if new.handler != old.handler:
        errs.append(invalid("handler", new.handler, IMMUTABLE))
    return [*errs, *validate(new)]


def warnings(obj: Object) -> Sequence[str]:
    selector = (obj.get("scheduling") or {}).get("nodeSelector") or ()
    return [f"scheduling.nodeSelector[{key}]: {OLD_LABELS[key]}" for key in selector if key in OLD_LABELS]


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], obj.get("handler", ""), age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=RUNTIMECLASSES,
    singular="runtimeclass",
    columns=(NAME, Column("Handler", description="What the container engine calls it."), AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
