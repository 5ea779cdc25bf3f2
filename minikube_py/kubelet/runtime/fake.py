"""A container engine in memory: the whole contract, scripted processes, the clock's time, faults on demand.

Several `FakeRuntime`s (kubelets, or one kubelet before and after its restart) may share one `FakeEngine`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence

from minikube_py.daemon.clock import Clock
from minikube_py.kubelet.runtime.base import (
    Container,
    ContainerConfig,
    CreateContainerError,
    Credentials,
    EngineUnavailable,
    ExecResult,
    Image,
    ImagePullFailed,
    LogOptions,
    Mount,
    NotFound,
    Resources,
    RunContainerError,
    RuntimeEvent,
    RuntimeFault,
    Sandbox,
    SandboxConfig,
    SandboxFailed,
    Session,
    Snapshot,
    Usage,
    pull_failed,
)
from minikube_py.kubelet.runtime.fake_containers import IDLE, FakeContainer, FakeImage, FakeSandbox
from minikube_py.kubelet.runtime.fake_engine import FakeEngine
from minikube_py.kubelet.runtime.fake_sessions import AttachSession, ExecSession, read_logs
from minikube_py.kubelet.runtime.references import full_repository, normalized

__all__ = ["FakeEngine", "FakeRuntime"]


class FakeRuntime:
    """See `base.Runtime`; `engine` is shared by handing the same one to several."""

    def __init__(self, clock: Clock, *, instance: str = "fake", engine: FakeEngine | None = None) -> None:
        self._clock = clock
        self._instance = instance
        self._owns_engine = engine is None
        self.engine = engine or FakeEngine()

    def _check(self, *call: str) -> None:
        if self.engine.away:
            raise EngineUnavailable("the fake engine is away")
        if call:
            self.engine.calls.append(call)

    def _sandbox(self, sandbox_id: str) -> FakeSandbox:
        found = self.engine.sandboxes.get(sandbox_id)
        if found is None or found.instance != self._instance:
            raise NotFound(f"no such sandbox: {sandbox_id}")
        return found

    def _container(self, container_id: str) -> FakeContainer:
        found = self.engine.containers.get(container_id)
        if found is None or found.instance != self._instance:
            raise NotFound(f"no such container: {container_id}")
        return found

    def _running(self, container_id: str) -> FakeContainer:
        container = self._container(container_id)
        if container.state != "running":
            raise NotFound(f"container {container_id} is not running")
        return container

    engine_name = "fake"

    async def version(self) -> str:
        self._check()
        return f"{self.engine_name}://1.0.0"

    async def snapshot(self) -> Snapshot:
        self._check()
        return Snapshot(
            [s.view() for s in self.engine.sandboxes.values() if s.instance == self._instance],
            [c.view() for c in self.engine.containers.values() if c.instance == self._instance],
        )

    async def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        queue = self.engine.listen()
        if not self.engine.away:
            queue.put_nowait(("", RuntimeEvent(None)))
        try:
            while True:
                instance, event = await queue.get()
                if instance in ("", self._instance):
                    yield event
        finally:
            self.engine.unlisten(queue)

    async def run_sandbox(self, config: SandboxConfig) -> Sandbox:
        self._check("run_sandbox", config.pod.namespace, config.pod.name)
        if self.engine.sandbox_fault:
            raise SandboxFailed(self.engine.sandbox_fault)
        self._check_ports(config)
        for other in list(self.engine.sandboxes.values()):
            same = (other.config.pod, other.config.attempt) == (config.pod, config.attempt)
            if other.instance == self._instance and same:
                await self.remove_sandbox(other.id)
        ip = "" if config.host_network else self.engine.new_ip()
        sandbox = FakeSandbox(self.engine.new_id(), self._instance, config, self._clock.now(), ip)
        self.engine.sandboxes[sandbox.id] = sandbox
        self.engine.announce(self._instance, config.pod)
        return sandbox.view()

    def _check_ports(self, config: SandboxConfig) -> None:
        taken = {
            (port.host_port, port.protocol)
            for sandbox in self.engine.sandboxes.values()
            if sandbox.ready
            for port in sandbox.config.ports
            if port.host_port
        }
        for port in config.ports:
            if port.host_port and (port.host_port, port.protocol) in taken:
                raise SandboxFailed(f"Bind for 0.0.0.0:{port.host_port} failed: port is already allocated")

    async def stop_sandbox(self, sandbox_id: str) -> None:
        self._check("stop_sandbox", sandbox_id)
        try:
            sandbox = self._sandbox(sandbox_id)
        except NotFound:
            return
        if sandbox.ready:
            sandbox.ready, sandbox.ip = False, ""
            self.engine.announce(self._instance, sandbox.config.pod)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        self._check("remove_sandbox", sandbox_id)
        try:
            sandbox = self._sandbox(sandbox_id)
        except NotFound:
            return
        for container in [c for c in self.engine.containers.values() if c.sandbox.id == sandbox_id]:
            await self.remove_container(container.id)
        if self.engine.sandboxes.pop(sandbox_id, None) is not None:
            self.engine.announce(self._instance, sandbox.config.pod)

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        self._check("create_container", config.pod.namespace, config.pod.name, config.name)
        sandbox = self._sandbox(sandbox_id)
        if config.name in self.engine.create_faults:
            raise CreateContainerError(self.engine.create_faults[config.name])
        image = self._local(config.image)
        if image is None:
            raise NotFound(f"No such image: {config.image}")
        if config.security.run_as_group is not None and config.security.run_as_user is None:
            raise CreateContainerError(f"user group {config.security.run_as_group} is specified without a user")
        _make_sources(config.mounts)
        for other in list(self.engine.containers.values()):
            theirs = (other.config.pod, other.config.name, other.config.attempt)
            if other.instance == self._instance and theirs == (config.pod, config.name, config.attempt):
                await self.remove_container(other.id)
        container = FakeContainer(
            self.engine.new_id(), self._instance, sandbox, config, image, self._clock,
            changed=lambda: self.engine.announce(self._instance, config.pod),
            target=self._container(config.target) if config.target else None,
        )  # fmt: skip
        if not container.argv:
            raise CreateContainerError("No command specified")
        self.engine.containers[container.id] = container
        return container.id

    async def start_container(self, container_id: str) -> None:
        self._check("start_container", container_id)
        container = self._container(container_id)
        if container.state == "running":
            return
        fault = self.engine.start_faults.get(container.config.name, "")
        code, reason = container.start_problem()
        if fault:
            code, reason = 128, fault
        if reason:
            container.fail_start(code, reason)
            raise RunContainerError(reason)
        container.start()

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        self._check("stop_container", container_id, f"{grace_seconds:g}")
        try:
            container = self._container(container_id)
        except NotFound:
            return
        if container.state != "running":
            return
        if grace_seconds > 0:
            container.kill(signal.SIGTERM)
            try:
                await self._clock.wait_for(container.ended.wait(), grace_seconds)
                return
            except TimeoutError:
                pass
        self._check()
        container.kill(signal.SIGKILL)
        await container.ended.wait()

    async def update_container(self, container_id: str, resources: Resources) -> None:
        self._check("update_container", container_id)
        container = self._container(container_id)
        if fault := self.engine.update_faults.get(container.config.name):
            raise RuntimeFault(fault)
        container.update(resources)

    async def remove_container(self, container_id: str) -> None:
        self._check("remove_container", container_id)
        try:
            container = self._container(container_id)
        except NotFound:
            return
        await container.shut()
        if self.engine.containers.pop(container_id, None) is not None:
            self.engine.announce(self._instance, container.config.pod)

    async def inspect_container(self, container_id: str) -> Container:
        self._check()
        return self._container(container_id).view()

    async def container_stats(self, container_ids: Sequence[str]) -> Mapping[str, Usage]:
        self._check()
        asked = (self.engine.containers.get(container_id) for container_id in container_ids)
        mine = [c for c in asked if c is not None and c.instance == self._instance and c.state == "running"]
        return {c.id: c.usage(*self.engine.loads.get(c.config.name, IDLE)) for c in mine}

    def _local(self, name: str) -> FakeImage | None:
        found = self.engine.images.get(normalized(name))
        return found or next((i for i in self.engine.images.values() if name in (i.id, i.id[7:])), None)

    async def image(self, name: str) -> Image | None:
        self._check()
        found = self._local(name)
        return found.view() if found else None

    async def images(self) -> Sequence[Image]:
        self._check()
        return [image.view() for image in self.engine.images.values()]

    async def pull_image(self, name: str, credentials: Sequence[Credentials] = ()) -> Image:
        self._check("pull_image", name)
        full = normalized(name)
        repository = full_repository(name)
        for place, accepted in self.engine.private.items():
            if repository.startswith(f"{place}/"):
                self.engine.credentials_seen.append((name, *credentials))
                if not set(credentials) & accepted:
                    none = f"Head {name}: no basic auth credentials"
                    wrong = [f"Head {name}: unauthorized: authentication required"] * len(credentials)
                    raise pull_failed(wrong or [none])
        if reason := self.engine.pull_faults.get(name) or self.engine.pull_faults.get(full):
            raise ImagePullFailed(reason)
        found = self.engine.offered.get(full) or self.engine.images.get(full)
        if found is None:
            if not self.engine.registry or full in {normalized(n) for n in self.engine.absent}:
                raise ImagePullFailed(f"manifest for {full} not found: manifest unknown: manifest unknown")
            found = FakeImage(full, entrypoint=("serve",), any_command=True)
        self.engine.add_image(found)
        return found.view()

    async def dial(self, sandbox_id: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To one of `FakeEngine.network`'s servers."""
        self._check("dial", sandbox_id)
        if not self._sandbox(sandbox_id).ready:
            raise NotFound(f"sandbox {sandbox_id} is not running")
        return await self.engine.network.connect(port)

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        session = await self.exec(container_id, command, stdin=False, tty=False)
        collected = {"stdout": bytearray(), "stderr": bytearray()}

        async def run() -> int:
            async for stream, data in session:
                collected[stream].extend(data)
            return await session.exit_code() or 0

        try:
            code = await self._clock.wait_for(run(), timeout)
        except TimeoutError:
            session.kill()
            raise TimeoutError(f"command {list(command)} timed out after {timeout:g} s") from None
        finally:
            await session.close()
        return ExecResult(code, bytes(collected["stdout"]), bytes(collected["stderr"]))

    async def exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> ExecSession:
        self._check("exec", container_id, *command)
        return ExecSession(self._running(container_id), command, stdin=stdin, tty=tty)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Session:
        self._check("attach", container_id)
        return AttachSession(self._running(container_id), stdin=stdin)

    async def logs(self, container_id: str, options: LogOptions) -> AsyncGenerator[bytes, None]:
        self._check()
        async for chunk in read_logs(self._container(container_id), options):
            yield chunk

    async def close(self) -> None:
        """Let go; an engine that was given lives on."""
        if self._owns_engine:
            await self.engine.close()


def _make_sources(mounts: Sequence[Mount]) -> None:
    for mount in mounts:
        if not os.path.lexists(mount.host_path):
            os.makedirs(mount.host_path)
