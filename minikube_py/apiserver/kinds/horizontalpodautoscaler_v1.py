"""HorizontalPodAutoscaler as autoscaling/v1 shows it: CPU alone; what else is stored travels in annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from minikube_py.api import scheme
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import HORIZONTALPODAUTOSCALERS, HORIZONTALPODAUTOSCALERS_V1
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds import horizontalpodautoscaler as v2
from minikube_py.apiserver.kinds._hpaconversion import SPEC_ANNOTATIONS, STATUS_ANNOTATIONS, from_v1, to_v1
from minikube_py.apiserver.kinds.base import Context, Kind, Object, Stored

if TYPE_CHECKING:
    from minikube_py.api.types.autoscaling_v1 import HorizontalPodAutoscaler
    from minikube_py.api.types.autoscaling_v2 import HorizontalPodAutoscaler as Newer

_EMPTY_STATUS = {"currentReplicas": 0, "desiredReplicas": 0}


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("scaleTargetRef", {"kind": "", "name": ""})
    spec.setdefault("maxReplicas", 0)
    workloads.number_default(spec, "minReplicas", 1)
    status = obj.setdefault("status", {})
    for member, value in _EMPTY_STATUS.items():
        status.setdefault(member, value)


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = dict(_EMPTY_STATUS)
    _take(obj, {}, STATUS_ANNOTATIONS)


def prepare_update(new: Object, old: Object, context: Context) -> None:
    """What the annotations say of the status is the status writer's, as the status is."""
    workloads.keep_status(new, old, context)
    _take(new, old["metadata"], STATUS_ANNOTATIONS)


def prepare_status(new: Object, old: Object, context: Context) -> None:
    workloads.keep_spec(new, old, context)
    _take(new, old["metadata"], SPEC_ANNOTATIONS)


def _take(new: Object, before: Object, names: Sequence[str]) -> None:
    """Take the annotations of these names from the old metadata, whatever the request says of them."""
    metadata, kept = new["metadata"], before.get("annotations") or {}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in names}
    annotations |= {name: kept[name] for name in names if name in kept}
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)


def _newer(obj: HorizontalPodAutoscaler) -> Newer:
    found = scheme.model(HORIZONTALPODAUTOSCALERS.type).model_validate(from_v1(obj.to_dict()))
    return cast("Newer", found)


def validate(obj: HorizontalPodAutoscaler) -> Sequence[FieldError]:
    """As upstream, the rules are those of the newer version, and so are the paths of what is wrong."""
    return v2.validate(_newer(obj))


def validate_update(new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler) -> Sequence[FieldError]:
    return v2.validate_update(_newer(new), _newer(old))


def validate_status(new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler) -> Sequence[FieldError]:
    return v2.validate_status(_newer(new), _newer(old))


def row(obj: Object) -> list[Any]:
    return v2.row(from_v1(obj))


KIND = Kind(
    resource=HORIZONTALPODAUTOSCALERS_V1,
    singular="horizontalpodautoscaler",
    short_names=("hpa",),
    categories=("all",),
    subresources=(workloads.status_of("HorizontalPodAutoscaler", "autoscaling/v1.HorizontalPodAutoscaler"),),
    status=True,
    columns=v2.COLUMNS,
    row=row,
    validate_name=v2.KIND.validate_name,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    stored_as=Stored(HORIZONTALPODAUTOSCALERS, from_v1, to_v1),
)
