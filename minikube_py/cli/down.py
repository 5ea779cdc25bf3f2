"""`minikube-py down`: stop a cluster and leave nothing of it running or mounted."""

from __future__ import annotations

import argparse
import asyncio
import shutil
from collections.abc import Mapping

from minikube_py.cli import daemons, processes
from minikube_py.cli.failures import Failed
from minikube_py.cli.layout import ALL_IN_ONE, DAEMONS, FOREGROUND, Layout, read_json
from minikube_py.daemon.clock import Clock, RealClock


def run(arguments: argparse.Namespace) -> int:
    """Stop the processes, remove containers and mounts, with --delete-data the objects too; the exit code."""
    layout = daemons.layout_of(arguments)
    return asyncio.run(_down(layout, arguments.delete_data, RealClock()))


async def _down(layout: Layout, delete_data: bool, clock: Clock) -> int:
    known = read_json(layout.cluster_file)
    stopped = await stop_all(layout, clock, (FOREGROUND, ALL_IN_ONE, *reversed(DAEMONS)))
    print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
    if known:
        await _clean(layout, known, clock)
    if not delete_data:
        if known:
            print(f"the objects are kept in {layout.root}; --delete-data removes them")
    elif layout.root.exists():
        _delete(layout)
    return 0


async def _clean(layout: Layout, known: Mapping[str, object], clock: Clock) -> None:
    """Containers, mounts and the Pods' directories. Raises Failed when the engine does not answer."""
    from minikube_py.kubelet.cleanup import remove_everything
    from minikube_py.kubelet.config import KubeletConfig
    from minikube_py.kubelet.runtime.base import EngineUnavailable

    config = KubeletConfig(
        root_dir=str(layout.kubelet_root), instance_id=layout.instance, hostname_override=str(known["node"]),
        container_runtime="docker" if known["containerRuntime"] == "docker" else "fake",
        container_runtime_endpoint=str(known.get("containerRuntimeEndpoint") or ""),
    )  # fmt: skip
    try:
        removed = await remove_everything(config, clock)
    except EngineUnavailable as error:
        raise Failed(
            f"the daemons are stopped, but containers may be left: {error}. Start the engine and run `down` again"
        ) from None
    if removed:
        print(f"removed {removed} containers")


def _delete(layout: Layout) -> None:
    """Remove what clusters make and nothing else, never through a mount. Raises Failed when something is mounted."""
    from minikube_py.kubelet.volumes.mounts import KernelMounter

    if mounted := KernelMounter().mounted_below(str(layout.root)):
        own = [point for point in mounted if point != str(layout.root)]
        if own:
            raise Failed(f"not removed, since there are mounts below {layout.root}: {', '.join(own)}")
    for path in layout.own:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    try:
        layout.root.rmdir()
        print(f"removed {layout.root}")
    except OSError:
        print(f"removed the cluster from {layout.root}; what else lies there is kept")


async def stop_all(layout: Layout, clock: Clock, names: tuple[str, ...]) -> list[str]:
    """Stop these processes one after another; the names of those that ran."""
    return [process for process in names if await processes.stop(layout, process, clock)]
