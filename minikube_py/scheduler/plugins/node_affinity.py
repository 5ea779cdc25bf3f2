"""Pods choose Nodes by label: spec.nodeSelector and node affinity, required and preferred."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.scheduler.node import NodeFacts, NodeInfo
from minikube_py.scheduler.plugins.base import Check, Cluster, Event, NodeEvent, stretched
from minikube_py.scheduler.pod import PodInfo

REASON = ("node(s) didn't match Pod's node affinity/selector",)


def matches(pod: PodInfo, node: NodeFacts) -> bool:
    """Whether the Node has the selector's labels and satisfies one of the required terms, if there are any."""
    if pod.node_selector and not pod.node_selector.items() <= node.labels.items():
        return False
    return pod.node_terms is None or any(t.matches(node.labels, node.name) for t in pod.node_terms)


class NodeAffinity:
    name = "NodeAffinity"
    weight = 2

    def filter(self, pod: PodInfo, cluster: Cluster) -> Check | None:
        """All of the selector and one of the terms."""
        if not pod.node_selector and pod.node_terms is None:
            return None

        def check(node: NodeInfo) -> Sequence[str]:
            return () if matches(pod, node.facts) else REASON

        return check

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo], cluster: Cluster) -> list[int] | None:
        """The sum of the weights of the preferred terms that hold."""
        if not pod.preferred_nodes:
            return None
        return stretched(
            [sum(w for w, term in pod.preferred_nodes if term.matches(node.facts.labels, node.name)) for node in nodes]
        )

    def cured_by(self, pod: PodInfo, event: Event) -> bool:
        """A Node that matches and is new or did not match."""
        if not isinstance(event, NodeEvent) or event.new is None or not matches(pod, event.new):
            return False
        return event.old is None or not matches(pod, event.old)
