"""What the API server is told at its start, named like kube-apiserver's flags."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Config:
    """`etcd_servers` are URLs. Empty TLS files serve plain HTTP, which only tests and the in-process mode do."""

    bind_address: str = "127.0.0.1"
    secure_port: int = 6443
    advertise_address: str = ""
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    client_ca_file: str = ""
    token_auth_file: str = ""
    kubelet_certificate_authority: str = ""
    kubelet_client_certificate: str = ""
    kubelet_client_key: str = ""
    storage_backend: Literal["sqlite", "memory", "etcd3"] = "sqlite"
    storage_path: str = ""
    etcd_servers: tuple[str, ...] = ()
    etcd_prefix: str = ""
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    service_cluster_ip_range: str = "10.96.0.0/12"
    service_node_port_range: tuple[int, int] = (30000, 32767)
    system_namespaces: tuple[str, ...] = field(default=("default", "kube-node-lease", "kube-public", "kube-system"))
