"""The whole cluster in one process: the daemons reach the API server in memory, clients over HTTPS."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from minikube_py.apiserver.config import Config
from minikube_py.cli import daemons, failures, processes, remembered
from minikube_py.cli.failures import Failed
from minikube_py.cli.layout import ALL_IN_ONE, DAEMONS, Layout
from minikube_py.cli.prepare import ensure_files, signing_files, with_own_certificates
from minikube_py.cli.probe import Cluster, check_engine
from minikube_py.client.transport import AppTransport, Transport
from minikube_py.daemon.clock import Clock, RealClock
from minikube_py.kubelet.config import KubeletConfig


def run(arguments: argparse.Namespace, layout: Layout, config: Config) -> int:
    """Run until a signal; the exit code."""
    from minikube_py.daemon.run import main

    others = [p for p in DAEMONS if processes.running(layout, p) is not None]
    if others:
        raise Failed(f"{', '.join(others)} runs already in the other mode: `minikube-py down` first")
    clock = RealClock()
    node = daemons.kubelet_config(arguments, layout, port=0)

    async def root() -> None:
        await serve(arguments, layout, config, node, clock)

    with processes.claimed(layout.pid_file(ALL_IN_ONE)):
        return main(root, name=ALL_IN_ONE, expected=failures.expected)


async def serve(
    arguments: argparse.Namespace, layout: Layout, config: Config, node: KubeletConfig, clock: Clock
) -> None:
    """All daemons as tasks of one group, until cancelled."""
    from minikube_py.apiserver.main import start
    from minikube_py.apiserver.server import Server, tls_context
    from minikube_py.controller_manager import main as controller_manager
    from minikube_py.controller_manager.config import ControllerManagerConfig
    from minikube_py.daemon.run import named_group
    from minikube_py.kubelet import main as kubelet
    from minikube_py.scheduler import main as scheduler
    from minikube_py.scheduler.config import SchedulerConfig

    await check_engine(node, clock)
    config = with_own_certificates(config, ensure_files(layout, config, node=node.node_name(), kubelet_ip=node.node_ip))
    remembered.keep(layout, arguments, processes=(ALL_IN_ONE,), node=node.node_name())
    began = clock.now()
    tls = tls_context(config.tls_cert_file, config.tls_private_key_file, config.client_ca_file)
    signing_cert, signing_key = signing_files(layout.root / "pki")
    authority = ControllerManagerConfig(
        root_ca_file=config.client_ca_file,
        service_account_private_key_file=str(layout.root / "pki" / "sa.key"),
        cluster_signing_cert_file=signing_cert,
        cluster_signing_key_file=signing_key,
    )
    async with named_group() as tasks, start(config, clock, tasks) as api:

        def as_user(user: str, *groups: str) -> Transport:
            return AppTransport(api.app, user=user, groups=groups)

        running: dict[str, Callable[[], Awaitable[None]]] = {
            "scheduler": lambda: scheduler.run(SchedulerConfig(), clock, as_user("system:kube-scheduler")),
            "controller-manager": lambda: controller_manager.run(
                authority, clock, as_user("system:kube-controller-manager")
            ),
            "kubelet": lambda: kubelet.run(node, clock, as_user(f"system:node:{node.node_name()}", "system:nodes")),
        }
        for name, function in running.items():
            tasks.start(name, function)
        tasks.spawn("ready", _tell(layout, node.node_name(), arguments.wait, began, clock))
        listener = Server(api.app, host=config.bind_address, port=config.secure_port, tls=tls)
        await listener.serve_until_cancelled(asyncio.Event(), then=api.shell.load)


async def _tell(layout: Layout, node: str, seconds: float, since: datetime, clock: Clock) -> None:
    """Print when the node is Ready."""
    async with Cluster(layout, clock) as cluster:
        if await cluster.wait_node(node, seconds, since=since):
            print(f"node {node} is Ready at {cluster.server}; KUBECONFIG={layout.admin_conf}", flush=True)
