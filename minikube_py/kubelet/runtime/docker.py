"""The Docker Engine as a runtime: pause containers as sandboxes, labels as the memory of what belongs to whom."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minikube_py.daemon.clock import Clock
from minikube_py.kubelet import netns
from minikube_py.kubelet.runtime import docker_specs as specs
from minikube_py.kubelet.runtime import references
from minikube_py.kubelet.runtime.base import (
    Container,
    ContainerConfig,
    CreateContainerError,
    Credentials,
    EngineUnavailable,
    ExecResult,
    Image,
    InvalidImageName,
    LogOptions,
    NotFound,
    Resources,
    RunContainerError,
    RuntimeEvent,
    RuntimeFault,
    Sandbox,
    SandboxConfig,
    SandboxFailed,
    Snapshot,
    Usage,
)
from minikube_py.kubelet.runtime.docker_client import DockerClient, fault
from minikube_py.kubelet.runtime.docker_exec import DockerExec
from minikube_py.kubelet.runtime.docker_http import Refused
from minikube_py.kubelet.runtime.docker_images import DockerImages
from minikube_py.kubelet.runtime.docker_streams import DockerSession, frames, limited, log_query, raw
from minikube_py.kubelet.usage import Cgroups

_KILL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an inspection told and cannot change while the engine's list shows the same state."""

    state: str
    container: Container
    tty: bool
    pid: int


