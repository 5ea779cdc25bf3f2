"""HorizontalPodAutoscalers: rules, rows, and the way from autoscaling/v2 to v1 and back."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds_samples import CONTEXT, changed, created, errors_of_create, errors_of_update, short, typed
from test_kinds_properties import check, some, word
from workload_samples import KINDS, SAMPLES, sample

from minikube_py.api import scheme
from minikube_py.api.normalize import normalize
from minikube_py.apiserver.kinds import horizontalpodautoscaler as newer
from minikube_py.apiserver.kinds._hpaconversion import BEHAVIOR, CONDITIONS, CURRENT, METRICS, from_v1, to_v1
from minikube_py.apiserver.kinds.base import Object

Expected = list[tuple[str, str]]
V1, V2 = KINDS["HorizontalPodAutoscaler v1"], KINDS["HorizontalPodAutoscaler"]
M, B = "spec.metrics", "spec.behavior"


def hpa(*metrics: Object, **spec: Any) -> Object:
    return sample("HorizontalPodAutoscaler", **({"metrics": list(metrics)} if metrics else {}), **spec)


def used(percent: int, name: str = "cpu") -> Object:
    return {
        "type": "Resource",
        "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": percent}},
    }


PODS: Object = {
    "type": "Pods",
    "pods": {
        "metric": {"name": "hits", "selector": {"matchLabels": {"a": "b"}}},
        "target": {"type": "AverageValue", "averageValue": "10"},
    },
}
OBJECT: Object = {
    "type": "Object",
    "object": {
        "describedObject": {"kind": "Service", "name": "s", "apiVersion": "v1"},
        "metric": {"name": "requests"},
        "target": {"type": "Value", "value": "2k"},
    },
}
AVERAGE_OF_OBJECT: Object = changed(OBJECT, "object.target", {"type": "AverageValue", "averageValue": "500m"})
EXTERNAL: Object = {
    "type": "External",
    "external": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "30"}},
}
CONTAINER: Object = {
    "type": "ContainerResource",
    "containerResource": {
        "name": "memory",
        "container": "web",
        "target": {"type": "Utilization", "averageUtilization": 60},
    },
}
MEMORY: Object = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "100Mi"}},
}
EVERY = (PODS, OBJECT, AVERAGE_OF_OBJECT, EXTERNAL, CONTAINER, MEMORY, used(70, "memory"), used(50))


def test_defaults() -> None:
    spec = created(V2, hpa())["spec"]
    assert (spec["minReplicas"], spec["metrics"]) == (1, [used(80)])
    behavior = created(V2, hpa(behavior={"scaleUp": {"stabilizationWindowSeconds": 30}}))["spec"]["behavior"]
    percent, pods = ({"type": t, "value": v, "periodSeconds": 15} for t, v in (("Percent", 100), ("Pods", 4)))
    assert behavior == {
        "scaleUp": {"stabilizationWindowSeconds": 30, "selectPolicy": "Max", "policies": [pods, percent]},
        "scaleDown": {"selectPolicy": "Max", "policies": [percent]},
    }
    assert created(V2, hpa(behavior={"scaleUp": {}}))["spec"]["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert created(V1, SAMPLES["HorizontalPodAutoscaler v1"])["spec"]["minReplicas"] == 1


def policy(**members: Any) -> Object:
    return {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1, **members}]}


SPECS: dict[str, tuple[Object, Expected]] = {
    "numbers": (
        sample("HorizontalPodAutoscaler", minReplicas=0, maxReplicas=-1),
        [
            ("spec.minReplicas", "Invalid"),
            ("spec.maxReplicas", "Invalid"),
            ("spec.maxReplicas", "Invalid"),
            (M, "Forbidden"),
        ],
    ),
    "reference": (
        sample("HorizontalPodAutoscaler", scaleTargetRef={"kind": "a/b"}),
        [("spec.scaleTargetRef.kind", "Invalid"), ("spec.scaleTargetRef.name", "Required")],
    ),
    "types": (
        hpa({"type": ""}, {"type": "Odd", "pods": PODS["pods"]}, {"type": "Pods"}, {**PODS, **OBJECT}),
        [
            (f"{M}[0].type", "Required"),
            (f"{M}[1].type", "NotSupported"),
            (f"{M}[2].pods", "Required"),
            (f"{M}[3].pods", "Forbidden"),
        ],
    ),
    "resource": (
        hpa(
            {"type": "Resource", "resource": {"target": {"type": "Utilization"}}},
            changed(used(0), "resource.target.averageValue", "0"),
        ),
        [
            (f"{M}[0].resource.name", "Required"),
            (f"{M}[0].resource.target.averageUtilization", "Required"),
            (f"{M}[1].resource.target.averageValue", "Invalid"),
            (f"{M}[1].resource.target.averageUtilization", "Invalid"),
            (f"{M}[1].resource.target.averageValue", "Forbidden"),
        ],
    ),
    "container": (
        hpa(
            changed(CONTAINER, "containerResource.container", "Web"),
            changed(changed(CONTAINER, "containerResource.container", ""), "containerResource.name", "watts"),
        ),
        [
            (f"{M}[0].containerResource.container", "Invalid"),
            (f"{M}[1].containerResource.name", "Invalid"),
            (f"{M}[1].containerResource.container", "Required"),
        ],
    ),
    "object": (
        hpa({"type": "Object", "object": {"metric": {"name": "a/b"}, "target": {"type": "Most"}}}),
        [
            (f"{M}[0].object.describedObject.kind", "Required"),
            (f"{M}[0].object.describedObject.name", "Required"),
            (f"{M}[0].object.metric.name", "Invalid"),
            (f"{M}[0].object.target.type", "Invalid"),
            (f"{M}[0].object.target.averageValue", "Required"),
        ],
    ),
    "external and pods": (
        hpa(
            changed(EXTERNAL, "external.target.value", "1"),
            changed(PODS, "pods", {"metric": {}, "target": {}}),
        ),
        [
            (f"{M}[0].external.target.value", "Forbidden"),
            (f"{M}[1].pods.metric.name", "Required"),
            (f"{M}[1].pods.target.type", "Required"),
            (f"{M}[1].pods.target.averageValue", "Required"),
        ],
    ),
    "behavior": (
        hpa(
            behavior={
                "scaleUp": {
                    "stabilizationWindowSeconds": 3601,
                    "selectPolicy": "Most",
                    "tolerance": "-1",
                    **policy(value=0),
                },
                "scaleDown": {"stabilizationWindowSeconds": -1, **policy(type="Nodes", periodSeconds=1801)},
            }
        ),
        [
            (f"{B}.scaleUp.stabilizationWindowSeconds", "Invalid"),
            (f"{B}.scaleUp.selectPolicy", "NotSupported"),
            (f"{B}.scaleUp.policies[0].value", "Invalid"),
            (f"{B}.scaleUp.tolerance", "Invalid"),
            (f"{B}.scaleDown.stabilizationWindowSeconds", "Invalid"),
            (f"{B}.scaleDown.policies[0].type", "NotSupported"),
            (f"{B}.scaleDown.policies[0].periodSeconds", "Invalid"),
        ],
    ),
    "no policies": (
        hpa(behavior={"scaleUp": {"policies": []}, "scaleDown": policy(periodSeconds=0)}),
        [(f"{B}.scaleDown.policies[0].periodSeconds", "Invalid")],
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_specs_that_are_refused(name: str) -> None:
    obj, expected = SPECS[name]
    assert short(errors_of_create(V2, obj)) == expected


def test_every_metric_is_good_and_settles() -> None:
    obj = hpa(*EVERY, minReplicas=2, behavior={"scaleDown": {"tolerance": "50m", "selectPolicy": "Disabled"}})
    assert short(errors_of_create(V2, obj)) == []
    check(V2, obj)


def test_one_that_scales_to_zero_may_stay() -> None:
    old = created(V2, hpa(EXTERNAL, minReplicas=0))
    assert short(errors_of_create(V2, hpa(EXTERNAL, minReplicas=0))) == [("spec.minReplicas", "Invalid")]
    assert short(errors_of_update(V2, old, old)) == []
    one = created(V2, hpa(EXTERNAL))
    assert short(errors_of_update(V2, changed(one, "spec.minReplicas", 0), one)) == [("spec.minReplicas", "Invalid")]


def test_v1_is_checked_by_the_rules_of_v2() -> None:
    bad = sample("HorizontalPodAutoscaler v1", maxReplicas=0, targetCPUUtilizationPercentage=0)
    assert short(errors_of_create(V1, bad)) == [
        ("spec.maxReplicas", "Invalid"),
        ("spec.maxReplicas", "Invalid"),
        (f"{M}[0].resource.target.averageUtilization", "Invalid"),
    ]
    status = {**created(V1, SAMPLES["HorizontalPodAutoscaler v1"]), "status": {"desiredReplicas": -1}}
    assert short(V1.validate_status(typed(V1, status), typed(V1, status))) == [("status.desiredReplicas", "Invalid")]


def target_cell(metrics: list[Object], current: list[Object] | None = None) -> Any:
    obj = {**hpa(), "status": {"currentMetrics": current or []}}
    obj["spec"]["metrics"] = metrics
    return V2.row(obj)[2]


def now(metric: Object, **values: Any) -> Object:
    """A metric's status with these current values."""
    member = next(m for m in metric if m != "type")
    return {"type": metric["type"], member: {"name": metric[member].get("name", ""), "current": values}}


