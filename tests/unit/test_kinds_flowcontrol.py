"""The kinds of flowcontrol.apiserver.k8s.io: defaults, what is refused and where, the fixed objects, rows."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.apiserver.kinds import _flowcontrol
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds.base import Object
from tests.unit.kinds_samples import (
    BY_NAME,
    CONTEXT,
    changed,
    created,
    errors_of_create,
    errors_of_update,
    metadata,
    short,
    typed,
)

SCHEMA, LEVEL = BY_NAME["FlowSchema"], BY_NAME["PriorityLevelConfiguration"]
FLOW: Object = {
    "metadata": metadata("f", ""),
    "spec": {
        "priorityLevelConfiguration": {"name": "l"},
        "matchingPrecedence": 500,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{
            "subjects": [
                {"kind": "User", "user": {"name": "u"}}, {"kind": "Group", "group": {"name": "g"}},
                {"kind": "ServiceAccount", "serviceAccount": {"namespace": "n", "name": "*"}},
            ],
            "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/healthz", "/x/*"]}],
        }],
    },
}  # fmt: skip
PRIORITY: Object = {
    "metadata": metadata("l", ""),
    "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}},
}
RULE = "rules.0.resourceRules.0"
URLS = "rules.0.nonResourceRules.0"


@pytest.mark.parametrize(
    "path, value, at, wrong",
    [
        ("matchingPrecedence", -1, "matchingPrecedence", "Invalid"),
        ("matchingPrecedence", 10001, "matchingPrecedence", "Invalid"),
        ("matchingPrecedence", 1, "matchingPrecedence", "Invalid"),
        ("distinguisherMethod.type", "ByMood", "distinguisherMethod.type", "NotSupported"),
        ("priorityLevelConfiguration.name", "", "priorityLevelConfiguration.name", "Required"),
        ("priorityLevelConfiguration.name", "A", "priorityLevelConfiguration.name", "Invalid"),
        ("rules.0.subjects", [], "rules[0].subjects", "Required"),
        ("rules.0", {"subjects": [{"kind": "User", "user": {"name": "u"}}]}, "rules[0]", "Required"),
        ("rules.0.subjects.0.kind", "Robot", "rules[0].subjects[0].kind", "NotSupported"),
        ("rules.0.subjects.0.user", None, "rules[0].subjects[0].user", "Required"),
        ("rules.0.subjects.0.user.name", "", "rules[0].subjects[0].user.name", "Required"),
        ("rules.0.subjects.0.group", {"name": "g"}, "rules[0].subjects[0].group", "Forbidden"),
        ("rules.0.subjects.2.serviceAccount.name", "A", "rules[0].subjects[2].serviceAccount.name", "Invalid"),
        ("rules.0.subjects.2.serviceAccount.namespace", "", "rules[0].subjects[2].serviceAccount.namespace",
         "Required"),
        (f"{RULE}.verbs", [], "rules[0].resourceRules[0].verbs", "Required"),
        (f"{RULE}.verbs", ["*", "get"], "rules[0].resourceRules[0].verbs", "Invalid"),
        (f"{RULE}.verbs", ["dance"], "rules[0].resourceRules[0].verbs", "NotSupported"),
        (f"{RULE}.apiGroups", [], "rules[0].resourceRules[0].apiGroups", "Required"),
        (f"{RULE}.apiGroups", ["*", "a"], "rules[0].resourceRules[0].apiGroups", "Invalid"),
        (f"{RULE}.resources", [], "rules[0].resourceRules[0].resources", "Required"),
        (f"{RULE}.resources", ["*", "a"], "rules[0].resourceRules[0].resources", "Invalid"),
        (f"{RULE}.namespaces", [], "rules[0].resourceRules[0].namespaces", "Required"),
        (f"{RULE}.namespaces", ["*", "a"], "rules[0].resourceRules[0].namespaces", "Invalid"),
        (f"{RULE}.namespaces", ["A"], "rules[0].resourceRules[0].namespaces[0]", "Invalid"),
        (f"{URLS}.nonResourceURLs", [], "rules[0].nonResourceRules[0].nonResourceURLs", "Required"),
        (f"{URLS}.nonResourceURLs", ["*", "/"], "rules[0].nonResourceRules[0].nonResourceURLs", "Invalid"),
        (f"{URLS}.nonResourceURLs", ["x"], "rules[0].nonResourceRules[0].nonResourceURLs[0]", "Invalid"),
        (f"{URLS}.nonResourceURLs", ["/a b"], "rules[0].nonResourceRules[0].nonResourceURLs[0]", "Invalid"),
        (f"{URLS}.nonResourceURLs", ["//"], "rules[0].nonResourceRules[0].nonResourceURLs[0]", "Invalid"),
        (f"{URLS}.nonResourceURLs", ["/a*"], "rules[0].nonResourceRules[0].nonResourceURLs[0]", "Invalid"),
    ],
)  # fmt: skip
def test_schemas(path: str, value: Any, at: str, wrong: str) -> None:
    assert errors_of_create(SCHEMA, FLOW) == []
    obj = changed(FLOW, f"spec.{path}", value)
    assert short(errors_of_create(SCHEMA, obj)) == [(f"spec.{at}", wrong)]
    assert short(errors_of_update(SCHEMA, obj, created(SCHEMA, FLOW))) == [(f"spec.{at}", wrong)]


def test_a_rule_for_the_whole_cluster_needs_no_namespace() -> None:
    obj = changed(changed(FLOW, f"spec.{RULE}.namespaces", []), f"spec.{RULE}.clusterScope", True)
    assert errors_of_create(SCHEMA, obj) == []


@pytest.mark.parametrize(
    "path, value, at, wrong",
    [
        ("type", "Exempt", "type", "Invalid"),
        ("type", "Other", "type", "NotSupported"),
        ("limited", None, "limited", "Required"),
        ("exempt", {}, "exempt", "Forbidden"),
        ("limited.nominalConcurrencyShares", -1, "limited.nominalConcurrencyShares", "Invalid"),
        ("limited.lendablePercent", 101, "limited.lendablePercent", "Invalid"),
        ("limited.borrowingLimitPercent", -1, "limited.borrowingLimitPercent", "Invalid"),
        ("limited.limitResponse.type", "Reject", "limited.limitResponse.queuing", "Forbidden"),
        ("limited.limitResponse.type", "Wait", "limited.limitResponse.type", "NotSupported"),
        ("limited.limitResponse.queuing", None, "limited.limitResponse.queuing", "Required"),
        ("limited.limitResponse.queuing.queueLengthLimit", -1, "limited.limitResponse.queuing.queueLengthLimit",
         "Invalid"),
        ("limited.limitResponse.queuing.queues", 10_000_001, "limited.limitResponse.queuing.queues", "Invalid"),
        ("limited.limitResponse.queuing.handSize", -1, "limited.limitResponse.queuing.handSize", "Invalid"),
        ("limited.limitResponse.queuing.handSize", 65, "limited.limitResponse.queuing.handSize", "Invalid"),
        ("limited.limitResponse.queuing.handSize", 11, "limited.limitResponse.queuing.handSize", "Invalid"),
    ],
)  # fmt: skip
def test_levels(path: str, value: Any, at: str, wrong: str) -> None:
    assert errors_of_create(LEVEL, PRIORITY) == []
    assert short(errors_of_create(LEVEL, changed(PRIORITY, f"spec.{path}", value)))[0] == (f"spec.{at}", wrong)


def test_hands_that_the_hash_can_deal() -> None:
    path = "spec.limited.limitResponse.queuing.handSize"
    assert errors_of_create(LEVEL, changed(PRIORITY, path, 10)) == []  # 6 bits for each of 64 queues
    (error,) = errors_of_create(LEVEL, changed(PRIORITY, path, 11))
    assert error.detail == "required entropy bits of deckSize 64 and handSize 11 should not be greater than 60"


def test_defaults() -> None:
    made = created(SCHEMA, changed(FLOW, "spec.matchingPrecedence", None))
    assert made["spec"]["matchingPrecedence"] == 1000
    limited = created(LEVEL, PRIORITY)["spec"]["limited"]
    assert (limited["nominalConcurrencyShares"], limited["lendablePercent"]) == (30, 0)
    assert limited["limitResponse"]["queuing"] == {"queues": 64, "handSize": 8, "queueLengthLimit": 50}
    exempt = {"metadata": metadata("exempt", ""), "spec": {"type": "Exempt", "exempt": {}}}
    assert created(LEVEL, exempt)["spec"]["exempt"] == {"nominalConcurrencyShares": 0, "lendablePercent": 0}


@pytest.mark.parametrize("name", ["exempt", "catch-all"])
def test_the_fixed_objects(name: str) -> None:
    flow = {"metadata": metadata(name, ""), "spec": _flowcontrol.FIXED_SCHEMAS[name]}
    assert errors_of_create(SCHEMA, flow) == []
    (error,) = errors_of_create(SCHEMA, changed(flow, "spec.matchingPrecedence", 77))
    assert error.detail == f"spec of '{name}' must equal the fixed value"
    level = {"metadata": metadata(name, ""), "spec": _flowcontrol.FIXED_LEVELS[name]}
    assert errors_of_create(LEVEL, level) == []
    assert SCHEMA.warnings is not None and SCHEMA.warnings(flow) == () and len(SCHEMA.warnings(FLOW)) == 1


def test_what_of_the_fixed_levels_may_change() -> None:
    exempt = {"metadata": metadata("exempt", ""), "spec": {"type": "Exempt", "exempt": {"lendablePercent": 5}}}
    assert errors_of_create(LEVEL, exempt) == []
    limited = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}
    rest = {"metadata": metadata("catch-all", ""), "spec": limited}
    assert [e.detail for e in errors_of_create(LEVEL, rest)] == ["spec of 'catch-all' must equal the fixed value"]
    errs = errors_of_create(LEVEL, changed(exempt, "spec", limited))
    assert "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value" in [e.detail for e in errs]


@pytest.mark.parametrize("kind, obj", [(SCHEMA, FLOW), (LEVEL, PRIORITY)])
def test_status(kind: Any, obj: Object) -> None:
    old = created(kind, changed(obj, "status", {"conditions": [{"type": "A"}]}))
    assert old["status"] == {}
    new = changed(old, "status", {"conditions": [{"type": "A"}, {"type": "A"}, {"type": ""}]})
    new["spec"] = {}
    kind.prepare_status(new, old, CONTEXT)
    assert new["spec"] == old["spec"]
    assert short(kind.validate_status(typed(kind, new), typed(kind, old))) == [
        ("status.conditions[1].type", "Duplicate"), ("status.conditions[2].type", "Required"),
    ]  # fmt: skip
    kind.prepare_update(new, old, CONTEXT)
    assert new["status"] == {}


def test_rows() -> None:
    stamp = age("2029-12-31T23:55:00Z")
    assert SCHEMA.row(FLOW) == ["f", "l", 500, "ByUser", stamp, "?"]
    dangling = changed(FLOW, "status", {"conditions": [{"type": "Dangling", "status": "False"}]})
    assert SCHEMA.row(changed(dangling, "spec.distinguisherMethod", None))[3:] == ["<none>", stamp, "False"]
    assert LEVEL.row(created(LEVEL, PRIORITY)) == ["l", "Limited", 30, 64, 8, 50, stamp]
    exempt = {"metadata": metadata("exempt", ""), "spec": {"type": "Exempt"}}
    assert LEVEL.row(exempt) == ["exempt", "Exempt", "<none>", "<none>", "<none>", "<none>", stamp]
