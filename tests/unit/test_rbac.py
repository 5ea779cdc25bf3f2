"""Rules, roles and bindings: what they allow, whom, and how that is told; the default ones among them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import rbac
from minikube_py.api.normalize import normalize
from minikube_py.apiserver.auth.authorization import AlwaysAllowPaths, Asked, check_modes
from minikube_py.apiserver.auth.rbac import KINDS, RBAC
from minikube_py.apiserver.auth.user import ANONYMOUS, User
from minikube_py.apiserver.bootstrap.rbac import AUTOUPDATE, defaults, reconciled
from minikube_py.apiserver.cache import KindCache
from minikube_py.apiserver.encoding import Codec
from minikube_py.apiserver.kinds import clusterrole, clusterrolebinding, role, rolebinding
from minikube_py.apiserver.storage import prefix_for
from minikube_py.store.base import Change, Entry

Object = dict[str, Any]
KIND_OF = {k.resource.plural: k for k in (role.KIND, clusterrole.KIND, rolebinding.KIND, clusterrolebinding.KIND)}
ANN, BOB = User("ann", ("dev", "system:authenticated")), User("bob")
ROBOT = User("system:serviceaccount:web:robot", ("system:serviceaccounts",))


class World:
    """The caches of the four kinds, written as the store's watch does, and the authorizer over them."""

    def __init__(self) -> None:
        self.caches = {
            p: KindCache(KIND_OF[p], prefix_for(KIND_OF[p].resource), Codec(KIND_OF[p].resource)) for p in KINDS
        }
        self.rbac = RBAC(self.caches)
        self.rev = 0

    def put(self, plural: str, name: str, namespace: str = "", **members: Any) -> None:
        cache = self.caches[plural]
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        self._apply(plural, cache.key(namespace, name), cache.codec.encode({"metadata": metadata, **members}))

    def remove(self, plural: str, name: str, namespace: str = "") -> None:
        self._apply(plural, self.caches[plural].key(namespace, name), None)

    def _apply(self, plural: str, key: str, value: bytes | None) -> None:
        self.rev += 1
        old = self.caches[plural].items.get(key)
        before = Entry(key, old.value, old.rev) if old is not None else None
        new = Entry(key, value, self.rev) if value is not None else None
        self.caches[plural].apply(Change(self.rev, key, new, before))

    def bind(self, name: str, role: str, *subjects: Object, namespace: str = "") -> None:
        kind, _, role_name = role.partition("/")
        plural = "rolebindings" if namespace else "clusterrolebindings"
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role_name}
        self.put(plural, name, namespace, roleRef=ref, subjects=list(subjects))

    def may(self, user: User, verb: str, resource: str = "", namespace: str = "", name: str = "", **more: str) -> bool:
        plural, _, subresource = resource.partition("/")
        asked = Asked(verb, resource=plural, subresource=subresource, namespace=namespace, name=name, **more)
        return self.rbac.authorize(user, asked)[0]


def user(name: str) -> Object:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


def group(name: str) -> Object:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}


def account(name: str, namespace: str = "") -> Object:
    return {"kind": "ServiceAccount", "name": name, **({"namespace": namespace} if namespace else {})}


def rule(verbs: str, resources: str, groups: str = "", names: str = "") -> Object:
    made: Object = {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": groups.split(",")}
    return {**made, "resourceNames": names.split()} if names else made


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("resources", "asked", "allowed"),
    [
        ("pods", "pods", True), ("pods", "pods/log", False), ("pods/log", "pods/log", True),
        ("pods/log", "pods", False), ("*", "pods", True), ("*", "pods/exec", True),
        ("*/scale", "deployments/scale", True),
        ("*/scale", "deployments", False), ("*/scale", "deployments/status", False), ("pods/*", "pods/log", False),
        ("secrets pods", "pods", True), ("pod", "pods", False), ("*/log", "pods/mylog", False),
    ],
)  # fmt: skip
def test_resources_of_a_rule(world: World, resources: str, asked: str, allowed: bool) -> None:
    world.put("clusterroles", "r", rules=[rule("get", resources)])
    world.bind("b", "ClusterRole/r", user("ann"))
    assert world.may(ANN, "get", asked) is allowed


