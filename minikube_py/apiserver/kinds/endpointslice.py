"""EndpointSlice: some of the addresses behind a Service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, invalid, not_supported, required, too_many
from minikube_py.api.resources import ENDPOINTSLICES
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE, qualified
from minikube_py.apiserver.kinds._storage import UNSET
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.discovery_v1 import Endpoint, EndpointPort, EndpointSlice

_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS, _MAX_ADDRESSES, _MAX_PORTS, _MAX_HINTS = 1000, 100, 20000, 8
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")


def default(obj: Object) -> None:
    for port in obj.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""
        if port.get("protocol") is None:
            port["protocol"] = "TCP"


def prepare_create(obj: Object, context: Context) -> None:
    """`deprecatedTopology` is what is left of an older version; this one writes `zone` and `nodeName`."""
    for endpoint in obj.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def prepare_update(new: Object, old: Object, context: Context) -> None:
    """Labels say which Service it belongs to, hence their changes count as changes of the slice."""
    prepare_create(new, context)
    after, before = new["metadata"], old["metadata"]
    if (after.get("labels") or {}) != (before.get("labels") or {}):
        after["generation"] = (before.get("generation") or 0) + 1


def validate(obj: EndpointSlice) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    if not obj.addressType:
        errs.append(required("addressType"))
    elif obj.addressType not in _TYPES:
        errs.append(not_supported("addressType", obj.addressType, _TYPES))
    _ports(obj.ports, errs)
    if len(obj.endpoints) > _MAX_ENDPOINTS:
        errs.append(too_many("endpoints", _MAX_ENDPOINTS))
    else:
        for i, endpoint in enumerate(obj.endpoints):
            _endpoint(endpoint, obj.addressType, f"endpoints[{i}]", errs)
    return errs


def _ports(ports: Sequence[EndpointPort], errs: list[FieldError]) -> None:
    if len(ports) > _MAX_PORTS:
        errs.append(too_many("ports", _MAX_PORTS))
        return
    seen: set[str | None] = set()
    for i, port in enumerate(ports):
        path = f"ports[{i}]"
        if port.name:
            for sentence in names.dns1123_label(port.name):
                errs.append(invalid(f"{path}.name", port.name, sentence))
        if port.name in seen:
            errs.append(duplicate(f"{path}.name", port.name))
        seen.add(port.name)
        if port.protocol is None:
            errs.append(required(f"{path}.protocol"))
        elif port.protocol not in _net.PROTOCOLS:
            errs.append(not_supported(f"{path}.protocol", port.protocol, _net.PROTOCOLS))
        if port.appProtocol is not None:
            for sentence in qualified(port.appProtocol):
                errs.append(invalid(f"{path}.appProtocol", port.appProtocol, sentence))


def _endpoint(endpoint: Endpoint, kind: str, path: str, errs: list[FieldError]) -> None:
    if not endpoint.addresses:
        errs.append(required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(endpoint.addresses) > _MAX_ADDRESSES:
        errs.append(too_many(f"{path}.addresses", _MAX_ADDRESSES))
    for i, address in enumerate(endpoint.addresses):
        _address(address, kind, f"{path}.addresses[{i}]", errs)
    if endpoint.nodeName is not None:
        for sentence in names.dns1123_subdomain(endpoint.nodeName):
            errs.append(invalid(f"{path}.nodeName", endpoint.nodeName, sentence))
    if endpoint.hostname is not None:
        for sentence in names.dns1123_label(endpoint.hostname):
            errs.append(invalid(f"{path}.hostname", endpoint.hostname, sentence))
    if endpoint.hints is not None:
        zones, nodes = [z.name for z in endpoint.hints.forZones], [n.name for n in endpoint.hints.forNodes]
        _hints(zones, names.label_value, f"{path}.hints.forZones", errs)
        _hints(nodes, names.dns1123_subdomain, f"{path}.hints.forNodes", errs)


def _address(address: str, kind: str, path: str, errs: list[FieldError]) -> None:
    if kind == "FQDN":
        if not address:
            errs.append(required(path))
        else:
            errs.extend(invalid(path, address, sentence) for sentence in _domain(address.removesuffix(".")))
    elif kind in ("IPv4", "IPv6"):
        wrong = _net.strict_ip(address)
        if not wrong:
            if (":" in address) != (kind == "IPv6"):
                wrong = [f"must be an {kind} address"]
            wrong = [*wrong, *_net.not_special(address)]
        errs.extend(invalid(path, address, sentence) for sentence in wrong)


def _domain(name: str) -> list[str]:
    if wrong := names.dns1123_subdomain(name):
        return [",".join(wrong)]
    labels = name.split(".")
    if len(labels) < 2:
        return ["should be a domain with at least two segments separated by dots"]
    return [",".join(wrong) for label in labels if (wrong := names.dns1123_label(label))]


def _hints(hints: Sequence[str], rule: Callable[[str], list[str]], path: str, errs: list[FieldError]) -> None:
    if len(hints) > _MAX_HINTS:
        errs.append(too_many(path, _MAX_HINTS))
        return
    for i, name in enumerate(hints):
        if name in hints[:i]:
            errs.append(duplicate(f"{path}[{i}].name", name))
        for sentence in rule(name):
            errs.append(invalid(f"{path}[{i}].name", name, sentence))


def validate_update(new: EndpointSlice, old: EndpointSlice) -> Sequence[FieldError]:
    errs = [*validate(new)]
    if new.addressType != old.addressType:
        errs.append(invalid("addressType", new.addressType, IMMUTABLE))
    return errs


def warnings(obj: Object) -> Sequence[str]:
    """Slices that Kubernetes' own controllers write are well-formed and not looked at."""
    kind = obj.get("addressType")
    if kind == "FQDN":
        return ("spec.addressType: FQDN endpoints are deprecated",)
    if kind != "IPv6" or (obj["metadata"].get("labels") or {}).get(_MANAGED_BY) in _CONTROLLERS:
        return ()
    return [
        warning
        for i, endpoint in enumerate(obj.get("endpoints") or ())
        for j, address in enumerate(endpoint.get("addresses") or ())
        for warning in _net.ip_warnings(f"endpoints[{i}].addresses[{j}]", address)
    ]


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    ports = (str(p["port"]) if p.get("port") is not None else p.get("name") or "*" for p in obj.get("ports") or ())
    addresses = (a for e in obj.get("endpoints") or () for a in e.get("addresses") or ())
    return [
        metadata["name"],
        obj.get("addressType", ""),
        _some(ports),
        _some(addresses),
        age(metadata.get("creationTimestamp")),
    ]


def _some(texts: Iterable[str]) -> str:
    """The first three, and how many more there are."""
    found = list(texts)
    shown = ",".join(found[:3]) if found else UNSET
    return f"{shown} + {len(found) - 3} more..." if len(found) > 3 else shown


KIND = Kind(
    resource=ENDPOINTSLICES,
    singular="endpointslice",
    generation=True,
    columns=(
        NAME,
        Column("AddressType", description="Whether the addresses are IPv4, IPv6 or names."),
        Column("Ports", description="The first few ports."),
        Column("Endpoints", description="The first few addresses."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
