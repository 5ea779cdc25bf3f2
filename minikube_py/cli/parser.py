"""The command line: parses, configures the log, runs the chosen subcommand, turns known failures into one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from minikube_py import KUBERNETES_VERSION, __version__
from minikube_py.cli import daemons, failures, flags
from minikube_py.daemon import logs


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="minikube-py", description="Kubernetes as a set of small Python daemons.", allow_abbrev=False
    )
    parser.add_argument(
        "--version", action="version", version=f"minikube-py {__version__} (Kubernetes {KUBERNETES_VERSION})"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser(
        "up", help="start a cluster on this machine and wait until its node is Ready", allow_abbrev=False,
        description="Start what does not run of a cluster, and wait until its node is Ready. Flags that are not given "
        "keep the values with which the cluster was started before.",
    )  # fmt: skip
    add_up(up)
    down = commands.add_parser(
        "down", help="stop the cluster and remove its containers, mounts and processes", allow_abbrev=False
    )
    flags.add_common(down, kubeconfig=False)
    down.add_argument("--delete-data", action="store_true", help="remove the data directory too: every object is lost")
    status = commands.add_parser(
        "status", help="show which daemons run and whether the cluster is healthy", allow_abbrev=False,
        description="Show which daemons run, and the nodes. The exit code is 0 when all is well, 1 otherwise.",
    )  # fmt: skip
    flags.add_common(status, kubeconfig=False)
    status.add_argument("-o", "--output", default="text", choices=("text", "json"))
    daemons.add_daemons(commands)
    return parser


def add_up(parser: argparse.ArgumentParser) -> None:
    """The flags of `up`."""
    flags.add_common(parser, kubeconfig=False)
    flags.add_listen(parser)
    flags.add_authorization(parser)
    flags.add_admission(parser)
    flags.add_storage(parser)
    flags.add_kubelet(parser)
    parser.add_argument("--single-process", action=argparse.BooleanOptionalAction, default=False,
                        help="all daemons in one process")  # fmt: skip
    parser.add_argument("--foreground", action="store_true",
                        help="stay, and stop the cluster's processes when this command is stopped")  # fmt: skip
    parser.add_argument("--wait", type=flags.seconds, default=120.0, metavar="DURATION",
                        help="how long to wait for the node")  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    parser = build_parser()
    arguments = parser.parse_args(given)
    try:
        if arguments.command == "up":
            from minikube_py.cli import remembered

            remembered.fill_in(arguments, given)
        if problem := _contradiction(arguments):
            parser.error(problem)
        _configure_log(arguments)
        return _run(arguments)
    except KeyboardInterrupt:
        return 130
    except ValueError as error:
        print(f"minikube-py {arguments.command}: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if not failures.expected(error):
            raise
        print(f"minikube-py {arguments.command}: {error}", file=sys.stderr)
        return 1


def _contradiction(arguments: argparse.Namespace) -> str:
    """What is wrong with flags that are right one by one."""
    backend = getattr(arguments, "storage_backend", "")
    if backend == "etcd3" and not arguments.etcd_servers:
        return "--storage-backend etcd3 needs --etcd-servers"
    if backend and backend != "etcd3":
        for flag in ("etcd_servers", "etcd_prefix", "etcd_cafile", "etcd_certfile", "etcd_keyfile"):
            if getattr(arguments, flag):
                return f"--{flag.replace('_', '-')} is for --storage-backend etcd3, not for {backend}"
    for one, other in (("etcd_certfile", "etcd_keyfile"), ("tls_cert_file", "tls_private_key_file"),
                       ("kubelet_client_certificate", "kubelet_client_key")):  # fmt: skip
        if bool(getattr(arguments, one, "")) != bool(getattr(arguments, other, "")):
            return f"--{one.replace('_', '-')} and --{other.replace('_', '-')} go together"
    return ""


def _configure_log(arguments: argparse.Namespace) -> None:
    """Daemons tell what they do; the other commands print their own progress."""
    quiet = arguments.command in ("up", "down", "status") and not (
        arguments.command == "up" and arguments.single_process and arguments.foreground
    )
    logs.configure(arguments.verbosity or ("warning" if quiet else "info"), arguments.logging_format)


def _run(arguments: argparse.Namespace) -> int:
    if hasattr(arguments, "daemon"):
        return daemons.run_daemon(arguments)
    if arguments.command == "up":
        from minikube_py.cli import up

        return up.run(arguments)
    if arguments.command == "down":
        from minikube_py.cli import down

        return down.run(arguments)
    from minikube_py.cli import status

    return status.run(arguments)
