"""A Pod with scheduling gates waits until the last of them is removed."""

from __future__ import annotations

from minikube_py.scheduler.pod import PodInfo


class SchedulingGates:
    name = "SchedulingGates"

    def hold(self, pod: PodInfo) -> str:
        """The gates are the Pod's own, so only a change of the Pod lets it go."""
        return "Scheduling is blocked due to non-empty scheduling gates" if pod.gates else ""
