"""The daemons as subcommands."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from minikube_py.cli import failures, flags, processes
from minikube_py.cli.layout import Layout, default_data_dir
from minikube_py.daemon.clock import Clock, RealClock

if TYPE_CHECKING:
    from minikube_py.apiserver.config import Config
    from minikube_py.kubelet.config import KubeletConfig


def add_daemons(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The four daemon subcommands."""
    parser = commands.add_parser("apiserver", help="the API server", allow_abbrev=False)
    flags.add_common(parser, kubeconfig=False)
    flags.add_pid_file(parser)
    flags.add_listen(parser)
    flags.add_authorization(parser)
    flags.add_admission(parser)
    flags.add_storage(parser)
    flags.add_protection(parser)
    flags.add_authentication(parser)
    for flag in ("tls-cert-file", "tls-private-key-file", "client-ca-file", "kubelet-certificate-authority",
                 "kubelet-client-certificate", "kubelet-client-key"):  # fmt: skip
        parser.add_argument(f"--{flag}", type=flags.path, default="", metavar="FILE")
    parser.set_defaults(daemon=apiserver)
    parser = commands.add_parser("scheduler", help="assigns Pods to Nodes", allow_abbrev=False)
    flags.add_common(parser)
    flags.add_pid_file(parser)
    flags.add_elect(parser)
    parser.add_argument("--scheduler-name", default="default-scheduler", metavar="NAME")
    parser.set_defaults(daemon=scheduler)
    parser = commands.add_parser("controller-manager", help="runs the controllers", allow_abbrev=False)
    flags.add_common(parser)
    flags.add_pid_file(parser)
    flags.add_elect(parser)
    parser.add_argument("--controllers", default="*", metavar="LIST", help="* for all, name, -name; comma-separated")
    parser.add_argument("--root-ca-file", type=flags.path, default="", metavar="FILE",
                        help="published as kube-root-ca.crt in every namespace")  # fmt: skip
    parser.add_argument("--service-account-private-key-file", type=flags.path, default="", metavar="FILE",
                        help="signs the tokens of token Secrets (default: DIR's sa.key)")  # fmt: skip
    parser.add_argument("--cluster-signing-cert-file", type=flags.path, default="", metavar="FILE",
                        help="the CA that issues what CertificateSigningRequests ask for")  # fmt: skip
    parser.add_argument("--cluster-signing-key-file", type=flags.path, default="", metavar="FILE", help="its key")
    parser.add_argument("--cluster-signing-duration", type=flags.seconds, default=365 * 86400.0, metavar="DURATION",
                        help="how long such a certificate is valid at most")  # fmt: skip
    parser.add_argument("--node-monitor-grace-period", type=flags.seconds, default=40.0, metavar="DURATION")
    parser.set_defaults(daemon=controller_manager)
    parser = commands.add_parser("kubelet", help="runs the Pods of this Node", allow_abbrev=False)
    flags.add_common(parser)
    flags.add_pid_file(parser)
    flags.add_kubelet(parser)
    parser.add_argument("--address", type=flags.address, default="0.0.0.0", metavar="IP",
                        help="the address that the kubelet's own server listens on")  # fmt: skip
    parser.add_argument("--port", type=flags.any_port, default=10250, metavar="N",
                        help="the kubelet's own HTTPS port, 0 for any")  # fmt: skip
    for flag in ("tls-cert-file", "tls-private-key-file", "client-ca-file"):
        parser.add_argument(f"--{flag}", type=flags.path, default="", metavar="FILE")
    parser.set_defaults(daemon=kubelet)


def run_daemon(arguments: argparse.Namespace) -> int:
    """Run one daemon until a signal ends it; the exit code."""
    from minikube_py.daemon.run import main

    clock = RealClock()
    start: Callable[[argparse.Namespace, Clock], Awaitable[None]] = arguments.daemon

    async def root() -> None:
        await start(arguments, clock)

    if not arguments.pid_file:
        return main(root, name=arguments.command, expected=failures.expected)
    with processes.claimed(Path(arguments.pid_file)):
        return main(root, name=arguments.command, expected=failures.expected)


def layout_of(arguments: argparse.Namespace) -> Layout:
    """The data directory that the flags mean."""
    return Layout.at(arguments.data_dir or default_data_dir())


async def apiserver(arguments: argparse.Namespace, clock: Clock) -> None:
    """Serve the API until cancelled."""
    from minikube_py.apiserver.main import run
    from minikube_py.cli.prepare import ensure_files, with_own_certificates

    layout = layout_of(arguments)
    config = api_config(arguments, layout)
    layout.make()
    await run(with_own_certificates(config, ensure_files(layout, config)), clock)


