"""The state of the fake container engine, which outlives its drivers, and the knobs for faults and loads."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import Sequence

from minikube_py.kubelet.runtime.base import Credentials, PodRef, RuntimeEvent, SandboxFailed
from minikube_py.kubelet.runtime.fake_containers import FakeContainer, FakeImage, FakeSandbox
from minikube_py.kubelet.runtime.fake_network import FakeNetwork
from minikube_py.kubelet.runtime.references import normalized

BUILT_IN_IMAGES = (
    FakeImage("minikube-py/busybox:1", entrypoint=(), command=("sh",)),
    FakeImage("minikube-py/web:1", entrypoint=("serve",)),
    FakeImage("minikube-py/pause:1", entrypoint=("/pause",)),
    FakeImage("busybox:latest", entrypoint=(), command=("sh",)),
)


class FakeEngine:
    """The state that outlives a driver, and the knobs for faults.

    `away` makes every call raise EngineUnavailable. `pull_faults` (image name -> reason), `create_faults`,
    `start_faults` and `update_faults` (container name -> reason) and `sandbox_fault` (a reason) fail that step until
    they are taken back.
    `private` maps a registry (`host:port` or `host:port/path`) to the credentials that it takes; what it was told is
    kept in `credentials_seen`, each time the image's name and then what was tried.
    `loads` (container name -> CPUs and bytes) is what such containers use from their start on.
    A name in `absent` cannot be pulled; with `registry=False` none can that was not given to `offer`.
    """

    def __init__(self, *, images: Sequence[FakeImage] = BUILT_IN_IMAGES, registry: bool = True) -> None:
        self.images: dict[str, FakeImage] = {}
        self.offered: dict[str, FakeImage] = {}
        self.absent: set[str] = set()
        self.registry = registry
        self.pull_faults: dict[str, str] = {}
        self.private: dict[str, set[Credentials]] = {}
        self.credentials_seen: list[tuple[str | Credentials, ...]] = []
        self.create_faults: dict[str, str] = {}
        self.start_faults: dict[str, str] = {}
        self.update_faults: dict[str, str] = {}
        self.sandbox_fault = ""
        self.loads: dict[str, tuple[float, int]] = {}
        self.calls: list[tuple[str, ...]] = []
        self.sandboxes: dict[str, FakeSandbox] = {}
        self.containers: dict[str, FakeContainer] = {}
        self.network = FakeNetwork()
        self._away = False
        self._made = 0
        self._listeners: dict[asyncio.Queue[tuple[str, RuntimeEvent]], None] = {}
        for image in images:
            self.add_image(image)

    def add_image(self, image: FakeImage) -> None:
        """Make an image present locally."""
        self.images[normalized(image.name)] = image

    def offer(self, image: FakeImage) -> None:
        """Make an image pullable."""
        self.offered[normalized(image.name)] = image

    @property
    def away(self) -> bool:
        return self._away

    @away.setter
    def away(self, away: bool) -> None:
        was, self._away = self._away, away
        if was and not away:
            for queue in self._listeners:
                queue.put_nowait(("", RuntimeEvent(None)))

    def crash(self) -> None:
        """The engine and everything in it dies and comes back: all containers have exited with 137."""
        self.away = True
        for container in self.containers.values():
            container.kill(signal.SIGKILL)
        for sandbox in self.sandboxes.values():
            sandbox.ready, sandbox.ip = False, ""
        self.away = False

    def new_id(self) -> str:
        self._made += 1
        return hashlib.sha256(f"fake {self._made}".encode()).hexdigest()

    def new_ip(self) -> str:
        """The next free address of the fake bridge 172.30.0.0/16."""
        used = {s.ip for s in self.sandboxes.values()}
        for number in range(2, 65534):
            if (ip := f"172.30.{number // 256}.{number % 256}") not in used:
                return ip
        raise SandboxFailed("no free addresses on the bridge")

    def announce(self, instance: str, pod: PodRef) -> None:
        if not self._away:
            for queue in self._listeners:
                queue.put_nowait((instance, RuntimeEvent(pod)))

    def listen(self) -> asyncio.Queue[tuple[str, RuntimeEvent]]:
        queue: asyncio.Queue[tuple[str, RuntimeEvent]] = asyncio.Queue()
        self._listeners[queue] = None
        return queue

    def unlisten(self, queue: asyncio.Queue[tuple[str, RuntimeEvent]]) -> None:
        self._listeners.pop(queue, None)

    async def close(self) -> None:
        """End every process."""
        for container in list(self.containers.values()):
            await container.shut()
        await self.network.close()
