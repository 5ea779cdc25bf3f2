"""A Node that falls silent is marked unknown and tainted; its Pods no longer count as ready."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from minikube_py.api import errors, taints, times
from minikube_py.api.meta import Object, condition, set_condition
from minikube_py.api.resources import LEASES, NODES, PODS
from minikube_py.controller_manager.context import Context, Index, no_keys, node_name
from minikube_py.daemon import logs

log = logs.get("node-lifecycle")

LEASE_NAMESPACE = "kube-node-lease"
JUDGED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
"""The conditions that only a living kubelet can vouch for."""

_BY_CONDITION = {
    ("Ready", "False"): taints.NOT_READY,
    ("Ready", "Unknown"): taints.UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
_OWNED = {(key, taints.NO_SCHEDULE) for key in (*_BY_CONDITION.values(), taints.UNSCHEDULABLE)} | {
    (key, taints.NO_EXECUTE) for key in (taints.NOT_READY, taints.UNREACHABLE)
}


def ready(node: Object) -> str:
    """The status of the Node's Ready condition; empty when it has none yet."""
    found = condition(node, "Ready")
    return str(found["status"]) if found is not None else ""


def silent_conditions(node: Object, now: str) -> list[Object] | None:
    """The conditions of a Node from which nothing was heard, or None when they say so already."""
    found = [dict(c) for c in (node.get("status") or {}).get("conditions") or ()]
    changed = False
    for type in JUDGED:
        known = next((c for c in found if c.get("type") == type), None)
        if known is None:
            why = ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
        elif known.get("status") != "Unknown":
            why = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
        else:
            continue
        new: Object = {"type": type, "status": "Unknown", "reason": why[0], "message": why[1]}
        if known is None:
            new["lastHeartbeatTime"] = node["metadata"].get("creationTimestamp") or now
        changed |= set_condition(found, new, now)
    return found if changed else None


def wanted_taints(node: Object, now: str, *, evict: bool, disrupted: bool = False) -> list[Object] | None:
    """The Node's taints by its conditions and its cordon, or None when it has them. Taints of others stay.

    With `evict` a Node that is not ready also gets the NoExecute taint; without, it keeps the one that it has for
    the same reason and gets none; when the whole cluster is `disrupted` it loses it. A taint that stays keeps the
    time at which it was added.
    """
    wanted: dict[tuple[str, str], Object] = {}
    for raw in (node.get("status") or {}).get("conditions") or ():
        key = _BY_CONDITION.get((raw.get("type", ""), raw.get("status", "")))
        if key is not None:
            wanted[(key, taints.NO_SCHEDULE)] = {"key": key, "effect": taints.NO_SCHEDULE, "timeAdded": now}
            if raw["type"] == "Ready" and not disrupted:
                wanted[(key, taints.NO_EXECUTE)] = {"key": key, "effect": taints.NO_EXECUTE, "timeAdded": now}
    if node.get("spec", {}).get("unschedulable"):
        key = taints.UNSCHEDULABLE
        wanted[(key, taints.NO_SCHEDULE)] = {"key": key, "effect": taints.NO_SCHEDULE, "timeAdded": now}
    has = node.get("spec", {}).get("taints") or []
    kept = []
    for taint in has:
        identity = (taint.get("key", ""), taint.get("effect", ""))
        if identity not in _OWNED or wanted.pop(identity, None) is not None:
            kept.append(taint)
    added = [t for t in wanted.values() if evict or t["effect"] != taints.NO_EXECUTE]
    return kept + added if added or len(kept) != len(has) else None


def unready_pods(pods: Iterable[Object], now: str) -> list[tuple[Object, Object]]:
    """The Pods that still say Ready, each with the condition that takes it back."""
    found = []
    for pod in pods:
        known = condition(pod, "Ready")
        if known is not None and known.get("status") == "True":
            found.append((pod, {**known, "status": "False", "lastTransitionTime": now}))
    return found


@dataclass(slots=True)
class _Seen:
    """The Node's last signs of life, and when (monotonic) this process saw them change: clocks need not agree."""

    node: Object
    signs: tuple[str, ...]
    at: float


