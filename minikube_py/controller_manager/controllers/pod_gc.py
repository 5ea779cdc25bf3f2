"""Removes Pods that nobody else will: orphans of lost Nodes, unscheduled ones being deleted, too many ended ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from minikube_py.api import errors, taints
from minikube_py.api.meta import Object, is_deleting
from minikube_py.api.resources import NODES, PODS
from minikube_py.controller_manager.context import Context, node_name
from minikube_py.controller_manager.controllers.node_lifecycle import ready
from minikube_py.controller_manager.disruption import end, is_terminal
from minikube_py.daemon import logs

log = logs.get("pod-gc")

PERIOD = 20.0
QUARANTINE = 40.0
"""Seconds for which a Node must be missing before it is asked for live and its Pods are given up."""

REASON = "DeletionByPodGC"
LOST = "PodGC: node no longer exists"
OUT_OF_SERVICE = "PodGC: node is out of service"
SWEEP = "sweep"


def surplus(pods: Iterable[Object], threshold: int) -> list[Object]:
    """The ended Pods beyond the threshold: evicted ones first, then the oldest. None are, if it is not positive."""
    if threshold <= 0:
        return []
    ended = [p for p in pods if is_terminal(p) and not is_deleting(p)]
    ended.sort(key=lambda p: (not _evicted(p), p["metadata"].get("creationTimestamp", ""), p["metadata"]["name"]))
    return ended[: max(len(ended) - threshold, 0)]


def _evicted(pod: Object) -> bool:
    return (pod.get("status") or {}).get("reason") == "Evicted"


def unscheduled(pods: Iterable[Object]) -> list[Object]:
    """Pods that are being deleted and never had a Node whose kubelet could confirm it."""
    return [p for p in pods if is_deleting(p) and not node_name(p)]


def out_of_service(pods: Iterable[Object], nodes: Iterable[Object]) -> list[Object]:
    """Pods being deleted on Nodes that are not ready and were declared out of service."""
    down = {
        n["metadata"]["name"]
        for n in nodes
        if ready(n) != "True"
        and any(t.get("key") == taints.OUT_OF_SERVICE for t in n.get("spec", {}).get("taints") or ())
    }
    return [p for p in pods if is_deleting(p) and node_name(p) in down]


def missing_nodes(pods: Iterable[Object], known: Collection[str]) -> set[str]:
    """The Nodes that Pods name and nobody knows."""
    return {name for p in pods if (name := node_name(p)) and name not in known}


class PodGarbageCollector:
    """One key, swept every 20 s and when a Node goes."""

    name = "pod-garbage-collector-controller"

    def __init__(self, context: Context) -> None:
        self.client, self.clock = context.client, context.clock
        self.threshold = context.config.terminated_pod_gc_threshold
        self.pods = context.informer(PODS)
        self.nodes = context.informer(NODES)
        self._missing_since: dict[str, float] = {}
        controller = context.controller(self.name, self.reconcile)
        controller.watch(self.pods, lambda old, new: (SWEEP,) if new is not None and unscheduled([new]) else ())
        controller.watch(self.nodes, lambda old, new: (SWEEP,) if new is None else ())
        controller.enqueue(SWEEP)

    async def reconcile(self, key: str) -> float | None:
        """Everything that may go now; what fails is tried again at the next sweep."""
        pods = list(self.pods.items().values())
        nodes = self.nodes.items()
        for pod in surplus(pods, self.threshold):
            await self._end(pod, "")
        for pod in unscheduled(pods):
            await self._end(pod, "")
        for pod in out_of_service(pods, list(nodes.values())):
            await self._end(pod, OUT_OF_SERVICE)
        lost = await self._lost(missing_nodes(pods, nodes))
        for pod in pods:
            if node_name(pod) in lost:
                await self._end(pod, LOST)
        return PERIOD

    async def _lost(self, missing: set[str]) -> set[str]:
        """Of the missing Nodes those that stayed missing long enough and are not there live either."""
        now = self.clock.monotonic()
        self._missing_since = {n: self._missing_since.get(n, now) for n in missing}
        lost = set()
        for name, since in self._missing_since.items():
            if now - since >= QUARANTINE and not await self._exists(name):
                lost.add(name)
        return lost

    async def _exists(self, name: str) -> bool:
        try:
            await self.client.get(NODES, name)
        except errors.NotFound:
            return False
        except errors.StatusError as error:
            log.warning("cannot look up node", node=name, error=error)
        return True

    async def _end(self, pod: Object, why: str) -> None:
        metadata = pod["metadata"]
        log.info("removing pod", pod=f"{metadata['namespace']}/{metadata['name']}", why=why or "ended or unscheduled")
        try:
            await end(self.client, self.clock, pod, reason=REASON if why else "", message=why, force=True)
        except errors.StatusError as error:
            log.warning("cannot remove pod", pod=metadata["name"], namespace=metadata["namespace"], error=error)
