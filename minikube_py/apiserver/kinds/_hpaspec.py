"""Rules for the spec of a HorizontalPodAutoscaler: what is scaled, by which metrics, how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.api.quantity import Quantity
from minikube_py.apiserver.kinds.podspec.resources import container_resource_errors

if TYPE_CHECKING:
    from minikube_py.api.types import autoscaling_v2 as v2

_MAX_PERIOD = 1800
_MAX_WINDOW = 3600
_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_SELECT = ("Disabled", "Max", "Min")
_POSITIVE = "must be greater than zero"
_ZERO = Quantity()


def validate_spec(spec: v2.HorizontalPodAutoscalerSpec, least: int) -> list[FieldError]:
    """What is wrong with the spec; `least` is the smallest minReplicas that is allowed."""
    errs: list[FieldError] = []
    if spec.minReplicas is not None and spec.minReplicas < least:
        errs.append(invalid("spec.minReplicas", spec.minReplicas, f"must be greater than or equal to {least}"))
    if spec.maxReplicas < 1:
        errs.append(invalid("spec.maxReplicas", spec.maxReplicas, "must be greater than 0"))
    if spec.minReplicas is not None and spec.maxReplicas < spec.minReplicas:
        errs.append(invalid("spec.maxReplicas", spec.maxReplicas, "must be greater than or equal to `minReplicas`"))
    _reference(spec.scaleTargetRef, "spec.scaleTargetRef", errs)
    for i, metric in enumerate(spec.metrics):
        _metric(metric, f"spec.metrics[{i}]", errs)
    if spec.minReplicas == 0 and not any(m.type in ("Object", "External") for m in spec.metrics):
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        errs.append(forbidden("spec.metrics", detail))
    if spec.behavior is not None:
        for member in ("scaleUp", "scaleDown"):
            if (found := getattr(spec.behavior, member)) is not None:
                _scaling(found, f"spec.behavior.{member}", errs)
    return errs


def _reference(ref: v2.CrossVersionObjectReference, path: str, errs: list[FieldError]) -> None:
    for member in ("kind", "name"):
        value = getattr(ref, member)
        if not value:
            errs.append(required(f"{path}.{member}"))
        for sentence in names.path_segment(value):
            errs.append(invalid(f"{path}.{member}", value, sentence))


def _scaling(rules: v2.HPAScalingRules, path: str, errs: list[FieldError]) -> None:
    window = rules.stabilizationWindowSeconds
    if window is not None:
        where = f"{path}.stabilizationWindowSeconds"
        if window < 0:
            errs.append(invalid(where, window, "must be greater than or equal to zero"))
        elif window > _MAX_WINDOW:
            errs.append(invalid(where, window, f"must be less than or equal to {_MAX_WINDOW}"))
    if rules.selectPolicy is not None and rules.selectPolicy not in _SELECT:
        errs.append(not_supported(f"{path}.selectPolicy", rules.selectPolicy, _SELECT))
    if not rules.policies:
        errs.append(required(f"{path}.policies", "must specify at least one Policy"))
    for i, policy in enumerate(rules.policies):
        where = f"{path}.policies[{i}]"
        if policy.type not in ("Percent", "Pods"):
            errs.append(not_supported(f"{where}.type", policy.type, ("Percent", "Pods")))
        if policy.value <= 0:
            errs.append(invalid(f"{where}.value", policy.value, _POSITIVE))
        if policy.periodSeconds <= 0:
            errs.append(invalid(f"{where}.periodSeconds", policy.periodSeconds, _POSITIVE))
        elif policy.periodSeconds > _MAX_PERIOD:
            detail = f"must be less than or equal to {_MAX_PERIOD}"
            errs.append(invalid(f"{where}.periodSeconds", policy.periodSeconds, detail))
    if rules.tolerance is not None and rules.tolerance < _ZERO:
        errs.append(invalid(f"{path}.tolerance", str(rules.tolerance), "must be greater than or equal to 0"))


def _metric(metric: v2.MetricSpec, path: str, errs: list[FieldError]) -> None:
    """One metric, which has the one source that its type says."""
    if not metric.type:
        errs.append(required(f"{path}.type", "must specify a metric source type"))
    elif metric.type not in _TYPES:
        errs.append(not_supported(f"{path}.type", metric.type, _TYPES))
    sources = [m for m in ("object", "external", "pods", "resource", "containerResource") if getattr(metric, m)]
    if sources:
        _source(sources[0], getattr(metric, sources[0]), f"{path}.{sources[0]}", errs)
    wanted = metric.type[:1].lower() + metric.type[1:]
    if metric.type in _TYPES and wanted not in sources:
        errs.append(required(f"{path}.{wanted}", "must populate information for the given metric source"))
    if len(sources) > 1:
        for extra in sorted(set(sources) - {wanted}):
            errs.append(forbidden(f"{path}.{extra}", "must populate the given metric source only"))


def _source(kind: str, source: Any, path: str, errs: list[FieldError]) -> None:
    if kind == "object":
        _reference(source.describedObject, f"{path}.describedObject", errs)
    if kind in ("object", "external", "pods"):
        _identifier(source.metric, f"{path}.metric", errs)
    else:
        _resource(kind, source, path, errs)
    target, where = source.target, f"{path}.target"
    _target(target, where, errs)
    if kind in ("resource", "containerResource"):
        if target.averageUtilization is None and target.averageValue is None:
            detail = "must set either a target raw value or a target utilization"
            errs.append(required(f"{where}.averageUtilization", detail))
        if target.averageUtilization is not None and target.averageValue is not None:
            detail = "may not set both a target raw value and a target utilization"
            errs.append(forbidden(f"{where}.averageValue", detail))
    elif kind == "pods":
        if target.averageValue is None:
            errs.append(required(f"{where}.averageValue", "must specify a positive target averageValue"))
    else:
        if target.value is None and target.averageValue is None:
            errs.append(required(f"{where}.averageValue", "must set either a target value or averageValue"))
        if kind == "external" and target.value is not None and target.averageValue is not None:
            detail = "may not set both a target value for metric and a per-pod target"
            errs.append(forbidden(f"{where}.value", detail))


def _resource(kind: str, source: Any, path: str, errs: list[FieldError]) -> None:
    if not source.name:
        errs.append(required(f"{path}.name", "must specify a resource name"))
    elif kind == "containerResource":
        for sentence in container_resource_errors(source.name):
            errs.append(invalid(f"{path}.name", source.name, sentence))
    if kind == "containerResource":
        if not source.container:
            errs.append(required(f"{path}.container", "must specify a container"))
        else:
            for sentence in names.dns1123_label(source.container):
                errs.append(invalid(f"{path}.container", source.container, sentence))


def _identifier(metric: v2.MetricIdentifier, path: str, errs: list[FieldError]) -> None:
    if not metric.name:
        errs.append(required(f"{path}.name", "must specify a metric name"))
    for sentence in names.path_segment(metric.name):
        errs.append(invalid(f"{path}.name", metric.name, sentence))


def _target(target: v2.MetricTarget, path: str, errs: list[FieldError]) -> None:
    if not target.type:
        errs.append(required(f"{path}.type", "must specify a metric target type"))
    elif target.type not in ("Utilization", "Value", "AverageValue"):
        errs.append(invalid(f"{path}.type", target.type, "must be either Utilization, Value, or AverageValue"))
    for member in ("value", "averageValue"):
        amount = getattr(target, member)
        if amount is not None and amount <= _ZERO:
            errs.append(invalid(f"{path}.{member}", str(amount), "must be positive"))
    if target.averageUtilization is not None and target.averageUtilization < 1:
        errs.append(invalid(f"{path}.averageUtilization", target.averageUtilization, "must be greater than 0"))
