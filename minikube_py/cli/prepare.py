"""What daemons need before they start: certificates, kubeconfig files, the daemons' configurations from a layout."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path

from minikube_py.apiserver.config import Config
from minikube_py.cli.layout import Layout, node_address
from minikube_py.client import kubeconfig
from minikube_py.daemon import files, pki

API_NAMES = (
    "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
)  # fmt: skip


def ensure_files(layout: Layout, config: Config, *, node: str = "", kubelet_ip: str = "") -> pki.ClusterPki:
    """Certificates in DIR/pki and a kubeconfig per daemon; what is there and fits stays as it is.

    With `node`, also the certificates of that node's kubelet. Raises PkiError, OSError.
    """
    host = socket.gethostname().lower()
    first_service_ip = str(ip_network(config.service_cluster_ip_range)[1])
    ips = {"127.0.0.1", "::1", first_service_ip, node_address(), config.advertise_address}
    if config.bind_address not in ("0.0.0.0", "::"):
        ips.add(config.bind_address)
    leaves = [pki.ADMIN, pki.SCHEDULER, pki.CONTROLLER_MANAGER, pki.KUBELET_CLIENT]
    if node:
        leaves += [pki.kubelet(node), pki.kubelet_serving(node, {node, host, "localhost"}, {kubelet_ip, "127.0.0.1"})]
    made = pki.ensure_cluster_pki(
        layout.root, names=(*API_NAMES, host), ips=sorted(ip for ip in ips if ip), leaves=leaves
    )
    server = f"https://{client_address(config)}:{config.secure_port}"
    users = {"admin": pki.ADMIN, "scheduler": pki.SCHEDULER, "controller-manager": pki.CONTROLLER_MANAGER}
    if node:
        users["kubelet"] = pki.kubelet(node)
    for name, leaf in users.items():
        pair = made.pair(leaf)
        kubeconfig.write(
            layout.kubeconfig(name), server=server, ca_pem=made.ca_pem, cert_pem=pair.cert_pem, key_pem=pair.key_pem,
            user=leaf.common_name, cluster="minikube-py",
        )  # fmt: skip
    return made


def client_address(config: Config) -> str:
    """The host by which clients on this machine reach the API server, in URL form."""
    address = config.advertise_address or config.bind_address
    if address in ("0.0.0.0", "::"):
        address = "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def with_own_certificates(config: Config, made: pki.ClusterPki) -> Config:
    """The configuration with the data directory's certificates where none were named."""
    from dataclasses import replace

    def chosen(named: str, own: Path) -> str:
        return named or str(own)

    return replace(
        config,
        service_account_signing_key_file=chosen(config.service_account_signing_key_file, made.sa_key),
        service_account_key_file=config.service_account_key_file or (str(made.sa_pub),),
        tls_cert_file=chosen(config.tls_cert_file, made.cert("apiserver")),
        tls_private_key_file=chosen(config.tls_private_key_file, made.key("apiserver")),
        client_ca_file=chosen(config.client_ca_file, made.cert("ca")),
        kubelet_certificate_authority=chosen(config.kubelet_certificate_authority, made.cert("ca")),
        kubelet_client_certificate=chosen(config.kubelet_client_certificate, made.cert(pki.KUBELET_CLIENT)),
        kubelet_client_key=chosen(config.kubelet_client_key, made.key(pki.KUBELET_CLIENT)),
    )


def signing_files(directory: Path, cert: str = "", key: str = "") -> tuple[str, str]:
    """The certificate and key that sign for the cluster: those named, else DIR's CA where its key is there.

    Raises ValueError when only one of the two is named.
    """
    if bool(cert) != bool(key):
        raise ValueError("--cluster-signing-cert-file and --cluster-signing-key-file go together")
    if not cert and (directory / "ca.crt").exists() and (directory / "ca.key").exists():
        return str(directory / "ca.crt"), str(directory / "ca.key")
    return cert, key


def split_list(text: str) -> tuple[str, ...]:
    """The non-empty parts of a comma-separated flag."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def split_pairs(texts: Iterable[str]) -> dict[str, str]:
    """`a=b,c=d` flags as a mapping. Raises ValueError naming the part that is no pair."""
    found = {}
    for part in split_list(",".join(texts)):
        key, separator, value = part.partition("=")
        if not separator or not key:
            raise ValueError(f"{part!r} is not KEY=VALUE")
        found[key] = value
    return found


def ensure_kubelet_files(layout: Layout, node: str, ip: str, authority: bytes) -> None:
    """A serving certificate in DIR/pki for a kubelet that was started on its own, where there is none yet.

    It is issued by the cluster's authority where DIR has its key, else by one of the kubelet's own, as upstream's
    kubelet signs its own: the API server then shows the Pods, but refuses to proxy logs and exec to it. `authority` is
    the CA of the kubeconfig: who may call the kubelet. Raises PkiError, OSError.
    """
    directory = layout.root / "pki"
    serving = pki.kubelet_serving(node, {node, socket.gethostname().lower(), "localhost"}, {ip, "127.0.0.1"})
    certificate, key = directory / f"{serving.stem}.crt", directory / f"{serving.stem}.key"
    if not (directory / "ca.crt").exists():
        files.replace(directory / "ca.crt", authority, 0o644)
    if certificate.exists() and key.exists():
        return
    owner = pki.ClusterPki(directory).pair("ca") if (directory / "ca.key").exists() else pki.new_ca(f"{node}-ca")
    made = pki.issue(owner, serving.common_name, serving.organizations, serving.sans, server=True)
    files.replace(key, made.key_pem)
    files.replace(certificate, made.cert_pem, 0o644)
