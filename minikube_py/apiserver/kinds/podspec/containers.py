"""Rules for the containers of a Pod."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds.podspec import env, probes, resources, security, volumes

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Container, ContainerPort, EphemeralContainer

_label = lru_cache(maxsize=4096)(names.dns1123_label)

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_RESTARTS = ("Always", "Never", "OnFailure")
_PROBES = (("livenessProbe", "liveness"), ("readinessProbe", "readiness"), ("startupProbe", "startup"))


@dataclass
class PodFacts:
    """What the rules for a container need to know of the Pod around it."""

    volumes: dict[str, str]
    """The source (`emptyDir`) of each volume by name."""
    claims: frozenset[str]
    grace: int | None
    host_network: bool
    host_users: bool | None
    os: str
    restart_policy: str
    template: bool = False
    """In a workload's template, where host ports are not filled in yet."""
    names: set[str] = field(default_factory=set)
    """The containers seen so far: names are unique in the whole Pod."""
    host_ports: set[tuple[str, str, int]] = field(default_factory=set)


def validate_containers(containers: Sequence[Container], path: str, pod: PodFacts, errs: list[FieldError]) -> None:
    """Append what is wrong with the Pod's main containers."""
    if not containers:
        errs.append(required(path))
    for i, container in enumerate(containers):
        where = f"{path}[{i}]"
        validate_common(container, where, pod, errs)
        _running(container, where, pod, errs)
        if container.restartPolicy is not None:
            _restart(container, where, errs)
        for j, port in enumerate(container.ports):
            if port.hostPort:
                key = (port.protocol, port.hostIP, port.hostPort)
                if key in pod.host_ports:
                    errs.append(duplicate(f"{where}.ports[{j}].hostPort", f"{key[0]}/{key[1]}/{key[2]}"))
                pod.host_ports.add(key)


def validate_init_containers(containers: Sequence[Container], path: str, pod: PodFacts, errs: list[FieldError]) -> None:
    """Append what is wrong with the containers that run before; those that restart always are sidecars."""
    for i, container in enumerate(containers):
        where = f"{path}[{i}]"
        validate_common(container, where, pod, errs)
        sidecar = container.restartPolicy == "Always"
        if container.restartPolicy is not None:
            _restart(container, where, errs)
        if sidecar:
            _running(container, where, pod, errs)
            continue
        for member in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if getattr(container, member) is not None:
                detail = "may not be set for init containers without restartPolicy=Always"
                errs.append(forbidden(f"{where}.{member}", detail))


def _restart(container: Container, path: str, errs: list[FieldError]) -> None:
    if container.restartPolicy not in _RESTARTS:
        errs.append(not_supported(f"{path}.restartPolicy", container.restartPolicy or "", _RESTARTS))


def _running(container: Container, path: str, pod: PodFacts, errs: list[FieldError]) -> None:
    """What only containers that go on running may have."""
    if container.lifecycle is not None:
        probes.validate_lifecycle(container.lifecycle, f"{path}.lifecycle", pod.grace, pod.os, errs)
    for member, kind in _PROBES:
        probe = getattr(container, member)
        if probe is not None:
            probes.validate_probe(probe, f"{path}.{member}", pod.grace, errs, kind=kind)


def validate_common(
    container: Container | EphemeralContainer, path: str, pod: PodFacts, errs: list[FieldError]
) -> None:
    """Append what is wrong with what every sort of container has."""
    name = container.name
    if not name:
        errs.append(required(f"{path}.name"))
    else:
        for sentence in _label(name):
            errs.append(invalid(f"{path}.name", name, sentence))
        if name in pod.names:
            errs.append(duplicate(f"{path}.name", name))
        pod.names.add(name)
    image = container.image
    if not image:
        errs.append(required(f"{path}.image"))
    elif image != image.strip():
        errs.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    policy = container.terminationMessagePolicy
    if not policy:
        errs.append(required(f"{path}.terminationMessagePolicy"))
    elif policy not in _MESSAGE_POLICIES:
        errs.append(not_supported(f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES))
    if not container.imagePullPolicy:
        errs.append(required(f"{path}.imagePullPolicy"))
    elif container.imagePullPolicy not in PULL_POLICIES:
        errs.append(not_supported(f"{path}.imagePullPolicy", container.imagePullPolicy, PULL_POLICIES))
    if container.ports:
        _ports(container.ports, f"{path}.ports", pod, errs)
    if container.env:
        env.validate_env(container.env, f"{path}.env", pod.volumes, errs)
    if container.envFrom:
        env.validate_env_from(container.envFrom, f"{path}.envFrom", errs)
    if container.volumeMounts or container.volumeDevices:
        volumes.validate_mounts(container, path, pod.volumes, errs)
    resources.validate_requirements(container.resources, f"{path}.resources", errs, pod.claims)
    if container.resizePolicy:
        _resize(container.resizePolicy, f"{path}.resizePolicy", pod.restart_policy, errs)
    if container.restartPolicyRules:
        _restart_rules(container, f"{path}.restartPolicyRules", errs)
    if container.securityContext is not None:
        security.validate_container(container.securityContext, f"{path}.securityContext", pod.host_users, errs)


