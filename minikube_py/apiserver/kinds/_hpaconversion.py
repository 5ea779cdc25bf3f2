"""HorizontalPodAutoscalers between autoscaling/v2 and v1, which keeps in annotations what it has no members for.

Neither function changes its argument; both share parts with it. What an annotation says that cannot be read counts as
if it were not there, as upstream has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from minikube_py.api import scheme
from minikube_py.api.errors import BadRequest
from minikube_py.api.normalize import normalize
from minikube_py.apiserver.kinds import horizontalpodautoscaler as newer
from minikube_py.apiserver.kinds.base import Object

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, BEHAVIOR = _PREFIX + "metrics", _PREFIX + "behavior"
CURRENT, CONDITIONS = _PREFIX + "current-metrics", _PREFIX + "conditions"
SPEC_ANNOTATIONS = (METRICS, BEHAVIOR)
STATUS_ANNOTATIONS = (CURRENT, CONDITIONS)

_SHARED_SPEC = ("scaleTargetRef", "minReplicas", "maxReplicas")
_SHARED_STATUS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")
_SOURCES = ("object", "pods", "resource", "containerResource", "external")


def to_v1(obj: Object) -> Object:
    """The v1 form of a v2 object."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    metrics, current = spec.get("metrics") or [], status.get("currentMetrics") or []
    kept: dict[str, Any] = {}
    if others := [_metric(m, _spec_to_v1) for m in metrics if not _is_cpu_utilization(m)]:
        kept[METRICS] = others
    if behavior := spec.get("behavior"):
        kept[BEHAVIOR] = _behavior_to_v1(behavior)
    if current:
        kept[CURRENT] = [_metric(m, _status_to_v1) for m in current]
    if conditions := status.get("conditions"):
        kept[CONDITIONS] = conditions
    out_spec = _some(spec, _SHARED_SPEC)
    for metric in metrics:
        if _is_cpu_utilization(metric):
            out_spec["targetCPUUtilizationPercentage"] = metric["resource"]["target"]["averageUtilization"]
            break
    out_status = _some(status, _SHARED_STATUS)
    out_status.setdefault("currentReplicas", 0)
    for metric in current:
        resource = metric.get("resource") or {}
        used = (resource.get("current") or {}).get("averageUtilization")
        if metric.get("type") == "Resource" and resource.get("name") == "cpu" and used is not None:
            out_status["currentCPUUtilizationPercentage"] = used
    metadata = _annotated(obj["metadata"], {name: orjson.dumps(value).decode() for name, value in kept.items()})
    return _object("v1", metadata, out_spec, out_status)


