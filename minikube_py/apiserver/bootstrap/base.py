"""What a post-start hook is, and what it works with."""

from __future__ import annotations

from asyncio import Task
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from minikube_py.api import errors
from minikube_py.api.resources import Resource
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.options import WriteOptions
from minikube_py.apiserver.storage import Storage
from minikube_py.apiserver.writes import Request
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.run import NamedGroup

log = logs.get("apiserver.bootstrap")

LOOPBACK = User("system:apiserver", ("system:masters",))


@dataclass(frozen=True, slots=True)
class Server:
    """What a hook may use."""

    config: Config
    storage: Storage
    catalog: Catalog
    clock: Clock
    tasks: NamedGroup
    running: list[Task[None]] = field(default_factory=list)
    """What hooks have started, which ends with the server."""
    at_stop: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What hooks have left to do at the server's clean end, while everything still works."""

    def start(self, name: str, function: Callable[[], Awaitable[object]]) -> None:
        """Run a hook's own task for as long as the server runs."""
        self.running.append(self.tasks.start(name, function))

    async def ensure(self, resource: Resource, obj: Object, namespace: str = "", *, shipped: bool = False) -> bool:
        """Create an object unless one of that name is there; True when this call made it.

        `shipped` objects are complete and known to be valid.
        """
        registry, name = self.catalog.of(resource), obj["metadata"]["name"]
        if registry.cache.key(namespace, name) in registry.cache.items:
            return False
        try:
            await registry.create(obj, own_request(namespace, name), internal=shipped)
        except errors.AlreadyExists:
            log.debug("another API server was faster", resource=resource.qualified, name=name)
            return False
        return True


@dataclass(frozen=True, slots=True)
class Hook:
    """`run` makes what is missing; `missing` says what is not there (for /readyz and /healthz), None when all is."""

    name: str
    run: Callable[[Server], Awaitable[None]]
    missing: Callable[[Server], str | None] | None = None


def own_request(namespace: str, name: str, subresource: str = "") -> Request:
    """A write of the API server itself."""
    return Request(LOOPBACK, WriteOptions(False, "kube-apiserver", "Strict", None), namespace, name, subresource)
