"""What is served right now: the registries by group, version and plural; custom resources come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from minikube_py.api.resources import Resource
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.registry import Registry

Key = tuple[str, str, str]
"""(group, version, plural)."""


class Catalog:
    """The registries. `generation` grows with every change: documents made at another one are out of date."""

    def __init__(self) -> None:
        self.generation = 0
        self._registries: dict[Key, Registry] = {}
        self._subscribers: list[Callable[[], None]] = []

    def __iter__(self) -> Iterator[Registry]:
        return iter(tuple(self._registries.values()))

    def get(self, group: str, version: str, plural: str) -> Registry | None:
        return self._registries.get((group, version, plural))

    def of(self, resource: Resource) -> Registry:
        """The registry of a resource that is certainly served. Raises KeyError."""
        return self._registries[resource.group, resource.version, resource.plural]

    @property
    def kinds(self) -> list[Kind]:
        """What is served, in the order in which it was added."""
        return [r.kind for r in self._registries.values()]

    def add(self, registry: Registry) -> None:
        """Serve a kind, or serve it anew with another registry (a changed schema)."""
        resource = registry.kind.resource
        self._registries[resource.group, resource.version, resource.plural] = registry
        self._changed()

    def remove(self, resource: Resource) -> None:
        """Serve a kind no more."""
        if self._registries.pop((resource.group, resource.version, resource.plural), None) is not None:
            self._changed()

    def subscribe(self, notify: Callable[[], None]) -> None:
        """Have `notify` called after every change."""
        self._subscribers.append(notify)

    def _changed(self) -> None:
        self.generation += 1
        for notify in self._subscribers:
            notify()