def test_verbs_groups_and_names(world: World) -> None:
    rules = [
        rule("*", "pods"),
        rule("get list", "deployments", "apps,extensions"),
        rule("get update", "configmaps", names="a b"),
    ]
    world.put("clusterroles", "r", rules=rules)
    world.bind("b", "ClusterRole/r", user("ann"))
    assert world.may(ANN, "deletecollection", "pods", "x") and world.may(ANN, "escalate", "pods")
    assert world.may(ANN, "get", "deployments", group="apps") and world.may(
        ANN, "list", "deployments", group="extensions"
    )
    assert not world.may(ANN, "get", "deployments") and not world.may(ANN, "update", "deployments", group="apps")
    assert world.may(ANN, "get", "configmaps", "x", "a") and world.may(ANN, "update", "configmaps", "y", "b")
    for name in ("", "c", "ab"):
        assert not world.may(ANN, "get", "configmaps", "x", name), name
    assert not world.may(ANN, "delete", "configmaps", "x", "a")
    assert not world.may(BOB, "get", "pods")


@pytest.mark.parametrize(
    ("urls", "path", "allowed"),
    [
        ("/healthz", "/healthz", True), ("/healthz", "/healthz/etcd", False), ("/healthz/*", "/healthz/etcd", True),
        ("/healthz/*", "/healthz", False), ("*", "/anything", True), ("/api*", "/apis", True),
        ("/version", "/versio", False),
    ],
)  # fmt: skip
def test_paths(world: World, urls: str, path: str, allowed: bool) -> None:
    world.put("clusterroles", "r", rules=[{"verbs": ["get"], "nonResourceURLs": urls.split()}])
    world.bind("b", "ClusterRole/r", group("dev"))
    assert world.rbac.authorize(ANN, Asked("get", path))[0] is allowed
    assert not world.rbac.authorize(ANN, Asked("post", path))[0]
    assert not world.may(ANN, "get", "pods"), "a rule of paths is none of resources"


def test_resource_rules_say_nothing_of_paths(world: World) -> None:
    world.put("clusterroles", "r", rules=[rule("*", "*", "*")])
    world.bind("b", "ClusterRole/r", user("ann"))
    assert not world.rbac.authorize(ANN, Asked("get", "/metrics"))[0]


def test_who_a_binding_is_for(world: World) -> None:
    world.put("clusterroles", "r", rules=[rule("get", "pods")])
    world.bind("b", "ClusterRole/r", user("bob"), group("dev"), account("robot"), namespace="web")
    assert world.may(ANN, "get", "pods", "web") and world.may(BOB, "get", "pods", "web")
    assert world.may(ROBOT, "get", "pods", "web"), "an account without a namespace is of the binding's"
    for who in (ANN, BOB, ROBOT):
        assert not world.may(who, "get", "pods", "other") and not world.may(who, "get", "pods")
    assert not world.may(User("dev"), "get", "pods", "web"), "a group is no user"
    assert not world.may(User("x", ("bob",)), "get", "pods", "web"), "a user is no group"
    assert not world.may(User("system:serviceaccount:other:robot"), "get", "pods", "web")
    world.bind("c", "ClusterRole/r", account("robot", "web"), namespace="other")
    assert world.may(ROBOT, "get", "pods", "other")
    world.bind("d", "ClusterRole/r", account("loose"))
    assert not world.may(User("system:serviceaccount::loose"), "get", "pods"), "nobody's namespace"


def test_a_role_counts_in_its_namespace(world: World) -> None:
    world.put("roles", "r", "web", rules=[rule("get", "pods")])
    world.put("roles", "r", "other", rules=[rule("get", "secrets")])
    world.bind("b", "Role/r", user("ann"), namespace="web")
    assert world.may(ANN, "get", "pods", "web") and not world.may(ANN, "get", "secrets", "web")
    assert not world.may(ANN, "get", "secrets", "other")


