"""Admission: what every write passes before it is stored. Plugins may change the object, and then may refuse it.

A write goes through all plugins' `admit` (before the kind's own validation), then through all plugins' `validate`
(after it), both in the order of the one list in `admission/__init__.py`. Which plugins a write concerns is asked once
per operation, resource and sub-resource.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from minikube_py.api import errors
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind


@dataclass(slots=True)  # made once per write: a frozen one takes four times as long
class Attributes:
    """A write: CREATE (no old), UPDATE, DELETE (no new) or CONNECT (no old; `new` are the options).

    `warnings` go to the client. What `validate` puts into `undo` is called when the write is not stored after all
    (refused later on, lost to another writer, or only a dry run): what a plugin took for it goes back. It must
    not fail.
    """

    operation: str
    kind: Kind
    namespace: str
    name: str
    subresource: str
    user: User
    new: Object | None
    old: Object | None
    dry_run: bool
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    """What the audit log is to say besides, by annotation keys."""
    undo: list[Callable[[], None]] = field(default_factory=list)


class Plugin:
    """One admission plugin, named as upstream's. A subclass says what it concerns and overrides one or both hooks."""

    name = ""

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        """Whether writes of this sort are shown to the plugin. The answer must not change."""
        raise NotImplementedError

    async def admit(self, attributes: Attributes) -> None:
        """Change `attributes.new` in place, or raise an api.errors class to refuse."""

    async def validate(self, attributes: Attributes) -> None:
        """Look at the object as it will be stored; raise an api.errors class to refuse."""


class Admission:
    """The plugins, in the order in which a write passes them."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = tuple(plugins)
        self._concerned: dict[tuple[str, str, str, bool], tuple[tuple[Plugin, ...], tuple[Plugin, ...]]] = {}

    def _for(self, attributes: Attributes) -> tuple[tuple[Plugin, ...], tuple[Plugin, ...]]:
        kind = attributes.kind
        # A custom resource can come back with another scope.
        key = (attributes.operation, kind.resource.qualified, attributes.subresource, kind.resource.namespaced)
        found = self._concerned.get(key)
        if found is None:
            chosen = [p for p in self.plugins if p.concerns(attributes.operation, kind, attributes.subresource)]
            found = self._concerned[key] = (
                tuple(p for p in chosen if type(p).admit is not Plugin.admit),
                tuple(p for p in chosen if type(p).validate is not Plugin.validate),
            )
        return found

    async def admit(self, attributes: Attributes) -> None:
        """The first phase. Raises what the first refusing plugin raises."""
        for plugin in self._for(attributes)[0]:
            await plugin.admit(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """The second phase. Raises what the first refusing plugin raises."""
        for plugin in self._for(attributes)[1]:
            await plugin.validate(attributes)

    @staticmethod
    def undo(attributes: Attributes) -> None:
        """The write is not stored: give back what plugins took, the last first."""
        while attributes.undo:
            attributes.undo.pop()()


def forbidden(attributes: Attributes, why: str) -> errors.Forbidden:
    """The refusal of a write, in the words that upstream puts before a plugin's reason."""
    resource, name = attributes.kind.resource, attributes.name
    if not name and attributes.new is not None:
        name = attributes.new["metadata"].get("generateName", "")
    details = {"name": name, "kind": resource.plural}
    if resource.group:
        details["group"] = resource.group
    return errors.Forbidden(f'{resource.qualified} "{name}" is forbidden: {why}', details=details)
