"""The controllers behind admission: quotas are counted, claims and volumes let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from minikube_py.api.meta import Object
from minikube_py.api.resources import (
    CONFIGMAPS,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    RESOURCEQUOTAS,
    SECRETS,
    Resource,
)
from minikube_py.controller_manager.config import ControllerManagerConfig
from minikube_py.controller_manager.controllers import pv_protection, pvc_protection, resourcequota
from minikube_py.controller_manager.main import run
from tests.fakes.cluster import Cluster, cluster

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def quota(hard: Object, **spec: Any) -> Object:
    return {"metadata": {"namespace": "default", "name": "q"}, "spec": {"hard": hard, **spec}}


def pod(name: str, **status: Any) -> Object:
    container = {"name": "c", "resources": {"requests": {"cpu": "100m"}}}
    return {"metadata": {"namespace": "default", "name": name}, "spec": {"containers": [container]}, "status": status}


@pytest.mark.parametrize(
    ("found", "used"),
    [
        (quota({"pods": "5", "cpu": "2"}), {"pods": "2", "cpu": "200m"}),
        (quota({"count/pods": "5"}), {"count/pods": "3"}),
        (quota({"secrets": "5", "count/secrets": "6"}), {"secrets": "4", "count/secrets": "4"}),
        (quota({"count/jobs.batch": "1"}), {"count/jobs.batch": "0"}),
        (quota({"pods": "5"}, scopes=["BestEffort"]), {"pods": "0"}),
        (quota({"pods": "5"}, scopes=["NotBestEffort"]), {"pods": "2"}),
    ],
)
def test_the_status_of_a_quota(found: Object, used: Object) -> None:
    pods = [pod("a"), pod("b", phase="Running"), pod("c", phase="Succeeded")]
    status = resourcequota.plan(found, {"pods": pods, "services": []}, {"secrets": 4}, NOW)
    assert status["used"] == used and status["hard"] == found["spec"]["hard"]
    assert resourcequota.plan({**found, "status": status}, {"pods": pods}, {"secrets": 4}, NOW) == status


def finalized(*finalizers: str, deleting: bool = False, **more: Any) -> Object:
    metadata: Object = {"namespace": "default", "name": "c", "finalizers": list(finalizers)}
    if deleting:
        metadata["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    return {"metadata": metadata, **more}


def user(claim: str, node: str = "n", **volume: Any) -> Object:
    volumes = [{"name": "v", **(volume or {"persistentVolumeClaim": {"claimName": claim}})}]
    return {"metadata": {"namespace": "default", "name": "p"}, "spec": {"nodeName": node, "volumes": volumes}}


PVC, PV = pvc_protection.FINALIZER, pv_protection.FINALIZER


@pytest.mark.parametrize(
    ("claim", "pods", "wanted"),
    [
        (finalized(PVC), [], None),
        (finalized("other"), [], ["other", PVC]),
        (finalized(PVC, "other", deleting=True), [], ["other"]),
        (finalized(PVC, deleting=True), [user("c")], None),
        (finalized(PVC, deleting=True), [user("c", node="")], []),
        (finalized(PVC, deleting=True), [user("d")], []),
        (finalized("other", deleting=True), [], None),
    ],
)
def test_claims_are_let_go(claim: Object, pods: list[Object], wanted: list[str] | None) -> None:
    assert pvc_protection.plan(claim, pods) == wanted


def test_claims_of_a_pods_own() -> None:
    assert pvc_protection.claims(user("", ephemeral={})) == ["p-v"]
    assert pvc_protection.claims(user("", emptyDir={})) == []


@pytest.mark.parametrize(
    ("volume", "wanted"),
    [
        (finalized(PV), None),
        (finalized(), [PV]),
        (finalized(PV, deleting=True, status={"phase": "Bound"}), None),
        (finalized(PV, deleting=True, status={"phase": "Released"}), []),
        (finalized(deleting=True), None),
    ],
)
def test_volumes_are_let_go(volume: Object, wanted: list[str] | None) -> None:
    assert pv_protection.plan(volume) == wanted


# -- against a real API server


@pytest.fixture
async def world() -> AsyncIterator[Cluster]:
    async with cluster() as made:
        yield made


def begin(world: Cluster, *names: str) -> asyncio.Task[Any]:
    config = ControllerManagerConfig(controllers=names)
    return world.run(lambda: run(config, world.clock, world.transport("system:kube-controller-manager")))


async def make(world: Cluster, resource: Resource, name: str, **more: Any) -> Object:
    metadata = {"name": name, **({"namespace": "default"} if resource.namespaced else {})}
    return await world.client.create(
        resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **more}
    )


async def used(world: Cluster) -> Object:
    found: Object = (await world.client.get(RESOURCEQUOTAS, "q", "default"))["status"]
    return found.get("used") or {}


async def test_quotas_are_counted_and_kept_right(world: Cluster) -> None:
    await world.add_pod("before", cpu="100m")
    await make(world, SECRETS, "before")
    await make(world, RESOURCEQUOTAS, "q", spec={"hard": {"pods": "5", "requests.cpu": "1", "secrets": "5"}})
    begin(world, "resourcequota-controller")
    await world.settle()
    await world.advance(resourcequota.LATER)
    found = await world.client.get(RESOURCEQUOTAS, "q", "default")
    assert found["status"] == {
        "hard": {"pods": "5", "requests.cpu": "1", "secrets": "5"},
        "used": {"pods": "1", "requests.cpu": "100m", "secrets": "1"},
    }
    await world.add_pod("after", cpu="200m")
    assert await used(world) == {"pods": "2", "requests.cpu": "300m", "secrets": "1"}
    await world.client.delete(PODS, "before", "default")
    await world.client.delete(SECRETS, "before", "default")
    await world.advance(1)
    assert await used(world) == {"pods": "1", "requests.cpu": "200m", "secrets": "0"}
    await world.set_status(PODS, "after", "default", {"phase": "Failed"})
    await world.advance(1)
    assert await used(world) == {"pods": "0", "requests.cpu": "0", "secrets": "0"}
    writes = len(world.writes())
    await world.advance(3 * resourcequota.RESYNC)
    assert len(world.writes()) == writes, "what is right is not written again"


async def test_a_reservation_that_came_to_nothing_is_taken_back(world: Cluster) -> None:
    await make(world, RESOURCEQUOTAS, "q", spec={"hard": {"secrets": "5"}})
    begin(world, "resourcequota-controller")
    await world.settle()
    await world.set_status(RESOURCEQUOTAS, "q", "default", {"used": {"secrets": "3"}})
    await world.settle()
    assert await used(world) == {"secrets": "3"}, "it may still be on its way"
    await world.advance(resourcequota.LATER)
    assert await used(world) == {"secrets": "0"}


async def test_a_quota_that_names_another_kind(world: Cluster) -> None:
    await make(world, CONFIGMAPS, "one")
    await make(world, RESOURCEQUOTAS, "q", spec={"hard": {"secrets": "5"}})
    begin(world, "resourcequota-controller")
    await world.settle()
    patch = {"spec": {"hard": {"secrets": None, "count/configmaps": "9"}}}
    await world.client.patch(RESOURCEQUOTAS, "q", "default", patch, type="merge")
    await world.settle()
    assert await used(world) == {"count/configmaps": "1"}
    await world.client.delete(CONFIGMAPS, "one", "default")
    await world.settle()
    assert await used(world) == {"count/configmaps": "0"}


CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


async def test_a_claim_stays_until_its_pod_is_gone(world: Cluster) -> None:
    await make(world, PERSISTENTVOLUMECLAIMS, "c", spec=CLAIM)
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    await world.add_pod("p", nodeName="n", volumes=volumes, terminationGracePeriodSeconds=0)
    begin(world, "persistentvolumeclaim-protection-controller")
    await world.client.delete(PERSISTENTVOLUMECLAIMS, "c", "default")
    await world.advance(10)
    assert await world.get(PERSISTENTVOLUMECLAIMS, "c", "default") is not None
    await world.client.delete(PODS, "p", "default", grace_period_seconds=0)
    await world.settle()
    assert await world.get(PERSISTENTVOLUMECLAIMS, "c", "default") is None


async def test_a_volume_stays_while_it_is_bound(world: Cluster) -> None:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}}
    await make(world, PERSISTENTVOLUMES, "v", spec=spec)
    await world.set_status(PERSISTENTVOLUMES, "v", "", {"phase": "Bound"})
    begin(world, "persistentvolume-protection-controller")
    await world.client.delete(PERSISTENTVOLUMES, "v")
    await world.advance(10)
    assert await world.get(PERSISTENTVOLUMES, "v") is not None
    await world.set_status(PERSISTENTVOLUMES, "v", "", {"phase": "Released"})
    await world.settle()
    assert await world.get(PERSISTENTVOLUMES, "v") is None
