"""A Node must have what the Pod requests; the emptier it stays, the better."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.scheduler.node import NodeInfo
from minikube_py.scheduler.plugins.base import MAX_SCORE, Check, Cluster, Event, NodeEvent, PodEvent
from minikube_py.scheduler.pod import PodInfo


class NodeResourcesFit:
    name = "NodeResourcesFit"
    weight = 1

    def filter(self, pod: PodInfo, cluster: Cluster) -> Check | None:
        """CPU, memory, storage, extended resources and the number of Pods; a resource the Node has not is zero."""
        wanted = tuple(pod.requests.items())

        def check(node: NodeInfo) -> Sequence[str]:
            room, taken = node.facts.allocatable, node.requested
            short: list[str] = []
            if len(node.pods) + 1 > room.get("pods", 0):
                short.append("Too many pods")
            for name, number in wanted:
                if number > room.get(name, 0) - taken.get(name, 0):
                    short.append(f"Insufficient {name}")
            return short

        return check

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo], cluster: Cluster) -> list[int] | None:
        """LeastAllocated: the mean of the free shares of CPU and memory, with the Pod on the Node."""
        cpu, memory = pod.scoring
        found = []
        for node in nodes:
            room = node.facts.allocatable
            total = parts = 0
            for capacity, used in (
                (room.get("cpu", 0), node.scoring_cpu + cpu),
                (room.get("memory", 0), node.scoring_memory + memory),
            ):
                if capacity:
                    parts += 1
                    total += (capacity - used) * MAX_SCORE // capacity if used <= capacity else 0
            found.append(total // parts if parts else 0)
        return found

    def cured_by(self, pod: PodInfo, event: Event) -> bool:
        """A Node that could hold the Pod is new or grew; a Pod that took of the same resources is gone or shrank."""
        if isinstance(event, NodeEvent):
            if event.new is None or any(n > event.new.allocatable.get(r, 0) for r, n in pod.requests.items()):
                return False
            if event.old is None:
                return True
            before = event.old.allocatable
            grew = [r for r, n in event.new.allocatable.items() if n > before.get(r, 0)]
            return any(r == "pods" or r in pod.requests for r in grew)
        if isinstance(event, PodEvent) and event.old is not None:
            if event.new is None:
                return True  # it counted as a Pod, whatever it requested
            return any(n > event.new.requests.get(r, 0) and r in pod.requests for r, n in event.old.requests.items())
        return False
