"""Service: one name and address for a set of Pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import SERVICES
from minikube_py.apiserver.kinds._cells import NONE, UNKNOWN, age, label_text
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Allocation, Column, Context, Kind, Object, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Service
    from minikube_py.apiserver.allocators import Allocators

_IP_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    kind = spec.get("type")
    if not kind:
        kind = spec["type"] = "ClusterIP"
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    if not spec.get("externalTrafficPolicy") and exposed(spec):
        spec["externalTrafficPolicy"] = "Cluster"
    if kind in _IP_TYPES and not spec.get("internalTrafficPolicy"):
        spec["internalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True
    balancer = obj.setdefault("status", {}).setdefault("loadBalancer", {})
    if kind == "LoadBalancer":
        for ingress in balancer.get("ingress") or ():
            if ingress.get("ip") and ingress.get("ipMode") is None:
                ingress["ipMode"] = "VIP"


def exposed(spec: Object) -> bool:
    """Whether traffic from outside the cluster is meant to arrive."""
    kind = spec.get("type")
    return kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"loadBalancer": {}}
    spec = obj["spec"]
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def prepare_update(new: Object, old: Object, context: Context) -> None:
    """Clients may send back a Service without what the server gave it; changing the type drops what no longer fits."""
    new["status"] = old.get("status", {"loadBalancer": {}})
    after, before = new["spec"], old.get("spec") or {}
    _match_cluster_ips(after, before)
    _drop_unfit(after, before)
    _keep_allocated(after, before)


def prepare_status(new: Object, old: Object, context: Context) -> None:
    new["spec"] = old.get("spec", {})


def _match_cluster_ips(after: Object, before: Object) -> None:
    """`clusterIP` and the first of `clusterIPs` are one value: a client that knows only the former changes both."""
    one, was = after.get("clusterIP") or "", before.get("clusterIP") or ""
    if one and not after.get("clusterIPs"):
        after["clusterIPs"] = [one]
    elif one != was and after.get("clusterIPs") == before.get("clusterIPs"):
        if one:
            after["clusterIPs"] = [one]
        else:
            after.pop("clusterIPs", None)


def _keep_allocated(after: Object, before: Object) -> None:
    if after.get("type") in _IP_TYPES and before.get("type") in _IP_TYPES:
        if not after.get("clusterIP") and before.get("clusterIP"):
            after["clusterIP"] = before["clusterIP"]
        same = after.get("clusterIP") == before.get("clusterIP")
        if same and before.get("clusterIPs") and not after.get("clusterIPs"):
            after["clusterIPs"] = list(before["clusterIPs"])
        for member in ("ipFamilies", "ipFamilyPolicy"):
            if not after.get(member) and before.get(member):
                after[member] = before[member]
    if wants_node_ports(after) and wants_node_ports(before):
        had = [p for p in before.get("ports") or () if p.get("nodePort")]
        known = {(p.get("protocol"), p.get("port")): p["nodePort"] for p in had}
        used = {(p.get("protocol"), p.get("nodePort")) for p in after.get("ports") or ()}
        for port in after.get("ports") or ():
            number = known.get((port.get("protocol"), port.get("port")))
            if number and not port.get("nodePort") and (port.get("protocol"), number) not in used:
                port["nodePort"] = number
                used.add((port.get("protocol"), number))
    number = before.get("healthCheckNodePort")
    if number and wants_health_check(after) and wants_health_check(before) and not after.get("healthCheckNodePort"):
        after["healthCheckNodePort"] = number


def _drop_unfit(after: Object, before: Object) -> None:
    """Members that the old type had and the new one must not have go, unless the client changed them by hand."""
    if before.get("type") in _IP_TYPES and after.get("type") not in _IP_TYPES:
        for member in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            _drop(after, before, member)
    if wants_node_ports(before) and not wants_node_ports(after):
        ports = [p.get("nodePort") for p in after.get("ports") or ()]
        if ports == [p.get("nodePort") for p in before.get("ports") or ()]:
            for port in after.get("ports") or ():
                port.pop("nodePort", None)
    if wants_health_check(before) and not wants_health_check(after):
        _drop(after, before, "healthCheckNodePort")
    if before.get("type") == "LoadBalancer" and after.get("type") != "LoadBalancer":
        _drop(after, before, "allocateLoadBalancerNodePorts")
        _drop(after, before, "loadBalancerClass")
    if exposed(before) and not exposed(after):
        _drop(after, before, "externalTrafficPolicy")


def _drop(after: Object, before: Object, member: str) -> None:
    if after.get(member) == before.get(member):
        after.pop(member, None)


def wants_node_ports(spec: Object) -> bool:
    """Whether each port gets a port of the nodes."""
    kind = spec.get("type")
    return kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False)


def wants_health_check(spec: Object) -> bool:
    """Whether a load balancer asks the nodes which of them have endpoints."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def allocate(allocators: Allocators, new: Object | None, old: Object | None) -> Allocation:
    from minikube_py.apiserver.kinds._service_allocation import allocate_service

    return allocate_service(allocators, new, old)


