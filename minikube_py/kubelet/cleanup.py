"""Taking a kubelet's work away when its cluster goes down: containers, mounts, the Pods' directories."""

from __future__ import annotations

import asyncio
import os

from minikube_py.daemon.clock import Clock
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.main import make_runtime
from minikube_py.kubelet.runtime.base import EngineUnavailable, Runtime, RuntimeFault
from minikube_py.kubelet.volumes.mounts import KernelMounter, Mounter, PlainMounter, remove_tree

_ROUNDS = 3
"""A container whose creation was under way when the kubelet ended shows only after the first look."""


async def remove_everything(config: KubeletConfig, clock: Clock) -> int:
    """Remove every container and sandbox of the instance, then its mounts and Pod directories; returns how many.

    Only while its kubelet does not run. Directories stay as long as a container may still use them. Raises
    EngineUnavailable when the engine does not answer, RuntimeFault when it keeps a container, OSError when something
    cannot be unmounted or removed.
    """
    runtime = make_runtime(config, clock)
    try:
        removed = await remove_containers(runtime)
    finally:
        await runtime.close()
    mounter = PlainMounter() if config.container_runtime == "fake" else KernelMounter()
    await asyncio.to_thread(remove_pod_dirs, config.root_dir, mounter)
    return removed


async def remove_containers(runtime: Runtime) -> int:
    """Kill and remove what the instance has in the engine; how many. Raises EngineUnavailable, RuntimeFault."""
    removed: set[str] = set()
    problems: list[BaseException] = []
    for _ in range(_ROUNDS):
        found = await runtime.snapshot()
        containers, sandboxes = [c.id for c in found.containers], [s.id for s in found.sandboxes]
        if not containers and not sandboxes:
            return len(removed)
        # All of them are tried, whatever becomes of one.
        said = [
            *await asyncio.gather(*map(runtime.remove_container, containers), return_exceptions=True),
            *await asyncio.gather(*map(runtime.remove_sandbox, sandboxes), return_exceptions=True),
        ]
        problems = [one for one in said if isinstance(one, BaseException)]
        for one in problems:
            if isinstance(one, EngineUnavailable) or not isinstance(one, RuntimeFault):
                raise one
        removed.update((*containers, *sandboxes))
    left = await runtime.snapshot()
    if count := len(left.containers) + len(left.sandboxes):
        reason = str(problems[0]) if problems else "others appear as they are removed"
        raise RuntimeFault(f"{count} containers are still there: {reason}")
    return len(removed)


def remove_pod_dirs(root_dir: str, mounter: Mounter) -> None:
    """Unmount and remove the directories of all Pods, also of those that are long gone. Raises OSError."""
    pods = os.path.join(root_dir, "pods")
    if os.path.isdir(pods):
        remove_tree(pods, mounter)
