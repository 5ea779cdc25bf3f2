"""The pools of cluster IPs and node ports: filled from what is stored, and kept equal to it."""

from __future__ import annotations

from minikube_py.api.resources import SERVICES
from minikube_py.apiserver.bootstrap.base import Hook, Server
from minikube_py.apiserver.cache import Event
from minikube_py.apiserver.encoding import loads


async def run(server: Server) -> None:
    """Follow the Services, whichever API server stores them."""
    services = server.catalog.of(SERVICES)
    cache, allocators = services.cache, services.allocators

    def hear(event: Event | None) -> None:
        if event is None:
            allocators.follow(loads(item.data) for item in cache.items.values())
        else:
            allocators.changed(*(loads(item.data) if item is not None else None for item in (event.old, event.new)))

    hear(None)
    cache.subscribe(hear)


HOOK = Hook("start-service-ip-repair-controllers", run)
