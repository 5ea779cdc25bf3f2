"""What planning and status look at: a Pod's part of the engine, and what only this kubelet process knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from minikube_py.kubelet.runtime.base import Container, Sandbox, Snapshot


@dataclass(frozen=True, slots=True)
class View:
    """One Pod in the engine: sandboxes and, by name, containers; the newest attempt first."""

    sandboxes: Sequence[Sandbox] = ()
    containers: Mapping[str, Sequence[Container]] = field(default_factory=dict)
    engine: str = "docker"
    """The scheme of ids in the Pod's status."""

    def latest(self, name: str) -> Container | None:
        found = self.containers.get(name)
        return found[0] if found else None

    def all(self) -> Iterable[Container]:
        for group in self.containers.values():
            yield from group

    @property
    def empty(self) -> bool:
        return not self.sandboxes and not any(self.containers.values())


NOTHING = View()


def views(snapshot: Snapshot, engine: str = "docker") -> dict[str, View]:
    """The snapshot by Pod uid."""
    sandboxes: dict[str, list[Sandbox]] = {}
    containers: dict[str, dict[str, list[Container]]] = {}
    for sandbox in snapshot.sandboxes:
        sandboxes.setdefault(sandbox.pod.uid, []).append(sandbox)
    for one in snapshot.containers:
        containers.setdefault(one.pod.uid, {}).setdefault(one.name, []).append(one)
    out = {}
    for pod_uid in sandboxes.keys() | containers.keys():
        boxes = sorted(sandboxes.get(pod_uid, ()), key=lambda s: (s.attempt, s.created_at), reverse=True)
        named = containers.get(pod_uid, {})
        for group in named.values():
            group.sort(key=lambda c: (c.attempt, c.created_at), reverse=True)
        out[pod_uid] = View(boxes, named, engine)
    return out


def usable(sandbox: Sandbox) -> bool:
    """A sandbox that containers can join: it runs and has its network."""
    return sandbox.ready and (sandbox.host_network or bool(sandbox.ip))


def current_sandbox(view: View) -> Sandbox | None:
    """The newest usable sandbox, or None when the Pod needs a new one."""
    return next((s for s in view.sandboxes if usable(s)), None)


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that did not work: the waiting reason it shows, why, when, and when it is tried again."""

    reason: str
    message: str
    at: datetime
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class ImageState:
    """The image of one container attempt: found (`image_id`), or the failure that keeps it from starting."""

    image: str
    attempt: int
    image_id: str = ""
    user: str = ""
    failure: Failure | None = None


@dataclass(slots=True)
class Health:
    """What the probes say of one running container. None is: nothing known yet."""

    started: bool | None = None
    ready: bool | None = None
    failed: str = ""
    """The probe that condemned it ("liveness", "startup"), or ""."""
    grace: float | None = None
    """The condemning probe's own terminationGracePeriodSeconds."""


@dataclass(slots=True)
class Local:
    """What the kubelet remembers of a Pod. All of it may be lost: a new process plans on from the engine alone."""

    busy: frozenset[str] = frozenset()
    """Keys of the actions under way when the view was taken."""
    retries: dict[str, Failure] = field(default_factory=dict)
    """Actions that failed, by key."""
    images: dict[str, ImageState] = field(default_factory=dict)
    health: dict[str, Health] = field(default_factory=dict)
    """By container id."""
    hooks_due: frozenset[str] = frozenset()
    """Ids of running containers whose postStart hook has not been completed."""
    hooks_failed: frozenset[str] = frozenset()
    messages: dict[str, str] = field(default_factory=dict)
    """Termination messages by container id."""
    volumes_ready: bool = False
    volumes_left: bool = True
    """Whether something of the Pod may still lie (or be mounted) below its directory."""
    rejected: tuple[str, str] | None = None
    """Reason and message with which the node refused the Pod."""
    stop_began: datetime | None = None
    """When the Pod's teardown began, which its grace period counts from."""
    gone: bool = False
    """The API server no longer has this Pod."""
    resize_pending: tuple[str, str] | None = None
    """Reason and message why the Pod was not granted the resources that its spec asks for now."""
    resize_generation: int = 0
    """The generation of the spec whose resources were granted last; 0 before any resize."""
    restarting: frozenset[str] = frozenset()
    """Names of containers that were stopped for their resize and do not run again yet."""
