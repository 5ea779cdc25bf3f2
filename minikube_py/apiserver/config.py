"""What the API server is told at its start, named like kube-apiserver's flags."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Config:
    """`etcd_servers` are URLs. Without a signing key no ServiceAccount tokens are issued. Empty TLS files
    serve plain HTTP, which only tests and the in-process mode do.
    """

    bind_address: str = "127.0.0.1"
    secure_port: int = 6443
    advertise_address: str = ""
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    client_ca_file: str = ""
    token_auth_file: str = ""
    authorization_mode: tuple[str, ...] = ("Node", "RBAC")
    authorization_always_allow_paths: tuple[str, ...] = ("/healthz", "/readyz", "/livez")
    enable_admission_plugins: tuple[str, ...] = ()
    disable_admission_plugins: tuple[str, ...] = ()
    anonymous_auth: bool = True
    enable_bootstrap_token_auth: bool = False
    service_account_issuer: tuple[str, ...] = ("https://kubernetes.default.svc.cluster.local",)
    service_account_signing_key_file: str = ""
    service_account_key_file: tuple[str, ...] = ()
    service_account_jwks_uri: str = ""
    service_account_max_token_expiration: float = 0.0
    service_account_extend_token_expiration: bool = True
    api_audiences: tuple[str, ...] = ()
    oidc_issuer_url: str = ""
    oidc_client_id: str = ""
    oidc_username_claim: str = "sub"
    oidc_username_prefix: str = ""
    oidc_groups_claim: str = ""
    oidc_groups_prefix: str = ""
    oidc_required_claim: tuple[str, ...] = ()
    oidc_ca_file: str = ""
    oidc_signing_algs: tuple[str, ...] = ("RS256",)
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
    encryption_provider_config: str = ""
    audit_policy_file: str = ""
    audit_log_path: str = ""
    audit_log_maxsize: int = 100
    audit_log_maxbackup: int = 0
    audit_log_maxage: int = 0
    max_requests_inflight: int = 400
    max_mutating_requests_inflight: int = 200
    event_ttl: float = 3600.0
    service_cluster_ip_range: str = "10.96.0.0/12"
    service_node_port_range: tuple[int, int] = (30000, 32767)
    system_namespaces: tuple[str, ...] = field(default=("default", "kube-node-lease", "kube-public", "kube-system"))
