"""What `down` takes away of a kubelet: over the fake engine, and directories on the disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from minikube_py.daemon.clock import VirtualClock
from minikube_py.kubelet.cleanup import remove_containers, remove_everything, remove_pod_dirs
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.runtime.base import ContainerConfig, EngineUnavailable, PodRef, RuntimeFault, SandboxConfig
from minikube_py.kubelet.runtime.fake import FakeEngine, FakeRuntime
from minikube_py.kubelet.volumes.mounts import PlainMounter


async def fill(runtime: FakeRuntime, *pods: str) -> None:
    """Pods with one running container each."""
    for name in pods:
        ref = PodRef("default", name, f"uid-{name}")
        sandbox = await runtime.run_sandbox(SandboxConfig(ref))
        config = ContainerConfig(ref, "a", "minikube-py/busybox:1", command=["sleep", "100"])
        await runtime.start_container(await runtime.create_container(sandbox.id, config))


async def test_everything_of_the_instance_goes_and_nothing_else() -> None:
    clock, engine = VirtualClock(), FakeEngine()
    mine, other = (FakeRuntime(clock, instance=name, engine=engine) for name in ("mine", "other"))
    await fill(mine, "one", "two")
    await fill(other, "one")
    assert await remove_containers(mine) == 4
    assert await remove_containers(mine) == 0
    assert {c.instance for c in engine.containers.values()} == {"other"} and len(engine.sandboxes) == 1
    await engine.close()


async def test_one_that_is_created_meanwhile_goes_too() -> None:
    clock, engine = VirtualClock(), FakeEngine()

    class Late(FakeRuntime):
        late = True

        async def remove_sandbox(self, sandbox_id: str) -> None:
            await super().remove_sandbox(sandbox_id)
            if self.late:
                self.late = False
                await fill(self, "late")

    runtime = Late(clock, engine=engine)
    await fill(runtime, "one")
    assert await remove_containers(runtime) == 4
    assert not engine.containers and not engine.sandboxes


async def test_one_that_stays_is_told_and_the_others_go_all_the_same() -> None:
    class Stubborn(FakeRuntime):
        async def remove_container(self, container_id: str) -> None:
            if self.engine.containers[container_id].config.pod.name == "stays":
                raise RuntimeFault("device or resource busy")
            await super().remove_container(container_id)

    engine = FakeEngine()
    runtime = Stubborn(VirtualClock(), engine=engine)
    await fill(runtime, "stays", "goes")
    with pytest.raises(RuntimeFault, match="2 containers are still there: device or resource busy"):
        await remove_containers(runtime)
    assert {c.config.pod.name for c in engine.containers.values()} == {"stays"}
    await engine.close()


async def test_an_engine_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers may still use the directories: they are not touched."""
    engine = FakeEngine()
    engine.away = True
    runtime = FakeRuntime(VirtualClock(), engine=engine)
    monkeypatch.setattr("minikube_py.kubelet.cleanup.make_runtime", lambda *_: runtime)
    (tmp_path / "pods" / "uid").mkdir(parents=True)
    config = KubeletConfig(root_dir=str(tmp_path), container_runtime="fake", instance_id="x")
    with pytest.raises(EngineUnavailable):
        await remove_everything(config, VirtualClock())
    assert (tmp_path / "pods" / "uid").exists()


async def test_directories_go_with_the_containers_and_twice_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "pods" / "gone-long-ago" / "volumes").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    config = KubeletConfig(root_dir=str(tmp_path), container_runtime="fake", instance_id="x")
    for _ in range(2):
        assert await remove_everything(config, VirtualClock()) == 0
        assert os.listdir(tmp_path) == ["other"]


class Table(PlainMounter):
    """A mount table of real paths, as the kernel's is."""

    def __init__(self, *points: str) -> None:
        self.points = list(points)

    def mounted_below(self, directory: str) -> Sequence[str]:
        return [p for p in self.points if p.startswith(directory + "/")]

    def unmount(self, target: str) -> Any:
        self.points.remove(target)
        os.unlink(f"{target}/host-file")  # What lay there is another file system's and no longer seen.


def test_mounts_are_seen_through_a_symlink_to_the_directory(tmp_path: Path) -> None:
    real = tmp_path / "real"
    point = real / "pods" / "uid" / "volumes"
    point.mkdir(parents=True)
    (point / "host-file").write_text("precious")
    (tmp_path / "link").symlink_to(real)
    table = Table(str(point))
    remove_pod_dirs(str(tmp_path / "link"), table)
    assert table.points == [] and not (real / "pods").exists()
