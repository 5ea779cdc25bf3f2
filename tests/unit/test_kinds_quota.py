"""LimitRange, ResourceQuota, PriorityClass and RuntimeClass: rules with exact causes, defaults, tables."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinds_samples import BY_NAME, SAMPLES, changed, created, errors_of_create, errors_of_update, metadata, short, typed

from minikube_py.apiserver.kinds import limitrange, priorityclass, resourcequota, runtimeclass
from minikube_py.apiserver.kinds._cells import Age
from minikube_py.apiserver.kinds.base import Object

Wrong = list[tuple[str, str]]


def limits(*items: Object) -> Object:
    return {"metadata": metadata("l"), "spec": {"limits": list(items)}}


def test_what_a_container_gets_follows_from_what_it_may_have() -> None:
    item = {
        "type": "Container",
        "max": {"cpu": "2", "memory": "2Gi"},
        "default": {"cpu": "1"},
        "defaultRequest": {"ephemeral-storage": "1Gi"},
        "min": {"cpu": "100m", "hugepages-2Mi": "2Mi"},
    }
    (made,) = created(limitrange.KIND, limits(item))["spec"]["limits"]
    assert made["default"] == {"cpu": "1", "memory": "2Gi"}
    assert made["defaultRequest"] == {
        "cpu": "1", "memory": "2Gi", "ephemeral-storage": "1Gi", "hugepages-2Mi": "2Mi",
    }  # fmt: skip
    (pod,) = created(limitrange.KIND, limits({"type": "Pod", "max": {"cpu": "1500u"}}))["spec"]["limits"]
    assert pod == {"type": "Pod", "max": {"cpu": "2m"}}


amounts = st.dictionaries(st.sampled_from(["cpu", "memory", "hugepages-2Mi"]), st.sampled_from(["1", "500u", "2Gi"]))
members = st.fixed_dictionaries(
    {"type": st.sampled_from(["Container", "Pod"])},
    optional=dict.fromkeys(("max", "min", "default", "defaultRequest"), amounts),
)


@given(st.lists(members, max_size=2))
def test_limits_are_defaulted_once_and_for_all(items: list[Object]) -> None:
    made = created(limitrange.KIND, limits(*copy.deepcopy(items)))
    again = copy.deepcopy(made)
    limitrange.KIND.default(again)
    assert again == made


C = {"type": "Container"}
LIMITS: list[tuple[Object, Wrong]] = [
    ({"type": "example.com/Thing", "max": {"example.com/gpu": "1"}}, []),
    ({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}, []),
    ({"type": ""}, [("type", "Invalid"), ("type", "Invalid")]),
    ({"type": "Thing"}, [("type", "Invalid")]),
    ({"type": "PersistentVolumeClaim", "max": {"cpu": "1"}}, [("limits", "Required")]),
    ({**C, "max": {"storage": "1"}}, [(f"{m}[storage]", "Invalid") for m in ("max", "default", "defaultRequest")]),
    (
        {"type": "Pod", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}},
        [("default", "Forbidden"), ("defaultRequest", "Forbidden")],
    ),
    ({"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}}, [("min[cpu]", "Invalid")]),
    (
        {**C, "min": {"cpu": "2"}, "default": {"cpu": "3"}, "defaultRequest": {"cpu": "1"}},
        [("defaultRequest[cpu]", "Invalid")],
    ),
    (
        {**C, "max": {"cpu": "2"}, "default": {"cpu": "3"}, "defaultRequest": {"cpu": "1"}},
        [("default[cpu]", "Invalid")],
    ),
    ({**C, "default": {"cpu": "1"}, "defaultRequest": {"cpu": "2"}}, [("defaultRequest[cpu]", "Invalid")]),
    ({"type": "Pod", "maxLimitRequestRatio": {"cpu": "500m"}}, [("maxLimitRequestRatio[cpu]", "Invalid")]),
    (
        {"type": "Pod", "maxLimitRequestRatio": {"cpu": "3"}, "min": {"cpu": "1"}, "max": {"cpu": "2"}},
        [("maxLimitRequestRatio[cpu]", "Invalid")],
    ),
    (
        {**C, "default": {"hugepages-2Mi": "4Mi"}, "defaultRequest": {"hugepages-2Mi": "2Mi"}},
        [("defaultRequest[hugepages-2Mi]", "Invalid")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("item", "wrong"), LIMITS)
def test_limits(item: Object, wrong: Wrong) -> None:
    expected = [(f"spec.limits[0].{path}", reason) for path, reason in wrong]
    assert short(errors_of_create(limitrange.KIND, limits(item))) == expected


def test_a_type_has_its_limits_in_one_place() -> None:
    twice = limits({"type": "Pod"}, {"type": "Pod"})
    assert short(errors_of_create(limitrange.KIND, twice)) == [("spec.limits[1].type", "Duplicate")]
    old = created(limitrange.KIND, limits({"type": "Pod"}))
    assert short(errors_of_update(limitrange.KIND, twice, old)) == [("spec.limits[1].type", "Duplicate")]
    assert limitrange.KIND.row(old) == ["l", "2029-12-31T23:55:00Z"]


def quota(hard: Object, *scopes: str, **spec: Any) -> Object:
    return {"metadata": metadata("q"), "spec": {"hard": hard, "scopes": list(scopes), **spec}}


def term(scope: str, operator: str, *values: str) -> Object:
    return {"scopeSelector": {"matchExpressions": [{"scopeName": scope, "operator": operator, "values": list(values)}]}}


M = "spec.scopeSelector.matchExpressions"
QUOTAS: list[tuple[Object, Wrong]] = [
    (quota({"pods": "1", "count/jobs.batch": "2", "fast.storageclass.storage.k8s.io/requests.storage": "1Gi"}), []),
    (quota({"requests.example.com/gpu": "1", "hugepages-2Mi": "2Mi", "services.nodeports": "0"}), []),
    (quota({"storage": "1"}), [("spec.hard[storage]", "Invalid")]),
    (quota({"cows": "1"}), [("spec.hard[cows]", "Invalid")] * 2),
    (quota({"a b": "1"}), [("spec.hard[a b]", "Invalid")] * 2),
    (quota({"pods": "1500m"}), [("spec.hard[pods]", "Invalid")]),
    (quota({"cpu": "-1"}), [("spec.hard[cpu]", "Invalid")]),
    (quota({"pods": "1"}, "Weekend"), [("spec.scopes", "Invalid")]),
    (quota({"pods": "1"}, "BestEffort", "NotBestEffort"), [("spec.scopes", "Invalid")]),
    (quota({"pods": "1"}, "Terminating", "NotTerminating"), [("spec.scopes", "Invalid")]),
    (quota({"cpu": "1"}, "BestEffort"), [("spec.scopes", "Invalid")]),
    (quota({"cpu": "1", "services": "1"}, "Terminating"), [("spec.scopes", "Invalid")]),
    (quota({"requests.storage": "1"}, "VolumeAttributesClass"), []),
    (quota({"pods": "1"}, "VolumeAttributesClass"), [("spec.scopes", "Invalid")]),
    (quota({"pods": "1"}, **term("PriorityClass", "In", "high")), []),
    (quota({"pods": "1"}, **term("PriorityClass", "In")), [(f"{M}.values", "Required")]),
    (quota({"pods": "1"}, **term("PriorityClass", "Exists", "x")), [(f"{M}.values", "Invalid")]),
    (quota({"pods": "1"}, **term("PriorityClass", "Is")), [(f"{M}.operator", "Invalid")]),
    (quota({"pods": "1"}, **term("BestEffort", "In", "x")), [(f"{M}.operator", "Invalid")]),
    (quota({"services": "1"}, **term("PriorityClass", "Exists")), [(M, "Invalid")]),
    (quota({"pods": "1"}, **term("Weekend", "Exists")), [(f"{M}.scopeName", "Invalid")]),
]


@pytest.mark.parametrize(("obj", "wrong"), QUOTAS)
def test_quotas(obj: Object, wrong: Wrong) -> None:
    assert short(errors_of_create(resourcequota.KIND, obj)) == wrong


def test_the_scopes_of_a_quota_stay() -> None:
    old = created(resourcequota.KIND, quota({"pods": "1"}, "Terminating", "PriorityClass"))
    turned = changed(old, "spec.scopes", ["PriorityClass", "Terminating"])
    assert errors_of_update(resourcequota.KIND, turned, old) == []
    less = changed(old, "spec.scopes", ["Terminating"])
    assert short(errors_of_update(resourcequota.KIND, less, old)) == [("spec.scopes", "Invalid")]
    status = {**old, "status": {"hard": {"cows": "1"}, "used": {"pods": "-1"}}}
    kind = resourcequota.KIND
    assert short(kind.validate_status(typed(kind, status), typed(kind, old))) == [
        ("status.hard[cows]", "Invalid"), ("status.hard[cows]", "Invalid"), ("status.used[pods]", "Invalid"),
    ]  # fmt: skip


def test_the_row_of_a_quota() -> None:
    obj = created(resourcequota.KIND, quota({"pods": "1"}))
    assert resourcequota.KIND.row(obj)[1:3] == ["", ""]
    hard = {"pods": "10", "limits.cpu": "4", "cpu": "2", "limits.memory": "1Gi"}
    obj["status"] = {"hard": hard, "used": {"pods": "3", "limits.cpu": "500m"}}
    name, request, limit, age = resourcequota.KIND.row(obj)
    assert (name, request) == ("q", "cpu: 0/2, pods: 3/10")
    assert limit == "limits.cpu: 500m/4, limits.memory: 0/1Gi"
    assert isinstance(age, Age)


PRIORITIES: list[tuple[str, Object, Wrong]] = [
    ("high", {"value": 1_000_000_000}, []),
    ("low", {"value": -5, "globalDefault": True, "preemptionPolicy": "Never"}, []),
    ("high", {"value": 1_000_000_001}, [("value", "Forbidden")]),
    ("high", {"preemptionPolicy": "Maybe"}, [("preemptionPolicy", "NotSupported")]),
    ("high", {"preemptionPolicy": ""}, [("preemptionPolicy", "Required")]),
    ("system-node-critical", {"value": 2_000_001_000}, []),
    ("system-node-critical", {"value": 2_000_000_000}, [("metadata.name", "Forbidden")]),
    ("system-cluster-critical", {"value": 2_000_000_000, "globalDefault": True}, [("metadata.name", "Forbidden")]),
    ("system-mine", {"value": 5}, [("metadata.name", "Forbidden")]),
]


@pytest.mark.parametrize(("name", "body", "wrong"), PRIORITIES)
def test_priorities(name: str, body: Object, wrong: Wrong) -> None:
    assert short(errors_of_create(priorityclass.KIND, {"metadata": metadata(name, ""), **body})) == wrong


def test_a_priority_stays() -> None:
    old = created(priorityclass.KIND, SAMPLES["PriorityClass"])
    assert (old["preemptionPolicy"], old["metadata"]["generation"]) == ("PreemptLowerPriority", 1)
    new = {**old, "value": 2, "preemptionPolicy": "Never", "globalDefault": True, "description": "x"}
    assert short(errors_of_update(priorityclass.KIND, new, old)) == [
        ("value", "Forbidden"), ("preemptionPolicy", "Invalid"),
    ]  # fmt: skip
    cells = priorityclass.KIND.row(old)
    assert [*cells[:3], cells[4]] == ["high", 1000, False, "PreemptLowerPriority"]


RUNTIMES: list[tuple[Object, Wrong]] = [
    ({"handler": ""}, [("handler", "Invalid")]),
    ({"handler": "a.b"}, [("handler", "Invalid")]),
    ({"overhead": {"podFixed": {"cpu": "100m", "memory": "1Gi"}}}, []),
    ({"overhead": {"podFixed": {"cows": "1"}}}, [("overhead.limits[cows]", "Invalid")]),
    ({"scheduling": {"nodeSelector": {"a b": "c"}}}, [("scheduling.nodeSelector", "Invalid")]),
    (
        {"scheduling": {"tolerations": [{"operator": "Is", "key": "k"}]}},
        [("scheduling.tolerations[0].operator", "NotSupported")],
    ),
    (
        {"scheduling": {"tolerations": [{"operator": "Exists"}, {"operator": "Exists"}]}},
        [("scheduling.tolerations[1]", "Duplicate")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "wrong"), RUNTIMES)
def test_runtimes(body: Object, wrong: Wrong) -> None:
    assert short(errors_of_create(runtimeclass.KIND, {**SAMPLES["RuntimeClass"], **body})) == wrong


def test_the_handler_of_a_runtime_stays() -> None:
    old = created(runtimeclass.KIND, SAMPLES["RuntimeClass"])
    assert short(errors_of_update(runtimeclass.KIND, {**old, "handler": "b"}, old)) == [("handler", "Invalid")]
    assert runtimeclass.KIND.row(old)[:2] == ["gvisor", "runsc"]
    assert runtimeclass.KIND.warnings is not None
    older = {**old, "scheduling": {"nodeSelector": {"beta.kubernetes.io/os": "linux", "a": "b"}}}
    (warning,) = runtimeclass.KIND.warnings(older)
    assert warning.startswith("scheduling.nodeSelector[beta.kubernetes.io/os]: deprecated")
    assert BY_NAME["RuntimeClass"] is runtimeclass.KIND
