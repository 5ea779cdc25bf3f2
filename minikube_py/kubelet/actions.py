"""The steps that a plan consists of; two steps with the same key are never under way at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class MountVolumes:
    key: str = field(default="volumes", init=False)


@dataclass(frozen=True, slots=True)
class RunSandbox:
    attempt: int
    replaces: bool = False
    """Whether an earlier sandbox died (an event says so)."""
    key: str = field(default="sandbox", init=False)


@dataclass(frozen=True, slots=True)
class EnsureImage:
    """Look for, or pull, the image for the next attempt of a container."""

    name: str
    attempt: int

    @property
    def key(self) -> str:
        return f"image/{self.name}"


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Create and start. `existing` is the id of a container that was created and never started.

    `restart_delay` goes into its labels: the seconds to wait, should it end, before the next attempt.
    """

    name: str
    attempt: int
    sandbox_id: str
    image_id: str
    restart_delay: float = 0.0
    existing: str = ""

    @property
    def key(self) -> str:
        return f"container/{self.name}"


@dataclass(frozen=True, slots=True)
class PostStart:
    name: str
    id: str

    @property
    def key(self) -> str:
        return f"hook/{self.id}"


@dataclass(frozen=True, slots=True)
class StopContainer:
    """preStop, SIGTERM, SIGKILL at the deadline (`grace` seconds from now at most)."""

    name: str
    id: str
    grace: float
    deadline: datetime
    message: str = ""
    hook: bool = True
    resizes: bool = False
    """Whether it is stopped to be started with other resources."""

    @property
    def key(self) -> str:
        return f"stop/{self.id}"


@dataclass(frozen=True, slots=True)
class ResizeContainer:
    """Give a running container the resources of its spec."""

    name: str
    id: str

    @property
    def key(self) -> str:
        return f"resize/{self.id}"


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    id: str

    @property
    def key(self) -> str:
        return f"remove/{self.id}"


@dataclass(frozen=True, slots=True)
class StopSandbox:
    id: str

    @property
    def key(self) -> str:
        return f"stop/{self.id}"


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    id: str

    @property
    def key(self) -> str:
        return f"remove/{self.id}"


@dataclass(frozen=True, slots=True)
class RemoveVolumes:
    """Unmount what is mounted below the Pod's directory, then remove the directory."""

    key: str = field(default="unmount", init=False)


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Tell the API server that nothing of the Pod is left: delete it without grace, if it is still this uid."""

    key: str = field(default="delete", init=False)


Action = (
    MountVolumes
    | RunSandbox
    | EnsureImage
    | StartContainer
    | PostStart
    | StopContainer
    | ResizeContainer
    | RemoveContainer
    | StopSandbox
    | RemoveSandbox
    | RemoveVolumes
    | DeletePod
)
