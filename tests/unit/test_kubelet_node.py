"""The kubelet's Node and Lease: registered, reconciled, kept alive; and Pods against other Nodes' rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api.resources import LEASES, NODES
from tests.fakes.kubelet_world import NODE, World, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def node(w: World) -> dict[str, Any]:
    found: dict[str, Any] = await w.api.client.get(NODES, NODE)
    return found


def ready(found: dict[str, Any]) -> dict[str, Any]:
    one: dict[str, Any] = next(c for c in found["status"]["conditions"] if c["type"] == "Ready")
    return one


async def test_registration(w: World) -> None:
    taint = {"key": "a", "value": "b", "effect": "NoSchedule"}
    await w.start(node_labels={"disk": "ssd"}, register_with_taints=[taint], max_pods=42, port=12345)
    found = await node(w)
    labels, status = found["metadata"]["labels"], found["status"]
    assert labels["kubernetes.io/hostname"] == NODE
    assert (labels["kubernetes.io/os"], labels["disk"]) == ("linux", "ssd")
    assert taint in found["spec"]["taints"]
    assert status["capacity"]["pods"] == "42"
    assert {"cpu", "memory", "ephemeral-storage"} <= set(status["allocatable"])
    assert status["addresses"] == [
        {"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": NODE},
    ]  # fmt: skip
    assert status["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 12345
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True",
    }  # fmt: skip
    assert status["nodeInfo"]["containerRuntimeVersion"] == "fake://1.0.0"
    assert status["nodeInfo"]["kubeletVersion"].startswith("v1.")
    assert all(status["nodeInfo"][k] for k in ("kernelVersion", "osImage", "architecture", "operatingSystem"))
    assert any("shell:1" in name for image in status["images"] for name in image["names"])


async def test_reserved_resources(w: World) -> None:
    await w.start(system_reserved={"memory": "1Mi"})
    status = (await node(w))["status"]
    assert int(status["capacity"]["memory"][:-2]) - int(status["allocatable"]["memory"][:-2]) == 1024


async def test_what_others_set_stays(w: World) -> None:
    await w.start(node_labels={"disk": "ssd"})
    await w.kill()
    theirs = {
        "metadata": {"labels": {"mine": "yes", "disk": "nvme", "kubernetes.io/hostname": "wrong"}},
        "spec": {"unschedulable": True, "taints": [{"key": "k", "effect": "NoExecute"}]},
    }
    await w.api.client.patch(NODES, NODE, "", theirs)
    await w.start(node_labels={"disk": "ssd"})
    await w.advance("10m")
    found = await node(w)
    labels = found["metadata"]["labels"]
    assert (labels["mine"], labels["disk"], labels["kubernetes.io/hostname"]) == ("yes", "nvme", NODE)
    assert found["spec"]["unschedulable"] is True
    assert {"key": "k", "effect": "NoExecute"} in found["spec"]["taints"]


async def test_status_is_written_every_five_minutes_or_on_change(w: World) -> None:
    await w.start()

    def writes() -> int:
        return len([r for r in w.api.writes() if r[1] == f"/api/v1/nodes/{NODE}/status"])

    at_start = writes()
    await w.advance(280)
    assert writes() == at_start
    await w.advance(30)
    assert writes() == at_start + 1
    w.engine.away = True
    await w.advance(11)
    found = ready(await node(w))
    assert (found["status"], found["reason"]) == ("False", "KubeletNotReady")
    assert writes() == at_start + 2


async def test_heartbeats_keep_the_transition_time(w: World) -> None:
    await w.start()
    first = ready(await node(w))
    await w.advance("6m")
    second = ready(await node(w))
    assert first["lastTransitionTime"] == second["lastTransitionTime"]
    assert first["lastHeartbeatTime"] < second["lastHeartbeatTime"]


async def test_lease(w: World) -> None:
    await w.start()
    lease = await w.api.client.get(LEASES, NODE, "kube-node-lease")
    assert lease["spec"]["holderIdentity"] == NODE
    assert lease["spec"]["leaseDurationSeconds"] == 40
    owner = lease["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("Node", (await node(w))["metadata"]["uid"])
    times = {lease["spec"]["renewTime"]}
    for _ in range(3):
        await w.advance(10)
        times.add((await w.api.client.get(LEASES, NODE, "kube-node-lease"))["spec"]["renewTime"])
    assert sorted(t[14:19] for t in times) == ["00:00", "00:10", "00:20", "00:30"]


async def test_a_lease_that_somebody_removed(w: World) -> None:
    await w.start()
    await w.api.client.delete(LEASES, NODE, "kube-node-lease")
    await w.advance(11)
    assert (await w.api.client.get(LEASES, NODE, "kube-node-lease"))["spec"]["holderIdentity"] == NODE


async def test_a_node_that_somebody_removed(w: World) -> None:
    await w.start()
    await w.api.client.delete(NODES, NODE)
    await w.advance(11)
    assert ready(await node(w))["status"] == "True"


async def test_labels_that_are_put_on_later_count(w: World) -> None:
    await w.start()
    await w.api.client.patch(NODES, NODE, "", {"metadata": {"labels": {"disk": "ssd"}}})
    await w.pod("p", nodeSelector={"disk": "ssd"})
    assert await w.phase() == "Running"


async def test_room_is_counted(w: World) -> None:
    await w.start(max_pods=2)
    for name in ("p", "q", "r"):
        await w.pod(name)
    assert [await w.phase(n) for n in ("p", "q", "r")] == ["Running", "Running", "Failed"]
    assert (await w.status("r"))["reason"] == "OutOfpods"
    await w.restart(max_pods=2)
    assert [await w.phase(n) for n in ("p", "q", "r")] == ["Running", "Running", "Failed"]
