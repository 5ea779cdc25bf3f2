"""Sandboxes, containers and images of the fake engine: their state, their processes, their log."""

from __future__ import annotations

import asyncio
import hashlib
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, NamedTuple

from minikube_py.daemon.clock import Clock
from minikube_py.kubelet.runtime.base import (
    Container,
    ContainerConfig,
    Image,
    Resources,
    Sandbox,
    SandboxConfig,
    StreamName,
    Usage,
)
from minikube_py.kubelet.runtime.fake_commands import COMMANDS
from minikube_py.kubelet.runtime.fake_programs import Bell, Emit, Files, Pipe, Process

IDLE = (0.0, 1 << 20)
"""CPUs and bytes that a container uses of which nothing else was said."""
PROCESS_NANOSECONDS = 1_000_000
"""CPU time of a process that is started in a container."""


RESIZED = ("cpu_shares", "cpu_quota", "cpu_period", "memory_bytes")


@dataclass(frozen=True, slots=True)
class FakeImage:
    """An image: what runs when a container names no command. With `any_command` every unknown command is a server."""

    name: str
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    user: str = ""
    any_command: bool = False
    size: int = 1_000_000

    @property
    def id(self) -> str:
        return "sha256:" + hashlib.sha256(self.name.encode()).hexdigest()

    def view(self) -> Image:
        repository = re.sub(r"[:@][^/]*$", "", self.name)
        return Image(self.id, (self.name,), (f"{repository}@{self.id}",), self.size, self.user)


@dataclass(slots=True)
class FakeSandbox:
    id: str
    instance: str
    config: SandboxConfig
    created_at: datetime
    ip: str
    ready: bool = True

    def view(self) -> Sandbox:
        return Sandbox(
            self.id, self.config.pod, self.config.attempt, self.ready, self.created_at, self.ip,
            self.config.host_network, dict(self.config.annotations),
        )  # fmt: skip


class LogLine(NamedTuple):
    at: datetime
    data: bytes


