"""NetworkPolicy: which traffic the chosen Pods may receive and send."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import errors, labels, names
from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.api.resources import NETWORKPOLICIES
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds._cells import NONE, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import validate_label_selector
from minikube_py.apiserver.kinds.base import Column, Kind, Object
from minikube_py.apiserver.kinds.podspec.probes import validate_port_reference

if TYPE_CHECKING:
    from minikube_py.api.types.networking_v1 import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort

_TYPES = ("Ingress", "Egress")
_PROTOCOLS = ("TCP", "UDP", "SCTP")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for direction in ("ingress", "egress"):
        for rule in spec.get(direction) or ():
            for port in rule.get("ports") or ():
                if port.get("protocol") is None:
                    port["protocol"] = "TCP"
    if not spec.get("policyTypes"):
        spec["policyTypes"] = list(_TYPES) if spec.get("egress") else ["Ingress"]


def validate(obj: NetworkPolicy) -> Sequence[FieldError]:
    return _spec(obj, ())


def validate_update(new: NetworkPolicy, old: NetworkPolicy) -> Sequence[FieldError]:
    """What was a CIDR once stays one: the rules for them have become stricter."""
    return _spec(new, set(_cidrs(old)))


def _cidrs(obj: NetworkPolicy) -> Iterator[str]:
    for peers in (*(r.from_ for r in obj.spec.ingress), *(r.to for r in obj.spec.egress)):
        for peer in peers:
            if peer.ipBlock is not None:
                yield peer.ipBlock.cidr
                yield from peer.ipBlock.except_


def _spec(obj: NetworkPolicy, known: Collection[str]) -> list[FieldError]:
    spec = obj.spec
    errs: list[FieldError] = []
    validate_label_selector(spec.podSelector, "spec.podSelector", errs)
    for direction, member, rules in (
        ("ingress", "from", [(r.ports, r.from_) for r in spec.ingress]),
        ("egress", "to", [(r.ports, r.to) for r in spec.egress]),
    ):
        for i, (ports, peers) in enumerate(rules):
            path = f"spec.{direction}[{i}]"
            for j, port in enumerate(ports):
                _port(port, f"{path}.ports[{j}]", errs)
            for j, peer in enumerate(peers):
                _peer(peer, f"{path}.{member}[{j}]", known, errs)
    if len(spec.policyTypes) > len(_TYPES):
        errs.append(invalid("spec.policyTypes", list(spec.policyTypes), "may not specify more than two policyTypes"))
        return errs
    for i, text in enumerate(spec.policyTypes):
        if text not in _TYPES:
            errs.append(not_supported(f"spec.policyTypes[{i}]", text, _TYPES))
    return errs


def _port(port: NetworkPolicyPort, path: str, errs: list[FieldError]) -> None:
    if port.protocol is not None and port.protocol not in _PROTOCOLS:
        errs.append(not_supported(f"{path}.protocol", port.protocol, _PROTOCOLS))
    if port.port is not None:
        validate_port_reference(port.port, f"{path}.port", errs)
    end, where = port.endPort, f"{path}.endPort"
    if end is None:
        return
    if port.port is None:
        errs.append(invalid(where, end, "may not be specified when `port` is not specified"))
    elif not isinstance(port.port, int):
        errs.append(invalid(where, end, "may not be specified when `port` is non-numeric"))
    else:
        if end < port.port:
            errs.append(invalid(where, end, "must be greater than or equal to `port`"))
        for sentence in _net.port_number(end):
            errs.append(invalid(where, end, sentence))


def _peer(peer: NetworkPolicyPeer, path: str, known: Collection[str], errs: list[FieldError]) -> None:
    selectors = 0
    for member in ("podSelector", "namespaceSelector"):
        if (selector := getattr(peer, member)) is not None:
            selectors += 1
            validate_label_selector(selector, f"{path}.{member}", errs)
    if peer.ipBlock is not None:
        _block(peer.ipBlock, f"{path}.ipBlock", known, errs)
        if selectors:
            errs.append(forbidden(path, "may not specify both ipBlock and another peer"))
    elif not selectors:
        errs.append(required(path, "must specify a peer"))


def _block(block: IPBlock, path: str, known: Collection[str], errs: list[FieldError]) -> None:
    if not block.cidr:
        errs.append(required(f"{path}.cidr"))
        return
    _cidr(block.cidr, f"{path}.cidr", known, errs)
    outer = _net.parse_cidr(block.cidr)
    for i, text in enumerate(block.except_):
        where = f"{path}.except[{i}]"
        _cidr(text, where, known, errs)
        inner = _net.parse_cidr(text)
        if outer is None or inner is None:
            continue
        narrower = inner.network.prefixlen > outer.network.prefixlen
        if not narrower or inner.network.network_address not in outer.network:
            errs.append(invalid(where, text, "must be a strict subset of `cidr`"))


def _cidr(text: str, path: str, known: Collection[str], errs: list[FieldError]) -> None:
    for sentence in () if text in known else _net.strict_cidr(text):
        errs.append(invalid(path, text, sentence))


def warnings(obj: Object) -> Sequence[str]:
    spec = obj.get("spec") or {}
    found: list[str] = []
    for direction, member in (("ingress", "from"), ("egress", "to")):
        for i, rule in enumerate(spec.get(direction) or ()):
            for j, peer in enumerate(rule.get(member) or ()):
                block = peer.get("ipBlock") or {}
                path = f"spec.{direction}[{i}].{member}[{j}].ipBlock"
                found += _net.cidr_warnings(f"{path}.cidr", block.get("cidr", ""))
                for k, text in enumerate(block.get("except") or ()):
                    found += _net.cidr_warnings(f"{path}.except[{k}]", text)
    return found


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    selector = (obj.get("spec") or {}).get("podSelector") or {}
    try:
        shown = str(labels.from_label_selector(selector)) or NONE
    except errors.BadRequest:
        shown = "<error>"
    return [metadata["name"], shown, age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=NETWORKPOLICIES,
    singular="networkpolicy",
    short_names=("netpol",),
    generation=True,
    columns=(NAME, Column("Pod-Selector", description="The labels of the Pods that it is about."), AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