def api_config(arguments: argparse.Namespace, layout: Layout) -> Config:
    """The API server's configuration from the flags."""
    from minikube_py.apiserver.config import Config
    from minikube_py.cli.prepare import split_list

    said = {field.name: getattr(arguments, field.name) for field in fields(Config) if hasattr(arguments, field.name)}
    for name in ("etcd_servers", "authorization_mode", "authorization_always_allow_paths"):
        said[name] = split_list(getattr(arguments, name))
    for name, value in said.items():
        said[name] = tuple(value) if isinstance(value, list) else value
    return Config(storage_path=str(layout.database), **said)


async def scheduler(arguments: argparse.Namespace, clock: Clock) -> None:
    """Schedule until cancelled."""
    from minikube_py.scheduler.config import SchedulerConfig
    from minikube_py.scheduler.main import run

    config = SchedulerConfig(scheduler_name=arguments.scheduler_name, leader_elect=arguments.leader_elect)
    await _connected(arguments, "scheduler", clock, lambda transport: run(config, clock, transport))


async def controller_manager(arguments: argparse.Namespace, clock: Clock) -> None:
    """Run the controllers until cancelled."""
    from minikube_py.cli.prepare import signing_files, split_list
    from minikube_py.controller_manager.config import ControllerManagerConfig
    from minikube_py.controller_manager.main import run

    authority = layout_of(arguments).root / "pki" / "ca.crt"
    account_key = authority.parent / "sa.key"
    signing_cert, signing_key = signing_files(
        authority.parent, arguments.cluster_signing_cert_file, arguments.cluster_signing_key_file
    )
    config = ControllerManagerConfig(
        controllers=split_list(arguments.controllers),
        leader_elect=arguments.leader_elect,
        root_ca_file=arguments.root_ca_file or (str(authority) if authority.exists() else ""),
        service_account_private_key_file=arguments.service_account_private_key_file
        or (str(account_key) if account_key.exists() else ""),
        cluster_signing_cert_file=signing_cert,
        cluster_signing_key_file=signing_key,
        cluster_signing_duration=arguments.cluster_signing_duration,
        node_monitor_grace_period=arguments.node_monitor_grace_period,
    )
    await _connected(arguments, "controller-manager", clock, lambda transport: run(config, clock, transport))


async def kubelet(arguments: argparse.Namespace, clock: Clock) -> None:
    """Run this Node's Pods until cancelled; they live on."""
    from minikube_py.cli.prepare import ensure_kubelet_files
    from minikube_py.client import kubeconfig
    from minikube_py.kubelet.main import run

    layout = layout_of(arguments)
    config = replace(kubelet_config(arguments, layout, port=arguments.port), address=arguments.address)
    if not arguments.tls_cert_file:
        known = kubeconfig.load(arguments.kubeconfig or str(layout.kubeconfig("kubelet")))
        ensure_kubelet_files(layout, config.node_name(), config.node_ip, known.ca_pem)
    await _connected(arguments, "kubelet", clock, lambda transport: run(config, clock, transport))


def kubelet_config(arguments: argparse.Namespace, layout: Layout, *, port: int) -> KubeletConfig:
    """The kubelet's configuration from the flags; its certificates are the data directory's unless named.

    Raises ValueError when the Node cannot have its name.
    """
    from minikube_py.api.names import dns1123_subdomain
    from minikube_py.cli.layout import node_address
    from minikube_py.cli.prepare import split_pairs
    from minikube_py.daemon import pki
    from minikube_py.kubelet.config import KubeletConfig

    config = KubeletConfig(
        root_dir=str(layout.kubelet_root),
        hostname_override=arguments.hostname_override,
        instance_id=layout.instance,
        node_ip=arguments.node_ip or node_address(),
        port=port,
        container_runtime=arguments.container_runtime,
        container_runtime_endpoint=arguments.container_runtime_endpoint,
        pod_infra_container_image=arguments.pod_infra_container_image,
        node_labels=split_pairs(arguments.node_labels),
        max_pods=arguments.max_pods,
    )
    if problems := dns1123_subdomain(config.node_name()):
        raise ValueError(f"the Node cannot be named {config.node_name()!r} (see --hostname-override): {problems[0]}")
    made = pki.ClusterPki(layout.root / "pki")
    serving = pki.kubelet_serving(config.node_name(), (), ())

    def chosen(flag: str, own: Path) -> str:
        return getattr(arguments, flag, "") or str(own)

    return replace(
        config,
        tls_cert_file=chosen("tls_cert_file", made.cert(serving)),
        tls_private_key_file=chosen("tls_private_key_file", made.key(serving)),
        client_ca_file=chosen("client_ca_file", made.cert("ca")),
    )


async def _connected(
    arguments: argparse.Namespace, name: str, clock: Clock, run: Callable[..., Awaitable[None]]
) -> None:
    from minikube_py.client import kubeconfig

    path = arguments.kubeconfig or str(layout_of(arguments).kubeconfig(name))
    transport = kubeconfig.load(path).transport(clock=clock)
    try:
        await run(transport)
    finally:
        await transport.close()
