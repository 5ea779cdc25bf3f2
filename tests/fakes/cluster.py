"""A real API server in this process, over the memory store and virtual time, for tests of the daemons that use it."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from minikube_py.api import errors
from minikube_py.api.meta import Object
from minikube_py.api.resources import NODES, PODS, SERVICEACCOUNTS, Resource
from minikube_py.api.taints import NOT_READY
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.main import APIServer, start
from minikube_py.client.rest import Client
from minikube_py.client.transport import AppTransport, Response
from minikube_py.daemon.certs import key_pem, new_key
from minikube_py.daemon.clock import VirtualClock, settle
from minikube_py.daemon.run import named_group
from minikube_py.store.memory import MemoryStore


class Cluster:
    """The server, its clock, a client, and the daemons that a test started. While it is `away` nobody reaches it."""

    def __init__(self, server: APIServer, clock: VirtualClock) -> None:
        self.server = server
        self.clock = clock
        self.client = Client(self.transport(), clock=clock)
        self.requests: list[tuple[str, str]] = []
        self.away = False
        self._daemons: list[asyncio.Task[Any]] = []

    def transport(self, user: str = "admin", groups: Iterable[str] = ("system:masters",)) -> AppTransport:
        """A transport of its own for a daemon."""
        return _Line(self, user, groups)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests.append((scope["method"], scope["path"]))
        await self.server.app(scope, receive, send)

    def run(self, daemon: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
        """Run a daemon until the test ends or `kill`s it."""
        task = asyncio.ensure_future(_call(daemon))
        self._daemons.append(task)
        return task

    async def kill(self, task: asyncio.Task[Any]) -> None:
        """End a daemon as a crash does: nothing more is written."""
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._daemons.remove(task)

    async def stop(self) -> None:
        """End every daemon."""
        for task in list(self._daemons):
            await self.kill(task)

    def writes(self) -> list[tuple[str, str]]:
        """The requests so far that may have changed something."""
        return [r for r in self.requests if r[0] != "GET"]

    async def settle(self) -> None:
        """Let everything run that can without time passing; raises what a daemon failed with."""
        await settle()
        for task in self._daemons:
            if task.done():
                task.result()

    async def advance(self, duration: float | str) -> None:
        """Move time on."""
        await self.clock.advance(duration)
        await self.settle()

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        """An object, or None."""
        try:
            return await self.client.get(resource, name, namespace)
        except errors.NotFound:
            return None

    async def add_node(self, name: str, *, ready: str = "True", **spec: Any) -> Object:
        """A Node with 4 CPUs, 8 GiB and room for 110 Pods."""
        labels = {"kubernetes.io/hostname": name, **spec.pop("labels", {})}
        capacity = spec.pop("capacity", {"cpu": "4", "memory": "8Gi", "pods": "110"})
        made = await self.client.create(
            NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec}
        )
        status: Object = {"capacity": capacity, "allocatable": capacity}
        if ready:
            status["conditions"] = [{"type": "Ready", "status": ready, "reason": "KubeletReady", "message": "ready"}]
        made = await self.client.update(NODES, {**made, "status": status}, subresource="status")
        if ready == "True":  # what the node lifecycle controller does, where one runs
            taints = [t for t in made["spec"].get("taints") or () if t["key"] != NOT_READY]
            patch = {"spec": {"taints": taints or None}}
            made = await self.client.patch(NODES, name, "", patch, type="merge")
        return made

    async def add_pod(self, name: str, *, namespace: str = "default", cpu: str = "", **spec: Any) -> Object:
        """A Pod with one container; `cpu` is its request."""
        container: Object = {"name": "c", "image": "web:1"}
        if cpu:
            container["resources"] = {"requests": {"cpu": cpu}}
        metadata = {"namespace": namespace, "name": name, **spec.pop("metadata", {})}
        spec = {"containers": [container], **spec}
        return await self.client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    async def add_account(self, name: str, namespace: str = "default", **more: Any) -> Object:
        """A ServiceAccount, which a controller makes of itself where one runs."""
        metadata = {"namespace": namespace, "name": name}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, **more}
        return await self.client.create(SERVICEACCOUNTS, account)

    async def node_of(self, name: str, namespace: str = "default") -> str:
        """The Node of a Pod; empty while it has none."""
        pod = await self.client.get(PODS, name, namespace)
        return str(pod["spec"].get("nodeName") or "")

    async def set_status(self, resource: Resource, name: str, namespace: str, status: Object) -> Object:
        """Merge `status` into the object's status, as the daemon in charge of it does."""
        patch = {"status": status}
        return await self.client.patch(resource, name, namespace, patch, type="merge", subresource="status")


class _Line(AppTransport):
    def __init__(self, cluster: Cluster, user: str, groups: Iterable[str]) -> None:
        super().__init__(cluster.app, user=user, groups=tuple(groups))
        self._cluster = cluster

    async def request(self, method: str, path: str, **kwargs: Any) -> Response:
        if self._cluster.away:
            raise errors.ServiceUnavailable("connection refused")
        return await super().request(method, path, **kwargs)


async def _call(daemon: Callable[[], Awaitable[Any]]) -> Any:
    return await daemon()


@cache
def signing_key() -> str:
    """A file with the key that signs the tokens of all clusters of this process."""
    directory = tempfile.mkdtemp(prefix="minikube-py-sa-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = Path(directory) / "sa.key"
    path.write_bytes(key_pem(new_key()))
    return str(path)


def forget_signing_key() -> None:
    """Remove the key's file: a test worker ends without the interpreter's own clean-up."""
    if signing_key.cache_info().currsize:
        shutil.rmtree(Path(signing_key()).parent, ignore_errors=True)
        signing_key.cache_clear()


@asynccontextmanager
async def cluster(config: Config | None = None) -> AsyncIterator[Cluster]:
    """A fresh cluster without Nodes; `config` is the API server's.

    Its one ServiceAccount is the namespace default's, whose token is not mounted: a test that wants that makes its own.
    """
    config = config or Config(storage_backend="memory")
    if not config.service_account_signing_key_file:
        config = replace(config, service_account_signing_key_file=signing_key())
    clock = VirtualClock()
    store = MemoryStore(clock)
    async with named_group() as tasks, start(config, clock, tasks, store) as server:
        made = Cluster(server, clock)
        # The server loads its discovery in a thread when first asked, and virtual time waits for no thread.
        await made.client.raw("GET", "/apis")
        await made.add_account("default", automountServiceAccountToken=False)
        made.requests.clear()
        try:
            yield made
        finally:
            await made.stop()
