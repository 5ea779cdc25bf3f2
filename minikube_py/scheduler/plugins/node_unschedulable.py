"""A cordoned Node takes only Pods that tolerate being on it."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.api.taints import NO_SCHEDULE, UNSCHEDULABLE, Taint
from minikube_py.scheduler.node import NodeInfo
from minikube_py.scheduler.plugins.base import Check, Cluster, Event, NodeEvent
from minikube_py.scheduler.pod import PodInfo

CORDONED = Taint(UNSCHEDULABLE, "", NO_SCHEDULE)
REASON = ("node(s) were unschedulable",)


class NodeUnschedulable:
    name = "NodeUnschedulable"

    def filter(self, pod: PodInfo, cluster: Cluster) -> Check | None:
        """Spec.unschedulable counts as the taint that the node controller will soon put there."""
        if any(t.tolerates(CORDONED) for t in pod.tolerations):
            return None

        def check(node: NodeInfo) -> Sequence[str]:
            return REASON if node.facts.unschedulable else ()

        return check

    def cured_by(self, pod: PodInfo, event: Event) -> bool:
        """A Node that takes Pods, new or uncordoned."""
        if not isinstance(event, NodeEvent) or event.new is None or event.new.unschedulable:
            return False
        return event.old is None or event.old.unschedulable
