"""The namespaces that every cluster has."""

from __future__ import annotations

import asyncio

from minikube_py.api.resources import NAMESPACES
from minikube_py.apiserver.bootstrap.base import Hook, Server


async def run(server: Server) -> None:
    """Make the ones that are missing."""
    names = server.config.system_namespaces
    made = [{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}} for name in names]
    await asyncio.gather(*(server.ensure(NAMESPACES, namespace) for namespace in made))
    await server.storage.fresh()


def missing(server: Server) -> str | None:
    there = server.storage.caches["namespaces"]
    gone = [n for n in server.config.system_namespaces if there.key("", n) not in there.items]
    return f"namespaces {', '.join(gone)} are missing" if gone else None


HOOK = Hook("start-system-namespaces", run, missing)
