"""What every volume kind is given and answers, and the one error that a failed mount raises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from minikube_py.kubelet.env import Objects
from minikube_py.kubelet.expand import Facts
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.volumes.mounts import Mounter


class Tokens(Protocol):
    """Where ServiceAccount tokens come from, and who is told that a Pod needs none any more."""

    async def get(self, pod: Object, audience: str, seconds: int) -> str: ...

    def forget(self, uid: str) -> None: ...


class VolumeObjects(Objects, Protocol):
    """What volumes are made of: objects, and tokens."""

    @property
    def tokens(self) -> Tokens: ...


class MountFailed(Exception):
    """A volume cannot be had now; the message is what the FailedMount event says."""


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume of one Pod being set up. `source` is the kind's own part of the volume (`{"path": ...}`)."""

    pod: Object
    name: str
    source: Object
    path: str
    """The directory that is this volume's own, below the Pod's; not there yet."""
    objects: VolumeObjects
    facts: Facts
    mounter: Mounter
    now: datetime

    @property
    def fs_group(self) -> int | None:
        group = (self.pod["spec"].get("securityContext") or {}).get("fsGroup")
        return None if group is None else int(group)


@dataclass(frozen=True, slots=True)
class VolumeKind:
    """A kind of volume: its member in the volume's JSON, its directory name, and how it comes to be.

    `set_up` returns the host path to mount; done twice it changes nothing the second time. `updates` says that
    running it again later brings new content.
    """

    member: str
    directory: str
    set_up: Callable[[Volume], Awaitable[str]]
    updates: bool = False