def test_the_reasons(world: World) -> None:
    world.put("clusterroles", "r", rules=[rule("get", "pods")])
    world.bind("all", "ClusterRole/r", user("bob"))
    world.bind("here", "ClusterRole/r", group("dev"), namespace="web")
    world.bind("robots", "ClusterRole/r", account("robot"), namespace="web")

    def why(who: User, namespace: str) -> str:
        return world.rbac.authorize(who, Asked("get", resource="pods", namespace=namespace))[1]

    assert why(BOB, "web") == 'RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "r" to User "bob"'
    assert why(ANN, "web") == 'RBAC: allowed by RoleBinding "here/web" of ClusterRole "r" to Group "dev"'
    assert (
        why(ROBOT, "web")
        == 'RBAC: allowed by RoleBinding "robots/web" of ClusterRole "r" to ServiceAccount "robot/web"'
    )
    assert why(ANN, "") == ""
    world.bind("lost", "ClusterRole/x", group("dev"))
    world.bind("too", "ClusterRole/x", user("ann"))
    assert why(ANN, "") == 'RBAC: clusterrole.rbac.authorization.k8s.io "x" not found'
    world.bind("gone", "Role/y", user("ann"), namespace="other")
    assert why(ANN, "other") == (
        'RBAC: [clusterrole.rbac.authorization.k8s.io "x" not found, role.rbac.authorization.k8s.io "y" not found]'
    )
    assert why(ANN, "web").startswith("RBAC: allowed by"), "what is missing does not keep the rest from counting"


def test_every_change_counts_at_once(world: World) -> None:
    ask: Callable[[], bool] = lambda: world.may(ANN, "get", "pods", "web", "p")  # noqa: E731
    assert not ask()
    world.bind("b", "ClusterRole/r", user("ann"))
    assert not ask()
    world.put("clusterroles", "r", rules=[rule("get", "pods")])
    assert ask()
    world.put("clusterroles", "r", rules=[rule("get", "pods", names="q")])
    assert not ask()
    world.put("clusterroles", "r", rules=[rule("get", "pods", names="q p")])
    assert ask()
    world.bind("b", "ClusterRole/r", user("bob"))
    assert not ask() and world.may(BOB, "get", "pods", "web", "p")
    world.remove("clusterrolebindings", "b")
    assert not world.may(BOB, "get", "pods", "web", "p")
    world.bind("c", "Role/r", user("ann"), user("ann"), namespace="web")
    world.put("roles", "r", "web", rules=[rule("*", "*", "*")])
    assert ask()
    world.remove("roles", "r", "web")
    assert not ask()
    world.put("roles", "r", "web", rules=[rule("*", "*", "*")])
    world.remove("rolebindings", "c", "web")
    assert not ask() and not world.rbac._by_subject, "nothing is left of a binding that is gone"
    world.bind("c", "Role/r", user("ann"), namespace="web")
    assert ask()
    for plural in KINDS:
        world.caches[plural].replace((), 99)
    assert not ask(), "after a gap everything is read again"


def test_what_is_remembered_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minikube_py.apiserver.auth.rbac.REMEMBERED_USERS", 3)
    monkeypatch.setattr("minikube_py.apiserver.auth.rbac.REMEMBERED_SHAPES", 4)
    world.put("clusterroles", "r", rules=[rule("get", "pods")])
    world.bind("b", "ClusterRole/r", group("dev"))
    for number in range(20):
        assert world.may(User(f"u{number}", ("dev",)), "get", "pods")
        assert world.may(ANN, "get", "pods", f"n{number}") and not world.may(ANN, "list", "pods", f"n{number}")
        assert len(world.rbac._known) <= 3
        assert all(len(k.shapes) <= 4 and len(k.bindings) <= 4 for k in world.rbac._known.values())