@pytest.mark.parametrize(
    ("metrics", "current", "text"),
    [
        ([], [], "<none>"),
        ([used(80)], [], "cpu: <unknown>/80%"),
        ([used(80)], [now(used(80), averageUtilization=0, averageValue="1m")], "cpu: 0%/80%"),
        ([MEMORY], [now(MEMORY, averageValue="64Mi")], "memory: 64Mi/100Mi"),
        ([CONTAINER], [now(CONTAINER, averageUtilization=7)], "memory: 7%/60%"),
        ([changed(used(1), "resource.target", {"type": "Utilization"})], [], "cpu: <unknown>/<auto>"),
        ([PODS], [now(PODS, averageValue="3")], "3/10"),
        ([OBJECT], [now(OBJECT, value="1k")], "1k/2k"),
        ([AVERAGE_OF_OBJECT], [], "<unknown>/500m (avg)"),
        ([EXTERNAL], [now(EXTERNAL, averageValue="9")], "9/30 (avg)"),
        ([used(1), PODS, OBJECT, EXTERNAL], [], "cpu: <unknown>/1%, <unknown>/10 + 2 more..."),
        ([{"type": "Odd"}], [], "<unknown type>"),
    ],
)
def test_the_targets_column(metrics: list[Object], current: list[Object], text: str) -> None:
    assert target_cell(metrics, current) == text