class DockerRuntime:
    """See `base.Runtime`. `instance` names the cluster and node: only what carries it is seen or touched.

    `base_url` is $DOCKER_HOST or the engine's usual socket unless given; TLS is not supported.
    """

    def __init__(
        self, clock: Clock, *, instance: str, pause_image: str = "minikube-py/pause:1", base_url: str | None = None
    ) -> None:
        self._clock = clock
        self._instance = instance
        self._pause_image = pause_image
        self._client = DockerClient(base_url)
        self._exec = DockerExec(clock, self._client)
        self._images = DockerImages(self._client)
        self._seen: dict[str, _Seen] = {}
        self._namespaces: dict[str, str] = {}
        self._died: set[str] = set()
        """Containers that the engine said have died, whose end its list may not show yet."""
        self._cgroups: Cgroups | None = None

    # -- the instance as a whole

    engine_name = "docker"

    async def version(self) -> str:
        return f"{self.engine_name}://" + str((await self._client.ask("version"))["Version"])

    async def _list(self, *labels: str) -> list[dict[str, Any]]:
        wanted = [f"{specs.INSTANCE}={self._instance}", *labels]
        found: list[dict[str, Any]] = await self._client.ask("containers", all=True, filters={"label": wanted})
        return found

    async def snapshot(self) -> Snapshot:
        """One list; an inspection only of containers whose state has changed since the last look."""
        items = await self._list()
        sandboxes = [i for i in items if i["Labels"].get(specs.TYPE) == "podsandbox"]
        containers = [i for i in items if i["Labels"].get(specs.TYPE) == "container"]
        self._namespaces = {i["Id"]: i["Labels"].get(specs.NAMESPACES, "") for i in sandboxes}
        for gone in self._seen.keys() - {i["Id"] for i in containers}:
            del self._seen[gone]
        # Held here, since an event may empty the memory while we wait.
        known = {i["Id"]: s.container for i in containers if (s := self._seen.get(i["Id"])) and s.state == i["State"]}
        stale = [i["Id"] for i in containers if i["Id"] not in known]
        fresh = await asyncio.gather(*(self._inspected(container_id) for container_id in stale))
        known.update((c.id, c) for c in fresh if c is not None)
        return Snapshot(await self._sandboxes(sandboxes), list(known.values()))

    async def _sandboxes(self, listed: Sequence[Mapping[str, Any]]) -> list[Sandbox]:
        """From the list; those that died a moment ago are asked for, since the engine tells before it lists."""
        self._died.intersection_update(i["Id"] for i in listed if i["State"] == "running")
        found = []
        for item in listed:
            if item["Id"] not in self._died:
                found.append(specs.sandbox_from_list(item))
                continue
            try:
                sandbox = specs.sandbox_from_inspect(await self._client.ask("inspect_container", item["Id"]))
            except NotFound:
                continue
            if sandbox.ready:  # started again
                self._died.discard(sandbox.id)
            found.append(sandbox)
        return found

    async def _inspected(self, container_id: str) -> Container | None:
        try:
            return await self.inspect_container(container_id)
        except NotFound:
            return None

    async def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        """Every connection begins with RuntimeEvent(None): what happened before it is not told."""
        filters = {
            "type": ["container"], "event": ["start", "die", "destroy"], "label": [f"{specs.INSTANCE}={self._instance}"]
        }  # fmt: skip
        delay = 0.1
        while True:
            try:
                answer = await self._client.open("GET", "/events", query={"filters": json.dumps(filters)})
            except (EngineUnavailable, Refused):
                await self._clock.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            delay = 0.1
            try:
                self._seen.clear()
                yield RuntimeEvent(None)
                async for event in answer.lines():
                    actor = event.get("Actor") or {}
                    self._seen.pop(str(actor.get("ID")), None)
                    if event.get("Action") == "die" and (actor.get("Attributes") or {}).get(specs.TYPE) == "podsandbox":
                        self._died.add(str(actor.get("ID")))
                    try:
                        pod = specs.pod_of(actor.get("Attributes") or {})
                    except KeyError:
                        continue
                    yield RuntimeEvent(pod)
            except EngineUnavailable:
                pass
            finally:
                answer.close()
            await self._clock.sleep(delay)

    # -- sandboxes

    async def run_sandbox(self, config: SandboxConfig) -> Sandbox:
        body = specs.sandbox_body(self._instance, config, self._pause_image)
        name = specs.container_name(self._instance, config.pod, "POD", config.attempt)
        try:
            sandbox: Sandbox = await self._client.in_thread(self._run_sandbox, body, name)
        except Refused as error:
            raise SandboxFailed(error.text) from error
        self._namespaces[sandbox.id] = specs.namespaces(config)
        return sandbox

    def _run_sandbox(self, body: dict[str, Any], name: str) -> Sandbox:
        """Create, start, look: in one thread, so that a cancelled caller leaves no half-made sandbox behind."""
        sandbox_id = self._create(body, name)
        try:
            self._client.act("start", sandbox_id)
            return specs.sandbox_from_inspect(self._client.act("inspect_container", sandbox_id))
        except (Refused, EngineUnavailable):
            try:
                self._client.act("remove_container", sandbox_id, force=True, v=True)
            except (Refused, EngineUnavailable):
                pass  # The name is taken then: the next attempt of the same sandbox removes it.
            raise

    def _create(self, body: dict[str, Any], name: str) -> str:
        """Create under a name; what is left of an earlier life under that name is removed first."""
        for _ in range(3):
            try:
                return str(self._client.act("create_container_from_config", body, name)["Id"])
            except Refused as error:
                if error.status != 409 or "already in use" not in error.text:
                    raise
                last = error
            try:
                self._client.act("remove_container", name, force=True, v=True)
            except Refused as error:
                if error.status not in (404, 409):
                    raise
        raise last

    async def stop_sandbox(self, sandbox_id: str) -> None:
        await self._kill(sandbox_id, "SIGKILL")

    async def _kill(self, container_id: str, name: str) -> None:
        try:
            await self._client.call("kill", container_id, name)
        except Refused as error:
            if error.status not in (404, 409):
                raise fault(error) from error

    async def remove_sandbox(self, sandbox_id: str) -> None:
        joined = await self._list(f"{specs.SANDBOX_ID}={sandbox_id}")
        await asyncio.gather(*(self.remove_container(item["Id"]) for item in joined))
        await self.remove_container(sandbox_id)
        self._namespaces.pop(sandbox_id, None)

    # -- containers

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        joined = await self._joined(sandbox_id)
        body = specs.container_body(self._instance, sandbox_id, joined, config)
        name = specs.container_name(self._instance, config.pod, config.name, config.attempt)
        try:
            created: str = await self._client.in_thread(self._create_container, body, name)
        except Refused as error:
            if error.status == 404:
                raise NotFound(error.text) from error
            if "invalid reference format" in error.text:
                raise InvalidImageName(references.invalid(config.image, error.text)) from error
            raise CreateContainerError(error.text) from error
        return created

    def _create_container(self, body: dict[str, Any], name: str) -> str:
        for mount in body["HostConfig"]["Mounts"]:
            try:
                if not os.path.lexists(mount["Source"]):
                    os.makedirs(mount["Source"])
            except OSError as error:
                text = f"cannot make the mount source {mount['Source']}: {error.strerror}"
                raise CreateContainerError(text) from error
        return self._create(body, name)

    async def _joined(self, sandbox_id: str) -> str:
        found = self._namespaces.get(sandbox_id)
        if found is None:
            labels = (await self._client.ask("inspect_container", sandbox_id))["Config"]["Labels"] or {}
            found = labels.get(specs.NAMESPACES) if labels.get(specs.INSTANCE) == self._instance else None
            if found is None:
                raise NotFound(f"no such sandbox: {sandbox_id}")
            self._namespaces[sandbox_id] = found
        return found

    async def start_container(self, container_id: str) -> None:
        try:
            await self._client.call("start", container_id)
        except Refused as error:
            if error.status == 404 and "No such container" in error.text and container_id in error.text:
                raise NotFound(error.text) from error
            raise RunContainerError(error.text) from error
        finally:
            self._seen.pop(container_id, None)

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        try:
            data = await self._client.ask("inspect_container", container_id)
        except NotFound:
            return
        if not data["State"]["Running"]:
            return
        if grace_seconds > 0:
            await self._kill(container_id, data["Config"].get("StopSignal") or "SIGTERM")
            try:
                await self._clock.wait_for(self._wait(container_id, "not-running"), grace_seconds)
                return
            except TimeoutError:
                pass
        await self._kill(container_id, "SIGKILL")
        try:
            await self._clock.wait_for(self._wait(container_id, "not-running"), _KILL_SECONDS)
        except TimeoutError:
            raise RuntimeFault(f"container {container_id} outlived SIGKILL by {_KILL_SECONDS:g} s") from None

    async def _wait(self, container_id: str, condition: str) -> None:
        try:
            answer = await self._client.open("POST", f"/containers/{container_id}/wait", query={"condition": condition})
        except Refused as error:
            if error.status == 404:
                return
            raise fault(error) from error
        try:
            await answer.text()
        finally:
            answer.close()

    async def update_container(self, container_id: str, resources: Resources) -> None:
        wanted = specs.update_body(resources)
        try:
            await self._client.ask(
                "update_container", container_id, cpu_shares=wanted["CpuShares"], cpu_quota=wanted["CpuQuota"],
                cpu_period=wanted["CpuPeriod"], mem_limit=wanted["Memory"], memswap_limit=wanted["MemorySwap"],
            )  # fmt: skip
        finally:
            self._seen.pop(container_id, None)

    async def remove_container(self, container_id: str) -> None:
        try:
            await self._client.call("remove_container", container_id, force=True, v=True)
        except Refused as error:
            if error.status == 409 and "in progress" in error.text:
                await self._wait(container_id, "removed")
            elif error.status != 404:
                raise fault(error) from error
        self._seen.pop(container_id, None)

    async def inspect_container(self, container_id: str) -> Container:
        return (await self._look(container_id)).container

    async def _look(self, container_id: str) -> _Seen:
        data = await self._client.ask("inspect_container", container_id)
        labels = data["Config"]["Labels"] or {}
        if labels.get(specs.INSTANCE) != self._instance or labels.get(specs.TYPE) != "container":
            raise NotFound(f"no such container: {container_id}")
        state = data["State"]
        container = specs.container_from_inspect(data)
        seen = _Seen(state["Status"], container, bool(data["Config"]["Tty"]), int(state.get("Pid") or 0))
        # A created container becomes an exited one without a change of state that the list shows.
        if seen.container.state != "created":
            self._seen[container_id] = seen
        return seen

    async def container_stats(self, container_ids: Sequence[str]) -> Mapping[str, Usage]:
        """From the processes' control groups: the engine must run on this machine."""
        pids = {}
        for container_id in container_ids:
            try:
                pids[container_id] = (await self._running(container_id)).pid
            except NotFound:
                continue
        found: dict[str, Usage] = await self._client.in_thread(self._measure, pids)
        return found

    def _measure(self, pids: Mapping[str, int]) -> dict[str, Usage]:
        if self._cgroups is None:
            self._cgroups = Cgroups()
        read = {one: self._cgroups.usage(pid, one, self._clock.now()) for one, pid in pids.items()}
        return {one: usage for one, usage in read.items() if usage is not None}

    # -- images

    async def image(self, name: str) -> Image | None:
        return await self._images.image(name)

    async def images(self) -> Sequence[Image]:
        return await self._images.images()

    async def pull_image(self, name: str, credentials: Sequence[Credentials] = ()) -> Image:
        return await self._images.pull_image(name, credentials)

    # -- streams

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        await self._running(container_id)
        return await self._exec.run(container_id, command, timeout)

    async def exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> DockerSession:
        await self._running(container_id)
        return await self._exec.start(container_id, command, stdin=stdin, tty=tty)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> DockerSession:
        seen = await self._running(container_id)
        return await self._exec.attach(container_id, stdin=stdin, tty=seen.tty)

    async def dial(self, sandbox_id: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Needs root, as the kubelet has it; the engine must run on this machine."""
        data = await self._client.ask("inspect_container", sandbox_id)
        labels = data["Config"]["Labels"] or {}
        if labels.get(specs.INSTANCE) != self._instance or not data["State"]["Running"]:
            raise NotFound(f"sandbox {sandbox_id} is not running")
        return await netns.dial_local(data["State"]["Pid"], port)

    async def _running(self, container_id: str) -> _Seen:
        seen = self._seen.get(container_id) or await self._look(container_id)
        if seen.container.state != "running":
            raise NotFound(f"container {container_id} is not running")
        return seen

    async def logs(self, container_id: str, options: LogOptions) -> AsyncGenerator[bytes, None]:
        seen = self._seen.get(container_id) or await self._look(container_id)
        try:
            answer = await self._client.open("GET", f"/containers/{container_id}/logs", query=log_query(options))
        except Refused as error:
            raise fault(error) from error
        try:
            chunks = answer.chunks()
            async for data in limited(raw(chunks) if seen.tty else frames(chunks), options.limit_bytes):
                yield data
        finally:
            answer.close()

    async def close(self) -> None:
        self._client.close()
