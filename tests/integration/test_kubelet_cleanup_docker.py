"""`down` of a kubelet that ran on a real engine: containers, tmpfs and bind mounts, directories."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from minikube_py.kubelet.cleanup import remove_everything
from minikube_py.kubelet.runtime.base import EngineUnavailable
from tests.integration.kubelet_node import FOREVER, Node, eventually, mounts_below, running_node, shell

pytestmark = pytest.mark.docker


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with running_node(tmp_path) as made:
        yield made


async def test_nothing_is_left_and_the_host_keeps_its_own(node: Node, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    host = tmp_path / "host"
    (host / "sub").mkdir(parents=True)
    (host / "sub" / "precious").write_text("mine")
    mounts = [{"name": "h", "mountPath": "/h", "subPath": "sub"}, {"name": "m", "mountPath": "/m"}]
    volumes = [{"name": "h", "hostPath": {"path": str(host)}}, {"name": "m", "emptyDir": {"medium": "Memory"}}]
    await node.pod("p", shell("a", FOREVER, volumeMounts=mounts), volumes=volumes)
    await node.pod("q", shell("a", "exit 1"))
    await node.phase("p", "Running")

    async def failed_once() -> bool:
        one = (await node.status("q"))["containerStatuses"][0]
        return bool(one["restartCount"] or one["lastState"])

    await eventually(failed_once, "q has ended once")
    await node.kill()
    root = node.config.root_dir
    assert len(mounts_below(root)) == 2
    with pytest.raises(EngineUnavailable):
        away = replace(node.config, container_runtime_endpoint=f"unix://{tmp_path}/no-engine")
        await remove_everything(away, node.clock)
    assert len(mounts_below(root)) == 2

    assert await remove_everything(node.config, node.clock) >= 4
    assert mounts_below(root) == [] and "pods" not in os.listdir(root)
    snapshot = await node.runtime.snapshot()
    assert not snapshot.containers and not snapshot.sandboxes
    assert (host / "sub" / "precious").read_text() == "mine"
    assert await remove_everything(node.config, node.clock) == 0