def validate(obj: Service) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds._service_validation import validate_service

    return validate_service(obj)


def validate_update(new: Service, old: Service) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds._service_validation import validate_service_update

    return validate_service_update(new, old)


def validate_status(new: Service, old: Service) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds._service_validation import validate_service_status

    return validate_service_status(new)


def warnings(obj: Object) -> Sequence[str]:
    spec = obj.get("spec") or {}
    found: list[str] = []
    if spec.get("clusterIP") == "None":
        if spec.get("loadBalancerIP"):
            found.append("spec.loadBalancerIP is ignored for headless services")
        if spec.get("externalIPs"):
            found.append("spec.externalIPs is ignored for headless services")
        if spec.get("sessionAffinity", "None") != "None":
            found.append("spec.SessionAffinity is ignored for headless services")
    if spec.get("externalIPs"):
        found.append("spec.externalIPs is deprecated in v1.36+, and will be ignored in a later version")
    return found


def select_fields(obj: Object) -> Mapping[str, str]:
    spec = obj.get("spec") or {}
    return {"spec.clusterIP": spec.get("clusterIP") or "", "spec.type": spec.get("type") or ""}


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    ips = spec.get("clusterIPs")
    return [
        metadata["name"],
        spec.get("type", ""),
        (ips[0] if ips else "") or NONE,
        _external_ip(spec, obj.get("status") or {}),
        ",".join(map(_port, spec.get("ports") or ())) or NONE,
        age(metadata.get("creationTimestamp")),
        label_text(spec.get("selector")),
    ]


def _external_ip(spec: Object, status: Object) -> str:
    own = ",".join(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return own or NONE
        case "LoadBalancer":
            ingress = (status.get("loadBalancer") or {}).get("ingress") or ()
            given = ",".join(sorted({i.get("ip") or i.get("hostname") or "" for i in ingress} - {""}))
            return ",".join(filter(None, (given, own))) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName", ""))
    return UNKNOWN


def _port(port: Object) -> str:
    number = f"{port.get('port', 0)}:{port['nodePort']}" if port.get("nodePort") else str(port.get("port", 0))
    return f"{number}/{port.get('protocol', '')}"


KIND = Kind(
    resource=SERVICES,
    singular="service",
    short_names=("svc",),
    categories=("all",),
    subresources=(
        Subresource(
            "proxy",
            "ServiceProxyOptions",
            ("create", "delete", "get", "patch", "update"),
            "core/v1.ServiceProxyOptions",
        ),
        Subresource("status", "Service", ("get", "patch", "update"), "core/v1.Service"),
    ),
    status=True,
    columns=(
        NAME,
        Column("Type", description="How the Service can be reached."),
        Column("Cluster-IP", description="The address within the cluster, None for a headless Service."),
        Column("External-IP", description="The addresses or the name under which it is known outside."),
        Column("Port(s)", description="The ports, with the port of the nodes after a colon."),
        AGE,
        Column("Selector", priority=1, description="The labels of the Pods behind it."),
    ),
    row=row,
    validate_name=names.dns1123_label,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    select_fields=select_fields,
    allocate=allocate,
    warnings=warnings,
)
