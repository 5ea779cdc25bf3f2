"""Prefer Nodes on which CPU and memory are used up evenly, so that neither strands the other."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.scheduler.node import NodeInfo
from minikube_py.scheduler.plugins.base import MAX_SCORE, Cluster
from minikube_py.scheduler.pod import PodInfo


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    weight = 1

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo], cluster: Cluster) -> list[int] | None:
        """100 less the deviation of the used shares, in percent. A Pod without requests tips no balance."""
        cpu, memory = pod.requests.get("cpu", 0), pod.requests.get("memory", 0)
        if not cpu and not memory:
            return None
        found = []
        for node in nodes:
            room, used = node.facts.allocatable, node.requested
            cpu_room, memory_room = room.get("cpu", 0), room.get("memory", 0)
            if not cpu_room or not memory_room:
                found.append(MAX_SCORE)
                continue
            cpu_share = (used.get("cpu", 0) + cpu) / cpu_room
            memory_share = (used.get("memory", 0) + memory) / memory_room
            # The filter has let no Node through on which these exceed one, unless the plugin runs without it.
            if cpu_share > 1.0:
                cpu_share = 1.0
            if memory_share > 1.0:
                memory_share = 1.0
            found.append(int((1.0 - abs(cpu_share - memory_share) / 2) * MAX_SCORE))
        return found
