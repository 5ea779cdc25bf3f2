"""Whether the node takes a Pod, pure; a refused one becomes Failed with a reason that users see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from minikube_py.api import quantity
from minikube_py.kubelet import podspec
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.security import unsupported

UNITS = {"cpu": "milli", "memory": "whole", "ephemeral-storage": "whole", "pods": "whole"}


def admit(
    pod: Object, others: Iterable[Object], allocatable: Mapping[str, str], labels: Mapping[str, str]
) -> tuple[str, str] | None:
    """None, or reason and message of the refusal.

    `others` are the live Pods that the node has already; `labels` the Node's. The scheduler has looked at the same
    things: this is for Pods that were bound past it, and for races.
    """
    wanted = unsupported(pod)
    if wanted:
        return "Unsupported", "Pod was rejected: this node does not support " + ", ".join(wanted)
    for key, value in (pod["spec"].get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return "NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match nodeSelector"
    live = [p for p in others if not podspec.is_terminal(p)]
    taken = {port for other in live for port in host_ports(other)}
    for port in host_ports(pod):
        if any(_ports_clash(port, other) for other in taken):
            return (
                "NodePorts",
                "Pod was rejected: Predicate NodePorts failed: "
                "node(s) didn't have free ports for the requested pod ports",
            )
    return _fits(pod, live, allocatable)


def _fits(pod: Object, live: list[Object], allocatable: Mapping[str, str]) -> tuple[str, str] | None:
    asked = requests(pod)
    asked["pods"] = 1
    for name, amount in asked.items():
        if not amount:
            continue
        used = len(live) if name == "pods" else sum(requests(p).get(name, 0) for p in live)
        capacity = in_units(name, allocatable.get(name, "0"))
        if used + amount > capacity:
            return (
                f"OutOf{name}",
                f"Pod was rejected: Node didn't have enough resource: {name}, "
                f"requested: {amount}, used: {used}, capacity: {capacity}",
            )
    return None


def requests(pod: Object) -> dict[str, int]:
    """What the Pod asks of the node (cpu in thousandths): the sum of its containers, or its largest init container.

    Sidecars count with everything that runs beside them.
    """
    total: dict[str, int] = {}
    sidecars: dict[str, int] = {}
    largest: dict[str, int] = {}
    for spec in podspec.init_containers(pod):
        own = _own(spec)
        if podspec.is_sidecar(spec):
            _add(sidecars, own)
            own = sidecars
        else:
            own = _sum(own, sidecars)
        for name, amount in own.items():
            largest[name] = max(largest.get(name, 0), amount)
    for spec in podspec.containers(pod):
        _add(total, _own(spec))
    _add(total, sidecars)
    for name, amount in largest.items():
        total[name] = max(total.get(name, 0), amount)
    return total


def _own(spec: Object) -> dict[str, int]:
    asked = spec.get("resources") or {}
    merged = {**(asked.get("limits") or {}), **(asked.get("requests") or {})}
    return {name: in_units(name, text) for name, text in merged.items()}


def in_units(name: str, text: object) -> int:
    """An amount in the units that requests are counted in: cpu in thousandths."""
    value = quantity.parse(text if isinstance(text, (str, int, float)) else str(text))
    return value.milli_value() if UNITS.get(name) == "milli" else value.value()


def _add(into: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        into[name] = into.get(name, 0) + amount


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    out = dict(one)
    _add(out, other)
    return out


def host_ports(pod: Object) -> set[tuple[str, str, int]]:
    """The (address, protocol, port) that the Pod wants on the host."""
    out = set()
    own_network = not pod["spec"].get("hostNetwork")
    for spec in podspec.all_containers(pod):
        for port in spec.get("ports") or ():
            number = port.get("hostPort") or (0 if own_network else port["containerPort"])
            if number:
                out.add((port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", number))
    return out


def _ports_clash(one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    if one[1:] != other[1:]:
        return False
    anywhere = ("0.0.0.0", "::")
    return one[0] == other[0] or one[0] in anywhere or other[0] in anywhere
