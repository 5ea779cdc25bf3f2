"""The controllers against a real API server in this process, on virtual time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import errors, times
from minikube_py.api.meta import Object, condition
from minikube_py.api.resources import (
    CLUSTERROLES,
    CONFIGMAPS,
    CUSTOMRESOURCEDEFINITIONS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODDISRUPTIONBUDGETS,
    PODS,
    RESOURCEQUOTAS,
    SECRETS,
    SERVICEACCOUNTS,
    Resource,
)
from minikube_py.controller_manager.config import ControllerManagerConfig
from minikube_py.controller_manager.controllers import CONTROLLERS
from minikube_py.controller_manager.main import run
from tests.fakes.cluster import Cluster, cluster, signing_key
from tests.unit import csr_samples


@pytest.fixture
async def world() -> AsyncIterator[Cluster]:
    async with cluster() as made:
        yield made


def begin(world: Cluster, *names: str, **config: Any) -> asyncio.Task[Any]:
    wanted = ControllerManagerConfig(controllers=names or ("*",), **config)
    return world.run(lambda: run(wanted, world.clock, world.transport("system:kube-controller-manager", ())))


async def make(world: Cluster, resource: Resource, name: str, namespace: str = "", **more: Any) -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **more}
    return await world.client.create(resource, obj)


async def heartbeat(world: Cluster, name: str) -> None:
    """What a kubelet does every ten seconds."""
    spec = {"holderIdentity": name, "renewTime": times.format_micro(world.clock.now()), "leaseDurationSeconds": 40}
    known = await world.get(LEASES, name, "kube-node-lease")
    if known is None:
        await make(world, LEASES, name, "kube-node-lease", spec=spec)
    else:
        await world.client.update(LEASES, {**known, "spec": spec})


async def live(world: Cluster, seconds: int, *alive: str) -> None:
    """Let time pass while some Nodes heartbeat."""
    for _ in range(seconds // 10):
        for name in alive:
            await heartbeat(world, name)
        await world.advance(10)


def taints_of(node: Object) -> list[str]:
    found = node["spec"].get("taints") or []
    return sorted(f"{t['key'].removeprefix('node.kubernetes.io/')}:{t['effect']}" for t in found)


async def reasons(world: Cluster) -> list[str]:
    return [e["reason"] for e in (await world.client.list(EVENTS))["items"]]


# default ServiceAccounts and the root CA


async def test_every_namespace_gets_its_default_service_account_back(world: Cluster) -> None:
    begin(world, "serviceaccount-controller")
    await make(world, NAMESPACES, "new")
    await world.settle()
    found = (await world.client.list(SERVICEACCOUNTS))["items"]
    assert {(a["metadata"]["namespace"], a["metadata"]["name"]) for a in found} == {
        (n, "default") for n in ("default", "kube-node-lease", "kube-public", "kube-system", "new")
    }
    await world.client.delete(SERVICEACCOUNTS, "default", "new")
    await world.settle()
    assert await world.get(SERVICEACCOUNTS, "default", "new") is not None


async def test_the_root_ca_is_published_and_mended(world: Cluster, tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text("CERT\n")
    begin(world, "root-ca-certificate-publisher-controller", root_ca_file=str(ca))
    await world.settle()
    found = await world.client.get(CONFIGMAPS, "kube-root-ca.crt", "kube-system")
    assert found["data"] == {"ca.crt": "CERT\n"}
    await world.client.patch(CONFIGMAPS, "kube-root-ca.crt", "kube-system", {"data": {"ca.crt": "no", "more": "x"}})
    await world.settle()
    found = await world.client.get(CONFIGMAPS, "kube-root-ca.crt", "kube-system")
    assert found["data"] == {"ca.crt": "CERT\n"}
    await world.client.delete(CONFIGMAPS, "kube-root-ca.crt", "default")
    await world.settle()
    assert await world.get(CONFIGMAPS, "kube-root-ca.crt", "default") is not None


async def test_the_root_ca_publisher_is_off_without_a_file(world: Cluster) -> None:
    begin(world, "root-ca-certificate-publisher-controller")
    await world.advance(10)
    assert await world.get(CONFIGMAPS, "kube-root-ca.crt", "default") is None


# namespaces


async def test_a_deleted_namespace_goes_with_all_its_content(world: Cluster) -> None:
    begin(world)
    await make(world, NAMESPACES, "x")
    await make(world, CONFIGMAPS, "a", "x")
    await make(world, SECRETS, "b", "x")
    await make(world, CONFIGMAPS, "stays", "default")
    await world.settle()
    await world.client.delete(NAMESPACES, "x")
    await world.settle()
    assert await world.get(NAMESPACES, "x") is None
    for resource in (CONFIGMAPS, SECRETS, SERVICEACCOUNTS):
        assert (await world.client.list(resource, "x"))["items"] == []
    assert await world.get(CONFIGMAPS, "stays", "default") is not None


async def test_a_namespace_waits_for_graceful_pods_and_their_secrets_with_them(world: Cluster) -> None:
    begin(world, "namespace-controller")
    await make(world, NAMESPACES, "x")
    await make(world, SECRETS, "s", "x")
    await world.add_account("default", "x")
    await world.add_pod("a", namespace="x", nodeName="n1")
    await world.client.delete(NAMESPACES, "x")
    await world.advance(20)
    found = await world.client.get(NAMESPACES, "x")
    assert found["status"]["phase"] == "Terminating"
    remaining = condition(found, "NamespaceContentRemaining")
    assert remaining is not None
    assert (remaining["status"], remaining["reason"]) == ("True", "SomeResourcesRemain")
    assert remaining["message"] == "Some resources are remaining: pods. has 1 resource instances"
    assert await world.get(SECRETS, "s", "x") is not None, "the Pod may need it until it has stopped"
    # The kubelet confirms that it has stopped.
    await world.client.delete(PODS, "a", "x", grace_period_seconds=0)
    await world.settle()
    assert await world.get(NAMESPACES, "x") is None


async def test_a_namespace_waits_for_finalizers_of_its_content(world: Cluster) -> None:
    begin(world, "namespace-controller")
    await make(world, NAMESPACES, "x")
    await make(world, CONFIGMAPS, "a", "x", metadata={"finalizers": ["example.com/hold"]})
    await world.client.delete(NAMESPACES, "x")
    await world.advance(20)
    found = condition(await world.client.get(NAMESPACES, "x"), "NamespaceFinalizersRemaining")
    assert found is not None
    assert found["message"].endswith("example.com/hold in 1 resource instances")
    await world.client.patch(CONFIGMAPS, "a", "x", {"metadata": {"finalizers": None}})
    await world.advance(10)
    assert await world.get(NAMESPACES, "x") is None


async def test_a_namespace_with_a_finalizer_of_somebody_else_stays_empty(world: Cluster) -> None:
    begin(world, "namespace-controller")
    await make(world, NAMESPACES, "x", spec={"finalizers": ["example.com/mine"]})
    await make(world, CONFIGMAPS, "a", "x")
    await world.client.delete(NAMESPACES, "x")
    await world.advance(10)
    found = await world.client.get(NAMESPACES, "x")
    assert found["spec"]["finalizers"] == ["example.com/mine"]
    assert await world.get(CONFIGMAPS, "a", "x") is None
    gone = condition(found, "NamespaceContentRemaining")
    assert gone is not None
    assert gone["status"] == "False"


# nodes


async def test_a_silent_node_is_marked_tainted_and_recovers(world: Cluster) -> None:
    begin(world, "node-lifecycle-controller")
    await world.add_node("n1")
    await world.add_node("n2")
    await world.add_pod("a", nodeName="n1")
    running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await world.set_status(PODS, "a", "default", running)
    await live(world, 60, "n1", "n2")
    assert taints_of(await world.client.get(NODES, "n1")) == []
    await live(world, 20, "n2")
    assert taints_of(await world.client.get(NODES, "n1")) == [], "last heard of 30 seconds ago"
    await live(world, 20, "n2")
    node = await world.client.get(NODES, "n1")
    ready = condition(node, "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert ready["message"] == "Kubelet stopped posting node status."
    assert taints_of(node) == ["unreachable:NoExecute", "unreachable:NoSchedule"]
    pod_ready = condition(await world.client.get(PODS, "a", "default"), "Ready")
    assert pod_ready is not None
    assert pod_ready["status"] == "False"
    assert taints_of(await world.client.get(NODES, "n2")) == []
    assert {"RegisteredNode", "NodeNotReady"} <= set(await reasons(world))
    # The kubelet is back.
    await heartbeat(world, "n1")
    again = [{"type": "Ready", "status": "True", "lastHeartbeatTime": times.format_time(world.clock.now())}]
    await world.set_status(NODES, "n1", "", {"conditions": again})
    await live(world, 30, "n1", "n2")
    assert taints_of(await world.client.get(NODES, "n1")) == []


async def test_a_lease_keeps_a_node_alive_whatever_its_clock_says(world: Cluster) -> None:
    begin(world, "node-lifecycle-controller")
    await world.add_node("n1")
    spec = {"holderIdentity": "n1", "leaseDurationSeconds": 40, "renewTime": "2001-01-01T00:00:00.000000Z"}
    lease = await make(world, LEASES, "n1", "kube-node-lease", spec=spec)
    for second in range(20):
        await world.advance(10)
        spec["renewTime"] = f"2001-01-01T00:00:{second + 1:02}.000000Z"
        lease = await world.client.update(LEASES, {**lease, "spec": spec})
    ready = condition(await world.client.get(NODES, "n1"), "Ready")
    assert ready is not None
    assert ready["status"] == "True"


async def test_a_node_that_never_reported_gets_its_startup_grace(world: Cluster) -> None:
    begin(world, "node-lifecycle-controller")
    await world.add_node("n1", ready="")
    await world.advance(55)
    assert condition(await world.client.get(NODES, "n1"), "Ready") is None
    await world.advance(10)
    ready = condition(await world.client.get(NODES, "n1"), "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusNeverUpdated")


async def test_a_cordoned_node_is_tainted_and_untainted(world: Cluster) -> None:
    begin(world, "node-lifecycle-controller")
    await world.add_node("n1", taints=[{"key": "mine", "effect": "NoSchedule"}])
    await world.client.patch(NODES, "n1", "", {"spec": {"unschedulable": True}})
    await world.settle()
    assert taints_of(await world.client.get(NODES, "n1")) == ["mine:NoSchedule", "unschedulable:NoSchedule"]
    await world.client.patch(NODES, "n1", "", {"spec": {"unschedulable": None}})
    await world.settle()
    assert taints_of(await world.client.get(NODES, "n1")) == ["mine:NoSchedule"]


async def test_evictions_begin_one_node_at_a_time(world: Cluster) -> None:
    begin(world, "node-lifecycle-controller")
    for name in ("n1", "n2", "n3"):
        await world.add_node(name)
    await live(world, 20, "n1", "n2", "n3")
    for _ in range(35):
        await heartbeat(world, "n3")
        await world.advance(1)
    tainted = [taints_of(await world.client.get(NODES, n)) for n in ("n1", "n2")]
    assert all("unreachable:NoSchedule" in t for t in tainted)
    assert sum("unreachable:NoExecute" in t for t in tainted) == 1
    await live(world, 20, "n3")
    tainted = [taints_of(await world.client.get(NODES, n)) for n in ("n1", "n2")]
    assert sum("unreachable:NoExecute" in t for t in tainted) == 2


async def test_when_every_node_is_silent_nobody_is_evicted(world: Cluster) -> None:
    begin(world, "node-lifecycle-controller", "taint-eviction-controller")
    await world.add_node("n1")
    await world.add_node("n2")
    await world.add_pod("a", nodeName="n1")
    await live(world, 20, "n1", "n2")
    await world.advance("30m")
    assert taints_of(await world.client.get(NODES, "n1")) == ["unreachable:NoSchedule"]
    assert await world.get(PODS, "a", "default") is not None


# evictions


async def test_pods_leave_an_unreachable_node_when_their_patience_ends(world: Cluster) -> None:
    begin(world, "node-lifecycle-controller", "taint-eviction-controller")
    await world.add_node("n1")
    await world.add_node("n2")
    key = "node.kubernetes.io/unreachable"
    stay: Object = {"key": key, "operator": "Exists", "effect": "NoExecute"}
    await world.add_pod("default", nodeName="n1")
    await world.add_pod("hasty", nodeName="n1", tolerations=[{**stay, "tolerationSeconds": 30}])
    await world.add_pod("loyal", nodeName="n1", tolerations=[stay])
    await world.add_pod("elsewhere", nodeName="n2")
    await live(world, 50, "n1", "n2")
    await live(world, 50, "n2")
    assert taints_of(await world.client.get(NODES, "n1")) == ["unreachable:NoExecute", "unreachable:NoSchedule"]

    async def going() -> set[str]:
        pods = (await world.client.list(PODS, "default"))["items"]
        return {p["metadata"]["name"] for p in pods if p["metadata"].get("deletionTimestamp")}

    assert await going() == set()
    await live(world, 40, "n2")
    assert await going() == {"hasty"}
    hasty = condition(await world.client.get(PODS, "hasty", "default"), "DisruptionTarget")
    assert hasty is not None
    assert hasty["reason"] == "DeletionByTaintManager"
    await live(world, 200, "n2")
    assert await going() == {"hasty"}
    await live(world, 80, "n2")
    assert await going() == {"hasty", "default"}
    assert "TaintManagerEviction" in await reasons(world)


async def test_a_taint_that_is_removed_in_time_evicts_nobody(world: Cluster) -> None:
    begin(world, "taint-eviction-controller")
    await world.add_node("n1", taints=[{"key": "k", "effect": "NoExecute"}])
    tolerant = [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}]
    await world.add_pod("a", nodeName="n1", tolerations=tolerant)
    await world.add_pod("now", nodeName="n1")
    await world.settle()
    assert (await world.client.get(PODS, "now", "default"))["metadata"].get("deletionTimestamp")
    await world.advance(50)
    await world.client.patch(NODES, "n1", "", {"spec": {"taints": None}})
    await world.advance("10m")
    assert not (await world.client.get(PODS, "a", "default"))["metadata"].get("deletionTimestamp")
    # The same taint again starts anew.
    await world.client.patch(NODES, "n1", "", {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}})
    await world.advance(59)
    assert not (await world.client.get(PODS, "a", "default"))["metadata"].get("deletionTimestamp")
    await world.advance(2)
    assert (await world.client.get(PODS, "a", "default"))["metadata"].get("deletionTimestamp")


# pod garbage


async def test_pods_of_a_lost_node_go_after_quarantine(world: Cluster) -> None:
    begin(world, "pod-garbage-collector-controller")
    await world.add_node("n1")
    await world.add_node("n2")
    await world.add_pod("lost", nodeName="n1")
    await world.add_pod("kept", nodeName="n2")
    await world.advance(60)
    assert await world.get(PODS, "lost", "default") is not None
    await world.client.delete(NODES, "n1")
    await world.advance(39)
    assert await world.get(PODS, "lost", "default") is not None
    await world.advance(25)
    assert await world.get(PODS, "lost", "default") is None
    assert await world.get(PODS, "kept", "default") is not None


async def test_a_node_that_comes_back_in_time_keeps_its_pods(world: Cluster) -> None:
    begin(world, "pod-garbage-collector-controller")
    await world.add_node("n1")
    await world.add_pod("a", nodeName="n1")
    await world.settle()
    for _ in range(4):
        await world.client.delete(NODES, "n1")
        await world.advance(30)
        await world.add_node("n1")
        await world.advance(30)
    assert await world.get(PODS, "a", "default") is not None


async def test_unscheduled_pods_that_are_deleted_and_surplus_ended_ones_go(world: Cluster) -> None:
    begin(world, "pod-garbage-collector-controller", terminated_pod_gc_threshold=2)
    for i in range(4):
        await world.add_pod(f"ended-{i}", nodeName="n1")
        await world.set_status(PODS, f"ended-{i}", "default", {"phase": "Failed"})
        await world.clock.advance(1)
    await world.add_node("n1")
    await world.advance(20)
    left = {p["metadata"]["name"] for p in (await world.client.list(PODS, "default"))["items"]}
    assert left == {"ended-2", "ended-3"}


# owner references


def owned_by(owner: Object, **more: Any) -> Object:
    reference = {k: owner[k] for k in ("apiVersion", "kind")}
    reference |= {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], **more}
    return {"ownerReferences": [reference]}


async def test_dependents_follow_their_owner_through_generations(world: Cluster) -> None:
    begin(world, "garbage-collector-controller")
    top = await make(world, CONFIGMAPS, "top", "default")
    middle = await make(world, SECRETS, "middle", "default", metadata=owned_by(top))
    await make(world, CONFIGMAPS, "bottom", "default", metadata=owned_by(middle))
    await make(world, CONFIGMAPS, "free", "default")
    await world.advance(60)
    assert await world.get(CONFIGMAPS, "bottom", "default") is not None
    await world.client.delete(CONFIGMAPS, "top", "default")
    await world.settle()
    assert await world.get(SECRETS, "middle", "default") is None
    assert await world.get(CONFIGMAPS, "bottom", "default") is None
    assert await world.get(CONFIGMAPS, "free", "default") is not None


async def test_dependents_of_owners_lost_long_ago_go_and_those_of_two_stay(world: Cluster) -> None:
    one = await make(world, CONFIGMAPS, "one", "default")
    two = await make(world, CONFIGMAPS, "two", "default")
    both = {"ownerReferences": owned_by(one)["ownerReferences"] + owned_by(two)["ownerReferences"]}
    await make(world, SECRETS, "orphan", "default", metadata=owned_by(one))
    await make(world, SECRETS, "shared", "default", metadata=both)
    await world.client.delete(CONFIGMAPS, "one", "default")
    await make(world, CONFIGMAPS, "one", "default")  # a successor by the same name is no owner
    begin(world, "garbage-collector-controller")
    await world.settle()
    assert await world.get(SECRETS, "orphan", "default") is None
    shared = await world.client.get(SECRETS, "shared", "default")
    assert [o["name"] for o in shared["metadata"]["ownerReferences"]] == ["two"]


async def test_an_owner_in_another_namespace_is_none_and_a_kind_that_is_not_served_keeps(world: Cluster) -> None:
    await make(world, NAMESPACES, "x")
    far = await make(world, CONFIGMAPS, "far", "x")
    await make(world, SECRETS, "a", "default", metadata=owned_by(far))
    alien: Object = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t", "uid": "u"}}
    await make(world, SECRETS, "b", "default", metadata=owned_by(alien))
    begin(world, "garbage-collector-controller")
    await world.advance(60)
    assert await world.get(SECRETS, "a", "default") is None
    assert await world.get(SECRETS, "b", "default") is not None


async def test_foreground_deletion_waits_for_blocking_dependents(world: Cluster) -> None:
    begin(world, "garbage-collector-controller")
    owner = await make(world, CONFIGMAPS, "owner", "default")
    held = {**owned_by(owner, blockOwnerDeletion=True), "finalizers": ["example.com/hold"]}
    await make(world, SECRETS, "blocker", "default", metadata=held)
    await make(world, SECRETS, "plain", "default", metadata=owned_by(owner))
    await world.settle()
    await world.client.delete(CONFIGMAPS, "owner", "default", propagation_policy="Foreground")
    await world.advance(60)
    assert (await world.client.get(CONFIGMAPS, "owner", "default"))["metadata"]["deletionTimestamp"]
    assert (await world.client.get(SECRETS, "blocker", "default"))["metadata"]["deletionTimestamp"]
    assert await world.get(SECRETS, "plain", "default") is None
    await world.client.patch(SECRETS, "blocker", "default", {"metadata": {"finalizers": None}})
    await world.settle()
    assert await world.get(CONFIGMAPS, "owner", "default") is None


async def test_orphaning_takes_the_reference_away(world: Cluster) -> None:
    begin(world, "garbage-collector-controller")
    owner = await make(world, CONFIGMAPS, "owner", "default")
    await make(world, SECRETS, "a", "default", metadata=owned_by(owner))
    await world.settle()
    await world.client.delete(CONFIGMAPS, "owner", "default", propagation_policy="Orphan")
    await world.advance(60)
    assert await world.get(CONFIGMAPS, "owner", "default") is None
    left = await world.client.get(SECRETS, "a", "default")
    assert not left["metadata"].get("ownerReferences")


WIDGETS = Resource("example.com", "v1", "widgets", "Widget", True, "")


async def make_widgets(world: Cluster) -> None:
    """A CustomResourceDefinition that is served when this returns."""
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    await make(world, CUSTOMRESOURCEDEFINITIONS, "widgets.example.com", spec=spec)
    await world.settle()


async def test_dependents_of_a_kind_that_is_new_go_with_their_owner(world: Cluster) -> None:
    """The owner comes and goes before anybody watches its kind."""
    begin(world, "garbage-collector-controller")
    await world.advance(10)
    await make_widgets(world)
    owner = await make(world, WIDGETS, "owner", "default")
    await make(world, SECRETS, "a", "default", metadata=owned_by(owner))
    other = await make(world, WIDGETS, "other", "default")
    await make(world, SECRETS, "b", "default", metadata=owned_by(other))
    await world.settle()
    await world.client.delete(WIDGETS, "owner", "default")
    await world.advance(3)
    assert await world.get(SECRETS, "a", "default") is None
    await world.client.delete(WIDGETS, "other", "default")
    await world.settle()
    assert await world.get(SECRETS, "b", "default") is None, "by now its kind is watched"


# the house


async def busy_cluster(world: Cluster) -> None:
    """Something for every controller to do, at once and over time."""
    await world.add_node("n1")
    await world.add_node("gone")
    await world.add_node("silent", taints=[{"key": "k", "effect": "NoExecute"}])
    await make(world, NAMESPACES, "leaving")
    token = {"annotations": {"kubernetes.io/service-account.name": "default"}}
    await make(world, SECRETS, "token", "default", metadata=token, type="kubernetes.io/service-account-token")
    old = {"expiration": base64.b64encode(b"2029-01-01T00:00:00Z").decode()}
    await make(world, SECRETS, "bootstrap", "kube-system", type="bootstrap.kubernetes.io/token", data=old)
    await make(world, CONFIGMAPS, "held", "leaving", metadata={"finalizers": ["example.com/hold"]})
    await world.client.delete(NAMESPACES, "leaving")
    await world.add_pod("orphan", nodeName="gone")
    await world.add_pod("evictee", nodeName="silent")
    await world.add_pod("kept", nodeName="n1")
    await world.client.delete(NODES, "gone")
    owner = await make(world, CONFIGMAPS, "owner", "default")
    await make(world, SECRETS, "child", "default", metadata=owned_by(owner))
    await world.client.delete(CONFIGMAPS, "owner", "default")
    guard = {"minAvailable": 1, "selector": {}}
    await make(world, PODDISRUPTIONBUDGETS, "guard", "default", spec=guard)
    gathered = {"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}
    rules = [{"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["things"]}]
    await make(world, CLUSTERROLES, "things", metadata=gathered, rules=rules)
    await make(world, RESOURCEQUOTAS, "bounds", "default", spec={"hard": {"pods": "9", "secrets": "9"}})
    size = {"storage": "1Gi"}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": size}}
    volume = {"accessModes": ["ReadWriteOnce"], "capacity": size, "hostPath": {"path": "/data"}}
    await make(world, PERSISTENTVOLUMECLAIMS, "unused", "default", spec=claim)
    await make(world, PERSISTENTVOLUMES, "unbound", spec=volume)
    await world.client.delete(PERSISTENTVOLUMECLAIMS, "unused", "default")
    await world.client.delete(PERSISTENTVOLUMES, "unbound")
    await csr_samples.one_for_each_controller(world.client)


@pytest.mark.parametrize("name", [c.name for c in CONTROLLERS])
async def test_running_twice_changes_nothing_the_second_time(world: Cluster, tmp_path: Path, name: str) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text("CERT\n")
    files = {"root_ca_file": str(ca), "service_account_private_key_file": signing_key()}
    files |= csr_samples.signing_files(tmp_path, world.clock)
    await busy_cluster(world)
    before = len(world.writes())
    task = begin(world, name, **files)
    await live(world, 120, "n1")
    first = [w for w in world.writes()[before:] if "leases" not in w[1]]
    assert first, "the first run had something to do"
    await world.kill(task)
    before = len(world.writes())
    begin(world, name, **files)
    await live(world, 120, "n1")
    second = [w for w in world.writes()[before:] if "leases" not in w[1] and not w[1].endswith("/events")]
    assert [w for w in second if "/events/" not in w[1]] == []


async def test_all_controllers_together_come_to_rest(world: Cluster, tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text("CERT\n")
    await busy_cluster(world)
    begin(world, root_ca_file=str(ca), service_account_private_key_file=signing_key())
    await live(world, 600, "n1")
    before = len(world.writes())
    await live(world, 120, "n1")
    assert [w for w in world.writes()[before:] if "leases" not in w[1]] == []
    assert await world.get(PODS, "orphan", "default") is None
    assert await world.get(SECRETS, "child", "default") is None
    assert await world.get(PODS, "kept", "default") is not None


async def test_leader_hand_over(world: Cluster) -> None:
    first = begin(world, "serviceaccount-controller", leader_elect=True, identity="one")
    await world.settle()
    begin(world, "serviceaccount-controller", leader_elect=True, identity="two")
    await make(world, NAMESPACES, "a")
    await world.settle()
    await world.kill(first)
    await make(world, NAMESPACES, "b")
    await world.advance(20)
    assert await world.get(SERVICEACCOUNTS, "default", "a") is not None
    assert await world.get(SERVICEACCOUNTS, "default", "b") is not None
    creations = [w for w in world.writes() if w == ("POST", "/api/v1/namespaces/a/serviceaccounts")]
    assert len(creations) == 1


async def test_an_unknown_controller_is_refused(world: Cluster) -> None:
    with pytest.raises(ValueError, match='"nonsense" is not in the list'):
        await run(ControllerManagerConfig(controllers=("*", "nonsense")), world.clock, world.transport())


async def test_controllers_survive_a_server_that_refuses_for_a_while(world: Cluster) -> None:
    world.away = True
    begin(world)
    await world.advance(60)
    with pytest.raises(errors.ServiceUnavailable):
        await world.client.get(NAMESPACES, "default")
    world.away = False
    await world.advance(120)
    assert await world.get(SERVICEACCOUNTS, "default", "default") is not None
