"""A kubelet on the fake engine beside a real API server in this process, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from minikube_py.api.resources import EVENTS, PODS
from minikube_py.daemon.clock import VirtualClock
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.main import Kubelet
from minikube_py.kubelet.runtime.fake import FakeEngine, FakeRuntime
from minikube_py.kubelet.runtime.fake_containers import FakeImage
from minikube_py.kubelet.volumes.mounts import PlainMounter
from tests.fakes.cluster import Cluster, cluster

NODE = "node-1"
SHELL = "shell:1"
FOREVER = ["sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait"]


class FakeNet:
    """Answers of HTTP servers and open ports by "host:port"; what is not listed refuses."""

    def __init__(self) -> None:
        self.http: dict[str, int] = {}
        self.asked: list[str] = []
        self.open: set[int] = set()

    async def http_get(self, url: str, headers: Sequence[tuple[str, str]]) -> tuple[int, str]:
        self.asked.append(url)
        path = "/" + url.split("/", 3)[3]
        if path not in self.http:
            raise ConnectionRefusedError(111, "Connection refused")
        return self.http[path], ""

    async def connect(self, host: str, port: int) -> None:
        if port not in self.open:
            raise ConnectionRefusedError(111, "Connection refused")

    async def close(self) -> None:
        return None


async def inline(function: Callable[..., Any], *arguments: Any) -> Any:
    """Blocking work done at once: virtual time does not know threads."""
    return function(*arguments)


class World:
    """The cluster, the engine and the kubelets that come and go."""

    def __init__(self, api: Cluster, root: Path) -> None:
        self.api = api
        self.clock: VirtualClock = api.clock
        self.root = root
        self.engine = FakeEngine(images=[FakeImage(SHELL, any_command=True), FakeImage("web:1", entrypoint=("serve",))])
        self.net = FakeNet()
        self.kubelet: Kubelet | None = None
        self._task: asyncio.Task[Any] | None = None

    def config(self, **more: Any) -> KubeletConfig:
        return KubeletConfig(
            **{
                "root_dir": str(self.root), "hostname_override": NODE, "node_ip": "192.0.2.1",
                "container_runtime": "fake", **more,
            }
        )  # fmt: skip

    async def start(self, runtime: Any = None, transport: Any = None, **config: Any) -> Kubelet:
        """Start a kubelet and let it do all that needs no time."""
        runtime = runtime or FakeRuntime(self.clock, instance="k", engine=self.engine)
        user = f"system:node:{NODE}"
        transport = transport or self.api.transport(user, ("system:nodes",))
        self.kubelet = Kubelet(
            self.config(**config), self.clock, transport, runtime, mounter=PlainMounter(), net=self.net, offload=inline
        )
        self._task = self.api.run(self.kubelet.run)
        await self.api.settle()
        return self.kubelet

    async def kill(self) -> None:
        """End the kubelet as a crash does."""
        assert self._task is not None
        await self.api.kill(self._task)
        self._task = None

    async def restart(self, **config: Any) -> None:
        await self.kill()
        await self.start(**config)

    async def advance(self, duration: float | str) -> None:
        await self.api.advance(duration)

    async def pod(self, name: str = "p", *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
        """Create a Pod bound to the node (default: one container `a` that runs for ever), and let time stand."""
        metadata = {"namespace": "default", "name": name, **spec.pop("metadata", {})}
        body = {"nodeName": NODE, "containers": list(containers) or [shell("a")], **spec}
        made = await self.api.client.create(
            PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body}
        )
        await self.api.settle()
        return made

    async def get(self, name: str = "p") -> dict[str, Any] | None:
        return await self.api.get(PODS, name, "default")

    async def status(self, name: str = "p") -> dict[str, Any]:
        found = await self.api.client.get(PODS, name, "default")
        status: dict[str, Any] = found.get("status") or {}
        return status

    async def phase(self, name: str = "p") -> str:
        return str((await self.status(name)).get("phase"))

    async def container(self, name: str = "a", pod: str = "p") -> dict[str, Any]:
        """The status of one container."""
        status = await self.status(pod)
        every = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
        one: dict[str, Any] = next(c for c in every if c["name"] == name)
        return one

    async def words(self, name: str = "a", pod: str = "p") -> str:
        """The state of one container and its restarts: `running 0`, `CrashLoopBackOff 3`, `Error 1`."""
        one = await self.container(name, pod)
        (kind, state), *_ = one["state"].items()
        return f"{kind if kind == 'running' else state['reason']} {one['restartCount']}"

    async def delete(self, name: str = "p", grace: int | None = None) -> None:
        await self.api.client.delete(PODS, name, "default", grace_period_seconds=grace)
        await self.api.settle()

    async def events(self, name: str = "p") -> list[str]:
        """Reasons and messages of a Pod's events, in order."""
        await self.api.settle()
        found = (await self.api.client.list(EVENTS, "default"))["items"]
        mine = [e for e in found if e["involvedObject"]["name"] == name]
        mine.sort(key=lambda e: e["metadata"]["name"].rpartition(".")[2])
        return [f"{e['reason']}: {e['message']}" for e in mine]

    def running(self) -> list[str]:
        """What runs in the engine, by container name."""
        return sorted(c.config.name for c in self.engine.containers.values() if c.state == "running")

    def calls(self, *kinds: str) -> list[str]:
        """The names of the engine calls so far (of these kinds)."""
        return [call[0] for call in self.engine.calls if not kinds or call[0] in kinds]


def shell(name: str, script: str = "", **more: Any) -> dict[str, Any]:
    """A container that runs a shell script (default: for ever, ending well on SIGTERM)."""
    return {"name": name, "image": SHELL, "command": ["sh", "-c", script] if script else FOREVER, **more}


@asynccontextmanager
async def world(root: Path) -> AsyncIterator[World]:
    async with cluster() as api:
        made = World(api, root)
        try:
            yield made
        finally:
            await made.engine.close()
