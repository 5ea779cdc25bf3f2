"""What the kubelet asks of a container engine: sandboxes (the pause container of a Pod), containers, images, streams.

The words are those of Kubernetes' Container Runtime Interface. `docker.py` and `fake.py` pass one contract suite
(`tests/contract/runtime_contract.py`). A driver sees only what its own instance made: several kubelets share an engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol


class RuntimeFault(Exception):
    """The root of what a runtime raises; `reason` is the word that a container's waiting state shows."""

    reason = "RuntimeError"


class NotFound(RuntimeFault):
    """No such sandbox, container or image."""

    reason = "NotFound"


class ImageNeverPull(RuntimeFault):
    reason = "ErrImageNeverPull"


class ImagePullFailed(RuntimeFault):
    reason = "ErrImagePull"


class InvalidImageName(RuntimeFault):
    reason = "InvalidImageName"


class CreateContainerError(RuntimeFault):
    reason = "CreateContainerError"


class RunContainerError(RuntimeFault):
    """The container was created but its process could not start (no such command, no permission ...)."""

    reason = "RunContainerError"


class SandboxFailed(RuntimeFault):
    reason = "FailedCreatePodSandBox"


class EngineUnavailable(RuntimeFault):
    """The engine does not answer; nothing is known, nothing may be concluded."""

    reason = "EngineUnavailable"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a registry is told about who asks. The password is in no `repr` and belongs in no log."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PodRef:
    """The Pod that a sandbox or container belongs to, carried in its labels."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class PortMapping:
    host_port: int
    container_port: int
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """The pause container: it owns the Pod's network (and, if shared, IPC and PID) namespaces."""

    pod: PodRef
    attempt: int = 0
    hostname: str = ""
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    ports: Sequence[PortMapping] = ()
    dns_servers: Sequence[str] = ()
    dns_searches: Sequence[str] = ()
    dns_options: Sequence[str] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mount:
    """A missing `host_path` becomes a directory, as with other engines behind the Container Runtime Interface."""

    host_path: str
    container_path: str
    read_only: bool = False
    propagation: Literal["", "rslave", "rshared"] = ""


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits in the engine's units; 0 is none. cpu_quota and cpu_period are microseconds.

    `oom_score_adj` is what the kernel adds for the container's processes when it chooses whom to kill.
    """

    cpu_shares: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    memory_bytes: int = 0
    oom_score_adj: int = 0


@dataclass(frozen=True, slots=True)
class Security:
    """What a container's (and Pod's) securityContext asks; None leaves the image's or engine's default."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    supplemental_groups: Sequence[int] = ()
    privileged: bool = False
    read_only_root_filesystem: bool = False
    add_capabilities: Sequence[str] = ()
    drop_capabilities: Sequence[str] = ()
    no_new_privileges: bool = False


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """One container joining its sandbox. `command` None keeps the image's entrypoint, `args` None its arguments.

    As in Kubernetes, a given `command` drops the image's own arguments.
    """

    pod: PodRef
    name: str
    image: str
    attempt: int = 0
    command: Sequence[str] | None = None
    args: Sequence[str] | None = None
    working_dir: str = ""
    env: Sequence[tuple[str, str]] = ()
    mounts: Sequence[Mount] = ()
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    target: str = ""
    """The id of a container whose process namespace this one joins; unset, the sandbox says which it is."""
    resources: Resources = Resources()
    security: Security = Security()
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A pause container as the engine shows it. `ip` is empty with the host's network or when it does not run."""

    id: str
    pod: PodRef
    attempt: int
    ready: bool
    created_at: datetime
    ip: str = ""
    host_network: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine shows it. `exit_code`, `finished_at` and `oom_killed` count only when exited."""

    id: str
    pod: PodRef
    name: str
    attempt: int
    sandbox_id: str
    state: Literal["created", "running", "exited"]
    image: str
    image_id: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    oom_killed: bool = False
    message: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    resources: Resources | None = None
    """What it may use now, without `oom_score_adj`; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the instance has in the engine at one moment."""

    sandboxes: Sequence[Sandbox]
    containers: Sequence[Container]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container (or the machine) has used of the CPU since it started, and how many bytes it holds at `at`.

    The working set is the memory in use without the file pages that the kernel would give up first.
    """

    at: datetime
    cpu_nanoseconds: int
    working_set: int
    memory: int
    rss: int


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    tags: Sequence[str]
    digests: Sequence[str]
    size: int
    user: str = ""


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """Something about a Pod's containers changed; look again. `pod` None means: anything may have (a reconnect)."""

    pod: PodRef | None


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What `kubectl logs` asks of one container. `tail_lines` None is all; times are aware."""

    follow: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ExecResult:
    exit_code: int
    stdout: bytes
    stderr: bytes


StreamName = Literal["stdout", "stderr"]


class Session(Protocol):
    """An exec or attach in progress. Iterating ends when the process has ended or the engine let go."""

    def __aiter__(self) -> AsyncIterator[tuple[StreamName, bytes]]: ...

    async def write(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    async def resize(self, width: int, height: int) -> None: ...

    async def exit_code(self) -> int | None:
        """The exit code, once iteration has ended; None where there is none (attach)."""
        ...

    async def close(self) -> None:
        """Let go of the streams. An exec'ed process may live on, as in Kubernetes."""
        ...


