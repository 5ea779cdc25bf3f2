"""One shared picture of the engine: however many Pods ask, at most one snapshot is taken at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from minikube_py.kubelet.runtime.base import EngineUnavailable, Runtime
from minikube_py.kubelet.state import View, views


class Observer:
    """Snapshots by Pod uid, taken again only after something may have changed (`invalidate`)."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._changes = 0
        self._seen = -1
        self._views: Mapping[str, View] = {}
        self._lock = asyncio.Lock()
        self._subscribers: list[Callable[[], object]] = []
        self.error = ""
        """Why the engine did not answer the last time, or ""."""

    def invalidate(self) -> None:
        """Something in the engine changed, or may have: what was seen before is no longer enough."""
        self._changes += 1
        for notify in self._subscribers:
            notify()

    def subscribe(self, notify: Callable[[], object]) -> None:
        """Call `notify` at every such change."""
        self._subscribers.append(notify)

    async def views(self) -> Mapping[str, View]:
        """The engine as it was at or after this call, or since its last change. Raises EngineUnavailable."""
        wanted = self._changes
        async with self._lock:
            if self._seen < wanted:
                at = self._changes
                try:
                    self._views = views(await self._runtime.snapshot(), self._runtime.engine_name)
                except EngineUnavailable as e:
                    self.error = str(e) or "the container engine does not answer"
                    raise
                self._seen = at
                self.error = ""
            return self._views
