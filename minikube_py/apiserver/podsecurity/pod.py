"""The parts of a Pod that the checks look at, and the words for what they find."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from minikube_py.apiserver.encoding import Object


class Violation(NamedTuple):
    """What is forbidden, and who does it."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})"


Check = Callable[[Object, Object], Violation | None]
"""From a Pod's (or template's) metadata and spec to what is wrong."""


def containers(spec: Object) -> Iterator[Object]:
    """All containers, init and ephemeral ones too."""
    for member in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(member) or ()


def security(holder: Object) -> Object:
    """The securityContext of a PodSpec or a container."""
    found: Object = holder.get("securityContext") or {}
    return found


def some(word: str, names: Collection[str]) -> str:
    """`container "a"` or `containers "a", "b"`."""
    return f"{word}{'s' if len(names) != 1 else ''} {quoted(names)}"


def quoted(names: Collection[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def setters(pod: bool, names: Sequence[str]) -> str:
    """Who set something: the Pod, containers, or both."""
    return " and ".join([*(["pod"] if pod else []), *([some("container", names)] if names else [])])


def is_windows(spec: Object) -> bool:
    return (spec.get("os") or {}).get("name") == "windows"


def has_own_users(spec: Object) -> bool:
    """Whether the Pod runs in a user namespace: root in it is nobody outside."""
    return spec.get("hostUsers") is False
