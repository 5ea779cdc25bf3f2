"""A Pod that names its Node runs there or nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.scheduler.node import NodeInfo
from minikube_py.scheduler.plugins.base import Check, Cluster, Event, NodeEvent
from minikube_py.scheduler.pod import PodInfo

REASON = ("node(s) didn't match the requested node name",)


class NodeName:
    name = "NodeName"

    def filter(self, pod: PodInfo, cluster: Cluster) -> Check | None:
        """Spec.nodeName, if it is set."""
        wanted = pod.node_name
        if not wanted:
            return None

        def check(node: NodeInfo) -> Sequence[str]:
            return () if node.name == wanted else REASON

        return check

    def cured_by(self, pod: PodInfo, event: Event) -> bool:
        """The Node by that name appears."""
        return isinstance(event, NodeEvent) and event.new is not None and event.new.name == pod.node_name
