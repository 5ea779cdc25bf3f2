"""Custom resources: every definition is served before the server says that it is ready, and followed from then on."""

from __future__ import annotations

from minikube_py.apiserver.bootstrap.base import LOOPBACK, Hook, Server, own_request
from minikube_py.apiserver.custom.manager import Manager


async def run(server: Server) -> None:
    """Serve what is defined, and follow the definitions."""
    manager = Manager(
        server.catalog, server.storage, server.clock, LOOPBACK, lambda name: own_request("", name, "status"),
        server.catalog.kinds,
    )  # fmt: skip
    await manager.begin()
    server.start("definitions", manager.run)


HOOK = Hook("start-apiextensions-controllers", run)
