"""The API server's process: store, caches, registries, application, TLS server."""

from __future__ import annotations

import asyncio
import gc
import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from minikube_py import KUBERNETES_VERSION
from minikube_py.api.resources import NODES, PODS
from minikube_py.apiserver import bootstrap
from minikube_py.apiserver.admission import Admission, plugins
from minikube_py.apiserver.allocators import Allocators
from minikube_py.apiserver.app import Gate, ResourceApp, Shell
from minikube_py.apiserver.auth.authentication import Authentication, TokenFile
from minikube_py.apiserver.auth.authorization import AlwaysAllow, Authorization
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.http import App
from minikube_py.apiserver.kinds import KINDS
from minikube_py.apiserver.observe import Observer
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.resources import Resources, SubresourceHandler
from minikube_py.apiserver.storage import Storage
from minikube_py.apiserver.subresources import finalize
from minikube_py.apiserver.subresources.binding import Binding
from minikube_py.apiserver.subresources.kubelets import Kubelets
from minikube_py.apiserver.subresources.log import LogProxy
from minikube_py.apiserver.subresources.node_bound import NodeBound, kubelet_tls
from minikube_py.apiserver.subresources.streaming import StreamProxy
from minikube_py.apiserver.virtual import Virtuals
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.health import Health
from minikube_py.daemon.metrics import Registry as Metrics
from minikube_py.daemon.run import NamedGroup, named_group
from minikube_py.store.base import Store
from minikube_py.store.open import TLSFiles, open_store

log = logs.get("apiserver")


@dataclass(frozen=True)
class APIServer:
    """A running API server: the application (for in-process clients) and its parts."""

    app: App
    shell: Shell
    storage: Storage
    catalog: Catalog
    health: Health


@asynccontextmanager
async def start(
    config: Config, clock: Clock, tasks: NamedGroup, store: Store | None = None
) -> AsyncIterator[APIServer]:
    """The API server without a listener: its caches are loaded and the first objects are there on entry.

    The store is opened by the configuration unless one is handed in; who opened it closes it.
    """
    opened = store or await _open(config, clock)
    kubelets = Kubelets(kubelet_tls(config))
    try:
        server = await _assemble(config, clock, opened, kubelets)
        running = [
            tasks.start("storage", server.storage.run),
            tasks.start("compaction", server.storage.compact_old_history),
        ]
        await server.storage.loaded.wait()
        parts = bootstrap.Server(config, server.storage, server.catalog, clock, tasks)
        for hook in bootstrap.HOOKS:
            await hook.run(parts)
            if hook.missing is not None:
                server.health.add(f"poststarthook/{hook.name}", partial(hook.missing, parts), ("healthz", "readyz"))
        try:
            yield server
        finally:
            for task in running:
                task.cancel()
    finally:
        await kubelets.close()
        if store is None:
            await opened.close()


async def run(config: Config, clock: Clock, ready: asyncio.Event | None = None) -> None:
    """Serve until cancelled. `ready` is set once requests are answered. Raises OSError, ValueError, Unavailable."""
    from minikube_py.apiserver.server import Server, tls_context

    tls = None
    if config.tls_cert_file:
        tls = tls_context(config.tls_cert_file, config.tls_private_key_file, config.client_ca_file)
    async with named_group() as tasks, start(config, clock, tasks) as server:
        _calm_the_collector()
        listener = Server(server.app, host=config.bind_address, port=config.secure_port, tls=tls)
        await listener.serve_until_cancelled(ready or asyncio.Event(), then=server.shell.load)


def _calm_the_collector() -> None:
    """Have the cycle collector look seldom, and never at what was there at the start.

    Nearly nothing here is cyclic garbage, while every decoded object sets the collector off: measured, it took about a
    twentieth of the time of a write.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _open(config: Config, clock: Clock) -> Store:
    tls = None
    if config.etcd_cafile or config.etcd_certfile:
        tls = TLSFiles(config.etcd_cafile, config.etcd_certfile, config.etcd_keyfile)
    sqlite = config.storage_backend == "sqlite"
    return await open_store(
        config.storage_backend, clock=clock, path=config.storage_path if sqlite else "", servers=config.etcd_servers,
        prefix=config.etcd_prefix, tls=tls,
    )  # fmt: skip


async def _assemble(config: Config, clock: Clock, store: Store, kubelets: Kubelets) -> APIServer:
    storage = Storage(store, KINDS, clock)
    catalog = Catalog()
    admission = Admission(plugins(config, storage, catalog, clock))
    allocators = Allocators(config.service_cluster_ip_range, config.service_node_port_range)
    for kind in KINDS:
        catalog.add(Registry(kind, storage, admission, clock, allocators))
    authorization = Authorization([AlwaysAllow()])
    pods, nodes = catalog.of(PODS), catalog.of(NODES)
    binding = Binding(clock)
    special: dict[tuple[str, str], SubresourceHandler] = {
        ("pods", "binding"): binding.serve,
        ("namespaces", "finalize"): finalize.serve,
        ("pods", "log"): NodeBound(nodes, LogProxy(kubelets), ("GET",)).serve,
        ("pods", "exec"): NodeBound(nodes, StreamProxy(kubelets, "exec"), ("GET", "POST")).serve,
        ("pods", "attach"): NodeBound(nodes, StreamProxy(kubelets, "attach"), ("GET", "POST")).serve,
    }
    resources = Resources(catalog, storage, clock, authorization, special)
    health, metrics = Health(), Metrics()
    health.add("etcd", storage.check)
    tokens = TokenFile.load(config.token_auth_file) if config.token_auth_file else None
    virtuals = Virtuals(pods, binding, authorization)

    def documents() -> App:
        from minikube_py.apiserver.documents import build

        return build(catalog, virtuals.listed, metrics, version())

    shell = Shell(documents)
    gate = Gate(
        shell, ResourceApp(resources, virtuals, authorization), health, Authentication(authorization, tokens),
        authorization, Observer(metrics, clock),
    )  # fmt: skip
    return APIServer(gate, shell, storage, catalog, health)


def version() -> dict[str, str]:
    """What /version answers, in the words of apimachinery's version.Info."""
    major, minor = KUBERNETES_VERSION.lstrip("v").split(".")[:2]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "gitVersion": KUBERNETES_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": "cpython",
        "platform": f"linux/{machine}",
    }
