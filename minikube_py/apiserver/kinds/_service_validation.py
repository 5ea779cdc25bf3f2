"""The rules for Services, with all errors in one answer, in the words of Kubernetes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds._objectmeta import qualified, validate_labels
from minikube_py.apiserver.kinds.podspec.probes import validate_port_reference

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Service, ServicePort, ServiceSpec

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_KUBELET_PORT = 10250
_ONLY_BALANCER = "may only be used when `type` is 'LoadBalancer'"


def validate_service(obj: Service) -> list[FieldError]:
    """What is wrong with a Service beyond its metadata, before anything is allocated for it."""
    spec = obj.spec
    errs: list[FieldError] = []
    headless = spec.clusterIP == "None"
    if not spec.ports and not headless and spec.type != "ExternalName":
        errs.append(required("spec.ports"))
    _by_type(spec, errs)
    _ports(spec, errs)
    if spec.selector:
        validate_labels(spec.selector, "spec.selector", errs)
    _affinity(spec, errs)
    if spec.type != "ExternalName":
        _cluster_ips(spec, errs)
    for i, ip in enumerate(spec.externalIPs):
        for sentence in _net.ip(ip) or _net.not_special(ip):
            errs.append(invalid(f"spec.externalIPs[{i}]", ip, sentence))
    if not spec.type:
        errs.append(required("spec.type"))
    elif spec.type not in _TYPES:
        errs.append(not_supported("spec.type", spec.type, _TYPES))
    _load_balancer(spec, errs)
    _traffic(spec, errs)
    return errs


def _by_type(spec: ServiceSpec, errs: list[FieldError]) -> None:
    match spec.type:
        case "LoadBalancer" | "NodePort":
            if spec.type == "LoadBalancer":
                for i, port in enumerate(spec.ports):
                    if port.port == _KUBELET_PORT:
                        detail = f"may not expose port {_KUBELET_PORT} externally since it is used by kubelet"
                        errs.append(invalid(f"spec.ports[{i}]", port.port, detail))
            if spec.clusterIP == "None":
                detail = f"may not be set to 'None' for {spec.type} services"
                errs.append(invalid("spec.clusterIPs[0]", spec.clusterIP, detail))
        case "ExternalName":
            for member in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if getattr(spec, member):
                    errs.append(forbidden(f"spec.{member}", "may not be set for ExternalName services"))
            # A trailing dot is part of a fully qualified name.
            name = spec.externalName.removesuffix(".")
            if not name:
                errs.append(required("spec.externalName"))
            else:
                for sentence in names.dns1123_subdomain(name):
                    errs.append(invalid("spec.externalName", name, sentence))


def _ports(spec: ServiceSpec, errs: list[FieldError]) -> None:
    named: set[str] = set()
    numbers: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
    for i, port in enumerate(spec.ports):
        path = f"spec.ports[{i}]"
        _port(port, path, len(spec.ports) > 1, named, errs)
        if spec.type in ("ClusterIP", "ExternalName") and port.nodePort:
            detail = f"may not be used when `type` is '{spec.type}'"
            errs.append(forbidden(f"{path}.nodePort", detail))
        elif port.nodePort:
            for sentence in _net.port_number(port.nodePort):
                errs.append(invalid(f"{path}.nodePort", port.nodePort, sentence))
            if (port.protocol, port.nodePort) in node_ports:
                errs.append(duplicate(f"{path}.nodePort", port.nodePort))
            node_ports.add((port.protocol, port.nodePort))
        if (port.protocol, port.port) in numbers:
            errs.append(duplicate(path, {"port": port.port, "protocol": port.protocol}))
        numbers.add((port.protocol, port.port))


def _port(port: ServicePort, path: str, need_name: bool, named: set[str], errs: list[FieldError]) -> None:
    if not port.name:
        if need_name:
            errs.append(required(f"{path}.name"))
    else:
        for sentence in names.dns1123_label(port.name):
            errs.append(invalid(f"{path}.name", port.name, sentence))
        if port.name in named:
            errs.append(duplicate(f"{path}.name", port.name))
        named.add(port.name)
    for sentence in _net.port_number(port.port):
        errs.append(invalid(f"{path}.port", port.port, sentence))
    if not port.protocol:
        errs.append(required(f"{path}.protocol"))
    elif port.protocol not in _net.PROTOCOLS:
        errs.append(not_supported(f"{path}.protocol", port.protocol, _net.PROTOCOLS))
    validate_port_reference(port.targetPort, f"{path}.targetPort", errs)
    if port.appProtocol is not None:
        for sentence in qualified(port.appProtocol):
            errs.append(invalid(f"{path}.appProtocol", port.appProtocol, sentence))


def _affinity(spec: ServiceSpec, errs: list[FieldError]) -> None:
    config = spec.sessionAffinityConfig
    match spec.sessionAffinity:
        case "":
            errs.append(required("spec.sessionAffinity"))
        case "ClientIP":
            path = "spec.sessionAffinityConfig.clientIP"
            client = config.clientIP if config is not None else None
            if client is None or client.timeoutSeconds is None:
                detail = "when session affinity type is ClientIP"
                errs.append(required(f"{path}.timeoutSeconds", detail))
            elif not 0 < client.timeoutSeconds <= 86400:
                detail = "must be greater than 0 and less than 86400"
                errs.append(invalid(f"{path}.timeoutSeconds", client.timeoutSeconds, detail))
        case "None":
            if config is not None:
                detail = "must not be set when session affinity is None"
                errs.append(forbidden("spec.sessionAffinityConfig", detail))
        case other:
            errs.append(not_supported("spec.sessionAffinity", other, ("ClientIP", "None")))


def _cluster_ips(spec: ServiceSpec, errs: list[FieldError]) -> None:
    families, ips = spec.ipFamilies, spec.clusterIPs
    for i, family in enumerate(families):
        if family not in ("IPv4", "IPv6"):
            errs.append(not_supported(f"spec.ipFamilies[{i}]", family, ("IPv4", "IPv6")))
        elif family in families[:i]:
            errs.append(duplicate(f"spec.ipFamilies[{i}]", family))
    policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
    if spec.ipFamilyPolicy is not None and spec.ipFamilyPolicy not in policies:
        errs.append(not_supported("spec.ipFamilyPolicy", spec.ipFamilyPolicy, policies))
    if ips and not spec.clusterIP:
        errs.append(required("spec.clusterIP", "must be set when `clusterIPs` is specified"))
    elif ips and ips[0] != spec.clusterIP:
        errs.append(invalid("spec.clusterIPs", list(ips), "first value must match `clusterIP`"))
    if len(ips) > 2:
        errs.append(invalid("spec.clusterIPs", list(ips), "may only hold up to 2 values"))
    if "None" in ips and len(ips) > 1:
        errs.append(invalid("spec.clusterIPs[0]", list(ips), "'None' must be the first and only value"))
        return
    for i, ip in enumerate(ips):
        if ip == "None":
            continue
        if sentences := _net.ip(ip):
            errs.extend(invalid(f"spec.clusterIPs[{i}]", ip, sentence) for sentence in sentences)
        elif i < len(families) and (":" in ip) != (families[i] == "IPv6"):
            detail = f"expected an {families[i]} value as indicated by `ipFamilies[{i}]`"
            errs.append(invalid(f"spec.clusterIPs[{i}]", ip, detail))
    if len(ips) == 2 and all(map(_net.parse_ip, ips)) and (":" in ips[0]) == (":" in ips[1]):
        detail = "may specify no more than one IP for each IP family"
        errs.append(invalid("spec.clusterIPs", list(ips), detail))
    if spec.ipFamilyPolicy == "SingleStack" and (len(ips) > 1 or len(families) > 1):
        detail = "must be RequireDualStack or PreferDualStack when multiple values are specified"
        errs.append(invalid("spec.ipFamilyPolicy", spec.ipFamilyPolicy, detail))


def _load_balancer(spec: ServiceSpec, errs: list[FieldError]) -> None:
    balancer = spec.type == "LoadBalancer"
    if spec.loadBalancerSourceRanges:
        if not balancer:
            errs.append(forbidden("spec.loadBalancerSourceRanges", _ONLY_BALANCER))
        for i, text in enumerate(spec.loadBalancerSourceRanges):
            for sentence in _net.cidr(text.strip()):
                errs.append(invalid(f"spec.loadBalancerSourceRanges[{i}]", text, sentence))
    if spec.allocateLoadBalancerNodePorts is not None and not balancer:
        errs.append(forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCER))
    elif balancer and spec.allocateLoadBalancerNodePorts is None:
        errs.append(required("spec.allocateLoadBalancerNodePorts"))
    if spec.loadBalancerClass is not None:
        if not balancer:
            errs.append(forbidden("spec.loadBalancerClass", _ONLY_BALANCER))
        for sentence in qualified(spec.loadBalancerClass):
            errs.append(invalid("spec.loadBalancerClass", spec.loadBalancerClass, sentence))


def _traffic(spec: ServiceSpec, errs: list[FieldError]) -> None:
    exposed = spec.type in ("NodePort", "LoadBalancer") or (spec.type == "ClusterIP" and bool(spec.externalIPs))
    policies = ("Cluster", "Local")
    external = spec.externalTrafficPolicy
    if external and not exposed:
        detail = "may only be set for externally-accessible services"
        errs.append(invalid("spec.externalTrafficPolicy", external, detail))
    elif external and external not in policies:
        errs.append(not_supported("spec.externalTrafficPolicy", external, policies))
    elif exposed and not external:
        errs.append(required("spec.externalTrafficPolicy"))
    number = spec.healthCheckNodePort
    if number:
        if not (spec.type == "LoadBalancer" and external == "Local"):
            detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            errs.append(invalid("spec.healthCheckNodePort", number, detail))
        else:
            for sentence in _net.port_number(number):
                errs.append(invalid("spec.healthCheckNodePort", number, sentence))
    internal = spec.internalTrafficPolicy
    if internal is None:
        if spec.type in _TYPES and spec.type != "ExternalName":
            errs.append(required("spec.internalTrafficPolicy"))
    elif internal not in policies:
        errs.append(not_supported("spec.internalTrafficPolicy", internal, policies))
    wanted = ("PreferClose", "PreferSameNode", "PreferSameZone")
    if spec.trafficDistribution is not None and spec.trafficDistribution not in wanted:
        errs.append(not_supported("spec.trafficDistribution", spec.trafficDistribution, wanted))


def validate_service_update(new: Service, old: Service) -> list[FieldError]:
    """What is wrong with an update: the address and what hangs on it stay, once given."""
    errs: list[FieldError] = []
    after, before = new.spec, old.spec
    if before.type != "ExternalName" and after.type != "ExternalName":
        _kept_first("clusterIPs", after.clusterIPs, before.clusterIPs, errs)
        _kept_first("ipFamilies", after.ipFamilies, before.ipFamilies, errs)
    if before.type == after.type == "LoadBalancer" and before.loadBalancerClass != after.loadBalancerClass:
        errs.append(invalid("spec.loadBalancerClass", after.loadBalancerClass, "may not change once set"))
    return [*errs, *validate_service(new)]


def _kept_first(member: str, after: Sequence[str], before: Sequence[str], errs: list[FieldError]) -> None:
    if before and before[0] and (not after or after[0] != before[0]):
        errs.append(invalid(f"spec.{member}[0]", list(after), "may not change once set"))


def validate_service_status(new: Service) -> list[FieldError]:
    """What is wrong with the status that a load balancer's controller writes."""
    errs: list[FieldError] = []
    for i, ingress in enumerate(new.status.loadBalancer.ingress):
        path = f"status.loadBalancer.ingress[{i}]"
        if ingress.ip:
            for sentence in _net.ip(ingress.ip):
                errs.append(invalid(f"{path}.ip", ingress.ip, sentence))
        if ingress.ipMode is not None:
            if not ingress.ip:
                errs.append(forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
            elif ingress.ipMode not in ("Proxy", "VIP"):
                errs.append(not_supported(f"{path}.ipMode", ingress.ipMode, ("Proxy", "VIP")))
        if ingress.hostname:
            for sentence in names.dns1123_subdomain(ingress.hostname):
                errs.append(invalid(f"{path}.hostname", ingress.hostname, sentence))
            if _net.parse_ip(ingress.hostname):
                detail = "must be a DNS name, not an IP address"
                errs.append(invalid(f"{path}.hostname", ingress.hostname, detail))
    return errs
