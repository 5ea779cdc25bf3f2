"""Nobody gives rights that they do not have: writes of roles and bindings, by every verb and patch type."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.conftest import Answer, Api, Object

ROOT = "/apis/rbac.authorization.k8s.io/v1"
ROLES, ROLEBINDINGS = f"{ROOT}/namespaces/default/roles", f"{ROOT}/namespaces/default/rolebindings"
CLUSTERROLES, CLUSTERROLEBINDINGS = f"{ROOT}/clusterroles", f"{ROOT}/clusterrolebindings"
RBAC_GROUP = "rbac.authorization.k8s.io"


def rule(verbs: str, resources: str, group: str = "") -> Object:
    return {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}


def role(name: str, *rules: Object, **more: Any) -> Object:
    return {"metadata": {"name": name}, "rules": list(rules), **more}


def binding(name: str, ref: str, *subjects: str) -> Object:
    kind, _, role_name = ref.partition("/")
    ref_ = {"apiGroup": RBAC_GROUP, "kind": kind, "name": role_name}
    found = [{"apiGroup": RBAC_GROUP, "kind": "User", "name": name} for name in subjects]
    return {"metadata": {"name": name}, "roleRef": ref_, "subjects": found}


@pytest.fixture
async def manager(api: Api) -> Api:
    """Ann may write all four kinds, and read Pods; she has neither escalate nor bind."""
    verbs = "get list create update patch delete"
    manage = rule(verbs, "roles clusterroles rolebindings clusterrolebindings", RBAC_GROUP)
    await api.ok("POST", CLUSTERROLES, role("manager", manage, rule("get list", "pods")))
    await api.ok("POST", CLUSTERROLEBINDINGS, binding("manager", "ClusterRole/manager", "ann"))
    await api.cluster.settle()
    return api


async def as_ann(api: Api, method: str, path: str, body: Any = None, **more: Any) -> Answer:
    await api.cluster.settle()
    return await api.ask(method, path, body, transport=api.cluster.transport("ann", ("dev",)), **more)


def refused(answer: Answer, *lines: str) -> None:
    assert (answer.status, answer.reason) == (403, "Forbidden"), answer
    for line in lines:
        assert line in answer.json["message"], answer.json["message"]


async def test_a_role_with_more_than_ones_own_rights(manager: Api) -> None:
    answer = await as_ann(manager, "POST", ROLES, role("more", rule("get delete", "pods"), rule("list", "secrets")))
    assert answer.json["message"] == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "ann" (groups=["dev" "system:authenticated"]) is '
        "attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["list"]}'
    )
    refused(answer)
    assert answer.json["details"] == {"name": "more", "group": RBAC_GROUP, "kind": "roles"}
    assert (await as_ann(manager, "POST", ROLES, role("same", rule("get", "pods")))).status == 201
    assert (await as_ann(manager, "POST", CLUSTERROLES, role("same", rule("list", "pods")))).status == 201
    wide = {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}
    refused(await as_ann(manager, "POST", CLUSTERROLES, role("paths", wide)), '{NonResourceURLs:["/metrics"]')


async def test_a_dry_run_is_checked_as_well(manager: Api) -> None:
    refused(await as_ann(manager, "POST", f"{ROLES}?dryRun=All", role("more", rule("list", "secrets"))))
    assert (await as_ann(manager, "POST", f"{ROLES}?dryRun=All", role("same", rule("get", "pods")))).status == 201


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        ("application/json-patch+json", [{"op": "replace", "path": "/rules/0/verbs", "value": ["*"]}]),
        ("application/merge-patch+json", {"rules": [rule("*", "pods")]}),
        ("application/strategic-merge-patch+json", {"rules": [rule("*", "pods")]}),
        ("application/apply-patch+yaml",
         {"apiVersion": f"{RBAC_GROUP}/v1", "kind": "Role", "rules": [rule("*", "pods")]}),
    ],
)  # fmt: skip
async def test_every_change_of_a_role_is_checked(manager: Api, content_type: str, patch: Any) -> None:
    made = (await as_ann(manager, "POST", ROLES, role("mine", rule("get", "pods")))).json
    query = "?fieldManager=t&force=true" if "apply" in content_type else ""
    refused(await as_ann(manager, "PATCH", f"{ROLES}/mine{query}", patch, content_type=content_type), 'Verbs:["*"]')
    assert (await manager.ok("GET", f"{ROLES}/mine"))["rules"] == [rule("get", "pods")]
    refused(await as_ann(manager, "PUT", f"{ROLES}/mine", {**made, "rules": [rule("*", "pods")]}))
    if "apply" in content_type:
        refused(await as_ann(manager, "PATCH", f"{ROLES}/new{query}", patch, content_type=content_type))
        assert (await manager.ask("GET", f"{ROLES}/new")).status == 404


async def test_a_role_that_holds_more_already(manager: Api) -> None:
    """Who may not have given it must not change it, but may leave it as it is, and let it be collected."""
    great = await manager.ok("POST", ROLES, role("great", rule("*", "*", "*")))
    label = {"metadata": {"labels": {"a": "b"}}}
    merge = "application/merge-patch+json"
    refused(await as_ann(manager, "PATCH", f"{ROLES}/great", label, content_type=merge))
    assert (await as_ann(manager, "PUT", f"{ROLES}/great", great)).status == 200
    finalizers = {"metadata": {"finalizers": ["example.com/x"]}}
    assert (await as_ann(manager, "PATCH", f"{ROLES}/great", finalizers, content_type=merge)).status == 200
    assert (await as_ann(manager, "DELETE", f"{ROLES}/great")).status == 200


async def test_the_verb_escalate(manager: Api) -> None:
    named = {**rule("escalate", "roles", RBAC_GROUP), "resourceNames": ["mine"]}
    await manager.ok("POST", CLUSTERROLES, role("escalator", named))
    await manager.ok("POST", ROLEBINDINGS, binding("escalator", "ClusterRole/escalator", "ann"))
    refused(await as_ann(manager, "POST", ROLES, role("mine", rule("*", "*", "*"))), 'Resources:["*"]')
    assert (await as_ann(manager, "POST", ROLES, role("mine", rule("get", "pods")))).status == 201
    patch, merge = {"rules": [rule("*", "*", "*")]}, "application/merge-patch+json"
    assert (await as_ann(manager, "PATCH", f"{ROLES}/mine", patch, content_type=merge)).status == 200
    refused(await as_ann(manager, "POST", CLUSTERROLES, role("mine", rule("*", "*", "*"))))


async def test_an_aggregation_rule_takes_all_rights(manager: Api) -> None:
    gather = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}
    answer = await as_ann(manager, "POST", CLUSTERROLES, role("all", **gather))
    refused(answer, "must have cluster-admin privileges to use the aggregationRule")
    made = await manager.ok("POST", CLUSTERROLES, role("all", **gather))
    without = {k: v for k, v in made.items() if k != "aggregationRule"}
    refused(await as_ann(manager, "PUT", f"{CLUSTERROLES}/all", without), "must have cluster-admin")
    await manager.ok("POST", CLUSTERROLEBINDINGS, binding("root", "ClusterRole/cluster-admin", "ann"))
    assert (await as_ann(manager, "PUT", f"{CLUSTERROLES}/all", without)).status == 200


@pytest.mark.parametrize("path", [ROLEBINDINGS, CLUSTERROLEBINDINGS])
async def test_a_binding_to_a_role_with_more(manager: Api, path: str) -> None:
    await manager.ok("POST", CLUSTERROLES, role("more", rule("list", "secrets")))
    await manager.ok("POST", CLUSTERROLES, role("same", rule("list", "pods")))
    answer = await as_ann(manager, "POST", path, binding("b", "ClusterRole/more", "bob"))
    refused(answer, '{APIGroups:[""], Resources:["secrets"], Verbs:["list"]}')
    made = (await as_ann(manager, "POST", path, binding("b", "ClusterRole/same", "bob"))).json
    both = [*made["subjects"], {**made["subjects"][0], "name": "cy"}]
    assert (await as_ann(manager, "PUT", f"{path}/b", {**made, "subjects": both})).status == 200
    await manager.ok("POST", path, binding("given", "ClusterRole/more", "bob"))
    more, merge = {"subjects": both}, "application/merge-patch+json"
    refused(await as_ann(manager, "PATCH", f"{path}/given", more, content_type=merge))
    named = {**rule("bind", "clusterroles", RBAC_GROUP), "resourceNames": ["more"]}
    await manager.ok("POST", CLUSTERROLES, role("binder", named))
    await manager.ok("POST", path, binding("binder", "ClusterRole/binder", "ann"))
    assert (await as_ann(manager, "PATCH", f"{path}/given", more, content_type=merge)).status == 200
    refused(await as_ann(manager, "POST", path, binding("c", "ClusterRole/cluster-admin", "ann")))
    if path == ROLEBINDINGS:
        refused(await as_ann(manager, "POST", CLUSTERROLEBINDINGS, binding("c", "ClusterRole/more", "ann")))


async def test_a_binding_to_a_role_that_is_not_there(manager: Api) -> None:
    answer = await as_ann(manager, "POST", ROLEBINDINGS, binding("b", "Role/none", "bob"))
    assert (answer.status, answer.json["message"]) == (404, 'roles.rbac.authorization.k8s.io "none" not found')
    assert (await manager.ask("POST", ROLEBINDINGS, binding("b", "Role/none", "bob"))).status == 201, "masters may"
    wrong = binding("c", "Cluster/none", "bob")
    assert (await as_ann(manager, "POST", ROLEBINDINGS, wrong)).status == 422


async def test_rights_of_a_namespace_count_there(manager: Api) -> None:
    await manager.ok("POST", CLUSTERROLES, role("secrets", rule("list", "secrets")))
    await manager.ok("POST", ROLEBINDINGS, binding("secrets", "ClusterRole/secrets", "ann"))
    assert (await as_ann(manager, "POST", ROLES, role("r", rule("list", "secrets")))).status == 201
    refused(await as_ann(manager, "POST", CLUSTERROLES, role("r", rule("list", "secrets"))))
    other = ROLES.replace("default", "kube-public")
    refused(await as_ann(manager, "POST", other, role("r", rule("list", "secrets"))))


async def test_missing_roles_are_told_with_a_refusal(manager: Api) -> None:
    await manager.ok("POST", CLUSTERROLEBINDINGS, binding("lost", "ClusterRole/lost", "ann"))
    answer = await as_ann(manager, "POST", ROLES, role("more", rule("list", "secrets")))
    refused(answer, '; resolution errors: [clusterrole.rbac.authorization.k8s.io "lost" not found]')
