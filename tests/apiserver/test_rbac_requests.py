"""May they, asked over HTTP: what rights open, what nobody without them learns, whom they may act as."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minikube_py.apiserver.config import Config
from minikube_py.apiserver.main import start
from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import VirtualClock
from minikube_py.daemon.run import named_group
from minikube_py.store.memory import MemoryStore
from tests.apiserver.conftest import CONFIGMAPS, PODS, Answer, Api, Object
from tests.apiserver.test_rbac_escalation import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    ROLEBINDINGS,
    ROOT,
    binding,
    role,
    rule,
)

AUTHORIZATION = "/apis/authorization.k8s.io/v1"


async def give(
    api: Api, who: str, *rules: Object, namespace: str = "default", groups: tuple[str, ...] = ()
) -> AppTransport:
    """A user with these rights in a namespace (none: everywhere), and their way to the server."""
    name = f"{who}-{len(api.cluster.requests)}"
    await api.ok("POST", CLUSTERROLES, role(name, *rules))
    path = f"{ROOT}/namespaces/{namespace}/rolebindings" if namespace else CLUSTERROLEBINDINGS
    await api.ok("POST", path, binding(name, f"ClusterRole/{name}", who))
    await api.cluster.settle()
    return api.cluster.transport(who, groups)


async def statuses(api: Api, transport: AppTransport, *asked: tuple[str, str]) -> list[int]:
    return [(await api.ask(m, p, {} if m in ("POST", "PUT") else None, transport=transport)).status for m, p in asked]


async def test_rights_open_what_they_name(api: Api) -> None:
    await api.config_map("a")
    ann = await give(api, "ann", rule("get list", "configmaps"))
    assert await statuses(
        api, ann, ("GET", CONFIGMAPS), ("GET", f"{CONFIGMAPS}/a"), ("GET", f"{CONFIGMAPS}/none"), ("HEAD", CONFIGMAPS),
        ("GET", "/api"), ("GET", "/apis/apps/v1"), ("GET", "/openapi/v2"), ("GET", "/version"),
    ) == [200, 200, 404, 200, 200, 200, 200, 200]  # fmt: skip


async def test_without_rights_nothing_is_learnt(api: Api) -> None:
    """403 whether it is there or not, whether it exists at all, whether the body is any good."""
    await api.config_map("a")
    ann = await give(api, "ann", rule("get", "services"))
    pods = f"{PODS}/p"
    for method, path in (
        ("GET", CONFIGMAPS), ("GET", f"{CONFIGMAPS}/a"), ("GET", f"{CONFIGMAPS}/none"), ("HEAD", f"{CONFIGMAPS}/a"),
        ("GET", f"{CONFIGMAPS}?watch=1"), ("DELETE", CONFIGMAPS), ("DELETE", f"{CONFIGMAPS}/a"),
        ("PUT", f"{CONFIGMAPS}/a"),
        ("PATCH", f"{CONFIGMAPS}/a"), ("POST", CONFIGMAPS), ("GET", "/api/v1/configmaps"),
        ("GET", "/api/v1/namespaces/none/configmaps"), ("GET", "/api/v1/namespaces/none"), ("GET", "/api/v1/unicorns"),
        ("POST", "/api/v1/unicorns"), ("GET", "/apis/no.such/v1/things"), ("GET", "/apis/apps/v9/deployments"),
        ("GET", "/api/v1/namespaces/default/services/s/unicorn"), ("GET", f"{pods}/log"),
        ("GET", f"{pods}/exec?command=x"),
        ("POST", f"{pods}/exec"), ("POST", f"{pods}/portforward"), ("POST", f"{pods}/binding"),
        ("POST", f"{pods}/eviction"),
        ("PUT", f"{pods}/status"), ("GET", "/api/v1/nodes/n/proxy/metrics"), ("GET", "/api/v1/nodes/n"),
        ("PUT", "/api/v1/namespaces/none/finalize"), ("POST", "/api/v1/namespaces/default/bindings"),
        ("POST", "/api/v1/namespaces/default/serviceaccounts/default/token"),
        ("POST", f"{AUTHORIZATION}/subjectaccessreviews"),
        ("POST", f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"),
        ("GET", "/metrics"), ("GET", "/logs"), ("GET", "/logs/x"), ("GET", "/no/such/path"), ("GET", "/"),
        ("GET", "/api/v1/watch/configmaps"),
        ("GET", "/readyz/etcd"), ("POST", "/version"), ("GET", CLUSTERROLES), ("GET", "/api/v1/a/b/c/d/e"),
    ):  # fmt: skip
        answer = await api.ask(method, path, b"{" if method not in ("GET", "HEAD") else None, transport=ann)
        assert answer.status == 403, (method, path, answer)
        assert "unicorn" in path or b"not found" not in answer.raw, path


async def test_a_namespace_is_in_itself(api: Api) -> None:
    """So that the role view, given in a namespace, shows the Namespace, too."""
    await api.ok("POST", ROLEBINDINGS, binding("v", "ClusterRole/view", "ann"))
    await api.cluster.settle()
    ann = api.cluster.transport("ann", ())
    here, other = "/api/v1/namespaces/default", "/api/v1/namespaces/kube-system"
    assert await statuses(api, ann, ("GET", here), ("DELETE", here), ("GET", other)) == [200, 403, 403]
    assert await statuses(api, ann, ("GET", "/api/v1/namespaces")) == [403]
    message = (await api.ask("GET", other, transport=ann)).json["message"]
    assert message.endswith('cannot get resource "namespaces" in API group "" in the namespace "kube-system"')


async def test_deletecollection_and_watch_are_verbs_of_their_own(api: Api) -> None:
    ann = await give(api, "ann", rule("delete list", "configmaps"))
    assert await statuses(api, ann, ("DELETE", CONFIGMAPS), ("GET", f"{CONFIGMAPS}?watch=1&timeoutSeconds=1")) == [
        403,
        403,
    ]
    bob = await give(api, "bob", rule("deletecollection", "configmaps"))
    assert await statuses(api, bob, ("DELETE", CONFIGMAPS), ("DELETE", f"{CONFIGMAPS}/a")) == [200, 403]


async def test_a_list_of_one_name_is_a_read_of_that_name(api: Api) -> None:
    named = {**rule("list watch deletecollection", "configmaps"), "resourceNames": ["a"]}
    ann = await give(api, "ann", named)
    one = f"{CONFIGMAPS}?fieldSelector=metadata.name%3Da"
    assert await statuses(
        api, ann, ("GET", one), ("GET", CONFIGMAPS), ("GET", f"{CONFIGMAPS}?fieldSelector=metadata.name%3Db"),
        ("GET", f"{CONFIGMAPS}?fieldSelector=metadata.name!%3Da"), ("DELETE", one),
        ("GET", f"{CONFIGMAPS}?fieldSelector=a"),
    ) == [200, 403, 403, 403, 403, 403]  # fmt: skip


async def test_a_shell_takes_create_however_it_is_asked_for(api: Api) -> None:
    for subresource in ("exec", "attach"):
        path = f"{PODS}/none/{subresource}?command=x&stdout=1"
        reader = await give(api, f"r-{subresource}", rule("get", f"pods/{subresource}"))
        refused = await api.ask("GET", path, transport=reader)
        assert refused.status == 403 and f'cannot create resource "pods/{subresource}"' in refused.json["message"]
        both = await give(api, f"b-{subresource}", rule("get create", f"pods/{subresource}"))
        assert (await api.ask("GET", path, transport=both)).status == 404
        creator = await give(api, f"c-{subresource}", rule("create", f"pods/{subresource}"))
        assert await statuses(api, creator, ("POST", path), ("GET", path)) == [404, 403]


async def test_a_websocket_is_asked_as_well(api: Api) -> None:
    reader = {"user": "ann", "groups": ()}
    await give(api, "ann", rule("get", "pods/exec"))
    for path, verb in ((f"{PODS}/p/exec", "create"), (f"{PODS}/p/attach", "get")):
        scope = {
            "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"command=x&stdout=1",
            "headers": [], "subprotocols": ["v5.channel.k8s.io"], "state": {"peer": dict(reader)}, "scheme": "wss",
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Object:
            return {"type": "websocket.connect"}

        async def send(message: Object, sent: list[Any] = sent) -> None:
            sent.append(message)

        await api.cluster.server.app(scope, receive, send)
        assert sent[0]["type"] == "websocket.http.response.start" and sent[0]["status"] == 403
        assert f"cannot {verb} resource" in json.loads(sent[1]["body"])["message"]


# -- acting as somebody else


def acting(**headers: str) -> dict[str, str]:
    return {f"impersonate-{name.replace('__', '%2f').replace('_', '-')}": value for name, value in headers.items()}


async def act(api: Api, transport: AppTransport, **headers: str) -> Answer:
    return await api.ask("GET", "/version", headers=acting(**headers), transport=transport)


async def test_impersonation_asks_for_every_part(api: Api) -> None:
    users = {**rule("impersonate", "users"), "resourceNames": ["eve"]}
    ann = await give(api, "ann", users, namespace="")
    assert (await act(api, ann, user="eve")).status == 200
    for headers, text in (
        ({"user": "bob"}, 'users "bob" is forbidden: User "ann" cannot impersonate resource "users" in API group ""'),
        ({"user": "eve", "group": "g"}, 'cannot impersonate resource "groups" in API group ""'),
        ({"user": "eve", "uid": "1"}, 'cannot impersonate resource "uids" in API group "authentication.k8s.io"'),
        ({"user": "eve", "extra_scopes": "all"},
         'cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io"'),
        ({"user": "system:serviceaccount:web:robot"},
         'serviceaccounts "robot" is forbidden: User "ann" cannot impersonate resource "serviceaccounts" in API group '
         '"" in the namespace "web"'),
    ):  # fmt: skip
        answer = await act(api, ann, **headers)
        assert answer.status == 403 and text in answer.json["message"], (headers, answer)
    groups, uids = (
        {**rule("impersonate", "groups"), "resourceNames": ["g"]},
        rule("impersonate", "uids", "authentication.k8s.io"),
    )
    scopes = {**rule("impersonate", "userextras/scopes", "authentication.k8s.io"), "resourceNames": ["all"]}
    bob = await give(api, "bob", users, groups, uids, scopes, namespace="")
    everything = {"user": "eve", "group": "g", "uid": "1", "extra_scopes": "all"}
    assert (await act(api, bob, **everything)).status == 200
    for wrong in ({"group": "system:masters"}, {"extra_scopes": "more"}, {"extra_other": "all"}):
        assert (await act(api, bob, **{**everything, **wrong})).status == 403, wrong


async def test_a_service_account_is_impersonated_in_its_namespace(api: Api) -> None:
    ann = await give(api, "ann", rule("impersonate", "serviceaccounts"))
    assert (await act(api, ann, user="system:serviceaccount:default:any")).status == 200
    assert (await act(api, ann, user="system:serviceaccount:kube-system:any")).status == 403
    for odd in ("system:serviceaccount:default", "system:serviceaccount:default:", "system:serviceaccount::any"):
        answer = await act(api, ann, user=odd)
        assert answer.status == 403 and 'resource "users"' in answer.json["message"], (
            "that is no service account's name"
        )


async def test_whom_one_acts_as_is_who_is_asked(api: Api) -> None:
    await give(api, "eve", rule("get", "configmaps"))
    ann = await give(api, "ann", rule("impersonate", "users"), rule("list", "configmaps"), namespace="")
    as_eve = acting(user="eve")
    assert (await api.ask("GET", f"{CONFIGMAPS}/none", headers=as_eve, transport=ann)).status == 404
    assert (await api.ask("GET", CONFIGMAPS, headers=as_eve, transport=ann)).status == 403


# -- reviews, modes, the default objects


async def test_reviews_tell_the_reason(api: Api) -> None:
    await give(api, "ann", rule("get", "configmaps"))
    spec = {"user": "ann", "resourceAttributes": {"namespace": "default", "verb": "get", "resource": "configmaps"}}
    status = (await api.ok("POST", f"{AUTHORIZATION}/subjectaccessreviews", {"spec": spec}))["status"]
    assert status["allowed"] and status["reason"].startswith('RBAC: allowed by RoleBinding "ann-')
    kubelet = {"user": "system:node:n", "groups": ["system:nodes"]}
    for selector, allowed in (
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n"]}]}, True),
        ({"rawSelector": "spec.nodeName=n"}, True), ({"rawSelector": "spec.nodeName=m"}, False), ({}, False),
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n", "m"]}]}, False),
    ):  # fmt: skip
        attributes = {"verb": "list", "resource": "pods", **({"fieldSelector": selector} if selector else {})}
        review = {"spec": {**kubelet, "resourceAttributes": attributes}}
        status = (await api.ok("POST", f"{AUTHORIZATION}/subjectaccessreviews", review))["status"]
        assert status["allowed"] is allowed, selector


async def test_what_a_kubelet_may_is_not_listed(api: Api) -> None:
    kubelet = api.cluster.transport("system:node:n", ("system:nodes",))
    review = {"spec": {"namespace": "default"}}
    status = (await api.ok("POST", f"{AUTHORIZATION}/selfsubjectrulesreviews", review, transport=kubelet))["status"]
    assert status["incomplete"] and "node authorizer" in status["evaluationError"]


@pytest.mark.parametrize(("modes", "code"), [(("AlwaysAllow",), 200), (("RBAC",), 403), (("Node", "RBAC"), 403)])
async def test_modes(modes: tuple[str, ...], code: int) -> None:
    clock = VirtualClock()
    config = Config(storage_backend="memory", authorization_mode=modes)
    async with named_group() as tasks, start(config, clock, tasks, MemoryStore(clock)) as server:
        ann = AppTransport(server.app, user="ann", groups=())
        assert (await ann.request("GET", CONFIGMAPS)).status == code
        lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n"
        kubelet = AppTransport(server.app, user="system:node:n", groups=("system:nodes",))
        assert (await kubelet.request("GET", lease)).status == (403 if modes == ("RBAC",) else 404)


async def test_a_mode_that_cannot_be_stops_the_start() -> None:
    clock = VirtualClock()
    config = Config(storage_backend="memory", authorization_mode=("Webhook",))
    async with named_group() as tasks:
        with pytest.raises(ValueError, match="'Webhook' is not supported: choose of Node, RBAC, AlwaysAllow"):
            async with start(config, clock, tasks, MemoryStore(clock)):
                pass


async def test_default_objects_come_back_and_nothing_else_is_written() -> None:
    clock = VirtualClock()
    store, config = MemoryStore(clock), Config(storage_backend="memory")
    async with named_group() as tasks, start(config, clock, tasks, store) as server:
        root = AppTransport(server.app, user="root", groups=("system:masters",))
        found = json.loads((await root.request("GET", f"{CLUSTERROLES}/view")).body)
        assert {"get", "list", "watch"} <= set(found["rules"][0]["verbs"]) and found["metadata"]["uid"]
        assert (await root.request("GET", "/readyz/poststarthook/rbac/bootstrap-roles")).status == 200
        revision = await store.revision()
    async with named_group() as tasks, start(config, clock, tasks, store) as server:
        assert await store.revision() == revision, "a second start writes nothing"
        root = AppTransport(server.app, user="root", groups=("system:masters",))
        assert (await root.request("DELETE", f"{CLUSTERROLES}/view")).status == 200
        merge = {"content-type": "application/merge-patch+json"}
        discovery = f"{CLUSTERROLEBINDINGS}/system:discovery"
        answer = await root.request("PATCH", discovery, headers=merge, body=b'{"subjects":[]}')
        assert answer.status == 200
        basic = f"{CLUSTERROLES}/system:basic-user"
        patch = {"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}, "rules": []}
        assert (await root.request("PATCH", basic, headers=merge, body=json.dumps(patch).encode())).status == 200
        monitoring = f"{CLUSTERROLEBINDINGS}/system:monitoring"
        other = json.loads((await root.request("GET", monitoring)).body)
        assert (await root.request("DELETE", monitoring)).status == 200
        again = {**other, "metadata": {"name": "system:monitoring"}, "roleRef": {**other["roleRef"], "name": "view"}}
        json_type = {"content-type": "application/json"}
        answer = await root.request("POST", CLUSTERROLEBINDINGS, headers=json_type, body=json.dumps(again).encode())
        assert answer.status == 201
    async with named_group() as tasks, start(config, clock, tasks, store) as server:
        root = AppTransport(server.app, user="root", groups=("system:masters",))
        assert (await root.request("GET", f"{CLUSTERROLES}/view")).status == 200
        subjects = json.loads((await root.request("GET", discovery)).body)["subjects"]
        assert [s["name"] for s in subjects] == ["system:authenticated"]
        assert not json.loads((await root.request("GET", basic)).body).get("rules"), "it looks after itself"
        assert json.loads((await root.request("GET", monitoring)).body)["roleRef"]["name"] == "system:monitoring"


async def test_rights_end_with_their_binding(api: Api) -> None:
    ann = await give(api, "ann", rule("list", "configmaps"))
    assert await statuses(api, ann, ("GET", CONFIGMAPS)) == [200]
    await api.ok("DELETE", ROLEBINDINGS)
    await api.cluster.settle()
    assert await statuses(api, ann, ("GET", CONFIGMAPS)) == [403]
