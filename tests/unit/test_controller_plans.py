"""Every controller's pure part as tables: what is in, what is to be done out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api.meta import Object, condition
from minikube_py.api.resources import CONFIGMAPS, PODS
from minikube_py.api.taints import Taint, Toleration
from minikube_py.controller_manager import controllers as family
from minikube_py.controller_manager import disruption
from minikube_py.controller_manager.config import selected
from minikube_py.controller_manager.controllers import (
    CONTROLLERS,
    namespace,
    node_lifecycle,
    pod_gc,
    root_ca,
    serviceaccount,
    taint_eviction,
)
from minikube_py.controller_manager.ownership import FOREGROUND, ORPHAN, Delete, Graph, Item, Owner, Unlink, plan

NOW, LATER = "2030-01-01T00:00:00Z", "2030-01-01T00:10:00Z"
EPOCH = datetime(2030, 1, 1, tzinfo=UTC)


def test_the_list_has_every_file_of_the_folder() -> None:
    modules = {p.stem for p in Path(family.__file__).parent.glob("*.py")} - {"__init__"}
    assert {c.__module__.rpartition(".")[2] for c in CONTROLLERS} == modules
    assert len({c.name for c in CONTROLLERS}) == len(CONTROLLERS)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["*"], ["a", "b", "c"]),
        (["b"], ["b"]),
        (["*", "-b"], ["a", "c"]),
        (["-b", "*"], ["a", "c"]),
        (["c", "a"], ["a", "c"]),
        (["*", "b", "-b"], ["a", "b", "c"]),
        ([], []),
    ],
)
def test_selection(wanted: list[str], found: list[str]) -> None:
    assert selected(["a", "b", "c"], wanted) == found


@pytest.mark.parametrize("wanted", ["d", "-d"])
def test_selection_refuses_unknown_names(wanted: str) -> None:
    with pytest.raises(ValueError, match='"d" is not in the list of known controllers'):
        selected(["a"], ["*", wanted])


# namespaces


def ns(name: str = "x", *, deleting: bool = False, **more: Any) -> Object:
    metadata: Object = {"name": name, "uid": name}
    if deleting:
        metadata["deletionTimestamp"] = NOW
    return {"metadata": metadata, "spec": {"finalizers": ["kubernetes"]}, **more}


def test_serviceaccount_plan() -> None:
    wanted = serviceaccount.plan(ns(), None)
    assert wanted is not None
    assert wanted["metadata"] == {"namespace": "x", "name": "default"}
    assert serviceaccount.plan(ns(), wanted) is None
    assert serviceaccount.plan(ns(deleting=True), None) is None
    assert serviceaccount.plan(None, None) is None


def test_root_ca_plan() -> None:
    made = root_ca.plan(ns(), None, "CERT")
    assert made is not None
    assert (made["metadata"]["name"], made["data"]) == ("kube-root-ca.crt", {"ca.crt": "CERT"})
    assert root_ca.plan(ns(), made, "CERT") is None
    renewed = root_ca.plan(ns(), made, "NEW")
    assert renewed is not None
    assert renewed["data"] == {"ca.crt": "NEW"}
    spoilt = {**made, "binaryData": {"x": ""}, "metadata": {"name": "kube-root-ca.crt", "labels": {"a": "b"}}}
    mended = root_ca.plan(ns(), spoilt, "CERT")
    assert mended is not None
    assert "binaryData" not in mended
    assert mended["metadata"]["labels"] == {"a": "b"}
    assert root_ca.plan(ns(deleting=True), None, "CERT") is None


def test_an_empty_namespace_says_that_nothing_is_left() -> None:
    status = namespace.plan(ns(deleting=True, status={"phase": "Terminating"}), namespace.Content(), NOW)
    assert status is not None
    assert {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]} == {
        "NamespaceDeletionDiscoveryFailure": ("False", "ResourcesDiscovered"),
        "NamespaceDeletionGroupVersionParsingFailure": ("False", "ParsedGroupVersions"),
        "NamespaceDeletionContentFailure": ("False", "ContentDeleted"),
        "NamespaceContentRemaining": ("False", "ContentRemoved"),
        "NamespaceFinalizersRemaining": ("False", "ContentHasNoFinalizers"),
    }


def test_a_namespace_says_what_keeps_it() -> None:
    content = namespace.Content(undiscovered=["g/v1: away"], failures=["secrets: no"])
    content.count(PODS, [{"metadata": {"finalizers": ["f"]}}, {"metadata": {}}])
    content.count(CONFIGMAPS, [])
    status = namespace.plan(ns(), content, NOW)
    assert status is not None
    assert status["phase"] == "Terminating"
    found = {c["type"]: c for c in status["conditions"] if c["status"] == "True"}
    assert found["NamespaceContentRemaining"]["message"] == (
        "Some resources are remaining: pods. has 2 resource instances"
    )
    assert found["NamespaceFinalizersRemaining"]["message"] == (
        "Some content in the namespace has finalizers remaining: f in 1 resource instances"
    )
    assert found["NamespaceDeletionContentFailure"]["message"] == (
        "Failed to delete all resource types, 1 remaining: secrets: no"
    )
    assert found["NamespaceDeletionDiscoveryFailure"]["message"] == "Discovery failed for some groups: g/v1: away"
    again = namespace.plan(ns(status=status), content, LATER)
    assert again is None, "the same content is not written twice"
    done = namespace.plan(ns(status=status), namespace.Content(), LATER)
    assert done is not None
    times = {c["type"]: c["lastTransitionTime"] for c in done["conditions"]}
    assert times["NamespaceContentRemaining"] == LATER
    assert times["NamespaceDeletionGroupVersionParsingFailure"] == NOW


# nodes


def node(*conditions: tuple[str, str], taints: Any = (), unschedulable: bool = False, name: str = "n") -> Object:
    spec: Object = {"taints": list(taints)} if taints else {}
    if unschedulable:
        spec["unschedulable"] = True
    found = [{"type": t, "status": s, "lastTransitionTime": NOW} for t, s in conditions]
    metadata = {"name": name, "uid": name, "creationTimestamp": NOW}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": found}}


def test_silence_makes_conditions_unknown_once() -> None:
    before = node(("Ready", "True"), ("MemoryPressure", "False"), ("NetworkUnavailable", "False"))
    found = node_lifecycle.silent_conditions(before, LATER)
    assert found is not None
    assert {c["type"]: (c["status"], c.get("reason", "")) for c in found} == {
        "Ready": ("Unknown", "NodeStatusUnknown"),
        "MemoryPressure": ("Unknown", "NodeStatusUnknown"),
        "NetworkUnavailable": ("False", ""),
        "DiskPressure": ("Unknown", "NodeStatusNeverUpdated"),
        "PIDPressure": ("Unknown", "NodeStatusNeverUpdated"),
    }
    ready = next(c for c in found if c["type"] == "Ready")
    assert ready["message"] == "Kubelet stopped posting node status."
    assert ready["lastTransitionTime"] == LATER
    assert node_lifecycle.silent_conditions({**before, "status": {"conditions": found}}, LATER) is None
    assert before["status"]["conditions"][0]["status"] == "True", "what the cache gave is not edited"


MINE = {"key": "mine", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("given", "evict", "wanted"),
    [
        (node(("Ready", "True")), True, None),
        (node(("Ready", "True"), taints=[MINE]), True, None),
        (node(("Ready", "False")), True, ["not-ready:NoSchedule", "not-ready:NoExecute"]),
        (node(("Ready", "False")), False, ["not-ready:NoSchedule"]),
        (node(("Ready", "Unknown")), True, ["unreachable:NoSchedule", "unreachable:NoExecute"]),
        (
            node(("Ready", "True"), ("MemoryPressure", "True"), ("DiskPressure", "True"), ("PIDPressure", "True")),
            True,
            ["memory-pressure:NoSchedule", "disk-pressure:NoSchedule", "pid-pressure:NoSchedule"],
        ),
        (node(("NetworkUnavailable", "True")), True, ["network-unavailable:NoSchedule"]),
        (node(("MemoryPressure", "Unknown")), True, None),
        (node(("Ready", "True"), unschedulable=True), True, ["unschedulable:NoSchedule"]),
    ],
)
def test_taints_by_condition(given: Object, evict: bool, wanted: list[str] | None) -> None:
    found = node_lifecycle.wanted_taints(given, NOW, evict=evict)
    names = None if found is None else [f"{t['key'].removeprefix('node.kubernetes.io/')}:{t['effect']}" for t in found]
    assert names == wanted
    if found is not None:
        again = {**given, "spec": {**given["spec"], "taints": found}}
        assert node_lifecycle.wanted_taints(again, LATER, evict=evict) is None


def taint(key: str, effect: str) -> Object:
    return {"key": f"node.kubernetes.io/{key}", "effect": effect, "timeAdded": NOW}


def test_taints_follow_the_condition_and_leave_those_of_others() -> None:
    had = [taint("not-ready", "NoSchedule"), MINE, taint("not-ready", "NoExecute")]
    silent = node_lifecycle.wanted_taints(node(("Ready", "Unknown"), taints=had), LATER, evict=True)
    assert silent is not None
    assert silent[0] == MINE
    assert [(t["key"], t["effect"], t["timeAdded"]) for t in silent[1:]] == [
        ("node.kubernetes.io/unreachable", "NoSchedule", LATER),
        ("node.kubernetes.io/unreachable", "NoExecute", LATER),
    ]
    assert node_lifecycle.wanted_taints(node(("Ready", "True"), taints=had), LATER, evict=True) == [MINE]


def test_a_disrupted_cluster_takes_evictions_back() -> None:
    had = [taint("unreachable", "NoSchedule"), taint("unreachable", "NoExecute")]
    gone = node(("Ready", "Unknown"), taints=had)
    assert node_lifecycle.wanted_taints(gone, LATER, evict=False) is None
    assert node_lifecycle.wanted_taints(gone, LATER, evict=False, disrupted=True) == had[:1]


def test_ready_is_taken_back_from_pods_that_have_it() -> None:
    def pod(status: str) -> Object:
        return {"metadata": {"name": status}, "status": {"conditions": [{"type": "Ready", "status": status}]}}

    found = node_lifecycle.unready_pods([pod("True"), pod("False"), {"metadata": {}, "status": {}}], NOW)
    assert [(p["metadata"]["name"], c["status"]) for p, c in found] == [("True", "False")]


# evictions

UNREACHABLE = Taint("node.kubernetes.io/unreachable", "", "NoExecute")
CUSTOM = Taint("k", "v", "NoExecute")


@pytest.mark.parametrize(
    ("tolerations", "taint", "seconds"),
    [
        ([], CUSTOM, 0),
        ([], UNREACHABLE, 300),
        ([Toleration("k", "Exists", "", "")], CUSTOM, None),
        ([Toleration("k", "Equal", "v", "NoExecute", 60)], CUSTOM, 60),
        ([Toleration("k", "Equal", "v", "NoExecute", 60), Toleration("", "Exists", "", "", 20)], CUSTOM, 20),
        ([Toleration("k", "Exists", "", ""), Toleration("k", "Equal", "v", "NoExecute", 60)], CUSTOM, 60),
        ([Toleration("k", "Equal", "v", "NoExecute", -5)], CUSTOM, 0),
        ([Toleration("k", "Equal", "v", "NoSchedule", 60)], CUSTOM, 0),
        ([Toleration("", "Exists", "", "NoExecute")], UNREACHABLE, None),
    ],
)
def test_patience(tolerations: list[Toleration], taint: Taint, seconds: int | None) -> None:
    assert taint_eviction.patience(tolerations, taint) == seconds


def test_eviction_deadline() -> None:
    pod: Object = {"metadata": {"creationTimestamp": "2029-12-31T00:00:00Z"}, "spec": {}}
    assert taint_eviction.plan(pod, {}) is None
    assert taint_eviction.plan(pod, {UNREACHABLE: EPOCH}) == EPOCH + timedelta(seconds=300)
    assert taint_eviction.plan(pod, {UNREACHABLE: EPOCH, CUSTOM: EPOCH}) == EPOCH
    for_ever = {**pod, "spec": {"tolerations": [{"operator": "Exists"}]}}
    assert taint_eviction.plan(for_ever, {UNREACHABLE: EPOCH, CUSTOM: EPOCH}) is None
    late = {**pod, "metadata": {"creationTimestamp": LATER}}
    assert taint_eviction.plan(late, {UNREACHABLE: EPOCH}) == EPOCH + timedelta(seconds=600 + 300)


def test_disruption_target_is_said_once_and_not_of_ended_pods() -> None:
    pod: Object = {"metadata": {}, "status": {"phase": "Running"}}
    new = disruption.target(pod, "Why", "because", NOW)
    assert new is not None
    assert (new["type"], new["status"], new["reason"]) == ("DisruptionTarget", "True", "Why")
    said = {"metadata": {}, "status": {"phase": "Running", "conditions": [new]}}
    assert condition(said, "DisruptionTarget") is not None
    assert disruption.target(said, "Why", "because", LATER) is None
    assert disruption.target({"metadata": {}, "status": {"phase": "Failed"}}, "Why", "because", NOW) is None


# pod garbage


def pod(
    name: str, phase: str = "Running", node: str = "", *, age: int = 0, deleting: bool = False, **status: Any
) -> Object:
    metadata = {"namespace": "default", "name": name, "creationTimestamp": f"2030-01-01T00:00:{59 - age:02}Z"}
    if deleting:
        metadata["deletionTimestamp"] = NOW
    return {
        "metadata": metadata,
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, **status},
    }


def names(pods: list[Object]) -> list[str]:
    return [p["metadata"]["name"] for p in pods]


@pytest.mark.parametrize(
    ("threshold", "wanted"), [(0, []), (-1, []), (5, []), (3, ["evicted"]), (1, ["evicted", "old", "middle"])]
)
def test_surplus_of_ended_pods(threshold: int, wanted: list[str]) -> None:
    pods = [
        pod("young", "Failed", age=1),
        pod("old", "Succeeded", age=9),
        pod("evicted", "Failed", age=2, reason="Evicted"),
        pod("middle", "Failed", age=5),
        pod("running"),
        pod("pending", "Pending"),
        pod("going", "Failed", deleting=True),
    ]
    assert names(pod_gc.surplus(pods, threshold)) == wanted


def test_unscheduled_lost_and_out_of_service() -> None:
    pods = [
        pod("waiting", "Pending"),
        pod("waiting-goes", "Pending", deleting=True),
        pod("fine", node="n1"),
        pod("lost", node="n2"),
        pod("stuck", node="n3", deleting=True),
        pod("stays", node="n3"),
        pod("stops", node="n4", deleting=True),
    ]
    nodes = [
        node(("Ready", "True"), name="n1"),
        node(("Ready", "Unknown"), name="n3", taints=[{"key": "node.kubernetes.io/out-of-service"}]),
        node(("Ready", "True"), name="n4", taints=[{"key": "node.kubernetes.io/out-of-service"}]),
    ]
    assert names(pod_gc.unscheduled(pods)) == ["waiting-goes"]
    assert pod_gc.missing_nodes(pods, {n["metadata"]["name"] for n in nodes}) == {"n2"}
    assert names(pod_gc.out_of_service(pods, nodes)) == ["stuck"]


# owners


def item(uid: str, *owners: str, deleting: bool = False, finalizers: tuple[str, ...] = (), block: bool = False) -> Item:
    refs = tuple({"uid": o, "apiVersion": "v1", "kind": "Pod", "name": o, "blockOwnerDeletion": block} for o in owners)
    return Item(PODS, "default", uid, uid, "1", deleting, finalizers, refs)


def test_the_graph_knows_dependents_before_their_owners() -> None:
    graph = Graph()
    graph.put(item("child", "parent", block=True))
    graph.put(item("free", "parent"))
    assert [d.uid for d in graph.dependents("parent")] == ["child", "free"]
    graph.put(item("parent"))
    assert [d.uid for d in graph.blockers("parent")] == ["child"]
    graph.put(item("free"))
    assert [d.uid for d in graph.dependents("parent")] == ["child"]
    graph.remove("child")
    graph.remove("child")
    assert graph.dependents("parent") == []
    assert graph.get("parent") is not None


@pytest.mark.parametrize(
    ("given", "states", "dependents", "wanted"),
    [
        (item("a"), [], [], None),
        (item("a", "o"), [Owner.SOLID], [], None),
        (item("a", "o"), [Owner.DANGLING], [], Delete("Background")),
        (item("a", "o", deleting=True), [Owner.DANGLING], [], None),
        (item("a", "o", finalizers=(ORPHAN,)), [Owner.DANGLING], [], Delete("Orphan")),
        (item("a", "o", finalizers=(FOREGROUND,)), [Owner.DANGLING], [], Delete("Foreground")),
        (item("a", "o"), [Owner.WAITING], [], Delete("Background")),
        (item("a", "o"), [Owner.WAITING], [item("b", "a")], Delete("Foreground")),
        (item("a", "o", "p"), [Owner.SOLID, Owner.DANGLING], [], Unlink(item("a", "o").owners)),
        (item("a", "o", "p"), [Owner.SOLID, Owner.WAITING], [], Unlink(item("a", "o").owners)),
        (item("a", "o", "p"), [Owner.WAITING, Owner.DANGLING], [], Delete("Background")),
    ],
)
def test_what_becomes_of_a_dependent(given: Item, states: list[Owner], dependents: list[Item], wanted: Any) -> None:
    assert plan(given, list(zip(given.owners, states, strict=True)), dependents) == wanted
