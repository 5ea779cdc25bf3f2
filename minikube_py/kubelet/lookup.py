"""The kubelet's Pods as its server asks for them: by name, with the status last computed and the engine's ids."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.kubelet.pods import PodManager
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.reporter import StatusReporter
from minikube_py.kubelet.state import current_sandbox
from minikube_py.kubelet.steps import Entry


class PodLookup:
    """See `server.Pods`."""

    def __init__(self, pods: PodManager, reporter: StatusReporter) -> None:
        self._pods = pods
        self._reporter = reporter

    def all(self) -> Sequence[Object]:
        """Every Pod in this kubelet's care."""
        return [self._shown(entry.pod) for entry in self._pods.entries() if entry.pod is not None]

    def get(self, namespace: str, name: str) -> Object | None:
        entry = self._entry(namespace, name)
        return self._shown(entry.pod) if entry is not None and entry.pod is not None else None

    def sandbox_id(self, namespace: str, name: str) -> str | None:
        """The sandbox that the Pod runs in; None where it has none that works."""
        entry = self._entry(namespace, name)
        sandbox = current_sandbox(entry.view) if entry is not None else None
        return sandbox.id if sandbox is not None else None

    def container_id(self, namespace: str, name: str, container: str, *, previous: bool = False) -> str | None:
        """The newest attempt that was started, or the one before it; None where there is none."""
        entry = self._entry(namespace, name)
        if entry is None:
            return None
        started = [c for c in entry.view.containers.get(container, ()) if c.state != "created"]
        place = 1 if previous else 0
        return started[place].id if len(started) > place else None

    def _entry(self, namespace: str, name: str) -> Entry | None:
        """Of two with one name (an old one on its way out), the one that the API server has."""
        found = None
        for entry in self._pods.entries():
            if entry.pod is None:
                continue
            meta = entry.pod["metadata"]
            if (meta.get("namespace"), meta["name"]) == (namespace, name) and (found is None or not entry.local.gone):
                found = entry
        return found

    def _shown(self, pod: Object) -> Object:
        return {**pod, "status": dict(self._reporter.previous(pod))}
