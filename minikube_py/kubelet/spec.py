"""From a Pod to what the runtime is asked to make: the sandbox's and the containers' configurations; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from minikube_py.kubelet import dns, podspec
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.expand import expand
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import ContainerConfig, Mount, PodRef, PortMapping, SandboxConfig
from minikube_py.kubelet.security import resources, security


def pod_ref(pod: Object) -> PodRef:
    meta = pod["metadata"]
    return PodRef(meta["namespace"], meta["name"], meta["uid"])


def sandbox_config(pod: Object, attempt: int, config: KubeletConfig, resolver: dns.Resolver) -> SandboxConfig:
    """The sandbox of the Pod. Raises ValueError for a host name that does not fit."""
    spec = pod["spec"]
    host_network = bool(spec.get("hostNetwork"))
    context = spec.get("securityContext") or {}
    return SandboxConfig(
        pod=pod_ref(pod),
        attempt=attempt,
        hostname="" if host_network else dns.sandbox_hostname(pod, config.cluster_domain),
        host_network=host_network,
        host_pid=bool(spec.get("hostPID")),
        host_ipc=bool(spec.get("hostIPC")),
        share_process_namespace=bool(spec.get("shareProcessNamespace")),
        ports=() if host_network else port_mappings(pod),
        dns_servers=tuple(resolver.servers),
        dns_searches=tuple(resolver.searches),
        dns_options=tuple(resolver.options),
        sysctls={s["name"]: s["value"] for s in context.get("sysctls") or ()},
        annotations={podspec.GRACE: str(int(podspec.grace_period(pod)))},
    )


def port_mappings(pod: Object) -> Sequence[PortMapping]:
    """The host ports of all containers."""
    out = []
    for spec in podspec.all_containers(pod):
        for port in spec.get("ports") or ():
            if not port.get("hostPort"):
                continue
            protocol: Literal["TCP", "UDP", "SCTP"] = port.get("protocol") or "TCP"
            out.append(PortMapping(port["hostPort"], port["containerPort"], protocol, port.get("hostIP") or ""))
    return tuple(out)


def container_config(
    pod: Object,
    spec: Object,
    attempt: int,
    image: str,
    env: Sequence[tuple[str, str]],
    mounts: Sequence[Mount],
    restart_delay: float,
    oom_score_adj: int = 0,
    target: str = "",
) -> ContainerConfig:
    """One container; `command` and `args` are expanded with its environment. `target`: see `ContainerConfig`."""
    values = dict(env)
    command, args = spec.get("command"), spec.get("args")
    given = pod["spec"].get("terminationGracePeriodSeconds")
    return ContainerConfig(
        pod=pod_ref(pod),
        name=spec["name"],
        image=image,
        attempt=attempt,
        command=[expand(word, values) for word in command] if command else None,
        args=[expand(word, values) for word in args] if args else None,
        working_dir=spec.get("workingDir") or "",
        env=tuple(env),
        mounts=tuple(mounts),
        stdin=bool(spec.get("stdin")),
        stdin_once=bool(spec.get("stdinOnce")),
        tty=bool(spec.get("tty")),
        target=target,
        resources=resources(spec, oom_score_adj),
        security=security(pod, spec),
        annotations={
            podspec.HASH: podspec.spec_hash(spec),
            podspec.GRACE: str(podspec.DEFAULT_GRACE if given is None else given),
            podspec.RESTART_DELAY: f"{restart_delay:g}",
        },
    )
