"""What a kubelet is told at its start; the fields are named like Kubernetes' flags and configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletConfig:
    """One kubelet. Durations are seconds.

    `hostname_override` is the Node's name (the machine's host name when empty). `port` 0 takes any free one.
    `instance_id` separates this kubelet's containers from those of others on the same engine.
    `node_ip` empty means: the address of the interface with the default route.
    """

    root_dir: str
    hostname_override: str = ""
    instance_id: str = ""
    node_ip: str = ""
    address: str = "0.0.0.0"
    port: int = 10250
    container_runtime: Literal["docker", "fake"] = "docker"
    container_runtime_endpoint: str = ""
    pod_infra_container_image: str = ""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    register_with_taints: Sequence[Mapping[str, Any]] = ()
    register_node: bool = True
    max_pods: int = 110
    system_reserved: Mapping[str, str] = field(default_factory=dict)
    cluster_dns: Sequence[str] = ()
    cluster_domain: str = "cluster.local"
    serialize_image_pulls: bool = True
    max_parallel_engine_calls: int = 8
    node_status_update_frequency: float = 10.0
    node_status_report_frequency: float = 300.0
    node_lease_duration_seconds: int = 40
    sync_frequency: float = 60.0
    image_pull_backoff_max: float = 300.0
    container_backoff_max: float = 300.0
    node_status_max_images: int = 50
    resolv_conf: str = "/etc/resolv.conf"
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    client_ca_file: str = ""

    def node_name(self) -> str:
        """The name that this kubelet's Node goes by: lower-case, as Kubernetes makes it from the host name."""
        import socket

        return (self.hostname_override or socket.gethostname()).strip().lower()