def test_rows_of_both_versions_are_the_same() -> None:
    stored = created(V2, hpa(used(50), PODS, minReplicas=2))
    stored["status"] |= {"currentReplicas": 3, "currentMetrics": [now(used(50), averageUtilization=40)]}
    row = V2.row(stored)
    assert row[:2] + row[3:6] == ["web", "Deployment/web", "2", 5, 3]
    assert V1.row(to_v1(stored))[:2] == row[:2] and V1.row(to_v1(stored))[3:] == row[3:]


CONDITION = {"type": "AbleToScale", "status": "True", "lastTransitionTime": "2030-01-01T00:00:00Z", "reason": "Ready"}


def full() -> Object:
    """A stored v2 object with everything in it."""
    obj = created(V2, hpa(*EVERY, behavior={"scaleUp": {"tolerance": "100m"}}))
    obj |= {"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2"}
    obj["metadata"]["annotations"] = {"mine": "kept"}
    obj["status"] = {
        "observedGeneration": 3, "lastScaleTime": "2030-01-01T00:00:00Z", "currentReplicas": 2, "desiredReplicas": 4,
        "currentMetrics": [now(used(50), averageUtilization=40, averageValue="400m")], "conditions": [CONDITION],
    }  # fmt: skip
    return obj


def test_v1_keeps_in_annotations_what_it_has_no_members_for() -> None:
    older = to_v1(full())
    assert normalize(copy.deepcopy(older), scheme.struct("autoscaling/v1.HorizontalPodAutoscaler")) == []
    assert older["spec"] == {
        "scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 5,
        "targetCPUUtilizationPercentage": 50,
    }  # fmt: skip
    assert older["status"] == {
        "observedGeneration": 3, "lastScaleTime": "2030-01-01T00:00:00Z", "currentReplicas": 2, "desiredReplicas": 4,
        "currentCPUUtilizationPercentage": 40,
    }  # fmt: skip
    annotations = older["metadata"]["annotations"]
    assert set(annotations) == {"mine", METRICS, BEHAVIOR, CURRENT, CONDITIONS}
    assert json.loads(annotations[METRICS])[0] == {
        "type": "Pods",
        "pods": {"metricName": "hits", "targetAverageValue": "10", "selector": {"matchLabels": {"a": "b"}}},
    }
    assert json.loads(annotations[BEHAVIOR])["ScaleUp"]["Policies"][0] == {
        "Type": "Pods", "Value": 4, "PeriodSeconds": 15,
    }  # fmt: skip
    assert json.loads(annotations[CURRENT]) == [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "currentAverageUtilization": 40, "currentAverageValue": "400m"},
        }
    ]
    assert json.loads(annotations[CONDITIONS]) == [CONDITION]


def test_there_and_back() -> None:
    obj = full()
    before = copy.deepcopy(obj)
    assert from_v1(to_v1(obj)) == obj == before


