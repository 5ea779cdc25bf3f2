"""What we tell Docker about sandboxes and containers, and what it tells us: pure conversions both ways."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from minikube_py.kubelet.runtime.base import (
    Container,
    ContainerConfig,
    CreateContainerError,
    Credentials,
    Image,
    PodRef,
    Resources,
    Sandbox,
    SandboxConfig,
)

INSTANCE = "minikube-py.instance"
TYPE = "minikube-py.type"
SANDBOX_ID = "minikube-py.sandbox"
NAMESPACES = "minikube-py.namespaces"
ANNOTATIONS = "minikube-py.annotations"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_NAME = "io.kubernetes.pod.name"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
ATTEMPT = "io.kubernetes.container.attempt"

LOG_SIZE, LOG_FILES = "10m", "5"
"""Kubernetes' defaults of containerLogMaxSize (10Mi) and containerLogMaxFiles."""


def container_name(instance: str, pod: PodRef, container: str, attempt: int) -> str:
    """The engine-wide unique name; the digest of the instance keeps clusters on one engine apart."""
    digest = hashlib.sha256(instance.encode()).hexdigest()[:8]
    parts = [container, pod.name, pod.namespace, pod.uid, str(attempt), digest]
    return "k8s_" + "_".join(re.sub(r"[^a-zA-Z0-9.-]", "-", part) for part in parts)


def _labels(instance: str, kind: str, pod: PodRef, name: str, attempt: int, notes: Mapping[str, str]) -> dict[str, str]:
    return {
        POD_NAMESPACE: pod.namespace,
        POD_NAME: pod.name,
        POD_UID: pod.uid,
        CONTAINER_NAME: name,
        ATTEMPT: str(attempt),
        INSTANCE: instance,
        TYPE: kind,
        ANNOTATIONS: json.dumps(dict(notes), sort_keys=True),
    }


def namespaces(config: SandboxConfig) -> str:
    """Which namespaces the Pod's containers take from where; kept in a label, since they join long after."""
    pid = "pid=host" if config.host_pid else "pid=pod" if config.share_process_namespace else "pid=own"
    return f"{pid},ipc={'host' if config.host_ipc else 'pod'},net={'host' if config.host_network else 'pod'}"


def sandbox_body(instance: str, config: SandboxConfig, pause_image: str) -> dict[str, Any]:
    """The create request of a pause container."""
    labels = _labels(instance, "podsandbox", config.pod, "POD", config.attempt, config.annotations)
    labels[NAMESPACES] = namespaces(config)
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in () if config.host_network else config.ports:
        if port.host_port:
            key = f"{port.container_port}/{port.protocol.lower()}"
            bindings.setdefault(key, []).append({"HostIp": port.host_ip, "HostPort": str(port.host_port)})
    host: dict[str, Any] = {
        "NetworkMode": "host" if config.host_network else "default",
        "IpcMode": "host" if config.host_ipc else "shareable",
        "PidMode": "host" if config.host_pid else "",
        "PortBindings": bindings,
        "Dns": list(config.dns_servers),
        "DnsSearch": list(config.dns_searches),
        "DnsOptions": list(config.dns_options),
        "Sysctls": dict(config.sysctls),
        "SecurityOpt": ["no-new-privileges"],
        "LogConfig": {"Type": "none"},
        "RestartPolicy": {"Name": "no"},
        "Init": False,
    }
    body: dict[str, Any] = {
        "Image": pause_image,
        "Labels": labels,
        "ExposedPorts": {key: {} for key in bindings},
        "HostConfig": host,
    }
    if config.hostname and not config.host_network:
        body["Hostname"] = config.hostname
    return body


def container_body(instance: str, sandbox_id: str, joined: str, config: ContainerConfig) -> dict[str, Any]:
    """The create request of a container joining its sandbox, whose namespaces label is `joined`.

    Raises CreateContainerError for a group without a user, as other CRI engines do.
    """
    labels = _labels(instance, "container", config.pod, config.name, config.attempt, config.annotations)
    labels[SANDBOX_ID] = sandbox_id
    modes = dict(part.split("=") for part in joined.split(","))
    join = f"container:{sandbox_id}"
    resources, security = config.resources, config.security
    host: dict[str, Any] = {
        "NetworkMode": join,
        "IpcMode": "host" if modes["ipc"] == "host" else join,
        "PidMode": _process_namespace(modes["pid"], join, config.target),
        "Mounts": [_mount(m.host_path, m.container_path, m.read_only, m.propagation) for m in config.mounts],
        "CpuShares": resources.cpu_shares,
        "CpuQuota": resources.cpu_quota,
        "CpuPeriod": resources.cpu_period,
        "Memory": resources.memory_bytes,
        # The same value as Memory means: no swap.
        "MemorySwap": resources.memory_bytes,
        "OomScoreAdj": resources.oom_score_adj,
        "Privileged": security.privileged,
        "ReadonlyRootfs": security.read_only_root_filesystem,
        "CapAdd": list(security.add_capabilities),
        "CapDrop": list(security.drop_capabilities),
        "GroupAdd": [str(group) for group in security.supplemental_groups],
        "SecurityOpt": ["no-new-privileges"] if security.no_new_privileges else [],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": LOG_SIZE, "max-file": LOG_FILES}},
        "RestartPolicy": {"Name": "no"},
        "Init": False,
    }
    body: dict[str, Any] = {
        "Image": config.image,
        "Env": [f"{name}={value}" for name, value in config.env],
        "WorkingDir": config.working_dir,
        "User": _user(security.run_as_user, security.run_as_group),
        "OpenStdin": config.stdin,
        "StdinOnce": config.stdin and config.stdin_once,
        "Tty": config.tty,
        "Labels": labels,
        "HostConfig": host,
    }
    if config.command:
        body["Entrypoint"] = list(config.command)
    if config.args:
        body["Cmd"] = list(config.args)
    return body