@dataclass(slots=True)
class FakeContainer:
    """One container. Its first process and those exec'ed share files; `ended` is set when it has exited."""

    id: str
    instance: str
    sandbox: FakeSandbox
    config: ContainerConfig
    image: FakeImage
    clock: Clock
    changed: Callable[[], None]
    target: FakeContainer | None = None
    """The container whose process namespace it joined: it ends with that one's first process."""
    state: Literal["created", "running", "exited"] = "created"
    created_at: datetime = field(init=False)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    message: str = ""
    files: Files = field(init=False)
    resources: Resources = field(init=False)
    log: list[LogLine] = field(default_factory=list)
    log_bell: Bell = field(default_factory=Bell)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    stdin: Pipe | None = None
    process: Process | None = None
    listeners: dict[Emit, None] = field(default_factory=dict)
    execs: set[Process] = field(default_factory=set)
    processes: int = 0
    """How many processes were started in it."""
    _partial: dict[StreamName, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.created_at = self.clock.now()
        self.resources = replace(self.config.resources, oom_score_adj=0)
        score = f"{self.config.resources.oom_score_adj}\n".encode()
        own = {"/etc/hostname": f"{self.hostname}\n".encode(), "/dev/null": b"", "/proc/1/oom_score_adj": score}
        self.files = Files(self.config.mounts, own)

    @property
    def hostname(self) -> str:
        return self.sandbox.config.hostname or self.sandbox.id[:12]

    @property
    def argv(self) -> list[str]:
        """What runs: a given command drops the image's own arguments."""
        config, image = self.config, self.image
        if config.command:
            return [*config.command, *(config.args or ())]
        return [*image.entrypoint, *(config.args or image.command)]

    def knows(self, argv: Sequence[str]) -> bool:
        return argv[0].rsplit("/", 1)[-1] in COMMANDS

    def start_problem(self) -> tuple[int, str]:
        """The exit code and reason for which the first process cannot start; "" when it can."""
        if not self.sandbox.ready:
            return 128, f"cannot join network of a non running container: {self.sandbox.id}"
        if not self.knows(self.argv) and not self.image.any_command:
            return 127, no_such_command(self.argv[0])
        return 0, ""

    def fail_start(self, code: int, reason: str) -> None:
        self.state, self.exit_code, self.message = "exited", code, reason
        self.finished_at = self.clock.now()
        self.ended.set()
        self.changed()

    def new_process(
        self, argv: Sequence[str], emit: Emit, stdin: Pipe | None, *, tty: bool, first: bool = False
    ) -> Process:
        self.processes += 1
        config = self.config
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": self.hostname}
        env.update(config.env)
        env.setdefault("HOME", "/")
        argv = argv if self.knows(argv) else ["serve"]
        sandbox = self.sandbox.config
        shared = sandbox.share_process_namespace or sandbox.host_pid or self.target is not None

        def from_inside(number: int) -> None:
            # The kernel shields the first process of a PID namespace from its children's SIGKILL.
            if number != signal.SIGKILL or shared:
                self.kill(number)

        return Process(
            self.clock, argv, env=env, files=self.files, stdin=stdin, emit=emit, tty=tty,
            cwd=config.working_dir or "/", uid=config.security.run_as_user or 0, killed_by=from_inside,
            pid1=first and not shared,
        )  # fmt: skip

    def start(self) -> None:
        self.stdin = Pipe() if self.config.stdin else None
        self.process = self.new_process(self.argv, self._emit, self.stdin, tty=self.config.tty, first=True)
        self.state, self.started_at = "running", self.clock.now()
        running = self._watch(self.process.start())
        task = asyncio.get_running_loop().create_task(running, name=f"fake container {self.id[:12]}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.target is not None:
            end = asyncio.get_running_loop().create_task(self._end_with(self.target), name="end of a namespace")
            self._tasks.add(end)
            end.add_done_callback(self._tasks.discard)
        self.changed()

    async def _end_with(self, target: FakeContainer) -> None:
        both = [asyncio.ensure_future(one.ended.wait()) for one in (self, target)]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
        self.kill(signal.SIGKILL)

    async def _watch(self, running: asyncio.Task[None]) -> None:
        await asyncio.wait([running])
        assert self.process is not None
        for other in list(self.execs):
            other.signal(signal.SIGKILL)
        for stream, rest in self._partial.items():
            if rest:
                self._log(stream, rest)
                self._partial[stream] = b""
        self.state, self.exit_code, self.finished_at = "exited", self.process.code, self.clock.now()
        if self.stdin is not None:
            self.stdin.close()
        self.ended.set()
        self.log_bell.ring()
        self.changed()

    def update(self, new: Resources) -> None:
        """Other limits, as the engine does it: what is 0 stays."""
        given = {name: value for name in RESIZED if (value := getattr(new, name))}
        self.resources = replace(self.resources, **given)

    def kill(self, number: int) -> None:
        if self.process is not None:
            self.process.signal(number)

    async def shut(self) -> None:
        """Kill everything and wait for its end."""
        if self.state == "running":
            self.kill(signal.SIGKILL)
            await self.ended.wait()

    def _log(self, stream: StreamName, data: bytes) -> None:
        self.log.append(LogLine(self.clock.now(), data))

    async def _emit(self, stream: StreamName, data: bytes) -> None:
        if self.config.tty:
            stream, data = "stdout", data.replace(b"\n", b"\r\n")
        *lines, rest = (self._partial[stream] + data).split(b"\n")
        for line in lines:
            self._log(stream, line + b"\n")
        self._partial[stream] = rest
        self.log_bell.ring()
        for listener in list(self.listeners):
            await listener(stream, data)

    def usage(self, cores: float, memory: int) -> Usage:
        """What the container uses: that many CPUs since its start, a little for each of its processes, and bytes."""
        assert self.started_at is not None
        now = self.clock.now()
        spent = round((now - self.started_at).total_seconds() * cores * 1e9)
        return Usage(now, spent + self.processes * PROCESS_NANOSECONDS, memory, memory, memory)

    def view(self) -> Container:
        return Container(
            self.id, self.config.pod, self.config.name, self.config.attempt, self.sandbox.id, self.state,
            self.config.image, self.image.id, self.created_at, self.started_at, self.finished_at, self.exit_code,
            False, self.message, dict(self.config.annotations), self.resources,
        )  # fmt: skip


def no_such_command(command: str) -> str:
    """The engine's words for a command that the image does not have."""
    where = "no such file or directory" if command.startswith("/") else "executable file not found in $PATH"
    how = f"stat {command}: " if command.startswith("/") else ""
    return f'failed to create task: OCI runtime create failed: exec: "{command}": {how}{where}: unknown'
