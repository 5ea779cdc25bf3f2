"""Pods leave a Node with a NoExecute taint when they have tolerated it for as long as they said they would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from minikube_py.api import taints, times
from minikube_py.api.meta import Object, condition, is_deleting
from minikube_py.api.resources import NODES, PODS
from minikube_py.api.taints import NO_EXECUTE, Taint, Toleration
from minikube_py.controller_manager.context import Context, Index, node_name
from minikube_py.controller_manager.disruption import end
from minikube_py.daemon import logs

log = logs.get("taint-eviction")

DEFAULT_SECONDS = 300
"""How long a Pod that says nothing about it stays on a Node that is not ready or cannot be reached."""

REASON = "DeletionByTaintManager"
MESSAGE = "Taint manager: deleting due to NoExecute taint"


def no_execute(node: Object | None) -> tuple[Taint, ...]:
    """The Node's NoExecute taints."""
    found = (Taint.of(t) for t in ((node or {}).get("spec") or {}).get("taints") or ())
    return tuple(t for t in found if t.effect == NO_EXECUTE)


def patience(tolerations: Iterable[Toleration], taint: Taint) -> int | None:
    """Seconds for which the taint is tolerated, None for ever; of several tolerations the shortest time holds."""
    matching = [t for t in tolerations if t.tolerates(taint)]
    if not matching:
        return DEFAULT_SECONDS if taint.key in (taints.NOT_READY, taints.UNREACHABLE) else 0
    limits = [max(t.seconds, 0) for t in matching if t.seconds is not None]
    return min(limits, default=None)


def plan(pod: Object, found: Mapping[Taint, datetime]) -> datetime | None:
    """When the Pod must go, given the Node's NoExecute taints and since when each is there; None for never."""
    tolerations = [Toleration.of(t) for t in pod.get("spec", {}).get("tolerations") or ()]
    arrived = _arrived(pod)
    deadlines = []
    for taint, since in found.items():
        seconds = patience(tolerations, taint)
        if seconds is not None:
            # A Pod that came to a Node tainted long ago has its time from then on.
            start = max(since, arrived) if arrived is not None else since
            deadlines.append(start + timedelta(seconds=seconds))
    return min(deadlines, default=None)


def _arrived(pod: Object) -> datetime | None:
    bound = condition(pod, "PodScheduled")
    text = (bound or {}).get("lastTransitionTime") if (bound or {}).get("status") == "True" else None
    text = text or pod["metadata"].get("creationTimestamp")
    return times.parse_time(text) if text else None


class TaintEviction:
    name = "taint-eviction-controller"

    def __init__(self, context: Context) -> None:
        self.client, self.clock, self.recorder = context.client, context.clock, context.recorder
        self.nodes = context.informer(NODES)
        self.pods = context.informer(PODS)
        self.pods_of = Index(self.pods, node_name)
        self._first_seen: dict[tuple[str, Taint], datetime] = {}
        controller = context.controller(self.name, self.reconcile, workers=8)
        controller.watch(self.nodes, self._on_tainted)
        controller.watch(self.pods)

    def _on_tainted(self, old: Object | None, new: Object | None) -> list[str]:
        """The Pods of a Node whose NoExecute taints changed."""
        before, after = set(no_execute(old)), set(no_execute(new))
        name = str((new or old or {})["metadata"]["name"])
        for taint in before - after:
            self._first_seen.pop((name, taint), None)
        for taint in after - before:
            self._first_seen[(name, taint)] = times.parse_time(taint.since) if taint.since else self.clock.now()
        return self.pods_of.get(name) if before != after else []

    async def reconcile(self, key: str) -> float | None:
        """`key` is a Pod."""
        pod = self.pods.get(key)
        if pod is None or is_deleting(pod):
            return None
        node = node_name(pod)
        found = no_execute(self.nodes.get(node))
        if not found:
            return None
        deadline = plan(pod, {t: self._first_seen.get((node, t), self.clock.now()) for t in found})
        if deadline is None:
            return None
        left = (deadline - self.clock.now()).total_seconds()
        if left > 0:
            return left
        log.info("evicting pod", pod=key, node=node)
        self.recorder.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
        await end(self.client, self.clock, pod, reason=REASON, message=MESSAGE)
        return None
