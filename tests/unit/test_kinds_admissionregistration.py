"""The kinds of admissionregistration.k8s.io: defaults, what is refused and where, warnings, rows."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.apiserver.kinds import _admission_rules, _webhooks
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
)

RULE: Object = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
HOOKS: Object = {
    "metadata": metadata("h", ""),
    "webhooks": [{
        "name": "pods.example.com",
        "clientConfig": {"service": {"namespace": "n", "name": "s", "path": "/a/b"}},
        "rules": [RULE],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "matchConditions": [{"name": "only", "expression": "true"}],
    }],
}  # fmt: skip
MATCH: Object = {"resourceRules": [RULE]}
POLICY: Object = {
    "metadata": metadata("p", ""),
    "spec": {
        "paramKind": {"apiVersion": "example.com/v1", "kind": "Limit"},
        "matchConstraints": MATCH,
        "validations": [{"expression": "object.spec.replicas < 5", "reason": "Invalid"}],
        "auditAnnotations": [{"key": "a", "valueExpression": "'x'"}],
        "variables": [{"name": "v", "expression": "1"}],
    },
}
MUTATION: Object = {
    "metadata": metadata("m", ""),
    "spec": {
        "matchConstraints": MATCH,
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}],
        "reinvocationPolicy": "Never",
    },
}
BINDING: Object = {
    "metadata": metadata("b", ""),
    "spec": {
        "policyName": "p",
        "paramRef": {"name": "x", "parameterNotFoundAction": "Deny"},
        "matchResources": MATCH,
        "validationActions": ["Deny"],
    },
}
WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
POLICIES = {"ValidatingAdmissionPolicy": POLICY, "MutatingAdmissionPolicy": MUTATION}
BINDINGS = ("ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding")


def binding(kind: str) -> Object:
    return BINDING if kind.startswith("Validating") else changed(BINDING, "spec.validationActions", None)


def where(path: str) -> str:
    return "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in path.split(".")).lstrip(".")


@pytest.mark.parametrize("kind", WEBHOOKS)
@pytest.mark.parametrize(
    "path, value, at, wrong",
    [
        ("name", "", "", "Required"),
        ("name", "a.b", "", "Invalid"),
        ("name", "A.b.c", "", "Invalid"),
        ("clientConfig", {}, "", "Required"),
        ("clientConfig.url", "https://h", "clientConfig", "Required"),
        ("clientConfig", {"url": "http://h"}, "clientConfig.url", "Invalid"),
        ("clientConfig", {"url": "https://"}, "clientConfig.url", "Invalid"),
        ("clientConfig", {"url": "https://u@h"}, "clientConfig.url", "Invalid"),
        ("clientConfig", {"url": "https://h#f"}, "clientConfig.url", "Invalid"),
        ("clientConfig", {"url": "https://h?q"}, "clientConfig.url", "Invalid"),
        ("clientConfig", {"url": "https://["}, "clientConfig.url", "Required"),
        ("clientConfig.service.name", "", "", "Required"),
        ("clientConfig.service.namespace", "", "", "Required"),
        ("clientConfig.service.port", 65536, "", "Invalid"),
        ("clientConfig.service.path", "abc", "", "Invalid"),
        ("clientConfig.service.path", "//", "", "Invalid"),
        ("clientConfig.service.path", "/a//b", "", "Invalid"),
        ("clientConfig.service.path", "/A", "", "Invalid"),
        ("sideEffects", None, "", "Required"),
        ("sideEffects", "Some", "", "NotSupported"),
        ("timeoutSeconds", 31, "", "Invalid"),
        ("timeoutSeconds", 0, "", "Invalid"),
        ("failurePolicy", "Cry", "", "NotSupported"),
        ("matchPolicy", "Loose", "", "NotSupported"),
        ("namespaceSelector", {"matchLabels": {"a b": "c"}}, "namespaceSelector.matchLabels", "Invalid"),
        ("objectSelector", {"matchLabels": {"a b": "c"}}, "objectSelector.matchLabels", "Invalid"),
        ("admissionReviewVersions", [], "", "Required"),
        ("admissionReviewVersions", ["v2"], "", "Invalid"),
        ("admissionReviewVersions", ["v1", "v1"], "admissionReviewVersions.1", "Invalid"),
        ("admissionReviewVersions", ["v1", "1"], "admissionReviewVersions.1", "Invalid"),
        ("rules.0.operations", [], "", "Required"),
        ("rules.0.operations", ["*", "CREATE"], "", "Invalid"),
        ("rules.0.operations", ["DANCE"], "rules.0.operations.0", "NotSupported"),
        ("rules.0.apiGroups", [], "", "Required"),
        ("rules.0.apiGroups", ["*", "a"], "", "Invalid"),
        ("rules.0.apiVersions", [], "", "Required"),
        ("rules.0.apiVersions", [""], "rules.0.apiVersions.0", "Required"),
        ("rules.0.resources", [], "", "Required"),
        ("rules.0.resources", [""], "rules.0.resources.0", "Required"),
        ("rules.0.resources", ["*/*", "a"], "", "Invalid"),
        ("rules.0.resources", ["*", "a"], "", "Invalid"),
        ("rules.0.resources", ["a/*", "a/b"], "rules.0.resources.1", "Invalid"),
        ("rules.0.resources", ["*/b", "a/b"], "rules.0.resources.1", "Invalid"),
        ("rules.0.scope", "Galaxy", "", "NotSupported"),
        ("matchConditions.0.expression", " ", "", "Required"),
        ("matchConditions.0.name", "", "", "Required"),
        ("matchConditions.0.name", "a b", "", "Invalid"),
        ("matchConditions", [{"name": "a", "expression": "true"}] * 2, "matchConditions.1.name", "Duplicate"),
        ("matchConditions", [{"name": f"a{i}", "expression": "true"} for i in range(65)], "", "TooMany"),
    ],
)
def test_webhooks(kind: str, path: str, value: Any, at: str, wrong: str) -> None:
    assert errors_of_create(BY_NAME[kind], HOOKS) == []
    obj = changed(HOOKS, f"webhooks.0.{path}", value)
    expected = [(f"webhooks[0].{where(at or path)}", wrong)]
    assert short(errors_of_create(BY_NAME[kind], obj)) == expected
    assert short(errors_of_update(BY_NAME[kind], obj, created(BY_NAME[kind], HOOKS))) == expected


def test_names_of_webhooks_are_unique_and_reinvocation_is_mutating() -> None:
    kind = BY_NAME["MutatingWebhookConfiguration"]
    twice = changed(HOOKS, "webhooks", HOOKS["webhooks"] * 2)
    assert short(errors_of_create(kind, twice)) == [("webhooks[1].name", "Duplicate")]
    obj = changed(HOOKS, "webhooks.0.reinvocationPolicy", "Always")
    assert short(errors_of_create(kind, obj)) == [("webhooks[0].reinvocationPolicy", "NotSupported")]


@pytest.mark.parametrize("kind", WEBHOOKS)
def test_defaults_of_webhooks(kind: str) -> None:
    (hook,) = created(BY_NAME[kind], HOOKS)["webhooks"]
    assert (hook["failurePolicy"], hook["matchPolicy"], hook["timeoutSeconds"]) == ("Fail", "Equivalent", 10)
    assert (hook["namespaceSelector"], hook["objectSelector"]) == ({}, {})
    assert (hook["rules"][0]["scope"], hook["clientConfig"]["service"]["port"]) == ("*", 443)
    assert hook.get("reinvocationPolicy") == ("Never" if kind.startswith("Mutating") else None)


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize(
    "path, value, at, wrong",
    [
        ("failurePolicy", "Cry", "", "NotSupported"),
        ("matchConstraints", None, "", "Required"),
        ("matchConstraints.resourceRules", [], "", "Required"),
        ("matchConstraints.matchPolicy", "Loose", "", "NotSupported"),
        ("matchConstraints.namespaceSelector", {"matchLabels": {"a b": "c"}},
         "matchConstraints.namespaceSelector.matchLabels", "Invalid"),
        ("matchConstraints.resourceRules.0.resourceNames", ["a", "a"],
         "matchConstraints.resourceRules.0.resourceNames.1", "Duplicate"),
        ("matchConstraints.resourceRules.0.resourceNames", ["a/b"],
         "matchConstraints.resourceRules.0.resourceNames.0", "Invalid"),
        ("matchConstraints.excludeResourceRules", [{**RULE, "operations": []}],
         "matchConstraints.excludeResourceRules.0.operations", "Required"),
        ("paramKind", {"apiVersion": "", "kind": "A"}, "paramKind.apiVersion", "Required"),
        ("paramKind", {"apiVersion": "a/b/c", "kind": "A"}, "paramKind.apiVersion", "Invalid"),
        ("paramKind", {"apiVersion": "a/", "kind": "A"}, "paramKind.apiVersion", "Invalid"),
        ("paramKind", {"apiVersion": "A/v1", "kind": "A"}, "paramKind.apiVersion", "Invalid"),
        ("paramKind", {"apiVersion": "v1", "kind": ""}, "paramKind.kind", "Required"),
        ("paramKind", {"apiVersion": "v1", "kind": "a.b"}, "paramKind.kind", "Invalid"),
        ("variables", [{"name": " ", "expression": "1"}], "variables.0.name", "Required"),
        ("variables", [{"name": "a-b", "expression": "1"}], "variables.0.name", "Invalid"),
        ("variables", [{"name": "for", "expression": "1"}], "variables.0.name", "Invalid"),
        ("variables", [{"name": "v", "expression": ""}], "variables.0.expression", "Required"),
    ],
)  # fmt: skip
def test_policies(kind: str, path: str, value: Any, at: str, wrong: str) -> None:
    assert errors_of_create(BY_NAME[kind], POLICIES[kind]) == []
    obj = changed({**POLICIES[kind], "spec": {"matchConstraints": {}, **POLICIES[kind]["spec"], "paramKind": {}}},
                  "spec.paramKind", {"apiVersion": "v1", "kind": "A"})  # fmt: skip
    obj = changed(changed(obj, f"spec.{path}", [] if value is None else value), f"spec.{path}", value)
    assert short(errors_of_create(BY_NAME[kind], obj)) == [(f"spec.{where(at or path)}", wrong)]


@pytest.mark.parametrize(
    "path, value, at, wrong",
    [
        ("validations.0.expression", " ", "", ["Required"]),
        ("validations.0.expression", "a\n&& b", "validations.0.message", ["Required"]),
        ("validations.0.message", " ", "", ["Invalid"]),
        ("validations.0.message", "a\nb", "", ["Invalid"]),
        ("validations.0.messageExpression", " ", "", ["Invalid"]),
        ("validations.0.reason", "Because", "", ["NotSupported"]),
        ("auditAnnotations.0.key", "a b", "", ["Invalid"]),
        ("auditAnnotations.0.valueExpression", "", "", ["Required"]),
        ("auditAnnotations.0.valueExpression", "x" * 5121, "", ["Required"]),
        ("auditAnnotations", [POLICY["spec"]["auditAnnotations"][0]] * 2, "auditAnnotations.1.key", ["Duplicate"]),
    ],
)
def test_validating_policies(path: str, value: Any, at: str, wrong: list[str]) -> None:
    found = short(errors_of_create(BY_NAME["ValidatingAdmissionPolicy"], changed(POLICY, f"spec.{path}", value)))
    assert found == [(f"spec.{where(at or path)}", type_) for type_ in wrong]


def test_a_validating_policy_says_something() -> None:
    obj = changed(changed(POLICY, "spec.validations", []), "spec.auditAnnotations", [])
    found = short(errors_of_create(BY_NAME["ValidatingAdmissionPolicy"], obj))
    assert found == [("spec.validations", "Required"), ("spec.auditAnnotations", "Required")]


@pytest.mark.parametrize(
    "path, value, at, wrong",
    [
        ("mutations", [], "", "Required"),
        ("mutations.0.patchType", "", "", "Required"),
        ("mutations.0.patchType", "Paint", "", "NotSupported"),
        ("mutations.0.jsonPatch", None, "", "Required"),
        ("mutations.0.jsonPatch.expression", "", "", "Required"),
        ("mutations.0.applyConfiguration", {"expression": "x"}, "", "Invalid"),
        ("reinvocationPolicy", "", "", "Required"),
        ("reinvocationPolicy", "Always", "", "NotSupported"),
        ("matchConstraints.resourceRules.0.operations", ["DELETE"], "matchConstraints.resourceRules.operations",
         "NotSupported"),
    ],
)  # fmt: skip
def test_mutating_policies(path: str, value: Any, at: str, wrong: str) -> None:
    found = short(errors_of_create(BY_NAME["MutatingAdmissionPolicy"], changed(MUTATION, f"spec.{path}", value)))
    assert found == [(f"spec.{where(at or path)}", wrong)]


@pytest.mark.parametrize("kind", BINDINGS)
@pytest.mark.parametrize(
    "path, value, wrong",
    [
        ("policyName", "", [("policyName", "Required")]),
        ("policyName", "A", [("policyName", "Invalid")]),
        ("paramRef.name", "a/b", [("paramRef.name", "Invalid")]),
        ("paramRef.name", "", [("paramRef", "Required")]),
        ("paramRef.selector", {}, [("paramRef.name", "Forbidden"), ("paramRef.selector", "Forbidden")]),
        ("paramRef.parameterNotFoundAction", None, [("paramRef.parameterNotFoundAction", "Required")]),
        ("paramRef.parameterNotFoundAction", "Cry", [("paramRef.parameterNotFoundAction", "NotSupported")]),
        ("matchResources.resourceRules.0.apiGroups", [], [("matchResources.resourceRules[0].apiGroups", "Required")]),
        ("matchResources.resourceRules", [], []),
    ],
)
def test_bindings(kind: str, path: str, value: Any, wrong: list[tuple[str, str]]) -> None:
    assert errors_of_create(BY_NAME[kind], binding(kind)) == []
    found = short(errors_of_create(BY_NAME[kind], changed(binding(kind), f"spec.{path}", value)))
    assert found == [(f"spec.{at}", type_) for at, type_ in wrong]


@pytest.mark.parametrize(
    "actions, wrong",
    [
        ([], [("", "Required")]),
        (["Cry"], [("[0]", "NotSupported")]),
        (["Warn", "Warn"], [("[1]", "Duplicate")]),
        (["Deny", "Warn"], [("", "Invalid")]),
        (["Deny", "Audit"], []),
    ],
)
def test_validation_actions(actions: list[str], wrong: list[tuple[str, str]]) -> None:
    kind = BY_NAME["ValidatingAdmissionPolicyBinding"]
    found = short(errors_of_create(kind, changed(BINDING, "spec.validationActions", actions)))
    assert found == [(f"spec.validationActions{at}", type_) for at, type_ in wrong]


def test_defaults_of_policies_and_bindings() -> None:
    match = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
             "resourceRules": [{**RULE, "scope": "*"}]}  # fmt: skip
    for name, policy in POLICIES.items():
        spec = created(BY_NAME[name], policy)["spec"]
        assert (spec["failurePolicy"], spec["matchConstraints"]) == ("Fail", match)
    for name in BINDINGS:
        assert created(BY_NAME[name], binding(name))["spec"]["matchResources"] == match


def test_the_status_of_a_policy_is_not_its_writers() -> None:
    kind = BY_NAME["ValidatingAdmissionPolicy"]
    old = created(kind, {**POLICY, "status": {"observedGeneration": 7}})
    assert old["status"] == {}
    new = changed(old, "status", {"observedGeneration": 1})
    new["spec"] = {}
    kind.prepare_status(new, old, CONTEXT)
    assert (new["spec"], new["status"]) == (old["spec"], {"observedGeneration": 1})
    kind.prepare_update(new, old, CONTEXT)
    assert new["status"] == {}


def test_the_truth_is_told() -> None:
    for name in (*POLICIES, *BINDINGS):
        warn = BY_NAME[name].warnings
        assert warn is not None and warn({"metadata": {}}) == (_admission_rules.NO_POLICIES,)
    for name in WEBHOOKS:
        warn = BY_NAME[name].warnings
        assert warn is not None and warn(HOOKS) == (_webhooks.NO_WEBHOOKS,) and warn({"webhooks": []}) == ()


@pytest.mark.parametrize(
    "ref, cell",
    [
        (None, "<unset>"),
        ({"name": "x"}, "*/x"),
        ({"name": "x", "namespace": "n"}, "n/x"),
        ({"selector": {"matchLabels": {"b": "2", "a": "1"}}},
         "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{},}"),
        ({"selector": {"matchExpressions": [{"key": "k", "operator": "In", "values": ["a", "b"]}]}},
         "&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{"
         "LabelSelectorRequirement{Key:k,Operator:In,Values:[a b],},},}"),
    ],
)  # fmt: skip
def test_rows_of_bindings(ref: Object | None, cell: str) -> None:
    stamp = age("2029-12-31T23:55:00Z")
    for name in BINDINGS:
        obj = changed(BINDING, "spec.paramRef", ref)
        assert BY_NAME[name].row(obj) == ["b", "p", cell, stamp]


def test_rows() -> None:
    stamp = age("2029-12-31T23:55:00Z")
    for name in WEBHOOKS:
        assert BY_NAME[name].row(HOOKS) == ["h", 1, stamp]
    assert BY_NAME["ValidatingAdmissionPolicy"].row(POLICY) == ["p", 1, "example.com/v1/Limit", stamp]
    assert BY_NAME["MutatingAdmissionPolicy"].row(MUTATION) == ["m", 1, "<unset>", stamp]