def test_v1_without_a_target_aims_at_the_default() -> None:
    older = created(V1, SAMPLES["HorizontalPodAutoscaler v1"])
    assert from_v1(older)["spec"]["metrics"] == [used(newer.DEFAULT_UTILIZATION)]
    older["status"]["currentCPUUtilizationPercentage"] = 12
    assert from_v1(older)["status"]["currentMetrics"] == [now(used(1), averageUtilization=12)]


@pytest.mark.parametrize("text", ["", "x", "{}", "[1]", '[{"type": 1}]', "null", "[" * 300])
def test_annotations_that_cannot_be_read_say_nothing(text: str) -> None:
    older = created(V1, SAMPLES["HorizontalPodAutoscaler v1"])
    plain = from_v1(copy.deepcopy(older))
    older["metadata"]["annotations"] = dict.fromkeys((METRICS, BEHAVIOR, CURRENT, CONDITIONS), text)
    assert from_v1(older) == plain


def test_writers_of_v1_change_their_half_of_the_annotations_alone() -> None:
    old = to_v1(full())
    told = old["metadata"]["annotations"]
    new = copy.deepcopy(old)
    new["metadata"]["annotations"] = {METRICS: "[]", CURRENT: "[]"}
    after = copy.deepcopy(new)
    V1.prepare_update(after, old, CONTEXT)
    assert after["metadata"]["annotations"] == {METRICS: "[]", CURRENT: told[CURRENT], CONDITIONS: told[CONDITIONS]}
    after = copy.deepcopy(new)
    V1.prepare_status(after, old, CONTEXT)
    assert after["metadata"]["annotations"] == {METRICS: told[METRICS], BEHAVIOR: told[BEHAVIOR], CURRENT: "[]"}
    V1.prepare_create(new, CONTEXT)
    assert new["metadata"]["annotations"] == {METRICS: "[]"}


amount = st.sampled_from(["1", "0", "100m", "-1", "2Ki"])
percent = st.integers(-1, 100)
target = some(type=word, value=amount, averageValue=amount, averageUtilization=percent)
metric = some(name=word, selector=some(matchLabels=st.dictionaries(word, word, max_size=1)))
metrics = some(
    type=st.sampled_from(["Resource", "Pods", "Object", "External", "ContainerResource", "x"]),
    resource=some(name=st.sampled_from(["cpu", "memory", ""]), target=target),
    pods=some(metric=metric, target=target),
    object=some(describedObject=some(kind=word, name=word), metric=metric, target=target),
    external=some(metric=metric, target=target),
    containerResource=some(name=word, container=word, target=target),
)
scaling = some(
    selectPolicy=word,
    stabilizationWindowSeconds=percent,
    policies=st.lists(some(type=word, value=percent), max_size=2),
)
specs = some(
    minReplicas=percent,
    maxReplicas=percent,
    scaleTargetRef=some(kind=word, name=word, apiVersion=word),
    metrics=st.lists(metrics, max_size=3),
    behavior=some(scaleUp=scaling, scaleDown=scaling),
)


@settings(max_examples=200, deadline=None)
@given(specs, st.one_of(st.none(), percent))
def test_whatever_is_sent_settles_and_goes_there_and_back(spec: Object, cpu: int | None) -> None:
    meta = {"name": "x", "namespace": "default"}
    check(V2, {"metadata": dict(meta), "spec": copy.deepcopy(spec)})
    stored = created(V2, {"metadata": dict(meta), "spec": spec})
    older = to_v1(stored)
    assert normalize(copy.deepcopy(older), scheme.struct(V1.resource.type)) == []
    assert to_v1(from_v1(older)) == older, "a second way there and back changes something"
    plain = {k: v for k, v in spec.items() if k not in ("metrics", "behavior")}
    if cpu is not None:
        plain["targetCPUUtilizationPercentage"] = cpu
    check(V1, {"metadata": dict(meta), "spec": plain})


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(EVERY), max_size=4, unique_by=str), st.booleans())
def test_valid_metrics_survive_v1(chosen: list[Object], behavior: bool) -> None:
    """All of them; but the utilization of CPU, which v1 has a member for, goes to the end."""
    extra = {"behavior": {"scaleUp": {"selectPolicy": "Min"}}} if behavior else {}
    stored = created(V2, hpa(*copy.deepcopy(chosen), **extra))
    again = from_v1(to_v1(stored))
    in_order = sorted(stored["spec"]["metrics"], key=lambda m: m == used(50))
    assert again["spec"] == {**stored["spec"], "metrics": in_order}
