"""Exec and attach on the Docker Engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from minikube_py.daemon.clock import Clock
from minikube_py.kubelet.runtime.base import ExecResult, NotFound, RuntimeFault
from minikube_py.kubelet.runtime.docker_client import DockerClient, fault
from minikube_py.kubelet.runtime.docker_http import Refused
from minikube_py.kubelet.runtime.docker_streams import DockerSession

_END_SECONDS = 5.0


class DockerExec:
    """Starts processes in running containers and joins the streams of first processes."""

    def __init__(self, clock: Clock, client: DockerClient) -> None:
        self._clock = clock
        self._client = client

    async def run(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """See `Runtime.exec_sync`. What has run too long is killed where the engine is on this machine."""
        exec_id = await self._create(container_id, command, stdin=False, tty=False)
        session = await self._start(exec_id, stdin=False, tty=False)
        collected = {"stdout": bytearray(), "stderr": bytearray()}

        async def collect() -> int:
            async for stream, data in session:
                collected[stream].extend(data)
            return await session.exit_code() or 0

        try:
            code = await self._clock.wait_for(collect(), timeout)
        except TimeoutError:
            await self._kill(container_id, exec_id)
            raise TimeoutError(f"command {list(command)} timed out after {timeout:g} s") from None
        finally:
            await session.close()
        return ExecResult(code, bytes(collected["stdout"]), bytes(collected["stderr"]))

    async def start(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> DockerSession:
        """See `Runtime.exec`."""
        return await self._start(await self._create(container_id, command, stdin=stdin, tty=tty), stdin=stdin, tty=tty)

    async def _create(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> str:
        try:
            made = await self._client.call("exec_create", container_id, list(command), stdin=stdin, tty=tty)
        except Refused as error:
            raise _not_running(error) from error
        return str(made["Id"])

    async def _start(self, exec_id: str, *, stdin: bool, tty: bool) -> DockerSession:
        try:
            body = {"Detach": False, "Tty": tty}
            answer = await self._client.open("POST", f"/exec/{exec_id}/start", body=body, upgrade=True)
        except Refused as error:
            raise _not_running(error) from error

        async def code() -> int | None:
            # The stream may end a moment before the engine knows the exit code.
            delay, until = 0.002, self._clock.monotonic() + _END_SECONDS
            while True:
                state = await self._client.ask("exec_inspect", exec_id)
                if state["ExitCode"] is not None and not state["Running"]:
                    return int(state["ExitCode"])
                if self._clock.monotonic() > until:
                    raise RuntimeFault("the streams of the exec'ed process have ended, it has not")
                await self._clock.sleep(delay)
                delay = min(delay * 2, 0.1)

        async def size(width: int, height: int) -> None:
            await self._resize("exec_resize", exec_id, width, height)

        return DockerSession(answer, tty=tty, stdin=stdin, code=code, size=size)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> DockerSession:
        """See `Runtime.attach`; `tty` is what the container was made with, which decides how the engine frames."""
        query = {"stream": 1, "stdout": 1, "stderr": 1, "stdin": int(stdin)}
        try:
            answer = await self._client.open("POST", f"/containers/{container_id}/attach", query=query, upgrade=True)
        except Refused as error:
            raise _not_running(error) from error

        async def code() -> int | None:
            return None

        async def size(width: int, height: int) -> None:
            await self._resize("resize", container_id, width, height)

        return DockerSession(answer, tty=tty, stdin=stdin, code=code, size=size)

    async def _resize(self, method: str, target: str, width: int, height: int) -> None:
        try:
            await self._client.call(method, target, height=height, width=width)
        except Refused:
            pass  # It has ended meanwhile; nobody is there to see the size.

    async def _kill(self, container_id: str, exec_id: str) -> None:
        """End an exec'ed process, which the engine cannot: by process id, if that is in the container's cgroup."""
        try:
            pid = int((await self._client.ask("exec_inspect", exec_id)).get("Pid") or 0)
        except RuntimeFault:
            return
        await self._client.in_thread(_kill_in_cgroup, pid, container_id)


def _kill_in_cgroup(pid: int, container_id: str) -> None:
    try:
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
            if pid > 1 and container_id in file.read():
                os.kill(pid, signal.SIGKILL)
    except OSError:
        pass  # It is gone, or the engine runs elsewhere.


def _not_running(error: Refused) -> RuntimeFault:
    return NotFound(error.text) if error.status == 409 else fault(error)