def _process_namespace(mode: str, join: str, target: str) -> str:
    """What is shared by the whole Pod is the target's, too."""
    if mode in ("host", "pod"):
        return {"host": "host", "pod": join}[mode]
    return f"container:{target}" if target else ""


def _mount(source: str, target: str, read_only: bool, propagation: str) -> dict[str, Any]:
    mount: dict[str, Any] = {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}
    mount["BindOptions"] = {"Propagation": propagation or "rprivate"}
    return mount


def _user(user: int | None, group: int | None) -> str:
    if user is None:
        if group is not None:
            raise CreateContainerError(f"user group {group} is specified without a user")
        return ""
    return f"{user}:{group}" if group is not None else str(user)


# -- what Docker tells us


def pod_of(labels: Mapping[str, str]) -> PodRef:
    return PodRef(labels[POD_NAMESPACE], labels[POD_NAME], labels[POD_UID])


def annotations_of(labels: Mapping[str, str]) -> dict[str, str]:
    found = json.loads(labels.get(ANNOTATIONS) or "{}")
    return found if isinstance(found, dict) else {}


def parse_time(text: str) -> datetime | None:
    """Docker's time with nanoseconds, cut to microseconds; its zero time is None."""
    if not text or text.startswith("0001-01-01"):
        return None
    match = re.fullmatch(r"(.{19})(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if match is None:
        raise ValueError(f"the engine sent a time that is none: {text!r}")
    fraction = (match[2] or ".0")[:7].ljust(7, "0")
    return datetime.fromisoformat(match[1] + fraction + match[3].replace("Z", "+00:00"))


def sandbox_from_list(item: Mapping[str, Any]) -> Sandbox:
    """A pause container from an entry of the engine's list: nothing else needs to be asked."""
    labels = item["Labels"]
    ready = item["State"] == "running"
    return Sandbox(
        item["Id"], pod_of(labels), int(labels[ATTEMPT]), ready, datetime.fromtimestamp(item["Created"], UTC),
        _address((item.get("NetworkSettings") or {}).get("Networks")) if ready else "",
        "net=host" in labels.get(NAMESPACES, ""), annotations_of(labels),
    )  # fmt: skip


def sandbox_from_inspect(data: Mapping[str, Any]) -> Sandbox:
    labels = data["Config"]["Labels"]
    ready = bool(data["State"]["Running"])
    created = parse_time(data["Created"])
    assert created is not None
    return Sandbox(
        data["Id"], pod_of(labels), int(labels[ATTEMPT]), ready, created.replace(microsecond=0),
        _address(data["NetworkSettings"].get("Networks")) if ready else "",
        "net=host" in labels.get(NAMESPACES, ""), annotations_of(labels),
    )  # fmt: skip


def _address(networks: Mapping[str, Mapping[str, Any]] | None) -> str:
    return next((str(n["IPAddress"]) for n in (networks or {}).values() if n.get("IPAddress")), "")


def container_from_inspect(data: Mapping[str, Any]) -> Container:
    """A container as we see it. One that could not start shows as exited: Docker leaves it "created" with a code."""
    config, now, labels = data["Config"], data["State"], data["Config"]["Labels"]
    created, started = parse_time(data["Created"]), parse_time(now["StartedAt"])
    assert created is not None
    finished = parse_time(now["FinishedAt"])
    failed = now["Status"] == "created" and now["ExitCode"] != 0
    state: Literal["created", "running", "exited"]
    if now["Running"]:
        state, finished = "running", None
    elif now["Status"] == "created" and not failed:
        state = "created"
    else:
        state, finished = "exited", finished or created
    return Container(
        data["Id"], pod_of(labels), labels[CONTAINER_NAME], int(labels[ATTEMPT]), labels[SANDBOX_ID], state,
        config["Image"], data["Image"], created, started, finished, now["ExitCode"] if state == "exited" else 0,
        bool(now["OOMKilled"]), now["Error"] or "", annotations_of(labels), _resources(data["HostConfig"]),
    )  # fmt: skip


def _resources(host: Mapping[str, Any]) -> Resources:
    return Resources(
        int(host.get("CpuShares") or 0), int(host.get("CpuQuota") or 0), int(host.get("CpuPeriod") or 0),
        int(host.get("Memory") or 0),
    )  # fmt: skip


def update_body(resources: Resources) -> dict[str, int]:
    """The update request of a container; the engine leaves alone what is 0."""
    return {
        "CpuShares": resources.cpu_shares,
        "CpuQuota": resources.cpu_quota,
        "CpuPeriod": resources.cpu_period,
        "Memory": resources.memory_bytes,
        "MemorySwap": resources.memory_bytes,
    }


def registry_auth(credentials: Credentials) -> str:
    """The X-Registry-Auth header of a pull."""
    body = {"username": credentials.username, "password": credentials.password}
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()


def image_from(data: Mapping[str, Any]) -> Image:
    """An image from the engine's list or an inspection; only the latter knows the user."""
    return Image(
        data["Id"], _named(data.get("RepoTags")), _named(data.get("RepoDigests")), int(data.get("Size") or 0),
        str((data.get("Config") or {}).get("User") or ""),
    )  # fmt: skip


def _named(names: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name for name in names or () if not name.startswith("<none>"))
