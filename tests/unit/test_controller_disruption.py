"""The disruption controller: its arithmetic as tables, and its loop against a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from minikube_py.api.meta import Object, condition, owner_reference
from minikube_py.api.resources import (
    CUSTOMRESOURCEDEFINITIONS,
    DEPLOYMENTS,
    EVENTS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    Resource,
)
from minikube_py.controller_manager.config import ControllerManagerConfig
from minikube_py.controller_manager.controllers import disruption as subject
from minikube_py.controller_manager.main import run
from tests.fakes.cluster import Cluster, cluster

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spec", "pods", "scale", "found"),
    [
        ({"minAvailable": 2}, 3, 0, (3, 2)),
        ({"minAvailable": 0}, 3, 0, (3, 0)),
        ({"minAvailable": "50%"}, 2, 5, (5, 3)),
        ({"minAvailable": "0%"}, 2, 5, (5, 0)),
        ({"maxUnavailable": 1}, 2, 5, (5, 4)),
        ({"maxUnavailable": "30%"}, 2, 5, (5, 3)),
        ({"maxUnavailable": 7}, 2, 5, (5, 0)),
        ({}, 2, 5, (0, 0)),
    ],
)
def test_what_is_expected_and_desired(spec: Object, pods: int, scale: int, found: tuple[int, int]) -> None:
    assert subject.expected_and_desired(spec, pods, scale) == found


def test_a_percentage_that_is_none() -> None:
    with pytest.raises(subject.Unknown, match="not a percentage"):
        subject.expected_and_desired({"minAvailable": "half"}, 1, 1)


@pytest.mark.parametrize(
    ("counts", "allowed"),
    [((3, 2, 3), 1), ((3, 2, 2), 0), ((3, 2, 1), 0), ((0, 0, 1), 0), ((3, 0, 3), 3)],
)
def test_what_is_allowed(counts: tuple[int, int, int], allowed: int) -> None:
    assert subject.Counts(*counts).allowed == allowed


def pod(name: str, *, ready: bool = True, **metadata: Any) -> Object:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": {"name": name, **metadata}, "status": {"conditions": conditions}}


def test_granted_evictions_are_waited_for() -> None:
    recent, old = "2029-12-31T23:58:30Z", "2029-12-31T23:57:00Z"
    pods = [pod("going"), pod("stayed"), pod("deleted", deletionTimestamp=recent), pod("other")]
    known = {"going": recent, "stayed": old, "deleted": recent, "gone": recent}
    going, stayed = subject.disrupted(pods, known, NOW)
    assert going == {"going": recent}
    assert [p["metadata"]["name"] for p in stayed] == ["stayed"]
    assert subject.healthy([*pods, pod("not ready", ready=False)], going) == 2


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ({}, 30),
        ({"since": "2029-12-31T20:00:00Z"}, 0),
        ({"reason": "TerminationByKubelet"}, None),
        ({"value": "False"}, None),
        ({"phase": "Failed"}, None),
        ({"deletionTimestamp": "2030-01-01T00:00:00Z"}, None),
    ],
)
def test_stale_conditions(more: dict[str, str], left: float | None) -> None:
    said = {
        "type": "DisruptionTarget", "status": more.get("value", "True"), "reason": more.get("reason", "x"),
        "lastTransitionTime": more.get("since", "2029-12-31T23:58:30Z"),
    }  # fmt: skip
    metadata = {k: v for k, v in more.items() if k == "deletionTimestamp"}
    status = {"phase": more.get("phase", "Running"), "conditions": [said]}
    assert subject.stale_in({"metadata": metadata, "status": status}, NOW) == left


# the loop


@pytest.fixture
async def world() -> AsyncIterator[Cluster]:
    async with cluster() as made:
        yield made


def begin(world: Cluster) -> asyncio.Task[Any]:
    wanted = ControllerManagerConfig(controllers=("disruption-controller",))
    return world.run(lambda: run(wanted, world.clock, world.transport("system:kube-controller-manager")))


async def add(world: Cluster, name: str, *, ready: str = "True", **metadata: Any) -> None:
    await world.add_pod(name, metadata={"labels": {"app": "web"}, **metadata}, nodeName="n")
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}
    await world.set_status(PODS, name, "default", status)


async def guard(world: Cluster, **spec: Any) -> None:
    spec = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    metadata = {"name": "b", "namespace": "default"}
    obj = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
    await world.client.create(PODDISRUPTIONBUDGETS, obj)


async def seen(world: Cluster) -> tuple[int, int, int, int]:
    status = (await world.client.get(PODDISRUPTIONBUDGETS, "b", "default"))["status"]
    return status["disruptionsAllowed"], status["currentHealthy"], status["desiredHealthy"], status["expectedPods"]


async def test_a_budget_follows_its_pods(world: Cluster) -> None:
    begin(world)
    await guard(world, minAvailable=1)
    await world.settle()
    assert await seen(world) == (0, 0, 1, 0)
    for name in ("p", "q", "r"):
        await add(world, name)
    await world.advance(1)
    assert await seen(world) == (2, 3, 1, 3)
    found = await world.client.get(PODDISRUPTIONBUDGETS, "b", "default")
    allowed = condition(found, "DisruptionAllowed")
    assert allowed is not None and (allowed["status"], allowed["reason"]) == ("True", "SufficientPods")
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    await world.set_status(PODS, "p", "default", {"conditions": [{"type": "Ready", "status": "False"}]})
    await world.advance(1)
    assert await seen(world) == (1, 2, 1, 3)
    before = len(world.writes())
    await world.advance(60)
    assert world.writes()[before:] == [], "a second pass changes nothing"


async def test_granted_evictions_count_until_the_pod_is_gone_or_stays(world: Cluster) -> None:
    begin(world)
    await guard(world, minAvailable=1)
    for name in ("p", "q"):
        await add(world, name)
    await world.advance(1)
    found = await world.client.get(PODDISRUPTIONBUDGETS, "b", "default")
    found["status"] |= {"disruptionsAllowed": 0, "disruptedPods": {"p": "2000-01-01T00:00:00Z"}}
    await world.client.update(PODDISRUPTIONBUDGETS, found, "status")
    await world.advance(1)
    assert await seen(world) == (1, 2, 1, 2), "an eviction that never came is forgotten"
    assert "NotDeleted" in [e["reason"] for e in (await world.client.list(EVENTS))["items"]]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "default"}}
    await world.client.create_subresource(PODS, "p", "default", "eviction", eviction)
    await world.advance(1)
    assert await seen(world) == (0, 1, 1, 2)


async def test_what_no_controller_owns_cannot_be_found_out(world: Cluster) -> None:
    begin(world)
    owner = {"apiVersion": "none.example/v1", "kind": "None", "name": "x", "uid": "1", "controller": True}
    await add(world, "p", ownerReferences=[owner])
    await guard(world, maxUnavailable=1)
    await world.advance(1)
    found = await world.client.get(PODDISRUPTIONBUDGETS, "b", "default")
    failed = condition(found, "DisruptionAllowed")
    assert failed is not None and failed["reason"] == "SyncFailed"
    assert failed["message"] == 'found no controllers for pod "p"'
    assert found["status"]["disruptionsAllowed"] == 0


async def test_percentages_are_of_what_the_controller_wants(world: Cluster) -> None:
    begin(world)
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}
    spec = {"replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    obj = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r", "namespace": "default"}}
    made = await world.client.create(REPLICASETS, {**obj, "spec": spec})
    owner = {
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": made["metadata"]["uid"], "controller": True
    }  # fmt: skip
    for name in ("p", "q", "s"):
        await add(world, name, ownerReferences=[owner])
    await guard(world, minAvailable="50%")
    await world.advance(1)
    assert await seen(world) == (1, 3, 2, 4)


async def test_a_custom_resource_says_it_by_its_scale(world: Cluster) -> None:
    numbers = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": numbers},
        "subresources": {"scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
    }  # fmt: skip
    names = {"plural": "fleets", "singular": "fleet", "kind": "Fleet", "listKind": "FleetList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    await world.client.create(
        CUSTOMRESOURCEDEFINITIONS, {**head, "metadata": {"name": "fleets.example.com"}, "spec": spec}
    )
    await world.advance(1)
    fleets = Resource("example.com", "v1", "fleets", "Fleet", True, "")
    metadata = {"name": "f", "namespace": "default"}
    obj = {"apiVersion": "example.com/v1", "kind": "Fleet", "metadata": metadata, "spec": {"size": 6}}
    made = await world.client.create(fleets, obj)
    uid = made["metadata"]["uid"]
    owner = {"apiVersion": "example.com/v1", "kind": "Fleet", "name": "f", "uid": uid, "controller": True}
    for name in ("p", "q", "r", "s", "t"):
        await add(world, name, ownerReferences=[owner])
    await guard(world, maxUnavailable="50%")
    begin(world)
    await world.advance(1)
    assert await seen(world) == (2, 5, 3, 6)


async def test_deployments_count_for_their_replica_sets(world: Cluster) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}
    spec = {"replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    head = {"apiVersion": "apps/v1", "metadata": {"name": "d", "namespace": "default"}}
    above = await world.client.create(DEPLOYMENTS, {**head, "kind": "Deployment", "spec": spec})
    owners = []
    for name, replicas in (("old", 3), ("new", 2)):
        metadata = {"name": name, "namespace": "default", "ownerReferences": [owner_reference(above)]}
        obj = {**head, "kind": "ReplicaSet", "metadata": metadata, "spec": {**spec, "replicas": replicas}}
        owners.append(owner_reference(await world.client.create(REPLICASETS, obj)))
    for i, name in enumerate(("p", "q", "r", "s", "t")):
        await add(world, name, ownerReferences=[owners[i % 2]])
    await guard(world, maxUnavailable=1)
    begin(world)
    await world.advance(1)
    assert await seen(world) == (2, 5, 3, 4), "what the Deployment wants, however many its ReplicaSets are"


async def test_a_pod_that_nobody_deleted_loses_its_mark(world: Cluster) -> None:
    begin(world)
    await add(world, "p")
    now = world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    marked = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    await world.set_status(PODS, "p", "default", {"conditions": [{**marked, "lastTransitionTime": now}]})
    await world.advance(100)
    assert await target(world) == "True"
    await world.advance(30)
    assert await target(world) == "False"


async def target(world: Cluster) -> str:
    found = condition(await world.client.get(PODS, "p", "default"), "DisruptionTarget")
    assert found is not None
    return str(found["status"])
