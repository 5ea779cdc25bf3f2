"""A Pod that needs what this scheduler cannot judge stays Pending and says why, instead of being misplaced."""

from __future__ import annotations

from minikube_py.scheduler.plugins.base import Check, Cluster, Event, Rejected
from minikube_py.scheduler.pod import PodInfo


class Supported:
    name = "Supported"

    def filter(self, pod: PodInfo, cluster: Cluster) -> Check | None:
        """Raises Rejected for claims on volumes and devices."""
        if pod.unsupported:
            raise Rejected(", ".join(pod.unsupported))
        return None

    def cured_by(self, pod: PodInfo, event: Event) -> bool:
        """Nothing in the cluster helps."""
        return False
