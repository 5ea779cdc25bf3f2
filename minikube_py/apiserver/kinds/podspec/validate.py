"""The rules for a PodSpec and a new Pod, with all errors in one answer, in the order and words of Kubernetes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds._objectmeta import qualified, validate_labels
from minikube_py.apiserver.kinds.podspec import containers, resources, scheduling, security, volumes

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Pod, PodDNSConfig, PodSpec

_subdomain = lru_cache(maxsize=1024)(names.dns1123_subdomain)

_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_MAX_INT32 = 2**31 - 1


def validate_pod(pod: Pod) -> list[FieldError]:
    """What is wrong with a new Pod beyond its metadata."""
    errs = validate_spec(pod.spec, "spec")
    if pod.spec.ephemeralContainers:
        errs.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    return errs


def validate_spec(spec: PodSpec, path: str, *, template: bool = False) -> list[FieldError]:
    """What is wrong with a PodSpec at `path` (`spec`, or `spec.template.spec` of a workload: a `template`)."""
    errs: list[FieldError] = []
    sources = volumes.validate_volumes(spec.volumes, f"{path}.volumes", errs) if spec.volumes else {}
    if spec.resourceClaims:
        _claims(spec, f"{path}.resourceClaims", errs)
    facts = containers.PodFacts(
        volumes=sources,
        claims=frozenset(c.name for c in spec.resourceClaims),
        grace=spec.terminationGracePeriodSeconds,
        host_network=spec.hostNetwork,
        host_users=spec.hostUsers,
        os=spec.os.name if spec.os is not None else "",
        restart_policy=spec.restartPolicy,
        template=template,
    )
    containers.validate_containers(spec.containers, f"{path}.containers", facts, errs)
    if spec.initContainers:
        containers.validate_init_containers(spec.initContainers, f"{path}.initContainers", facts, errs)
    if spec.ephemeralContainers:
        from minikube_py.apiserver.kinds.podspec.ephemeral import validate_ephemeral_containers

        validate_ephemeral_containers(spec.ephemeralContainers, f"{path}.ephemeralContainers", facts, errs)
    if not spec.restartPolicy:
        errs.append(required(f"{path}.restartPolicy"))
    elif spec.restartPolicy not in _RESTART_POLICIES:
        errs.append(not_supported(f"{path}.restartPolicy", spec.restartPolicy, _RESTART_POLICIES))
    if not spec.dnsPolicy:
        errs.append(required(f"{path}.dnsPolicy"))
    elif spec.dnsPolicy not in _DNS_POLICIES:
        errs.append(not_supported(f"{path}.dnsPolicy", spec.dnsPolicy, _DNS_POLICIES))
    if spec.dnsConfig is not None or spec.dnsPolicy == "None":
        _dns_config(spec.dnsConfig, spec.dnsPolicy, f"{path}.dnsConfig", errs)
    if spec.nodeSelector:
        validate_labels(spec.nodeSelector, f"{path}.nodeSelector", errs)
    if spec.securityContext is not None:
        security.validate_pod(spec.securityContext, f"{path}.securityContext", spec.hostNetwork, errs)
    security.validate_host(spec.hostPID, spec.shareProcessNamespace, path, errs)
    if spec.hostUsers is False:
        for member in ("hostNetwork", "hostPID", "hostIPC"):
            if getattr(spec, member):
                errs.append(forbidden(f"{path}.{member}", "when `hostUsers` is false"))
    if spec.affinity is not None:
        scheduling.validate_affinity(spec.affinity, f"{path}.affinity", errs)
    _names(spec, path, errs)
    if spec.activeDeadlineSeconds is not None:
        validate_deadline(spec.activeDeadlineSeconds, path, errs)
    if spec.tolerations:
        scheduling.validate_tolerations(spec.tolerations, f"{path}.tolerations", errs)
    if spec.hostAliases:
        _host_aliases(spec, f"{path}.hostAliases", errs)
    for i, gate in enumerate(spec.readinessGates):
        for sentence in qualified(gate.conditionType):
            errs.append(invalid(f"{path}.readinessGates[{i}].conditionType", gate.conditionType, sentence))
    if spec.schedulingGates:
        _scheduling_gates(spec, path, errs)
    if spec.topologySpreadConstraints:
        scheduling.validate_spread(spec.topologySpreadConstraints, f"{path}.topologySpreadConstraints", errs)
    if spec.overhead:
        resources.validate_overhead(spec.overhead, f"{path}.overhead", errs)
    if spec.resources is not None:
        resources.validate_requirements(spec.resources, f"{path}.resources", errs)
    if spec.os is not None and spec.os.name not in ("linux", "windows"):
        if spec.os.name:
            errs.append(not_supported(f"{path}.os", spec.os.name, ("linux", "windows")))
        else:
            errs.append(required(f"{path}.os.name", "cannot be empty"))
    if spec.preemptionPolicy and spec.preemptionPolicy not in ("Never", "PreemptLowerPriority"):
        supported = ("Never", "PreemptLowerPriority")
        errs.append(not_supported(f"{path}.preemptionPolicy", spec.preemptionPolicy, supported))
    return errs


def validate_deadline(seconds: int, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with `activeDeadlineSeconds`."""
    if not 1 <= seconds <= _MAX_INT32:
        detail = f"must be between 1 and {_MAX_INT32}, inclusive"
        errs.append(invalid(f"{path}.activeDeadlineSeconds", seconds, detail))


