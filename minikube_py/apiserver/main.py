"""The API server's process: store, caches, registries, application, TLS server."""

from __future__ import annotations

import asyncio
import gc
import platform
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from minikube_py import KUBERNETES_VERSION
from minikube_py.api.resources import PODS
from minikube_py.apiserver import bootstrap, subresources
from minikube_py.apiserver.admission import Admission, plugins
from minikube_py.apiserver.allocators import Allocators
from minikube_py.apiserver.app import Gate, ResourceApp, Shell
from minikube_py.apiserver.auth.authentication import Authentication
from minikube_py.apiserver.auth.identities import Identities, identities
from minikube_py.apiserver.auth.modes import authorizers
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.componentstatus import ComponentStatuses
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.flow import Flow
from minikube_py.apiserver.http import App
from minikube_py.apiserver.kinds import KINDS
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.metrics_api import MetricsApi
from minikube_py.apiserver.observe import Observer
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.resources import Resources
from minikube_py.apiserver.storage import Storage
from minikube_py.apiserver.subresources.binding import Binding
from minikube_py.apiserver.subresources.kubelets import Kubelets
from minikube_py.apiserver.subresources.node_bound import kubelet_tls
from minikube_py.apiserver.subresources.token import TokenRequests
from minikube_py.apiserver.virtual import Virtuals
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.health import Health
from minikube_py.daemon.metrics import Registry as Metrics
from minikube_py.daemon.run import NamedGroup, named_group
from minikube_py.store.base import Store
from minikube_py.store.open import TLSFiles, open_store

if TYPE_CHECKING:
    from minikube_py.apiserver.audit import Auditor

log = logs.get("apiserver")


@dataclass(frozen=True)
class APIServer:
    """A running API server: the application (for in-process clients) and its parts."""

    app: App
    shell: Shell
    storage: Storage
    catalog: Catalog
    health: Health
    identities: Identities


@asynccontextmanager
async def start(
    config: Config, clock: Clock, tasks: NamedGroup, store: Store | None = None
) -> AsyncIterator[APIServer]:
    """The API server without a listener: its caches are loaded and the first objects are there on entry.

    The store is opened by the configuration unless one is handed in; who opened it closes it.
    """
    opened = store or await _open(config, clock)
    kubelets = Kubelets(kubelet_tls(config))
    auditor = None
    try:
        auditor = _auditor(config, clock)
        kept, stale = _kept(config, opened)
        server = await _assemble(config, clock, kept, stale, kubelets, auditor)
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
            for last in parts.at_stop:
                await last()
            for task in (*running, *parts.running):
                task.cancel()
            await server.identities.close()
    finally:
        await kubelets.close()
        if auditor is not None:
            auditor.close()
        if store is None:
            await opened.close()


async def run(config: Config, clock: Clock, ready: asyncio.Event | None = None) -> None:
    """Serve until cancelled. `ready` is set once requests are answered. Raises OSError, ValueError, Unavailable."""
    from minikube_py.apiserver.server import Server, tls_context

    tls = None
    if config.tls_cert_file:
        tls = tls_context(config.tls_cert_file, config.tls_private_key_file, config.client_ca_file)
    gc.disable()
    try:
        async with named_group() as tasks, start(config, clock, tasks) as server:
            _calm_the_collector()
            listener = Server(server.app, host=config.bind_address, port=config.secure_port, tls=tls)
            await listener.serve_until_cancelled(ready or asyncio.Event(), then=server.shell.load)
    finally:
        gc.enable()


