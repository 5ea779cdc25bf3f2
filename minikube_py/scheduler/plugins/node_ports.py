"""Two Pods cannot have the same port of one Node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minikube_py.scheduler.node import NodeInfo
from minikube_py.scheduler.plugins.base import Check, Cluster, Event, NodeEvent, PodEvent
from minikube_py.scheduler.pod import PodInfo

Port = tuple[str, str, int]
ANY = "0.0.0.0"
REASON = ("node(s) didn't have free ports for the requested pod ports",)


def clash(wanted: Iterable[Port], taken: Iterable[Port]) -> bool:
    """Whether a port is wanted that is taken: same protocol and number, on the same address or on all of them."""
    by_port: dict[tuple[str, int], set[str]] = {}
    for address, protocol, number in taken:
        by_port.setdefault((protocol, number), set()).add(address)
    for address, protocol, number in wanted:
        if (addresses := by_port.get((protocol, number))) and (
            address == ANY or ANY in addresses or address in addresses
        ):
            return True
    return False


class NodePorts:
    name = "NodePorts"

    def filter(self, pod: PodInfo, cluster: Cluster) -> Check | None:
        """Host ports of the containers and sidecars."""
        if not pod.ports:
            return None

        def check(node: NodeInfo) -> Sequence[str]:
            return REASON if node.ports and clash(pod.ports, node.ports) else ()

        return check

    def cured_by(self, pod: PodInfo, event: Event) -> bool:
        """A new Node, or the end of a Pod that had one of the ports."""
        if isinstance(event, NodeEvent):
            return event.old is None
        if isinstance(event, PodEvent) and event.old is not None:
            return event.new is None and clash(pod.ports, event.old.ports)
        return False
