"""Pods keep off tainted Nodes, strictly or by preference, unless they tolerate the taints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minikube_py.api.taints import NO_EXECUTE, NO_SCHEDULE, PREFER_NO_SCHEDULE, Taint, Toleration
from minikube_py.scheduler.node import NodeInfo
from minikube_py.scheduler.plugins.base import Check, Cluster, Event, NodeEvent, stretched
from minikube_py.scheduler.pod import PodInfo

STRICT = (NO_SCHEDULE, NO_EXECUTE)


def untolerated(taints: Iterable[Taint], tolerations: Sequence[Toleration]) -> Taint | None:
    """The first taint that forbids scheduling and is not tolerated."""
    for taint in taints:
        if taint.effect in STRICT and not any(t.tolerates(taint) for t in tolerations):
            return taint
    return None


class TaintToleration:
    name = "TaintToleration"
    weight = 3

    def filter(self, pod: PodInfo, cluster: Cluster) -> Check | None:
        """NoSchedule and NoExecute taints; the first one that is not tolerated is named."""
        tolerations = pod.tolerations

        def check(node: NodeInfo) -> Sequence[str]:
            if not node.facts.taints:
                return ()
            taint = untolerated(node.facts.taints, tolerations)
            return () if taint is None else (f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",)

        return check

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo], cluster: Cluster) -> list[int] | None:
        """The fewer PreferNoSchedule taints are not tolerated, the better."""
        found = [sum(self._minds(pod, t) for t in node.facts.taints) if node.facts.taints else 0 for node in nodes]
        return stretched(found, reverse=True) if any(found) else None

    @staticmethod
    def _minds(pod: PodInfo, taint: Taint) -> bool:
        return taint.effect == PREFER_NO_SCHEDULE and not any(t.tolerates(taint) for t in pod.tolerations)

    def cured_by(self, pod: PodInfo, event: Event) -> bool:
        """A Node without untolerated taints that is new or had one."""
        if not isinstance(event, NodeEvent) or event.new is None or untolerated(event.new.taints, pod.tolerations):
            return False
        return event.old is None or untolerated(event.old.taints, pod.tolerations) is not None
