"""The flags that several subcommands share, named like Kubernetes' own where it has them, and their values."""

from __future__ import annotations

import argparse
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from minikube_py.cli.layout import PAUSE_IMAGE

Parser = argparse.ArgumentParser


def add_common(parser: Parser, *, kubeconfig: bool = True) -> None:
    """What every subcommand has."""
    parser.add_argument("--data-dir", default="", metavar="DIR",
                        help="everything that the command writes is below this")  # fmt: skip
    if kubeconfig:
        parser.add_argument("--kubeconfig", type=path, default="", metavar="FILE",
                            help="how to reach the API server (default: DIR's)")  # fmt: skip
    parser.add_argument("-v", "--v", "--verbosity", dest="verbosity", type=verbosity, default="", metavar="LEVEL",
                        help="debug, info, warning, error, or a number as Kubernetes has (4: debug)")  # fmt: skip
    parser.add_argument("--logging-format", default="text", choices=("text", "json"), help="text or json")


def add_pid_file(parser: Parser) -> None:
    """What daemons have."""
    parser.add_argument("--pid-file", type=path, default="", metavar="FILE",
                        help="where to write the process id; one process per file")  # fmt: skip


def add_storage(parser: Parser) -> None:
    """Where the API server keeps objects."""
    parser.add_argument("--storage-backend", default="sqlite", choices=("sqlite", "memory", "etcd3"),
                        help="where objects are kept")  # fmt: skip
    parser.add_argument("--etcd-servers", default="", metavar="URLS",
                        help="comma-separated, for --storage-backend etcd3")  # fmt: skip
    parser.add_argument("--etcd-prefix", default="", metavar="PREFIX", help="what etcd's keys start with")
    for name in ("cafile", "certfile", "keyfile"):
        parser.add_argument(f"--etcd-{name}", type=path, default="", metavar="FILE")


def add_protection(parser: Parser) -> None:
    """What is kept secret, what is written down, and how much is served at once."""
    parser.add_argument("--encryption-provider-config", type=path, default="", metavar="FILE",
                        help="which resources are kept encrypted, and with which keys")  # fmt: skip
    parser.add_argument("--audit-policy-file", type=path, default="", metavar="FILE",
                        help="what is written down of which requests")  # fmt: skip
    parser.add_argument("--audit-log-path", type=audit_path, default="", metavar="FILE",
                        help="where to; - is standard output")  # fmt: skip
    parser.add_argument("--audit-log-maxsize", type=count, default=100, metavar="MB",
                        help="the size at which the audit log is moved aside")  # fmt: skip
    parser.add_argument("--audit-log-maxbackup", type=number, default=0, metavar="N",
                        help="how many old audit logs are kept, 0: all")  # fmt: skip
    parser.add_argument("--audit-log-maxage", type=number, default=0, metavar="DAYS",
                        help="how long old audit logs are kept, 0: for ever")  # fmt: skip
    parser.add_argument("--max-requests-inflight", type=number, default=400, metavar="N",
                        help="reads answered at once, 0: no limit")  # fmt: skip
    parser.add_argument("--max-mutating-requests-inflight", type=number, default=200, metavar="N",
                        help="writes under way at once, 0: no limit")  # fmt: skip
    parser.add_argument("--event-ttl", type=seconds, default=3600.0, metavar="DURATION",
                        help="how long Events are kept")  # fmt: skip


