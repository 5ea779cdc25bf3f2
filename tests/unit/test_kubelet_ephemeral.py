"""Ephemeral containers: the kubelet runs each once, beside whatever the Pod does, and tells how it went."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api.resources import PODS
from minikube_py.kubelet.actions import EnsureImage, StartContainer, StopContainer
from minikube_py.kubelet.plan import plan
from minikube_py.kubelet.state import Local, View
from minikube_py.kubelet.status import NodeFacts, status
from tests.fakes.engine_views import at, box, c, con, deleting, local, pod, view
from tests.fakes.kubelet_world import World, shell, world


def looked_into(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return pod(*containers, ephemeralContainers=[c("e")], **more)


def ran(container_id: str = "docker://e-0") -> dict[str, Any]:
    one = {"name": "e", "state": {"terminated": {"exitCode": 0}}, "containerID": container_id, "restartCount": 0}
    return {"ephemeralContainerStatuses": [one]}


PLANS: list[tuple[str, dict[str, Any], View, Local, list[str]]] = [
    ("not before the sandbox", looked_into(), view(), local(("a", 0), ("e", 0)), []),
    ("its image", looked_into(), view(box(), con("a")), local(), ["image e"]),
    ("beside the application", looked_into(), view(box(), con("a")), local(("e", 0)), ["start e 0"]),
    ("though an init container hangs", looked_into(init=(c("i"),)), view(box(), con("i")), local(("e", 0)),
     ["start e 0"]),
    ("created by a kubelet that died", looked_into(), view(box(), con("a"), con("e", "created")), local(),
     ["start e 0"]),
    ("it runs", looked_into(), view(box(), con("a"), con("e")), local(("e", 1)), []),
    ("it ended", looked_into(), view(box(), con("a"), con("e", "exited")), local(("e", 1)), []),
    ("it failed", looked_into(), view(box(), con("a"), con("e", "exited", 1)), local(("e", 1)), []),
    ("it ended with its sandbox", looked_into(), view(box(1), con("a", sandbox=1), con("e", "exited", 137)),
     local(("e", 1)), []),
    ("the engine forgot it", looked_into(status=ran()), view(box(), con("a")), local(("e", 0)), []),
    ("it keeps no Pod alive", looked_into(policy="Never"), view(box(), con("a", "exited"), con("e")), local(),
     ["stop e-0"]),
    ("it ends with the Pod", looked_into(meta=deleting()), view(box(), con("a"), con("e")), local(),
     ["stop a-0", "stop e-0"]),
]  # fmt: skip


@pytest.mark.parametrize(("a_pod", "a_view", "memory", "expected"), [p[1:] for p in PLANS], ids=[p[0] for p in PLANS])
def test_plans(a_pod: dict[str, Any], a_view: View, memory: Local, expected: list[str]) -> None:
    found = []
    for action in plan(a_pod, a_view, memory, at(10)).actions:
        match action:
            case StartContainer(name=name, attempt=attempt):
                found.append(f"start {name} {attempt}")
            case EnsureImage(name=name):
                found.append(f"image {name}")
            case StopContainer(id=id):
                found.append(f"stop {id}")
    assert found == expected


def told(a_pod: dict[str, Any], a_view: View, now: float = 10) -> dict[str, Any]:
    out = status(a_pod, a_view, local(), a_pod.get("status") or {}, NodeFacts("192.0.2.1"), at(now))
    (one,) = out["ephemeralContainerStatuses"]
    return {"phase": out["phase"], "qos": out["qosClass"], **one}


def test_statuses() -> None:
    waiting = told(looked_into(), view(box(), con("a")))
    assert (waiting["state"], waiting["phase"]) == ({"waiting": {"reason": "ContainerCreating"}}, "Running")
    runs = told(looked_into(), view(box(), con("a"), con("e")))
    assert "running" in runs["state"] and not runs["ready"] and "started" not in runs and "resources" not in runs
    failed = told(looked_into(), view(box(), con("a"), con("e", "exited", 3)))
    assert (failed["state"]["terminated"]["exitCode"], failed["lastState"]) == (3, {})
    was = told(looked_into(status=ran()), view(box(), con("a")))
    assert (was["state"], was["containerID"]) == ({"terminated": {"exitCode": 0}}, "docker://e-0")
    lost = ran()
    lost["ephemeralContainerStatuses"][0]["state"] = {"running": {}}
    gone = told(looked_into(status=lost), view(box(), con("a")))
    assert gone["state"]["terminated"]["reason"] == "ContainerStatusUnknown" and not gone["lastState"]


def test_it_counts_for_no_phase_and_no_class() -> None:
    guaranteed = c("a", resources={"limits": {"cpu": "1", "memory": "1Gi"}})
    over = told(looked_into(guaranteed, policy="Never"), view(box(), con("a", "exited"), con("e", "exited", 1)))
    assert (over["phase"], over["qos"]) == ("Succeeded", "Guaranteed")


# -- over the fake engine


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        await made.start()
        yield made


async def add(w: World, **container: Any) -> None:
    patch = {"spec": {"ephemeralContainers": [container]}}
    await w.api.client.patch(PODS, "p", "default", patch, type="strategic", subresource="ephemeralcontainers")
    await w.api.settle()


async def seen(w: World, name: str = "e") -> dict[str, Any]:
    found = (await w.status())["ephemeralContainerStatuses"]
    one: dict[str, Any] = next(s for s in found if s["name"] == name)
    return one


async def test_one_is_started_in_a_running_pod(w: World) -> None:
    await w.pod()
    await add(w, **shell("e", targetContainerName="a", env=[{"name": "IP", "value": "x"}]))
    assert w.running() == ["a", "e"] and "running" in (await seen(w))["state"]
    made = {one.config.name: one for one in w.engine.containers.values()}
    assert made["e"].config.target == made["a"].id and made["e"].sandbox is made["a"].sandbox
    assert [e for e in await w.events() if "container e" in e or ": e" in e] == [
        "Created: Created container: e", "Started: Started container e",
    ]  # fmt: skip
    await w.delete(grace=5)
    assert w.running() == [] and await w.get() is None and not w.engine.containers


async def test_none_is_started_twice(w: World) -> None:
    await w.pod()
    await add(w, **shell("e", "exit 3"))
    await add(w, **shell("f", "sleep 1000"))
    before = w.calls("create_container")
    await w.restart()
    await w.advance(300)
    assert w.calls("create_container") == before and w.running() == ["a", "f"]
    assert (await seen(w))["state"]["terminated"]["exitCode"] == 3
    assert (await seen(w))["restartCount"] == 0 and "running" in (await seen(w, "f"))["state"]


async def test_its_target_must_run(w: World) -> None:
    await w.pod("p", shell("a"), initContainers=[shell("i", "sleep 5")])
    await add(w, **shell("e", targetContainerName="a"))
    assert (await seen(w))["state"]["waiting"] == {
        "reason": "CreateContainerConfigError", "message": "unable to find target container a"
    }  # fmt: skip
    assert "Failed: Error: unable to find target container a" in await w.events()
    await w.advance(40)
    assert "running" in (await seen(w))["state"] and w.running() == ["a", "e"]


async def test_it_ends_with_its_targets_processes(w: World) -> None:
    await w.pod("p", shell("a", "sleep 10; exit 1"), restartPolicy="OnFailure")
    await add(w, **shell("e", targetContainerName="a"))
    await w.advance(10.5)
    assert (await seen(w))["state"]["terminated"]["exitCode"] == 137


async def test_what_this_node_cannot_do_is_said(w: World) -> None:
    await w.pod()
    await add(w, **shell("e", securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}))
    waiting = (await seen(w))["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError" and "seccompProfile.type=Localhost" in waiting["message"]
    assert w.running() == ["a"]