def _calm_the_collector() -> None:
    """Have the cycle collector look seldom, and never at what was there at the start.

    Nearly nothing here is cyclic garbage, while every decoded object sets the collector off: measured, it took about a
    twentieth of the time of a write. What the start has made is not even looked at once: of 100,000 objects 1,500 are
    garbage, and finding them takes as long as a tenth of the start.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


async def _open(config: Config, clock: Clock) -> Store:
    tls = None
    if config.etcd_cafile or config.etcd_certfile:
        tls = TLSFiles(config.etcd_cafile, config.etcd_certfile, config.etcd_keyfile)
    sqlite = config.storage_backend == "sqlite"
    return await open_store(
        config.storage_backend, clock=clock, path=config.storage_path if sqlite else "", servers=config.etcd_servers,
        prefix=config.etcd_prefix, tls=tls,
    )  # fmt: skip


def _kinds(config: Config) -> list[Kind]:
    """The built-in kinds, those that the store forgets by itself (Events) after the configured time."""
    seconds = int(config.event_ttl)
    return [kind if kind.ttl is None else replace(kind, ttl=lambda obj: seconds) for kind in KINDS]


def _auditor(config: Config, clock: Clock) -> Auditor | None:
    """What writes the audit log, where one is configured. Raises ValueError, OSError for the files."""
    if not config.audit_policy_file:
        if config.audit_log_path:
            raise ValueError("--audit-log-path needs --audit-policy-file beside it, which says what is written")
        return None
    if not config.audit_log_path:
        raise ValueError("--audit-policy-file needs --audit-log-path beside it, which says where to write")
    from minikube_py.apiserver.audit import AuditLog, Auditor, Policy

    log = AuditLog(
        config.audit_log_path, clock, max_size=config.audit_log_maxsize, max_backups=config.audit_log_maxbackup,
        max_age=config.audit_log_maxage,
    )  # fmt: skip
    return Auditor(Policy.load(config.audit_policy_file), log, clock)


def _kept(config: Config, store: Store) -> tuple[Store, Callable[[str], bool]]:
    """The store with encryption in front of it where that is configured, and which keys it wants to write again.

    Raises ValueError, OSError for the configuration's file.
    """
    if not config.encryption_provider_config:
        return store, lambda key: False
    from minikube_py.apiserver.encryption import encrypted

    core = frozenset(kind.resource.plural for kind in KINDS if not kind.resource.group)
    opened = encrypted(store, config.encryption_provider_config, core)
    return opened, opened.stale


async def _assemble(
    config: Config,
    clock: Clock,
    store: Store,
    stale: Callable[[str], bool],
    kubelets: Kubelets,
    auditor: Auditor | None,
) -> APIServer:
    kinds = _kinds(config)
    storage = Storage(store, kinds, clock, stale)
    catalog = Catalog()
    authorization, rbac = authorizers(config, storage)
    admission = Admission(plugins(config, storage, catalog, clock, authorization, rbac))
    allocators = Allocators(config.service_cluster_ip_range, config.service_node_port_range)
    for kind in kinds:
        catalog.add(Registry(kind, storage, admission, clock, allocators))
    pods = catalog.of(PODS)
    binding = Binding(clock)
    special = subresources.handlers(catalog, clock, binding, kubelets)
    known = identities(config, storage, clock)
    token = TokenRequests(
        known.issuer, known.audiences, admission, catalog, clock,
        max_seconds=config.service_account_max_token_expiration,
        extend=config.service_account_extend_token_expiration,
    )  # fmt: skip
    special = {**special, ("serviceaccounts", "token"): token.serve}
    resources = Resources(catalog, storage, clock, authorization, special)
    health, metrics = Health(), Metrics()
    health.add("etcd", storage.check)
    components = ComponentStatuses(catalog, clock, storage.check, authorization)
    used = MetricsApi(catalog, clock, kubelets, authorization)
    virtuals = Virtuals(pods, binding, authorization, known.tokens, components, used)

    def documents() -> App:
        from minikube_py.apiserver.documents import build

        return build(catalog, virtuals.listed, metrics, version(), known.documents)

    shell = Shell(documents)
    authentication = Authentication(authorization, known.tokens, anonymous=config.anonymous_auth)
    gate = Gate(
        shell, ResourceApp(resources, virtuals, authorization), health, authentication,
        authorization, Observer(metrics, clock),
        Flow(clock, config.max_requests_inflight, config.max_mutating_requests_inflight), auditor,
    )  # fmt: skip
    return APIServer(gate, shell, storage, catalog, health, known)


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