def test_rules_are_listed(world: World) -> None:
    world.put("clusterroles", "r", rules=[rule("get", "pods"), {"verbs": ["get"], "nonResourceURLs": ["/x"]}])
    world.put("roles", "r", "web", rules=[rule("get", "configmaps", names="a")])
    world.bind("b", "ClusterRole/r", user("ann"))
    world.bind("b", "Role/r", user("ann"), namespace="web")
    world.bind("lost", "Role/none", user("ann"), namespace="web")
    found = world.rbac.rules(ANN, "web")
    assert found.resources == [rule("get", "pods"), rule("get", "configmaps", names="a")]
    assert found.paths == [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]
    assert (found.incomplete, found.error) == (False, 'role.rbac.authorization.k8s.io "none" not found')
    assert world.rbac.rules(ANN, "other").resources == [rule("get", "pods")]
    assert world.rbac.rules(BOB, "web").resources == []


# -- what covers what


@pytest.mark.parametrize(
    ("held", "wanted", "lacking"),
    [
        ([rule("*", "*", "*")], [rule("get list", "pods secrets", "a,b", "n")], 0),
        ([rule("get", "pods")], [rule("get list", "pods")], 1),
        ([rule("get", "pods"), rule("list", "pods")], [rule("get list", "pods")], 0),
        ([rule("get", "pods")], [rule("*", "pods")], 1),
        ([rule("get", "pods")], [rule("get", "*")], 1),
        ([rule("get", "pods")], [rule("get", "pods", "*")], 1),
        ([rule("get", "pods", names="a")], [rule("get", "pods")], 1),
        ([rule("get", "pods", names="a")], [rule("get", "pods", names="a b")], 1),
        ([rule("get", "pods")], [rule("get", "pods", names="a b")], 0),
        ([rule("get", "pods")], [rule("get", "pods/log")], 1),
        ([rule("get", "*/log")], [rule("get", "pods/log")], 0),
        ([rule("get", "*/log")], [rule("get", "pods")], 1),
        ([rule("*", "*", "*")], [{"verbs": ["get"], "nonResourceURLs": ["/x"]}], 1),
        ([{"verbs": ["get"], "nonResourceURLs": ["/x*"]}], [{"verbs": ["get"], "nonResourceURLs": ["/xy", "/y"]}], 1),
        ([{"verbs": ["*"], "nonResourceURLs": ["*"]}], [{"verbs": ["get"], "nonResourceURLs": ["*", "/y/*"]}], 0),
        ([{"verbs": ["get"], "nonResourceURLs": ["/x"]}], [{"verbs": ["get"], "nonResourceURLs": ["/x*"]}], 1),
        (list(rbac.FULL_AUTHORITY), list(rbac.FULL_AUTHORITY), 0),
        ([], [], 0),
    ],
)  # fmt: skip
def test_what_is_missing(held: list[Object], wanted: list[Object], lacking: int) -> None:
    assert len(rbac.missing(held, wanted)) == lacking


def test_how_rules_are_told() -> None:
    lacking = rbac.missing([], [rule("get list", "pods"), rule("get", "a/b", "x.io", "n m"), rule("*", "*", "*")])
    lacking += rbac.missing([], [{"verbs": ["get"], "nonResourceURLs": ["/x"]}])
    assert {rbac.tell(one) for one in rbac.compact(lacking)} == {
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
        '{APIGroups:["x.io"], Resources:["a/b"], ResourceNames:["m"], Verbs:["get"]}',
        '{APIGroups:["x.io"], Resources:["a/b"], ResourceNames:["n"], Verbs:["get"]}',
        '{NonResourceURLs:["/x"], Verbs:["get"]}',
    }


