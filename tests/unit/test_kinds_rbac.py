"""The kinds of rbac.authorization.k8s.io: defaults, what is refused and where, and rows."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds.base import Object
from tests.unit.kinds_samples import BY_NAME, changed, created, errors_of_create, errors_of_update, metadata, short

GROUP = "rbac.authorization.k8s.io"
RULE: Object = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
BINDING: Object = {
    "metadata": metadata("b"),
    "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "system:node"},
    "subjects": [{"kind": "User", "name": "jane", "apiGroup": GROUP}],
}


def binding(kind: str) -> Object:
    return changed(BINDING, "metadata", metadata("b", "default" if kind == "RoleBinding" else ""))


def role(kind: str, *rules: Object, **more: Any) -> Object:
    return {"metadata": metadata("system:node", "default" if kind == "Role" else ""), "rules": list(rules), **more}


@pytest.mark.parametrize("kind", ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"])
@pytest.mark.parametrize(
    "name, wrong", [("system:node", 0), ("Any Name*", 0), (".", 1), ("..", 1), ("a/b", 1), ("a%b", 1), ("/%", 2)]
)
def test_names_are_path_segments(kind: str, name: str, wrong: int) -> None:
    assert len(BY_NAME[kind].validate_name(name)) == wrong


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
@pytest.mark.parametrize(
    "rule, wrong",
    [
        (RULE, []),
        ({**RULE, "verbs": []}, [("rules[0].verbs", "Required")]),
        ({"verbs": ["get"]}, [("rules[0].apiGroups", "Required"), ("rules[0].resources", "Required")]),
        ({**RULE, "resourceNames": ["a"]}, []),
        ({**RULE, "nonResourceURLs": ["/x"]}, [("rules[0].nonResourceURLs", "Invalid")]),
        ({"verbs": ["get"], "nonResourceURLs": ["/x"], "resourceNames": ["a"]},
         [("rules[0].nonResourceURLs", "Invalid")]),
    ],
)  # fmt: skip
def test_rules(kind: str, rule: Object, wrong: list[tuple[str, str]]) -> None:
    if kind == "Role" and "nonResourceURLs" in rule:
        wrong = [*wrong, ("rules[0].nonResourceURLs", "Invalid")]
    obj = role(kind, rule)
    assert short(errors_of_create(BY_NAME[kind], obj)) == wrong
    assert short(errors_of_update(BY_NAME[kind], obj, created(BY_NAME[kind], role(kind)))) == wrong


def test_paths_are_for_cluster_roles_only() -> None:
    rule = {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}
    assert errors_of_create(BY_NAME["ClusterRole"], role("ClusterRole", rule)) == []
    (error,) = errors_of_create(BY_NAME["Role"], role("Role", rule))
    assert error.detail == "namespaced rules cannot apply to non-resource URLs"


def test_aggregation_rules() -> None:
    kind = BY_NAME["ClusterRole"]
    where = "aggregationRule.clusterRoleSelectors"
    good = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "Exists"}]}
    bad = {"matchExpressions": [{"key": "k", "operator": "In"}]}

    def wrong(*selectors: Object) -> list[tuple[str, str]]:
        rule = {"clusterRoleSelectors": list(selectors)}
        return short(errors_of_create(kind, role("ClusterRole", aggregationRule=rule)))

    assert wrong(good) == []
    assert wrong() == [(where, "Required")]
    assert wrong(good, bad) == [
        (f"{where}[1].matchExpressions[0].values", "Required"),
        (f"{where}[1]", "Invalid"),
    ]


def test_a_binding_gets_the_groups_of_its_role_and_subjects() -> None:
    obj = {
        "metadata": metadata("b"),
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [
            {"kind": "User", "name": "u"}, {"kind": "Group", "name": "g"},
            {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
        ],
    }  # fmt: skip
    made = created(BY_NAME["RoleBinding"], obj)
    assert made["roleRef"]["apiGroup"] == GROUP
    assert [s.get("apiGroup", "") for s in made["subjects"]] == [GROUP, GROUP, ""]
    assert errors_of_create(BY_NAME["RoleBinding"], obj) == []


@pytest.mark.parametrize("kind", ["RoleBinding", "ClusterRoleBinding"])
@pytest.mark.parametrize(
    "path, value, wrong",
    [
        ("roleRef.apiGroup", "other", [("roleRef.apiGroup", "NotSupported")]),
        ("roleRef.kind", "Pod", [("roleRef.kind", "NotSupported")]),
        ("roleRef.name", "", [("roleRef.name", "Required")]),
        ("roleRef.name", "a/b", [("roleRef.name", "Invalid")]),
        ("roleRef", None, [("roleRef.kind", "NotSupported"), ("roleRef.name", "Required")]),
        ("subjects.0.name", "", [("subjects[0].name", "Required")]),
        ("subjects.0.kind", "Robot", [("subjects[0].kind", "NotSupported")]),
        ("subjects.0.apiGroup", "other", [("subjects[0].apiGroup", "NotSupported")]),
        ("subjects.0", {"kind": "Group", "name": "g", "apiGroup": "x"}, [("subjects[0].apiGroup", "NotSupported")]),
        ("subjects.0", {"kind": "ServiceAccount", "name": "A", "namespace": "n"}, [("subjects[0].name", "Invalid")]),
        ("subjects.0", {"kind": "ServiceAccount", "name": "a", "namespace": "n", "apiGroup": GROUP},
         [("subjects[0].apiGroup", "NotSupported")]),
        ("subjects", [], []),
    ],
)  # fmt: skip
def test_bindings(kind: str, path: str, value: Any, wrong: list[tuple[str, str]]) -> None:
    assert short(errors_of_create(BY_NAME[kind], changed(binding(kind), path, value))) == wrong


def test_what_the_scope_of_a_binding_changes() -> None:
    account = [{"kind": "ServiceAccount", "name": "a"}]
    here, everywhere = BY_NAME["RoleBinding"], BY_NAME["ClusterRoleBinding"]
    assert errors_of_create(here, changed(BINDING, "subjects", account)) == []
    obj = changed(binding("ClusterRoleBinding"), "subjects", account)
    assert short(errors_of_create(everywhere, obj)) == [("subjects[0].namespace", "Required")]
    assert errors_of_create(here, changed(BINDING, "roleRef.kind", "Role")) == []
    obj = changed(binding("ClusterRoleBinding"), "roleRef.kind", "Role")
    assert short(errors_of_create(everywhere, obj)) == [("roleRef.kind", "NotSupported")]


@pytest.mark.parametrize("kind", ["RoleBinding", "ClusterRoleBinding"])
def test_the_role_of_a_binding_stays(kind: str) -> None:
    old = created(BY_NAME[kind], binding(kind))
    (error,) = errors_of_update(BY_NAME[kind], changed(old, "roleRef.name", "other"), old)
    assert (error.field, error.detail) == ("roleRef", "cannot change roleRef")
    assert errors_of_update(BY_NAME[kind], changed(old, "subjects", []), old) == []


def test_rows() -> None:
    stamp = "2029-12-31T23:55:00Z"
    for kind in ("Role", "ClusterRole"):
        assert BY_NAME[kind].row(role(kind)) == ["system:node", stamp]
    subjects = [
        {"kind": "User", "name": "u"}, {"kind": "User", "name": "v"}, {"kind": "Group", "name": "g"},
        {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
    ]  # fmt: skip
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        row = BY_NAME[kind].row(changed(BINDING, "subjects", subjects))
        assert row == ["b", "ClusterRole/system:node", age(stamp), "u, v", "g", "n/s"]