def from_v1(obj: Object) -> Object:
    """The v2 form of a v1 object, with the defaults of v2."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    annotations = obj["metadata"].get("annotations") or {}
    metrics = [_metric(m, _spec_from_v1) for m in _listed(annotations, METRICS, "MetricSpec")]
    if (cpu := spec.get("targetCPUUtilizationPercentage")) is not None:
        metrics.append(newer.cpu_metric(cpu))
    current = [_metric(m, _status_from_v1) for m in _listed(annotations, CURRENT, "MetricStatus")]
    used = status.get("currentCPUUtilizationPercentage")
    if not current and used is not None:
        usage = {"name": "cpu", "current": {"averageUtilization": used}}
        current = [{"type": "Resource", "resource": usage}]
    out_spec = _some(spec, _SHARED_SPEC)
    if metrics:
        out_spec["metrics"] = metrics
    if behavior := _behavior_from_v1(annotations.get(BEHAVIOR)):
        out_spec["behavior"] = behavior
    out_status = _some(status, _SHARED_STATUS)
    if not out_status.get("currentReplicas"):
        out_status.pop("currentReplicas", None)
    if current:
        out_status["currentMetrics"] = current
    if conditions := _listed(annotations, CONDITIONS, "HorizontalPodAutoscalerCondition"):
        out_status["conditions"] = conditions
    out = _object("v2", _annotated(obj["metadata"], {}), out_spec, out_status)
    newer.default(out)
    return out


def _object(version: str, metadata: Object, spec: Object, status: Object) -> Object:
    return {
        "kind": "HorizontalPodAutoscaler", "apiVersion": f"autoscaling/{version}", "metadata": metadata, "spec": spec,
        "status": status,
    }  # fmt: skip


def _some(obj: Object, members: tuple[str, ...]) -> Object:
    return {member: obj[member] for member in members if member in obj}


def _annotated(metadata: Object, told: dict[str, str]) -> Object:
    """The metadata with these of the four annotations and no others of them."""
    ours = (*SPEC_ANNOTATIONS, *STATUS_ANNOTATIONS)
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in ours} | told
    out = {**metadata, "annotations": annotations}
    if not annotations:
        del out["annotations"]
    return out


def _is_cpu_utilization(metric: Object) -> bool:
    resource = metric.get("resource") or {}
    target = resource.get("target") or {}
    cpu = metric.get("type") == "Resource" and resource.get("name") == "cpu"
    return cpu and target.get("averageUtilization") is not None


def _metric(metric: Object, convert: Callable[[str, Object], Object]) -> Object:
    """A metric with its sources converted."""
    out: Object = {"type": metric.get("type") or ""}
    for source in _SOURCES:
        if (body := metric.get(source)) is not None:
            out[source] = {k: v for k, v in convert(source, body).items() if v is not None}
    return out


def _listed(annotations: Object, name: str, struct: str) -> list[Object]:
    """The list that an annotation holds, each element checked against its v1 type."""
    try:
        found = orjson.loads(annotations.get(name) or "[]")
        if not isinstance(found, list):
            return []
        element = scheme.struct(f"autoscaling/v1.{struct}")
        for item in found:
            if not isinstance(item, dict):
                return []
            normalize(item, element)
        return found
    except (ValueError, BadRequest):
        return []


def _spec_to_v1(source: str, body: Object) -> Object:
    metric, target = body.get("metric") or {}, body.get("target") or {}
    average, whole = target.get("averageValue"), target.get("value")
    if source == "object":
        return {
            "target": body.get("describedObject"), "metricName": metric.get("name"), "targetValue": whole or "0",
            "selector": metric.get("selector"), "averageValue": average,
        }  # fmt: skip
    if source == "pods":
        return {
            "metricName": metric.get("name"),
            "targetAverageValue": average or "0",
            "selector": metric.get("selector"),
        }
    if source == "external":
        return {
            "metricName": metric.get("name"), "metricSelector": metric.get("selector"), "targetValue": whole,
            "targetAverageValue": average,
        }  # fmt: skip
    return {
        "name": body.get("name"), "targetAverageUtilization": target.get("averageUtilization"),
        "targetAverageValue": average, "container": body.get("container"),
    }  # fmt: skip


def _spec_from_v1(source: str, body: Object) -> Object:
    if source == "object":
        whole, average = body.get("targetValue") or "0", body.get("averageValue")
        if average is None:
            target = _target("Value", value=whole)
        else:
            # v1 must say a value where v2 said none: its zero is no aim.
            target = _target("AverageValue", value=None if whole == "0" else whole, averageValue=average)
        return {"describedObject": body.get("target"), "target": target, "metric": _identifier(body, "selector")}
    if source == "pods":
        target = _target("AverageValue", averageValue=body.get("targetAverageValue") or "0")
        return {"metric": _identifier(body, "selector"), "target": target}
    if source == "external":
        whole, average = body.get("targetValue"), body.get("targetAverageValue")
        target = _target("AverageValue" if whole is None else "Value", value=whole, averageValue=average)
        return {"metric": _identifier(body, "metricSelector"), "target": target}
    used, average = body.get("targetAverageUtilization"), body.get("targetAverageValue")
    kind = "AverageValue" if used is None else "Utilization"
    target = _target(kind, averageValue=average, averageUtilization=used)
    return {"name": body.get("name") or "", "target": target, "container": body.get("container")}


def _target(kind: str, **amounts: Any) -> Object:
    return {"type": kind, **{k: v for k, v in amounts.items() if v is not None}}


def _identifier(body: Object, selector: str) -> Object:
    out: Object = {"name": body.get("metricName") or ""}
    if body.get(selector) is not None:
        out["selector"] = body[selector]
    return out


def _status_to_v1(source: str, body: Object) -> Object:
    metric, current = body.get("metric") or {}, body.get("current") or {}
    average, whole = current.get("averageValue"), current.get("value")
    if source == "object":
        return {
            "target": body.get("describedObject"), "metricName": metric.get("name"), "currentValue": whole or "0",
            "selector": metric.get("selector"), "averageValue": average,
        }  # fmt: skip
    if source == "pods":
        return {
            "metricName": metric.get("name"),
            "currentAverageValue": average or "0",
            "selector": metric.get("selector"),
        }
    if source == "external":
        return {
            "metricName": metric.get("name"), "metricSelector": metric.get("selector"), "currentValue": whole or "0",
            "currentAverageValue": average,
        }  # fmt: skip
    return {
        "name": body.get("name"), "currentAverageUtilization": current.get("averageUtilization"),
        "currentAverageValue": average or "0", "container": body.get("container"),
    }  # fmt: skip


def _status_from_v1(source: str, body: Object) -> Object:
    def current(**amounts: Any) -> Object:
        return {k: v for k, v in amounts.items() if v is not None}

    if source == "object":
        now = current(value=body.get("currentValue") or "0", averageValue=body.get("averageValue"))
        return {"metric": _identifier(body, "selector"), "current": now, "describedObject": body.get("target")}
    if source == "pods":
        now = current(averageValue=body.get("currentAverageValue") or "0")
        return {"metric": _identifier(body, "selector"), "current": now}
    if source == "external":
        now = current(value=body.get("currentValue") or "0", averageValue=body.get("currentAverageValue"))
        return {"metric": _identifier(body, "metricSelector"), "current": now}
    now = current(
        averageValue=body.get("currentAverageValue") or "0", averageUtilization=body.get("currentAverageUtilization")
    )
    return {"name": body.get("name") or "", "current": now, "container": body.get("container")}


def _behavior_to_v1(behavior: Object) -> Object:
    """The behavior with members as Go's internal type names them, which has no JSON names of its own."""
    return {"ScaleUp": _rules_to_v1(behavior.get("scaleUp")), "ScaleDown": _rules_to_v1(behavior.get("scaleDown"))}


def _rules_to_v1(rules: Object | None) -> Object | None:
    if rules is None:
        return None
    policies = [
        {"Type": p.get("type"), "Value": p.get("value"), "PeriodSeconds": p.get("periodSeconds")}
        for p in rules.get("policies") or ()
    ]
    return {
        "StabilizationWindowSeconds": rules.get("stabilizationWindowSeconds"),
        "SelectPolicy": rules.get("selectPolicy"),
        "Policies": policies,
        "Tolerance": rules.get("tolerance"),
    }


def _behavior_from_v1(text: str | None) -> Object | None:
    try:
        found = _camel(orjson.loads(text or "null"))
        if not isinstance(found, dict):
            return None
        normalize(found, scheme.struct("autoscaling/v2.HorizontalPodAutoscalerBehavior"))
    except (ValueError, BadRequest, RecursionError):
        return None
    return found or None


def _camel(value: Any) -> Any:
    """Members with a small first letter: Go reads JSON names in any case."""
    if isinstance(value, dict):
        return {k[:1].lower() + k[1:]: _camel(v) for k, v in value.items() if v is not None}
    return [_camel(v) for v in value] if isinstance(value, list) else value
