"""Harnesses for the runtime contract: the fake on virtual time, a real Docker engine on real time."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from minikube_py.daemon.clock import Clock, RealClock, VirtualClock, settle
from minikube_py.kubelet.runtime.base import (
    Container,
    ContainerConfig,
    Credentials,
    PodRef,
    Runtime,
    Sandbox,
    SandboxConfig,
)
from minikube_py.kubelet.runtime.docker import DockerRuntime
from minikube_py.kubelet.runtime.fake import FakeEngine, FakeRuntime
from minikube_py.kubelet.runtime.fake_containers import FakeImage
from tests.images import BUSYBOX
from tests.registry import PASSWORD, USER, Registry, registry

T = TypeVar("T")


class Base:
    """What both harnesses share; `_pass_time` is where they differ."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self.runtime = runtime
        self.clock = clock
        self._others: list[Runtime] = []

    def _another(self) -> Runtime:
        raise NotImplementedError

    async def _pass_time(self) -> None:
        raise NotImplementedError

    def other(self) -> Runtime:
        self._others.append(self._another())
        return self._others[-1]

    async def drive(self, what: Awaitable[T]) -> T:
        task = asyncio.ensure_future(what)
        async with asyncio.timeout(60):
            while not task.done():
                await self._pass_time()
        return task.result()

    async def eventually(self, check: Callable[[], Awaitable[T | None]]) -> T:
        async with asyncio.timeout(60):
            while (found := await check()) is None:
                await self._pass_time()
        return found

    async def sandbox(self, name: str = "pod", **config: Any) -> Sandbox:
        return await self.runtime.run_sandbox(SandboxConfig(PodRef("default", name, f"uid-{name}"), **config))

    async def create(self, sandbox: Sandbox, command: Sequence[str] | None, **config: Any) -> str:
        config = {"name": "main", "image": BUSYBOX} | config
        return await self.runtime.create_container(sandbox.id, ContainerConfig(sandbox.pod, command=command, **config))

    async def start(self, command: Sequence[str] | None, **config: Any) -> str:
        container_id = await self.create(await self.sandbox(), command, **config)
        await self.runtime.start_container(container_id)
        return container_id

    async def exited(self, container_id: str) -> Container:
        async def check() -> Container | None:
            seen = await self.runtime.inspect_container(container_id)
            return seen if seen.state == "exited" else None

        return await self.eventually(check)

    async def clean(self) -> None:
        snapshot = await self.runtime.snapshot()
        await asyncio.gather(*(self.runtime.remove_sandbox(s.id) for s in snapshot.sandboxes))
        await asyncio.gather(*(self.runtime.remove_container(c.id) for c in snapshot.containers))
        for runtime in (*self._others, self.runtime):
            await runtime.close()


class FakeHarness(Base):
    def __init__(self) -> None:
        clock = VirtualClock()
        self.engine = FakeEngine(registry=False)
        super().__init__(FakeRuntime(clock, engine=self.engine), clock)

    def _another(self) -> Runtime:
        return FakeRuntime(self.clock, instance="other", engine=self.engine)

    def private_image(self) -> tuple[str, Credentials]:
        good = Credentials("puller", "word")
        self.engine.private["registry.test:5000/team"] = {good}
        return self._offer("registry.test:5000/team/tool:1"), good

    def public_image(self) -> str:
        return self._offer("open.test:5000/team/tool:1")

    def _offer(self, name: str) -> str:
        self.engine.offer(FakeImage(name))
        return name

    async def _pass_time(self) -> None:
        assert isinstance(self.clock, VirtualClock)
        await self.clock.advance(0.05)
        await settle()

    async def clean(self) -> None:
        await super().clean()
        await self.engine.close()


class DockerHarness(Base):
    def __init__(self) -> None:
        clock = RealClock()
        super().__init__(DockerRuntime(clock, instance=f"test-{secrets.token_hex(4)}"), clock)
        self._opened = ExitStack()

    def private_image(self) -> tuple[str, Credentials]:
        return self._registry(open=False).push("team/tool:1"), Credentials(USER, PASSWORD)

    def public_image(self) -> str:
        return self._registry(open=True).push("team/tool:1")

    def _registry(self, *, open: bool) -> Registry:
        directory = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="minikube-py-registry-"))
        return self._opened.enter_context(registry(Path(directory), open=open))

    async def clean(self) -> None:
        with self._opened:
            await super().clean()

    def _another(self) -> Runtime:
        return DockerRuntime(self.clock, instance=f"test-{secrets.token_hex(4)}")

    async def _pass_time(self) -> None:
        await self.clock.sleep(0.02)
