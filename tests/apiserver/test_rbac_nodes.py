"""What a kubelet may write: its own Node, Lease and Pods, and no more (Node authorizer and NodeRestriction)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minikube_py.api.resources import SERVICEACCOUNTS
from minikube_py.apiserver.admission.base import Attributes
from minikube_py.apiserver.admission.node_restriction import NodeRestriction
from minikube_py.apiserver.auth.authorization import Authorization
from minikube_py.apiserver.auth.user import User
from tests.apiserver.conftest import PODS, Answer, Api, Object

NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
MERGE = "application/merge-patch+json"
MIRROR = "kubernetes.io/config.mirror"
KUBELET = User("system:node:one", ("system:nodes", "system:authenticated"))


async def as_node(api: Api, method: str, path: str, body: Any = None, *, node: str = "one", **more: Any) -> Answer:
    await api.cluster.settle()
    line = api.cluster.transport(f"system:node:{node}", ("system:nodes",))
    if method == "PATCH":
        more.setdefault("content_type", MERGE)
    return await api.ask(method, path, body, transport=line, **more)


def refused(answer: Answer, text: str) -> None:
    assert answer.status == 403 and text in answer.json["message"], answer


@pytest.fixture
async def nodes(api: Api) -> Api:
    """Nodes one and two, each with a Pod that refers to a secret, and the default service account that they need."""
    await api.ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    for name in ("one", "two"):
        await api.ok("POST", NODES, {"metadata": {"name": name}})
        await api.ok("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": f"of-{name}"}})
        volume = {"name": "v", "secret": {"secretName": f"of-{name}"}}
        spec = {"containers": [{"name": "c", "image": "web:1"}], "volumes": [volume], "nodeName": name}
        await api.ok("POST", PODS, {"metadata": {"name": f"on-{name}"}, "spec": spec})
    return api


async def test_secrets_of_its_own_pods(nodes: Api) -> None:
    secrets = "/api/v1/namespaces/default/secrets"
    assert (await as_node(nodes, "GET", f"{secrets}/of-one")).status == 200
    assert (await as_node(nodes, "GET", f"{secrets}?fieldSelector=metadata.name%3Dof-one")).status == 200
    text = "no relationship found between node 'one' and this object"
    refused(await as_node(nodes, "GET", f"{secrets}/of-two"), text)
    refused(await as_node(nodes, "GET", f"{secrets}/none"), text)
    refused(await as_node(nodes, "GET", secrets), "No Object name found")
    await nodes.ok("DELETE", f"{PODS}/on-one", {"gracePeriodSeconds": 0})
    refused(await as_node(nodes, "GET", f"{secrets}/of-one"), text)


async def test_reads(nodes: Api) -> None:
    own = f"{PODS}?fieldSelector=spec.nodeName%3Done"
    assert [i["metadata"]["name"] for i in (await as_node(nodes, "GET", own)).json["items"]] == ["on-one"]
    refused(await as_node(nodes, "GET", PODS), "can only list/watch pods with spec.nodeName field selector")
    refused(await as_node(nodes, "GET", f"{PODS}?fieldSelector=spec.nodeName%3Dtwo"), "can only list/watch pods")
    assert (await as_node(nodes, "GET", f"{PODS}/on-one")).status == 200
    refused(await as_node(nodes, "GET", f"{PODS}/on-two"), "no relationship")
    assert (await as_node(nodes, "GET", f"{NODES}/one")).status == 200
    refused(await as_node(nodes, "GET", f"{NODES}/two"), "node 'one' cannot read 'two', only its own Node object")
    assert (await as_node(nodes, "GET", "/api/v1/services")).status == 200


async def test_its_own_node(nodes: Api) -> None:
    assert (await as_node(nodes, "PATCH", f"{NODES}/one", {"metadata": {"labels": {"mine": "1"}}})).status == 200
    refused(
        await as_node(nodes, "PATCH", f"{NODES}/two", {"metadata": {"labels": {"mine": "1"}}}),
        'nodes "two" is forbidden: node "one" is not allowed to modify node "two"',
    )
    refused(await as_node(nodes, "PATCH", f"{NODES}/two/status", {"status": {}}), "is not allowed to modify node")
    taint = {"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}}
    refused(await as_node(nodes, "PATCH", f"{NODES}/one", taint), 'node "one" is not allowed to modify taints')
    control = {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": "", "ok": "1"}}}
    refused(
        await as_node(nodes, "PATCH", f"{NODES}/one", control),
        "is not allowed to modify labels: node-role.kubernetes.io/control-plane",
    )
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    refused(
        await as_node(nodes, "PATCH", f"{NODES}/one", {"metadata": {"ownerReferences": [owner]}}), "ownerReferences"
    )
    refused(await as_node(nodes, "DELETE", f"{NODES}/one"), "cannot delete resource")
    new = {"metadata": {"name": "three", "labels": {"node-restriction.kubernetes.io/x": "1"}}}
    refused(
        await as_node(nodes, "POST", NODES, new, node="three"),
        'node "three" is not allowed to set the following labels: node-restriction.kubernetes.io/x',
    )
    refused(
        await as_node(nodes, "POST", NODES, {"metadata": {"name": "four"}}, node="three"), "is not allowed to modify"
    )
    new = {"metadata": {"name": "three", "labels": {"kubernetes.io/hostname": "three"}}}
    assert (await as_node(nodes, "POST", NODES, new, node="three")).status == 201


async def test_its_own_pods(nodes: Api) -> None:
    status = {"status": {"message": "fine"}}
    assert (await as_node(nodes, "PATCH", f"{PODS}/on-one/status", status)).status == 200
    refused(await as_node(nodes, "PATCH", f"{PODS}/on-two/status", status), "can only update pod status for pods with")
    labels = {"metadata": {"labels": {"app": "stolen"}}}
    refused(await as_node(nodes, "PATCH", f"{PODS}/on-one/status", labels), "cannot update labels through pod status")
    refused(await as_node(nodes, "PATCH", f"{PODS}/on-one", labels), 'cannot patch resource "pods"')
    refused(await as_node(nodes, "DELETE", f"{PODS}/on-two"), "can only delete pods with spec.nodeName set to itself")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "on-two"}}
    assert (await as_node(nodes, "POST", f"{PODS}/on-two/eviction", eviction)).status == 403
    assert (await nodes.ok("GET", f"{PODS}/on-two"))["status"].get("conditions") is None
    assert (await as_node(nodes, "DELETE", f"{PODS}/on-one", {"gracePeriodSeconds": 0})).status == 200


async def test_mirror_pods(nodes: Api) -> None:
    uid = (await nodes.ok("GET", f"{NODES}/one"))["metadata"]["uid"]

    def mirror(owner: Object | None = None, **spec: Any) -> Object:
        mine = {"apiVersion": "v1", "kind": "Node", "name": "one", "uid": uid, "controller": True, **(owner or {})}
        metadata: Object = {"name": "m", "annotations": {MIRROR: "x"}, "ownerReferences": [mine]}
        return {
            "metadata": metadata,
            "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "one", **spec},
        }

    plain = mirror()
    del plain["metadata"]["annotations"]
    nobody = mirror()
    del nobody["metadata"]["ownerReferences"]
    secret = {"volumes": [{"name": "v", "secret": {"secretName": "of-two"}}]}
    for pod, text in (
        (plain, 'pod does not have "kubernetes.io/config.mirror" annotation'),
        (mirror(nodeName="two"), "can only create pods with spec.nodeName set to itself"),
        (nobody, "with an owner reference set to itself"),
        (mirror({"name": "two"}), "with an owner reference set to itself"),
        (mirror({"controller": False}), "with a controller owner reference"),
        (mirror({"blockOwnerDeletion": True}), "must not set blockOwnerDeletion"),
        (mirror({"uid": "x"}), "UID mismatch: expected x got"),
        (mirror(**secret), 'node "one" can not create pods that reference secrets'),
    ):  # fmt: skip
        refused(await as_node(nodes, "POST", PODS, pod), text)
    assert (await as_node(nodes, "POST", PODS, mirror())).status == 201


async def test_its_own_lease(nodes: Api) -> None:
    spec = {"spec": {"holderIdentity": "one"}}
    refused(
        await as_node(nodes, "POST", LEASES, {"metadata": {"name": "two"}, **spec}), "can only access node lease with"
    )
    assert (await as_node(nodes, "POST", LEASES, {"metadata": {"name": "one"}, **spec})).status == 201
    assert (await as_node(nodes, "PATCH", f"{LEASES}/one", spec)).status == 200
    refused(await as_node(nodes, "GET", f"{LEASES}/two"), "can only access node lease with the same name")
    refused(
        await as_node(nodes, "POST", LEASES.replace("kube-node-lease", "default"), spec), "can only access leases in"
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"audiences": ["vault"]}, ""),
        ({"audiences": ["other"]}, 'audience "other" not found in pod spec volume'),
        ({"audiences": ["vault", ""]}, "node may only request 0 or 1 audiences"),
        ({"boundObjectRef": None}, "node requested token not bound to a pod"),
        ({"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "u"}}, "not bound to a pod"),
        ({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "on-one"}}, "without a uid"),
        ({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "on-one", "uid": "u"}}, "does not match"),
        ({"boundObjectRef": "on-two"}, "scheduled on a different node"),
    ],
)
async def test_tokens_of_its_own_pods(nodes: Api, change: Object, why: str) -> None:
    """The plugin by itself: the sub-resource has tests of its own."""
    from minikube_py.api import errors

    sources = [{"serviceAccountToken": {"path": "a"}}, {"serviceAccountToken": {"path": "b", "audience": "vault"}}]
    for name in ("one", "two"):
        volume = {"name": "t", "projected": {"sources": sources}}
        spec = {"containers": [{"name": "c", "image": "i"}], "volumes": [volume], "nodeName": name}
        await nodes.ok("POST", PODS, {"metadata": {"name": f"t-{name}"}, "spec": spec})
    await nodes.cluster.settle()
    server = nodes.cluster.server
    plugin = NodeRestriction(server.storage, Authorization([]))
    kind = server.catalog.of(SERVICEACCOUNTS).kind
    bound = "two" if change.get("boundObjectRef") == "on-two" else "one"
    uid = (await nodes.ok("GET", f"{PODS}/t-{bound}"))["metadata"]["uid"]
    ref = {"apiVersion": "v1", "kind": "Pod", "name": f"t-{bound}", "uid": uid}
    given = {k: v for k, v in change.items() if v != "on-two"}
    request = json.loads(json.dumps({"spec": {"boundObjectRef": ref, **given}}))
    attributes = Attributes("CREATE", kind, "default", "default", "token", KUBELET, request, None, False)
    assert plugin.concerns("CREATE", kind, "token")
    if not why:
        await plugin.admit(attributes)
        return
    with pytest.raises(errors.Forbidden, match=why):
        await plugin.admit(attributes)


async def test_others_are_not_restricted(nodes: Api) -> None:
    label = {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}
    assert (await nodes.ask("PATCH", f"{NODES}/one", label, content_type=MERGE)).status == 200
