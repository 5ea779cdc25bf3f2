"""What a plugin knows of a kind's objects, kept equal to the kind's cache: asking costs a look into a dict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from minikube_py.apiserver.cache import Event, KindCache
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.storage import Storage

T = TypeVar("T")


class Followed(Generic[T]):
    """For each object of a kind what `make` makes of it, by namespace and name.

    The cache is looked up when it is first asked for, so that a plugin can be made before its kind is served; from
    then on every change is followed, and only those objects are decoded.
    """

    def __init__(self, storage: Storage, qualified: str, make: Callable[[Object], T]) -> None:
        self._storage, self._qualified, self._make = storage, qualified, make
        self._cache: KindCache | None = None
        self._known: dict[str, dict[str, T]] = {}
        self._none: Mapping[str, T] = MappingProxyType({})

    def of(self, namespace: str = "") -> Mapping[str, T]:
        """What is known of a namespace's objects (of a cluster-wide kind: of all), by name."""
        if self._cache is None:
            self._begin()
        return self._known.get(namespace, self._none)

    def _begin(self) -> None:
        cache = self._storage.caches.get(self._qualified)
        if cache is None or not self._storage.loaded.is_set():
            return
        self._cache = cache
        self._read(cache)
        cache.subscribe(self._hear)

    def _read(self, cache: KindCache) -> None:
        self._known.clear()
        for item in cache.items.values():
            self._known.setdefault(item.namespace, {})[item.name] = self._make(loads(item.data))

    def _hear(self, event: Event | None) -> None:
        assert self._cache is not None
        if event is None:
            self._read(self._cache)
        elif event.new is not None:
            item = event.new
            self._known.setdefault(item.namespace, {})[item.name] = self._make(loads(item.data))
        elif event.old is not None:
            inside = self._known.get(event.old.namespace, {})
            inside.pop(event.old.name, None)
            if not inside:
                self._known.pop(event.old.namespace, None)