def pull_failed(reasons: Sequence[str]) -> ImagePullFailed:
    """From the reason of every attempt: each once."""
    told = list(dict.fromkeys(reasons))
    return ImagePullFailed(told[0] if len(told) == 1 else f"[{', '.join(told)}]")


class Runtime(Protocol):
    """A container engine. Unless said otherwise a method raises NotFound for an unknown id and EngineUnavailable."""

    @property
    def engine_name(self) -> str:
        """The scheme of `version()` and of the ids that a Pod's status shows: `docker`."""
        ...

    async def version(self) -> str:
        """The engine and its version, as node.status.nodeInfo.containerRuntimeVersion shows it: `docker://28.2.2`."""
        ...

    async def snapshot(self) -> Snapshot: ...

    def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        """Never ends: reconnects (with backoff) when the engine goes away.

        Every connection, the first too, begins with RuntimeEvent(None): from here on nothing is missed.
        """
        ...

    async def run_sandbox(self, config: SandboxConfig) -> Sandbox:
        """Create and start; on failure nothing stays behind. Raises SandboxFailed."""
        ...

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill the pause container. Stopping what is stopped or gone is no error."""
        ...

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Remove it, and any container still joined to it. Removing what is gone is no error."""
        ...

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        """The new container's id. Raises CreateContainerError; the image must be present (NotFound otherwise)."""
        ...

    async def start_container(self, container_id: str) -> None:
        """Raises RunContainerError; the container then shows as exited with code 127, 126 or 128 and a message."""
        ...

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        """SIGTERM (or the image's stop signal), wait up to `grace_seconds`, SIGKILL. Returns when it has stopped.

        Stopping what is stopped or gone is no error. Zero kills at once.
        """
        ...

    async def update_container(self, container_id: str, resources: Resources) -> None:
        """Give a container other limits and shares while it runs. What is 0, and `oom_score_adj`, stays as it is.

        Raises RuntimeFault where the engine refuses.
        """
        ...

    async def remove_container(self, container_id: str) -> None:
        """Kill and remove. Removing what is gone is no error."""
        ...

    async def inspect_container(self, container_id: str) -> Container: ...

    async def container_stats(self, container_ids: Sequence[str]) -> Mapping[str, Usage]:
        """By id what the containers use; what does not run, is unknown or cannot be measured is left out."""
        ...

    async def image(self, name: str) -> Image | None:
        """The local image that `name` (tag, digest or id) means, or None. Raises InvalidImageName."""
        ...

    async def images(self) -> Sequence[Image]: ...

    async def pull_image(self, name: str, credentials: Sequence[Credentials] = ()) -> Image:
        """Pull with the first of `credentials` that the registry takes; without any, anonymously.

        Raises ImagePullFailed with the registry's reasons, InvalidImageName.
        """
        ...

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Run to the end (probes, hooks). Raises TimeoutError after `timeout` seconds, NotFound if it does not run."""
        ...

    async def exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Session: ...

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Session: ...

    async def dial(self, sandbox_id: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a port on the sandbox's own loopback address. Raises OSError when nobody listens there."""
        ...

    def logs(self, container_id: str, options: LogOptions) -> AsyncGenerator[bytes, None]:
        """Log bytes, both streams in order of writing; with `follow` until the container ends."""
        ...

    async def close(self) -> None: ...
