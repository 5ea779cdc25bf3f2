"""HorizontalPodAutoscaler: sets the number of a workload's Pods by metrics (autoscaling/v2, the stored version)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import HORIZONTALPODAUTOSCALERS
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds._cells import NONE, UNKNOWN, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.autoscaling_v2 import HorizontalPodAutoscaler

DEFAULT_UTILIZATION = 80
"""Per cent of the requested CPU that is aimed at when the author says nothing."""

_SHOWN_METRICS = 2


def cpu_metric(utilization: int) -> Object:
    """The metric that aims at a utilization of CPU."""
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("scaleTargetRef", {"kind": "", "name": ""})
    spec.setdefault("maxReplicas", 0)
    workloads.number_default(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [cpu_metric(DEFAULT_UTILIZATION)]
    if (behavior := spec.get("behavior")) is not None:
        _default_rules(behavior, "scaleUp", [("Pods", 4), ("Percent", 100)])
        _default_rules(behavior, "scaleDown", [("Percent", 100)])
    obj.setdefault("status", {}).setdefault("desiredReplicas", 0)


def _default_rules(behavior: Object, member: str, policies: list[tuple[str, int]]) -> None:
    """How fast it goes where the author does not say: up at once, down as fast as the window lets it."""
    found = behavior.get(member)
    if found is None:
        found = behavior[member] = {}
    if not found.get("selectPolicy"):
        found["selectPolicy"] = "Max"
    if found.get("stabilizationWindowSeconds") is None and member == "scaleUp":
        found["stabilizationWindowSeconds"] = 0
    if found.get("policies") is None:
        found["policies"] = [{"type": t, "value": value, "periodSeconds": 15} for t, value in policies]


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"desiredReplicas": 0}


def validate(obj: HorizontalPodAutoscaler) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds import _hpaspec

    return _hpaspec.validate_spec(obj.spec, 1)


def validate_update(new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds import _hpaspec

    # One that scales to zero was made when that was allowed: it may stay.
    return _hpaspec.validate_spec(new.spec, 0 if old.spec.minReplicas == 0 else 1)


def validate_status(new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    rules.non_negative(new.status, "status", ("currentReplicas", "desiredReplicas"), errs)
    return errs


def row(obj: Object) -> list[Any]:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    target, least = spec.get("scaleTargetRef") or {}, spec.get("minReplicas")
    return [
        metadata["name"],
        f"{target.get('kind') or ''}/{target.get('name') or ''}",
        _targets(spec.get("metrics") or (), status.get("currentMetrics") or ()),
        "<unset>" if least is None else str(least),
        spec.get("maxReplicas") or 0,
        status.get("currentReplicas") or 0,
        age(metadata.get("creationTimestamp")),
    ]


def _targets(metrics: Sequence[Object], current: Sequence[Object]) -> str:
    if not metrics:
        return NONE
    shown = [_target(metric, current[i] if i < len(current) else {}) for i, metric in enumerate(metrics)]
    text = ", ".join(shown[:_SHOWN_METRICS])
    return text if len(shown) <= _SHOWN_METRICS else f"{text} + {len(shown) - _SHOWN_METRICS} more..."


def _target(metric: Object, status: Object) -> str:
    """What is measured over what is wanted."""
    kind = metric.get("type") or ""
    member = kind[:1].lower() + kind[1:]
    source = metric.get(member)
    if source is None:
        return "<unknown type>"
    wanted, now = source.get("target") or {}, (status.get(member) or {}).get("current") or {}
    average, whole = wanted.get("averageValue"), wanted.get("value")
    if kind in ("Resource", "ContainerResource"):
        if average is not None:
            return f"{source.get('name')}: {now.get('averageValue') or UNKNOWN}/{average}"
        have, want = now.get("averageUtilization"), wanted.get("averageUtilization")
        have_text = UNKNOWN if have is None else f"{have}%"
        return f"{source.get('name')}: {have_text}/{'<auto>' if want is None else f'{want}%'}"
    if kind == "Pods":
        return f"{now.get('averageValue') or UNKNOWN}/{average}"
    if average is not None:
        return f"{now.get('averageValue') or UNKNOWN}/{average} (avg)"
    return f"{now.get('value') or UNKNOWN}/{whole}"


COLUMNS = (
    NAME,
    Column("Reference", description="The workload whose Pods it counts."),
    Column("Targets", description="What is measured, over what is aimed at."),
    Column("MinPods", description="The least number of Pods."),
    Column("MaxPods", description="The greatest number of Pods."),
    Column("Replicas", description="How many Pods there were when it looked last."),
    AGE,
)

KIND = Kind(
    resource=HORIZONTALPODAUTOSCALERS,
    singular="horizontalpodautoscaler",
    short_names=("hpa",),
    categories=("all",),
    subresources=(workloads.status_of("HorizontalPodAutoscaler", "autoscaling/v2.HorizontalPodAutoscaler"),),
    status=True,
    columns=COLUMNS,
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=workloads.keep_status,
    prepare_status=workloads.keep_spec,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
)
