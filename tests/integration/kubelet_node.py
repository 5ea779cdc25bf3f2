"""A kubelet on a real Docker Engine beside a real API server in this process, for tests of either."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.api.resources import PODS, SERVICEACCOUNTS
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.main import start
from minikube_py.client.rest import Client
from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import RealClock
from minikube_py.daemon.run import named_group
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.main import Kubelet, make_runtime
from minikube_py.kubelet.runtime.base import LogOptions, Runtime
from minikube_py.store.memory import MemoryStore
from tests.images import BUSYBOX, PAUSE, need_docker

TIMEOUT = 60.0


class Node:
    """A kubelet that can be killed and started again, and what the tests ask about it."""

    def __init__(self, app: Any, root: Path) -> None:
        self._app = app
        self.clock = RealClock()
        self.client = Client(AppTransport(app, user="admin", groups=("system:masters",)), clock=self.clock)
        self.name = f"node-{secrets.token_hex(4)}"
        self.config = KubeletConfig(
            root_dir=str(root / "kubelet"), hostname_override=self.name, instance_id=self.name,
            pod_infra_container_image=PAUSE, sync_frequency=2.0,
        )  # fmt: skip
        self.runtime: Runtime = make_runtime(self.config, self.clock)
        self._task: asyncio.Task[Any] | None = None

    async def start(self) -> Kubelet:
        transport = AppTransport(self._app, user=f"system:node:{self.name}", groups=("system:masters",))
        kubelet = Kubelet(self.config, self.clock, transport, self.runtime)
        self._task = asyncio.create_task(kubelet.run(), name="kubelet")
        return kubelet

    async def kill(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def pod(self, name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
        body = {
            "nodeName": self.name, "containers": list(containers), "terminationGracePeriodSeconds": 2,
            "dnsPolicy": "Default", **spec,
        }  # fmt: skip
        metadata = {"namespace": "default", "name": name}
        return await self.client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body})

    async def status(self, name: str) -> dict[str, Any]:
        found = await self.client.get(PODS, name, "default")
        status: dict[str, Any] = found.get("status") or {}
        return status

    async def phase(self, name: str, wanted: str) -> dict[str, Any]:
        """The Pod's status once it has this phase."""

        async def there() -> dict[str, Any] | None:
            status = await self.status(name)
            if status.get("phase") != wanted and status.get("phase") in ("Failed", "Succeeded"):
                pytest.fail(f"{name} became {status}")
            return status if status.get("phase") == wanted else None

        status: dict[str, Any] = await eventually(there, f"{name} {wanted}")
        return status

    async def gone(self, name: str) -> None:
        async def gone() -> bool | None:
            try:
                await self.client.get(PODS, name, "default")
            except errors.NotFound:
                return True
            return None

        await eventually(gone, f"{name} gone")

    async def log(self, name: str, container: str) -> str:
        status = await self.status(name)
        every = (*(status.get("initContainerStatuses") or ()), *status["containerStatuses"])
        one = next(c for c in every if c["name"] == container)
        pieces = [p async for p in self.runtime.logs(one["containerID"].removeprefix("docker://"), LogOptions())]
        return b"".join(pieces).decode()

    async def clean(self) -> None:
        """Remove what is left in the engine of this node alone."""
        snapshot = await self.runtime.snapshot()
        for one in snapshot.containers:
            await self.runtime.remove_container(one.id)
        for sandbox in snapshot.sandboxes:
            await self.runtime.remove_sandbox(sandbox.id)


async def eventually(check: Callable[[], Awaitable[Any]], what: str, seconds: float = TIMEOUT) -> Any:
    """The first answer that is not None or False."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := await check():
            return found
        await asyncio.sleep(0.02)
    pytest.fail(f"not within {seconds} s: {what}")


ACCOUNT = {
    "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "default", "name": "default"},
    "automountServiceAccountToken": False,
}  # fmt: skip
"""What the controller manager would make, which is not there; nothing is mounted for it."""


@asynccontextmanager
async def running_node(tmp_path: Path) -> AsyncIterator[Node]:
    """A cluster of one node, cleaned up at the end."""
    need_docker()
    clock = RealClock()
    settings = Config(storage_backend="memory")
    async with named_group() as tasks, start(settings, clock, tasks, MemoryStore(clock)) as server:
        made = Node(server.app, tmp_path)
        await made.client.create(SERVICEACCOUNTS, ACCOUNT)
        await made.start()
        try:
            yield made
        finally:
            await made.kill()
            await made.clean()
            await made.runtime.close()
            for point in mounts_below(str(tmp_path)):
                command("umount", "-l", point)


def command(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=60)


def mounts_below(directory: str) -> list[str]:
    table = Path("/proc/self/mountinfo").read_text()
    points = (line.split()[4] for line in table.splitlines())
    return sorted((p for p in points if p.startswith(directory)), reverse=True)


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": BUSYBOX, "command": ["sh", "-c", script], **more}


FOREVER = "trap 'exit 0' TERM; while true; do sleep 1 & wait $!; done"