def test_aggregation_gathers_by_label_once_each() -> None:
    def of(name: str, label: str, *rules: Object) -> Object:
        return {"metadata": {"name": name, "labels": {label: "true"}}, "rules": list(rules)}

    selectors = [{"matchLabels": {"b": "true"}}, {"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
    whole = {**of("whole", "a", rule("get", "own")), "aggregationRule": {"clusterRoleSelectors": selectors}}
    roles = [of("z", "a", rule("get", "pods")), of("y", "a", rule("get", "pods"), rule("list", "pods")), whole]
    roles += [of("x", "b", rule("get", "secrets")), of("w", "c", rule("get", "nodes"))]
    assert rbac.aggregated(whole, roles) == [rule("get", "secrets"), rule("get", "pods"), rule("list", "pods")]
    assert rbac.aggregated(roles[0], roles) is None


# -- the default objects


def default(kind: str, name: str) -> Object:
    return next(o for _, o in defaults() if (o["kind"], o["metadata"]["name"]) == (kind, name))


def test_the_default_roles_do_what_kubernetes_says(world: World) -> None:
    for resource, obj in defaults():
        metadata = obj["metadata"]
        assert metadata["labels"]["kubernetes.io/bootstrapping"] == "rbac-defaults"
        members = {k: v for k, v in obj.items() if k not in ("metadata", "kind", "apiVersion")}
        world.put(resource.plural, metadata["name"], metadata.get("namespace", ""), **members)
    root = User("root", ("system:masters",))
    assert world.may(root, "anything", "at/all", "x", group="any") and world.rbac.authorize(root, Asked("x", "/y"))[0]
    assert world.rbac.authorize(ANONYMOUS, Asked("get", "/version"))[0]
    assert not world.rbac.authorize(ANONYMOUS, Asked("get", "/api"))[0]
    assert world.rbac.authorize(ANN, Asked("get", "/openapi/v3/apis/apps/v1"))[0]
    assert not world.rbac.authorize(ANN, Asked("get", "/metrics"))[0]
    assert world.may(ANN, "create", "selfsubjectaccessreviews", group="authorization.k8s.io")
    assert not world.may(ANN, "create", "subjectaccessreviews", group="authorization.k8s.io")
    for name in ("view", "edit", "admin"):
        world.bind(name, f"ClusterRole/{name}", user(name), namespace="web")
    view, edit, admin = (User(n) for n in ("view", "edit", "admin"))
    assert all(world.may(u, "list", "pods", "web") for u in (view, edit, admin))
    assert [world.may(u, "get", "secrets", "web") for u in (view, edit, admin)] == [False, True, True]
    assert [world.may(u, "create", "deployments", "web", group="apps") for u in (view, edit, admin)] == [
        False,
        True,
        True,
    ]
    assert [
        world.may(u, "create", "rolebindings", "web", group="rbac.authorization.k8s.io") for u in (view, edit, admin)
    ] == [False, False, True]
    assert not any(world.may(u, "list", "pods", "other") for u in (view, edit, admin))
    assert not world.may(User("system:node:n", ("system:nodes",)), "get", "pods", "web"), "the Node authorizer's affair"
    assert world.may(User("system:kube-scheduler"), "create", "pods/binding", "web")
    assert world.may(User("system:kube-controller-manager"), "delete", "pods", "web"), "the controllers' roles are its"


def test_the_default_objects_are_complete_and_valid() -> None:
    """They are stored as they are, so they must be what the API server would have made of them."""
    for resource, obj in defaults():
        kind = KIND_OF[resource.plural]
        sent = json.loads(json.dumps(obj))
        assert not normalize(sent, kind.struct)
        kind.default(sent)
        assert sent == obj
        assert not kind.validate(kind.view(sent)) and not kind.validate_name(obj["metadata"]["name"]), obj


def test_shipped_rules_of_aggregated_roles_are_what_the_controller_gathers() -> None:
    roles = [o for _, o in defaults() if o["kind"] == "ClusterRole"]
    gathered = {r["metadata"]["name"]: rbac.aggregated(r, roles) for r in roles if "aggregationRule" in r}
    assert gathered.keys() == {"admin", "edit", "view"}
    for one in roles:
        assert one["rules"] == gathered.get(one["metadata"]["name"], one["rules"])


def test_shipped_roles_are_those_of_the_fact_tables() -> None:
    facts = json.loads((Path(__file__).parents[2] / "tools" / "facts" / "rbac.json").read_text())
    told = {(o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for _, o in defaults() if "rules" in o}
    listed = [*facts["clusterRoles"], *facts["controllerRoles"], *facts["namespaceRoles"]]
    assert len(told) == len(listed)
    for fact in listed:
        found = told[fact.get("namespace", ""), fact["name"]]
        assert found.get("aggregationRule") == fact.get("aggregationRule")
        if "aggregationRule" not in fact:
            assert found["rules"] == fact["rules"]
    bindings = [o for _, o in defaults() if "roleRef" in o]
    listed = [*facts["clusterRoleBindings"], *facts["controllerRoleBindings"], *facts["namespaceRoleBindings"]]
    assert sorted(b["metadata"]["name"] for b in bindings) == sorted(b["name"] for b in listed)


def test_default_objects_get_what_they_lack() -> None:
    wanted = default("ClusterRole", "system:basic-user")
    assert reconciled(wanted, wanted) is None
    more = {**wanted, "rules": [rule("get", "extra"), *wanted["rules"]]}
    assert reconciled(more, wanted) is None, "what is more stays"
    less = {**wanted, "rules": [rule("get", "extra"), wanted["rules"][1]]}
    found = reconciled(less, wanted)
    assert found is not None and found["rules"][:2] == less["rules"]
    assert rbac.missing(found["rules"], wanted["rules"]) == []
    own = {**less, "metadata": {**less["metadata"], "annotations": {AUTOUPDATE: "false"}}}
    assert reconciled(own, wanted) is None, "it looks after itself"
    bare = {**wanted, "metadata": {"name": "system:basic-user", "labels": {"my": "own"}}}
    found = reconciled(bare, wanted)
    assert found is not None
    assert found["metadata"]["labels"] == {"my": "own", "kubernetes.io/bootstrapping": "rbac-defaults"}
    assert found["metadata"]["annotations"] == {AUTOUPDATE: "true"}


def test_default_bindings_and_aggregated_roles_get_what_they_lack() -> None:
    wanted = default("ClusterRoleBinding", "system:public-info-viewer")
    less = {**wanted, "subjects": [user("me"), wanted["subjects"][1]]}
    found = reconciled(less, wanted)
    assert found is not None and found["subjects"] == [*less["subjects"], wanted["subjects"][0]]
    assert reconciled({**wanted, "subjects": [*wanted["subjects"], user("me")]}, wanted) is None
    admin = default("ClusterRole", "admin")
    assert reconciled({**admin, "rules": []}, admin) is None, "the controller fills them"
    found = reconciled({**admin, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"my": "own"}}]}}, admin)
    assert found is not None
    assert found["aggregationRule"]["clusterRoleSelectors"] == [
        {"matchLabels": {"my": "own"}}, *admin["aggregationRule"]["clusterRoleSelectors"]
    ]  # fmt: skip
    plain = default("ClusterRole", "system:discovery")
    found = reconciled({**plain, "aggregationRule": admin["aggregationRule"]}, plain)
    assert found is not None and "aggregationRule" not in found


# -- flags


@pytest.mark.parametrize("modes", [[], ["Webhook"], ["ABAC", "RBAC"], ["rbac"], ["RBAC", "RBAC"]])
def test_modes_that_cannot_be(modes: list[str]) -> None:
    with pytest.raises(ValueError, match=r"mode"):
        check_modes(modes)
    check_modes(["RBAC", "Node"])


def test_paths_that_are_always_allowed() -> None:
    paths = AlwaysAllowPaths(["/healthz", "/x/*"])
    for path, allowed in (("/healthz", True), ("/healthz/a", False), ("/x/y", True), ("/x", False), ("/", False)):
        assert paths.authorize(ANONYMOUS, Asked("get", path))[0] is allowed, path
    assert not paths.authorize(ANONYMOUS, Asked("get", resource="healthz"))[0]
    with pytest.raises(ValueError, match="trailing"):
        AlwaysAllowPaths(["/a*b"])
