"""Resizing Pods in place: what is granted, what waits, how containers get there, and what the status tells of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api.resources import NODES, PODS
from minikube_py.kubelet import resize
from minikube_py.kubelet.actions import Action, ResizeContainer, StopContainer
from minikube_py.kubelet.plan import plan
from minikube_py.kubelet.runtime.base import Resources
from minikube_py.kubelet.security import resources
from minikube_py.kubelet.state import Failure
from minikube_py.kubelet.status import NodeFacts, status
from minikube_py.kubelet.statuspatch import status_patch
from tests.fakes.engine_views import at, box, c, con, local, pod, view
from tests.fakes.kubelet_world import World, shell, world

SMALL = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}
LARGE = {"requests": {"cpu": "300m", "memory": "64Mi"}, "limits": {"cpu": "400m", "memory": "256Mi"}}
FAST = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}
RESTART = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]


def has(amounts: dict[str, Any], name: str = "a") -> Any:
    """A running container that was made with these."""
    return replace(con(name), resources=replace(resources({"resources": amounts}), oom_score_adj=0))


def steps(a_pod: Any, *containers: Any) -> list[Action]:
    return list(plan(a_pod, view(box(), *containers), local(), at(10)).actions)


def test_plans() -> None:
    assert steps(pod(c("a", resources=SMALL)), has(SMALL)) == []
    assert steps(pod(c("a", resources=LARGE)), has(SMALL)) == [ResizeContainer("a", "a-0")]
    # Nothing is known of a container's resources: nothing is done to them.
    assert steps(pod(c("a", resources=LARGE)), con("a")) == []
    # Requests of memory are in no control group.
    more = {**SMALL, "requests": {"cpu": "100m", "memory": "100Mi"}}
    assert steps(pod(c("a", resources=more)), has(SMALL)) == []
    assert steps(pod(c("a", resources=FAST, resizePolicy=RESTART)), has(SMALL)) == [ResizeContainer("a", "a-0")]
    (stop,) = steps(pod(c("a", resources=LARGE, resizePolicy=RESTART)), has(SMALL))
    assert isinstance(stop, StopContainer) and stop.resizes and "resize requires restart" in stop.message
    sidecar = c("s", restartPolicy="Always", resources=LARGE)
    assert steps(pod(c("a"), init=(sidecar,)), has(SMALL, "s"), con("a")) == [ResizeContainer("s", "s-0")]


def told(a_pod: Any, container: Any, previous: Any = None, **memory: Any) -> dict[str, Any]:
    return status(a_pod, view(box(), container), local(**memory), previous or {}, NodeFacts("192.0.2.1"), at(10))


def test_statuses() -> None:
    there = told(pod(c("a", resources=SMALL)), has(SMALL))
    (one,) = there["containerStatuses"]
    assert (one["resources"], one["allocatedResources"]) == (SMALL, SMALL["requests"])
    (two,) = told(pod(c("a", resources=LARGE)), has(SMALL), there)["containerStatuses"]
    assert (two["resources"], two["allocatedResources"]) == (SMALL, LARGE["requests"])
    (unseen,) = told(pod(c("a", resources=LARGE)), has(SMALL))["containerStatuses"]
    assert unseen["resources"] == {
        "requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "134217728"}
    }  # fmt: skip
    (bare,) = told(pod(), has({}))["containerStatuses"]
    assert bare["resources"] == {} and "allocatedResources" not in bare
    (waiting,) = status(
        pod(c("a", resources=LARGE)), view(box()), local(), {}, NodeFacts("192.0.2.1"), at(10)
    )["containerStatuses"]  # fmt: skip
    assert (waiting["resources"], waiting["allocatedResources"]) == (LARGE, LARGE["requests"])
    init = told(pod(init=(c("i", resources=SMALL),)), has(SMALL, "i"))["initContainerStatuses"]
    assert "resources" not in init[0]


def passing(found: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    members = ("reason", "message", "observedGeneration")
    return {
        x["type"].removeprefix("PodResize"): tuple(x.get(m) for m in members)
        for x in found["conditions"] if x["type"].startswith("PodResize")
    }  # fmt: skip


def test_conditions() -> None:
    small, large = (pod(c("a", resources=r), meta={"generation": 7}) for r in (SMALL, LARGE))
    assert passing(told(small, has(SMALL))) == {}
    doing = told(large, has(SMALL), resize_generation=5)
    assert passing(doing) == {"InProgress": (None, None, 5)}
    failed = {"resize/a-0": Failure("RuntimeError", "no", at(9), at(20))}
    assert passing(told(large, has(SMALL), retries=failed)) == {"InProgress": ("Error", "no", 7)}
    waits = told(small, has(SMALL), resize_pending=("Deferred", "full"))
    assert passing(waits) == {"Pending": ("Deferred", "full", 7)}
    # What is over goes, also where the API server has it.
    done = told(small, has(SMALL), doing)
    assert {"$patch": "delete", "type": "PodResizeInProgress"} in status_patch(doing, done)["conditions"]


def test_what_fits() -> None:
    wants = pod(c("a", resources=LARGE))
    room = {"cpu": "400m", "memory": "1Gi"}
    assert resize.refusal(wants, [], room) is None
    assert resize.refusal(wants, [pod(c("b", resources=SMALL))], room) is None
    assert resize.refusal(wants, [pod(c("b", resources=FAST)), pod(c("b", resources=SMALL))], room) == (
        "Deferred", "Node didn't have enough resource: cpu, requested: 300, used: 200, capacity: 400",
    )  # fmt: skip
    over = pod(c("b", resources=SMALL), c("d", resources=SMALL), status={"phase": "Succeeded"})
    assert resize.refusal(wants, [over], room) is None
    found = resize.refusal(wants, [], {"cpu": "299m", "memory": "1Gi"})
    assert found == ("Infeasible", "Node didn't have enough capacity: cpu, requested: 300, capacity: 299")


def test_what_was_granted_is_found_in_the_status() -> None:
    was = {"name": "a", "resources": SMALL, "allocatedResources": SMALL["requests"]}
    assert resize.remembered(pod(c("a", resources=LARGE), status={"containerStatuses": [was]})) == {"a": SMALL}
    assert resize.remembered(pod(c("a", resources=LARGE))) == {"a": LARGE}
    # Another notation is no other amount.
    same = {"name": "a", "resources": {"limits": {"cpu": "1000m"}}, "allocatedResources": {"cpu": "1"}}
    asked = {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
    assert resize.remembered(pod(c("a", resources=asked), status={"containerStatuses": [same]})) == {"a": asked}


# -- over the fake engine


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        await made.start()
        yield made


async def to(w: World, amounts: dict[str, Any], name: str = "p", container: str = "a") -> None:
    patch = {"spec": {"containers": [{"name": container, "resources": amounts}]}}
    await w.api.client.patch(PODS, name, "default", patch, type="strategic", subresource="resize")
    await w.api.settle()


def engine(w: World, name: str = "a") -> Resources:
    (one,) = (x for x in w.engine.containers.values() if x.config.name == name and x.state == "running")
    return one.resources


async def resizes(w: World, name: str = "p") -> dict[str, tuple[Any, ...]]:
    return passing(await w.status(name))


async def test_a_running_container_is_resized(w: World) -> None:
    await w.pod("p", shell("a", resources=SMALL))
    assert (await w.container())["resources"] == SMALL
    await to(w, LARGE)
    assert engine(w) == replace(resources({"resources": LARGE}), oom_score_adj=0)
    one = await w.container()
    assert (one["resources"], one["allocatedResources"], one["restartCount"]) == (LARGE, LARGE["requests"], 0)
    assert await resizes(w) == {} and (await w.status())["observedGeneration"] == 2
    assert w.calls("update_container", "stop_container") == ["update_container"]
    assert [e.partition(":")[0] for e in await w.events() if e.startswith("Resize")] == [
        "ResizeStarted", "ResizeCompleted"
    ]  # fmt: skip
    await w.restart()
    await w.advance(60)
    assert w.calls("update_container", "stop_container") == ["update_container"]


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
async def test_one_that_must_restart_for_it(w: World, policy: str) -> None:
    """Its process ends well when it is asked to, which would be the end of the Pod otherwise."""
    await w.pod("p", shell("a", resources=SMALL, resizePolicy=RESTART), restartPolicy=policy)
    await to(w, LARGE)
    await w.advance(1)
    one = await w.container()
    assert (one["restartCount"], one["resources"], await w.phase()) == (1, LARGE, "Running")
    assert engine(w).memory_bytes == 256 << 20 and w.calls("update_container") == []
    assert any("resize requires restart" in e for e in await w.events())
    assert await resizes(w) == {}
    # Its policy is its own again afterwards.
    for made in w.engine.containers.values():
        made.kill(15)
    await w.api.settle()
    assert await w.phase() == ("Running" if policy == "Always" else "Succeeded")


async def test_what_the_node_never_has(w: World) -> None:
    await w.pod("p", shell("a", resources=SMALL))
    await to(w, {"requests": {"cpu": "9000"}, "limits": {"cpu": "9000"}})
    (pending,) = (await resizes(w)).values()
    assert pending[0] == "Infeasible" and "requested: 9000000" in pending[1] and pending[2] == 2
    one = await w.container()
    assert (one["resources"], one["allocatedResources"]) == (SMALL, SMALL["requests"])
    assert w.calls("update_container") == []
    await to(w, SMALL)
    assert await resizes(w) == {}
    assert len([e for e in await w.events() if e.startswith("ResizeInfeasible")]) == 1


async def test_a_resize_waits_for_room_and_outlives_a_restart(w: World) -> None:
    node = await w.api.client.get(NODES, "node-1")
    most = int(node["status"]["allocatable"]["cpu"])
    await w.pod("big", shell("b", resources={"requests": {"cpu": f"{most - 1}"}}))
    await w.pod("p", shell("a", resources=SMALL))
    wanted = {"requests": {"cpu": "1500m"}, "limits": {"cpu": "1500m"}}
    await to(w, wanted)
    assert (await resizes(w))["Pending"][0] == "Deferred"
    await w.restart()
    await w.advance(5)
    assert (await resizes(w))["Pending"][0] == "Deferred" and engine(w).cpu_quota == 20_000
    await to(w, {"requests": {"cpu": f"{(most - 2) * 1000 + 400}m"}}, "big", "b")
    assert await resizes(w) == {} and engine(w).cpu_quota == 150_000


async def test_room_that_a_pods_end_makes(w: World) -> None:
    node = await w.api.client.get(NODES, "node-1")
    most = int(node["status"]["allocatable"]["cpu"])
    await w.pod("big", shell("b", resources={"requests": {"cpu": f"{most - 1}"}}))
    await w.pod("p", shell("bare"), shell("a", resources=SMALL))
    await to(w, {"requests": {"cpu": "1500m"}, "limits": {"cpu": "1500m"}})
    assert (await resizes(w))["Pending"][0] == "Deferred"
    await w.delete("big", 0)
    assert await resizes(w) == {} and engine(w).cpu_quota == 150_000
    # The other container has none and says so.
    assert (await w.container("bare"))["resources"] == {}


async def test_an_engine_that_refuses(w: World) -> None:
    await w.pod("p", shell("a", resources=SMALL))
    w.engine.update_faults["a"] = "out of order"
    await to(w, LARGE)
    assert (await resizes(w))["InProgress"][:2] == ("Error", "out of order")
    one = await w.container()
    assert (one["resources"], one["allocatedResources"]) == (SMALL, LARGE["requests"])
    assert "ResizeError: Pod resize error: out of order" in await w.events()
    w.engine.update_faults.clear()
    await w.advance(60)
    assert await resizes(w) == {} and (await w.container())["resources"] == LARGE


async def test_memory_in_use_is_not_taken_away(w: World) -> None:
    w.engine.loads["a"] = (0.0, 100 << 20)
    await w.pod("p", shell("a", resources=LARGE))
    await to(w, {"limits": {"memory": "80Mi"}})
    reason, message, _ = (await resizes(w))["InProgress"]
    assert reason == "Error" and "cannot decrease memory limit" in message and engine(w).memory_bytes == 256 << 20
    w.engine.loads["a"] = (0.0, 10 << 20)
    await w.advance(60)
    assert await resizes(w) == {} and engine(w).memory_bytes == 80 << 20


async def test_a_pod_is_made_with_what_was_wanted_last(w: World) -> None:
    await w.pod("p", shell("a", resources=SMALL), initContainers=[shell("i", "sleep 5")])
    await to(w, LARGE)
    await w.advance(6)
    assert engine(w).memory_bytes == 256 << 20 and w.calls("update_container") == []