class NodeLifecycle:
    name = "node-lifecycle-controller"

    def __init__(self, context: Context) -> None:
        self.client, self.clock, self.config = context.client, context.clock, context.config
        self.recorder = context.recorder
        self.nodes = context.informer(NODES)
        self.leases = context.informer(LEASES, LEASE_NAMESPACE)
        self.pods = context.informer(PODS)
        self.pods_of = Index(self.pods, node_name)
        self._seen: dict[str, _Seen] = {}
        self._next_eviction = 0.0
        self._controller = context.controller(self.name, self.reconcile, workers=8)
        self._controller.watch(self.nodes, self._affected)
        self._controller.watch(self.leases, lambda old, new: ((new or old or {})["metadata"]["name"],))
        self._controller.watch(self.pods, no_keys)

    def _affected(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """The Node itself; and all of them when one turns ready or not, since a cluster that is down evicts nothing."""
        if (old is None or ready(old)) != (new is None or ready(new)):
            yield from list(self.nodes.items())
        changed = old if new is None else new
        assert changed is not None
        yield str(changed["metadata"]["name"])

    async def reconcile(self, key: str) -> float | None:
        """`key` is a Node. Conditions first, then taints, then Pods."""
        node = self.nodes.get(key)
        if node is None:
            gone = self._seen.pop(key, None)
            if gone is not None:
                self._tell(gone.node, "RemovingNode", f"Node {key} event: Removing Node {key} from Controller")
            return None
        left = self._listen(node)
        now = times.format_time(self.clock.now())
        if left <= 0 and (found := silent_conditions(node, now)) is not None:
            log.warning("node fell silent", node=key)
            was_ready = ready(node) == "True"
            await self.client.patch(NODES, key, "", _status(node, found), type="merge", subresource="status")
            if was_ready:
                self._tell(node, "NodeNotReady", f"Node {key} status is now: NodeNotReady")
            return self.config.node_monitor_period
        wait = await self._taint(node, now)
        if ready(node) == "Unknown":
            await self._take_back_ready(key, now)
        if wait is not None:
            return wait
        return left if left > 0 else self.config.node_monitor_period

    def _listen(self, node: Object) -> float:
        """Take notice of the Node's signs of life; the seconds that it may yet stay silent."""
        name = node["metadata"]["name"]
        lease = self.leases.get(f"{LEASE_NAMESPACE}/{name}")
        renewed = ((lease or {}).get("spec") or {}).get("renewTime") or ""
        posted = condition(node, "Ready")
        signs = (node["metadata"]["uid"], renewed, str(posted.get("lastHeartbeatTime", "")) if posted else "")
        now = self.clock.monotonic()
        known = self._seen.get(name)
        if known is None or known.signs[0] != signs[0]:
            known = self._seen[name] = _Seen(node, signs, now)
            self._tell(node, "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller")
        elif known.signs != signs:
            known.signs, known.at = signs, now
        known.node = node
        grace = self.config.node_monitor_grace_period
        if posted is None and not renewed:
            grace = self.config.node_startup_grace_period
        return known.at + grace - now

    async def _taint(self, node: Object, now: str) -> float | None:
        """Bring the taints in line; the seconds until an eviction that has to wait its turn."""
        name = node["metadata"]["name"]
        # When no Node at all is ready it is rather this process that is cut off (upstream's full disruption).
        disrupted = not any(ready(n) == "True" for n in self.nodes.items().values())
        wait = self._next_eviction - self.clock.monotonic()
        evict = not disrupted and wait <= 0
        found = wanted_taints(node, now, evict=evict, disrupted=disrupted)
        if found is not None:
            if evict and _evicting(found) and not _evicting(node.get("spec", {}).get("taints") or []):
                rate = self.config.node_eviction_rate
                self._next_eviction = self.clock.monotonic() + (1 / rate if rate > 0 else float("inf"))
            patch = {
                "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
                "spec": {"taints": found or None},
            }
            await self.client.patch(NODES, name, "", patch, type="merge")
        held_back = not disrupted and not evict and wanted_taints(node, now, evict=True) is not None
        return wait if held_back else None

    async def _take_back_ready(self, name: str, now: str) -> None:
        pods = [p for key in self.pods_of.get(name) if (p := self.pods.get(key)) is not None]
        for pod, new in unready_pods(pods, now):
            metadata = pod["metadata"]
            patch = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [new]}}
            try:
                await self.client.patch(
                    PODS, metadata["name"], metadata["namespace"], patch, type="strategic", subresource="status"
                )
            except errors.NotFound:
                continue
            self.recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")

    def _tell(self, node: Object, reason: str, message: str) -> None:
        self.recorder.event(node, "Normal", reason, message)


def _status(node: Object, conditions: list[Object]) -> Object:
    return {
        "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
        "status": {"conditions": conditions},
    }


def _evicting(found: list[Object]) -> bool:
    return any((t.get("key"), t.get("effect")) in _OWNED and t["effect"] == taints.NO_EXECUTE for t in found)
