"""An admission plugin is one function over the attributes of a write: it may change the object or refuse the write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind


@dataclass(frozen=True, slots=True)
class Attributes:
    """A write: CREATE (no old), UPDATE, or DELETE (no new)."""

    operation: str
    kind: Kind
    namespace: str
    name: str
    subresource: str
    user: User
    new: Object | None
    old: Object | None
    dry_run: bool


class Plugin(Protocol):
    """Change `attributes.new` in place, or raise an api.errors class to refuse."""

    async def admit(self, attributes: Attributes) -> None: ...


class Admission:
    """The plugins, in the order in which a write passes them."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = tuple(plugins)

    async def admit(self, attributes: Attributes) -> None:
        """Raises what the first refusing plugin raises."""
        for plugin in self._plugins:
            await plugin.admit(attributes)
