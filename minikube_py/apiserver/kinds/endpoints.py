"""Endpoints: the addresses behind a Service (the older form of EndpointSlice)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, not_supported, required
from minikube_py.api.resources import ENDPOINTS
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds._cells import NONE, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import EndpointAddress, Endpoints, EndpointSubset


def default(obj: Object) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def prepare_create(obj: Object, context: Context) -> None:
    """Store subsets in their one canonical form, so that equal endpoints are equal objects."""
    # Subsets without any address are left for validation to refuse.
    if packed := repack(obj.get("subsets") or ()):
        obj["subsets"] = packed


def prepare_update(new: Object, old: Object, context: Context) -> None:
    prepare_create(new, context)


def repack(subsets: Sequence[Object]) -> list[Object]:
    """The same endpoints with one subset per distinct set of ports, everything sorted, each address once.

    An address that is ready anywhere with the same ports is ready.
    """
    merged: dict[tuple[Any, ...], tuple[list[Object], dict[tuple[str, str], Object], set[tuple[str, str]]]] = {}
    for subset in subsets:
        ports = sorted(subset.get("ports") or [], key=_port_key)
        group = merged.setdefault(tuple(map(_port_key, ports)), (ports, {}, set()))
        _, addresses, ready = group
        for member in ("addresses", "notReadyAddresses"):
            for address in subset.get(member) or ():
                key = (address.get("ip", ""), (address.get("targetRef") or {}).get("uid", ""))
                if member == "addresses":
                    ready.add(key)
                    addresses[key] = address
                else:
                    addresses.setdefault(key, address)
    out = []
    for _, (ports, addresses, ready) in sorted(merged.items(), key=lambda item: item[0]):
        subset = {}
        if up := [addresses[k] for k in sorted(addresses) if k in ready]:
            subset["addresses"] = up
        if down := [addresses[k] for k in sorted(addresses) if k not in ready]:
            subset["notReadyAddresses"] = down
        if ports:
            subset["ports"] = ports
        if up or down:
            out.append(subset)
    return out


def _port_key(port: Object) -> tuple[Any, ...]:
    return (port.get("name", ""), port.get("port", 0), port.get("protocol", ""), port.get("appProtocol", ""))


def validate(obj: Endpoints) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    for i, subset in enumerate(obj.subsets):
        _subset(subset, f"subsets[{i}]", errs)
    return errs


def _subset(subset: EndpointSubset, path: str, errs: list[FieldError]) -> None:
    if not subset.addresses and not subset.notReadyAddresses:
        # Ports alone tell nobody anything.
        errs.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
    for i, address in enumerate(subset.addresses):
        _address(address, f"{path}.addresses[{i}]", errs)
    for i, address in enumerate(subset.notReadyAddresses):
        _address(address, f"{path}.notReadyAddresses[{i}]", errs)
    many = len(subset.ports) > 1
    for i, port in enumerate(subset.ports):
        where = f"{path}.ports[{i}]"
        if many and not port.name:
            errs.append(required(f"{where}.name"))
        elif port.name:
            for sentence in names.dns1123_label(port.name):
                errs.append(invalid(f"{where}.name", port.name, sentence))
        for sentence in _net.port_number(port.port):
            errs.append(invalid(f"{where}.port", port.port, sentence))
        if not port.protocol:
            errs.append(required(f"{where}.protocol"))
        elif port.protocol not in _net.PROTOCOLS:
            errs.append(not_supported(f"{where}.protocol", port.protocol, _net.PROTOCOLS))
        if port.appProtocol:
            for sentence in names.qualified_name(port.appProtocol):
                errs.append(invalid(f"{where}.appProtocol", port.appProtocol, sentence))


def _address(address: EndpointAddress, path: str, errs: list[FieldError]) -> None:
    for sentence in _net.ip(address.ip):
        errs.append(invalid(f"{path}.ip", address.ip, sentence))
    if not errs or errs[-1].field != f"{path}.ip":
        for sentence in _net.not_special(address.ip):
            errs.append(invalid(f"{path}.ip", address.ip, sentence))
    if address.hostname:
        for sentence in names.dns1123_label(address.hostname):
            errs.append(invalid(f"{path}.hostname", address.hostname, sentence))
    if address.nodeName:
        for sentence in names.dns1123_subdomain(address.nodeName):
            errs.append(invalid(f"{path}.nodeName", address.nodeName, sentence))


def validate_update(new: Endpoints, old: Endpoints) -> Sequence[FieldError]:
    return validate(new)


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], _summary(obj.get("subsets") or ()), age(metadata.get("creationTimestamp"))]


def _summary(subsets: Sequence[Object]) -> str:
    if not subsets:
        return NONE
    shown: list[str] = []
    count = 0
    for subset in subsets:
        for port in subset.get("ports") or (None,):
            for address in subset.get("addresses") or ():
                count += 1
                if len(shown) < 3:
                    shown.append(address["ip"] if port is None else _net.host_port(address["ip"], port.get("port", 0)))
    text = ",".join(shown)
    return f"{text} + {count - 3} more..." if count > 3 else text


KIND = Kind(
    resource=ENDPOINTS,
    singular="endpoints",
    short_names=("ep",),
    columns=(NAME, Column("Endpoints", description="The first few addresses and ports that are ready."), AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    deprecated="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
)