def add_authentication(parser: Parser) -> None:
    """Who clients are taken for."""
    parser.add_argument("--anonymous-auth", type=boolean, default=True, nargs="?", const=True, metavar="BOOL",
                        help="serve requests without credentials, as system:anonymous")  # fmt: skip
    parser.add_argument("--enable-bootstrap-token-auth", type=boolean, default=False, nargs="?", const=True,
                        metavar="BOOL", help="let bootstrap tokens of kube-system identify their users")  # fmt: skip
    add = parser.add_argument_group("ServiceAccount tokens").add_argument
    add("--service-account-signing-key-file", type=path, default="", metavar="FILE",
        help="the private key that signs tokens (default: DIR's)")  # fmt: skip
    add("--service-account-key-file", type=paths, action=_Strings, default=[], metavar="FILE",
        help="keys that tokens are verified with, may be given several times (default: DIR's)")  # fmt: skip
    add("--service-account-issuer", type=word, action=_Strings, metavar="ISSUER",
        default=["https://kubernetes.default.svc.cluster.local"],
        help="the issuer of tokens; may be given several times: the others are accepted")  # fmt: skip
    add("--service-account-jwks-uri", default="", metavar="URL", help="where the issuer's document says its keys are")
    add("--service-account-max-token-expiration", type=seconds, default=0.0, metavar="DURATION",
        help="the longest life of a token, 0: any")  # fmt: skip
    add("--service-account-extend-token-expiration", type=boolean, default=True, nargs="?", const=True, metavar="BOOL",
        help="let Pods' tokens be good for longer than they say")  # fmt: skip
    add("--api-audiences", type=words, action=_Strings, default=[], metavar="LIST",
        help="the audiences of tokens that are meant for this server (default: the issuers)")  # fmt: skip
    add = parser.add_argument_group("OpenID Connect").add_argument
    add("--oidc-issuer-url", default="", metavar="URL", help="whose ID tokens identify users")
    add("--oidc-client-id", default="", metavar="ID", help="the audience that those tokens must have")
    add("--oidc-username-claim", default="sub", metavar="CLAIM")
    add("--oidc-username-prefix", default="", metavar="TEXT",
        help="default: the issuer and #, except for email; -: none")  # fmt: skip
    add("--oidc-groups-claim", default="", metavar="CLAIM")
    add("--oidc-groups-prefix", default="", metavar="TEXT")
    add("--oidc-required-claim", type=word, action=_Strings, default=[], metavar="CLAIM=VALUE")
    add("--oidc-ca-file", type=path, default="", metavar="FILE", help="the authority of the issuer's certificate")
    add("--oidc-signing-algs", type=words, action=_Strings, default=["RS256"], metavar="LIST")


class _Strings(argparse.Action):
    """A flag that may be given several times; the first time replaces the default."""

    def __call__(self, parser: Parser, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        known = getattr(namespace, self.dest, self.default)
        setattr(namespace, self.dest, list(values) if known is self.default else [*known, *values])


def word(text: str) -> list[str]:
    return [text]


def words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def paths(text: str) -> list[str]:
    return [path(part) for part in words(text)]


def add_listen(parser: Parser) -> None:
    """Where the API server listens, and what it hands out."""
    parser.add_argument("--secure-port", type=port, default=6443, metavar="N", help="the HTTPS port")
    parser.add_argument("--bind-address", type=address, default="127.0.0.1", metavar="IP",
                        help="the address to listen on")  # fmt: skip
    parser.add_argument("--advertise-address", type=address, default="", metavar="IP",
                        help="the address that clients are told")  # fmt: skip
    parser.add_argument("--service-cluster-ip-range", type=cidr, default="10.96.0.0/12", metavar="CIDR")
    parser.add_argument("--service-node-port-range", type=port_range, default=(30000, 32767), metavar="A-B")
    parser.add_argument("--token-auth-file", type=path, default="", metavar="FILE",
                        help='static bearer tokens: token,user,uid,"groups"')  # fmt: skip


def add_authorization(parser: Parser) -> None:
    """Who may do what."""
    parser.add_argument("--authorization-mode", type=modes, default="Node,RBAC", metavar="LIST",
                        help="who decides, in this order: Node, RBAC, AlwaysAllow")  # fmt: skip
    parser.add_argument("--authorization-always-allow-paths", type=allowed_paths, default="/healthz,/readyz,/livez",
                        metavar="LIST", help="paths open to everybody; a trailing * is anything")  # fmt: skip


def add_admission(parser: Parser) -> None:
    """What writes have to pass."""
    for verb, what in (("enable", "admission plugins that must be on; all that are here are"),
                       ("disable", "admission plugins to leave out")):  # fmt: skip
        parser.add_argument(f"--{verb}-admission-plugins", type=admission_plugins, action=_Strings, default=[],
                            metavar="LIST", help=what)  # fmt: skip


def add_kubelet(parser: Parser) -> None:
    """What runs on the node."""
    parser.add_argument("--container-runtime", default="docker", choices=("docker", "fake"),
                        help="what runs the containers")  # fmt: skip
    parser.add_argument("--container-runtime-endpoint", type=endpoint, default="", metavar="URL",
                        help="the Docker Engine (default: $DOCKER_HOST or unix:///var/run/docker.sock)")  # fmt: skip
    parser.add_argument("--hostname-override", default="", metavar="NAME", help="the Node's name (default: the host's)")
    parser.add_argument("--node-ip", type=address, default="", metavar="IP",
                        help="the Node's address (default: the default route's)")  # fmt: skip
    parser.add_argument("--node-labels", type=pairs, action="append", default=[], metavar="K=V,..",
                        help="labels to register with")  # fmt: skip
    parser.add_argument("--max-pods", type=count, default=110, metavar="N")
    parser.add_argument("--pod-infra-container-image", default=PAUSE_IMAGE, metavar="IMAGE", help="the pause image")


def add_elect(parser: Parser) -> None:
    """Taking turns."""
    parser.add_argument("--leader-elect", type=boolean, default=False, nargs="?", const=True, metavar="BOOL",
                        help="take turns with other instances by a Lease")  # fmt: skip


# -- values: each raises ArgumentTypeError saying what is wrong


def port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1-65535)")
    return int(text)