def _ports(ports: Sequence[ContainerPort], path: str, pod: PodFacts, errs: list[FieldError]) -> None:
    seen: set[str] = set()
    for i, port in enumerate(ports):
        if port.name:
            sentences = probes.port_name(port.name)
            for sentence in sentences:
                errs.append(invalid(f"{path}[{i}].name", port.name, sentence))
            if not sentences and port.name in seen:
                errs.append(duplicate(f"{path}[{i}].name", port.name))
            seen.add(port.name)
        number = port.containerPort
        if number == 0:
            errs.append(required(f"{path}[{i}].containerPort"))
        elif not 0 < number < 65536:
            errs.append(invalid(f"{path}[{i}].containerPort", number, "must be between 1 and 65535, inclusive"))
        if port.hostPort and not 0 < port.hostPort < 65536:
            errs.append(invalid(f"{path}[{i}].hostPort", port.hostPort, "must be between 1 and 65535, inclusive"))
        if pod.host_network and port.hostPort != number and (port.hostPort or not pod.template):
            detail = "must match `hostPort` when `hostNetwork` is true"
            errs.append(invalid(f"{path}[{i}].containerPort", number, detail))
        if not port.protocol:
            errs.append(required(f"{path}[{i}].protocol"))
        elif port.protocol not in _net.PROTOCOLS:
            errs.append(not_supported(f"{path}[{i}].protocol", port.protocol, _net.PROTOCOLS))
        if port.hostIP:
            for sentence in _net.ip(port.hostIP):
                errs.append(invalid(f"{path}[{i}].hostIP", port.hostIP, sentence))


def _resize(policies: Sequence[Any], path: str, pod_restart: str, errs: list[FieldError]) -> None:
    seen: set[str] = set()
    for i, policy in enumerate(policies):
        if policy.resourceName in seen:
            errs.append(duplicate(f"{path}[{i}]", policy.resourceName))
        seen.add(policy.resourceName)
        if policy.resourceName not in ("cpu", "memory"):
            errs.append(not_supported(path, policy.resourceName, ("cpu", "memory")))
        if not policy.restartPolicy:
            errs.append(required(path))
        elif policy.restartPolicy not in ("NotRequired", "RestartContainer"):
            errs.append(not_supported(path, policy.restartPolicy, ("NotRequired", "RestartContainer")))
        elif pod_restart == "Never" and policy.restartPolicy != "NotRequired":
            errs.append(invalid(path, policy.restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'"))


def _restart_rules(container: Container | EphemeralContainer, path: str, errs: list[FieldError]) -> None:
    if container.restartPolicy is None:
        errs.append(required(path.removesuffix("Rules"), "must specify restartPolicy when restart rules are used"))
    if len(container.restartPolicyRules) > 20:
        errs.append(FieldError("FieldValueTooLong", path, "must have at most 20 items"))
    for i, rule in enumerate(container.restartPolicyRules):
        where = f"{path}[{i}]"
        if rule.action not in ("Restart", "RestartAllContainers"):
            errs.append(not_supported(f"{where}.action", rule.action, ("Restart", "RestartAllContainers")))
        codes = rule.exitCodes
        if codes is None:
            errs.append(required(f"{where}.exitCodes", "must be specified"))
            continue
        if codes.operator not in ("In", "NotIn"):
            errs.append(not_supported(f"{where}.exitCodes.operator", codes.operator, ("In", "NotIn")))
        if not codes.values:
            errs.append(required(f"{where}.exitCodes.values", "must be specified"))
        elif len(codes.values) > 255:
            errs.append(FieldError("FieldValueTooLong", f"{where}.exitCodes.values", "must have at most 255 items"))