def _names(spec: PodSpec, path: str, errs: list[FieldError]) -> None:
    """The members that name something."""
    for member, name in (
        ("serviceAccountName", spec.serviceAccountName),
        ("nodeName", spec.nodeName),
        ("priorityClassName", spec.priorityClassName),
        ("runtimeClassName", spec.runtimeClassName),
    ):
        if name:
            for sentence in _subdomain(name):
                errs.append(invalid(f"{path}.{member}", name, sentence))
    for member, name in (("hostname", spec.hostname), ("subdomain", spec.subdomain)):
        if name:
            for sentence in names.dns1123_label(name):
                errs.append(invalid(f"{path}.{member}", name, sentence))
    if spec.hostnameOverride is not None:
        where = f"{path}.hostnameOverride"
        for sentence in names.dns1123_subdomain(spec.hostnameOverride):
            errs.append(invalid(where, spec.hostnameOverride, sentence))
        if len(spec.hostnameOverride) > 64:
            errs.append(invalid(where, spec.hostnameOverride, "must be no more than 64 characters"))
        if spec.hostNetwork:
            errs.append(forbidden(where, "may not be specified when `hostNetwork` is true"))
        if spec.setHostnameAsFQDN:
            errs.append(forbidden(where, "may not be specified when `setHostnameAsFQDN` is true"))


def _dns_config(config: PodDNSConfig | None, policy: str, path: str, errs: list[FieldError]) -> None:
    if policy == "None":
        # Nothing else would say where names are looked up.
        if config is None:
            errs.append(required(path, f"must provide `dnsConfig` when `dnsPolicy` is {policy}"))
            return
        if not config.nameservers:
            detail = f"must provide at least one DNS nameserver when `dnsPolicy` is {policy}"
            errs.append(required(f"{path}.nameservers", detail))
    if config is None:
        return
    if len(config.nameservers) > 3:
        detail = "must not have more than 3 nameservers"
        errs.append(invalid(f"{path}.nameservers", list(config.nameservers), detail))
    for i, server in enumerate(config.nameservers):
        for sentence in _net.ip(server):
            errs.append(invalid(f"{path}.nameservers[{i}]", server, sentence))
    if len(config.searches) > 32:
        detail = "must not have more than 32 search paths"
        errs.append(invalid(f"{path}.searches", list(config.searches), detail))
    if len(" ".join(config.searches)) > 2048:
        detail = "must not have more than 2048 characters (including spaces) in the search list"
        errs.append(invalid(f"{path}.searches", list(config.searches), detail))
    for i, search in enumerate(config.searches):
        # A trailing dot keeps the resolver from trying further; underscores are common in SRV names.
        name = search.removesuffix(".").replace("_", "a")
        for sentence in names.dns1123_subdomain(name) if search != "." else ():
            errs.append(invalid(f"{path}.searches[{i}]", search, sentence))
    for i, option in enumerate(config.options):
        if not option.name:
            errs.append(required(f"{path}.options[{i}]", "must not be empty"))


def _host_aliases(spec: PodSpec, path: str, errs: list[FieldError]) -> None:
    for i, alias in enumerate(spec.hostAliases):
        for sentence in _net.ip(alias.ip):
            errs.append(invalid(f"{path}[{i}].ip", alias.ip, sentence))
        for j, hostname in enumerate(alias.hostnames):
            for sentence in names.dns1123_subdomain(hostname):
                errs.append(invalid(f"{path}[{i}].hostnames[{j}]", hostname, sentence))


def _scheduling_gates(spec: PodSpec, path: str, errs: list[FieldError]) -> None:
    if spec.nodeName:
        errs.append(forbidden(f"{path}.nodeName", "cannot be set until all schedulingGates have been cleared"))
    seen: set[str] = set()
    for i, gate in enumerate(spec.schedulingGates):
        for sentence in qualified(gate.name):
            errs.append(invalid(f"{path}.schedulingGates[{i}]", gate.name, sentence))
        if gate.name in seen:
            errs.append(duplicate(f"{path}.schedulingGates[{i}]", gate.name))
        seen.add(gate.name)


def _claims(spec: PodSpec, path: str, errs: list[FieldError]) -> None:
    seen: set[str] = set()
    for i, claim in enumerate(spec.resourceClaims):
        where = f"{path}[{i}]"
        if not claim.name:
            errs.append(required(f"{where}.name"))
        elif claim.name in seen:
            errs.append(duplicate(f"{where}.name", claim.name))
        else:
            for sentence in names.dns1123_label(claim.name):
                errs.append(invalid(f"{where}.name", claim.name, sentence))
        seen.add(claim.name)
        if claim.resourceClaimName is not None and claim.resourceClaimTemplateName is not None:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errs.append(invalid(where, claim.to_dict(), detail))
        elif claim.resourceClaimName is None and claim.resourceClaimTemplateName is None:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errs.append(invalid(where, claim.to_dict(), detail))