def any_port(text: str) -> int:
    return 0 if text == "0" else port(text)


def port_range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    try:
        found = port(low), port(high)
    except argparse.ArgumentTypeError:
        found = (1, 0)
    if found[0] > found[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is not a range such as 30000-32767")
    return found


def modes(text: str) -> str:
    from minikube_py.apiserver.auth.authorization import check_modes

    wanted = [part.strip() for part in text.split(",") if part.strip()]
    try:
        check_modes(wanted)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return ",".join(wanted)


def allowed_paths(text: str) -> str:
    from minikube_py.apiserver.auth.authorization import AlwaysAllowPaths

    wanted = [part.strip() for part in text.split(",") if part.strip()]
    try:
        AlwaysAllowPaths(wanted)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return ",".join(wanted)


def admission_plugins(text: str) -> list[str]:
    from minikube_py.apiserver.admission.names import check

    wanted = words(text)
    try:
        check(wanted)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return wanted


def address(text: str) -> str:
    if not text:
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None


def cidr(text: str) -> str:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if network.num_addresses < 4:
        raise argparse.ArgumentTypeError(f"{text!r} has too few addresses")
    return str(network)


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def number(text: str) -> int:
    return 0 if text == "0" else count(text)


def audit_path(text: str) -> str:
    return text if text == "-" else path(text)


def path(text: str) -> str:
    """Absolute, since daemons are started elsewhere."""
    return str(Path(text).expanduser().absolute()) if text else ""


def endpoint(text: str) -> str:
    if text and not text.startswith(("unix:///", "tcp://", "http://")):
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL such as unix:///var/run/docker.sock")
    return text


def pairs(text: str) -> str:
    from minikube_py.cli.prepare import split_pairs

    try:
        split_pairs([text])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def boolean(text: str) -> bool:
    if text.lower() in ("true", "1", "t"):
        return True
    if text.lower() in ("false", "0", "f"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def seconds(text: str) -> float:
    from minikube_py.daemon.clock import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def verbosity(text: str) -> str:
    """A level by its name, or by the number that Kubernetes' daemons take."""
    from minikube_py.daemon.logs import LEVELS

    if text.isascii() and text.isdigit():
        return "debug" if int(text) >= 4 else "info"
    if text and text not in LEVELS:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(LEVELS)}, or a number")
    return text
