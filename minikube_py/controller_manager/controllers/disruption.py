"""How many Pods of each PodDisruptionBudget are healthy, how many must be, and how many evictions that leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from minikube_py.api import budget, errors, labels, times
from minikube_py.api.meta import Object, condition, controller_of, is_deleting
from minikube_py.api.resources import (
    DEPLOYMENTS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
    Resource,
)
from minikube_py.controller_manager.context import Context
from minikube_py.controller_manager.discovery import discover
from minikube_py.controller_manager.disruption import is_terminal
from minikube_py.daemon import logs

log = logs.get("disruption")

DELETION_SECONDS = 120
"""How long a Pod whose eviction was granted is taken to be about to go."""
STALE_SECONDS = 120
"""How long a Pod that nobody deletes after all keeps its DisruptionTarget condition."""

_KNOWN = {(r.group, r.kind): r for r in (DEPLOYMENTS, REPLICASETS, REPLICATIONCONTROLLERS, STATEFULSETS)}


class Unknown(Exception):
    """The budget's status cannot be computed; the text says why."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a budget comes to."""

    expected: int
    desired: int
    healthy: int

    @property
    def allowed(self) -> int:
        """Evictions that may be granted. Without any Pod none: its first Pods must not come unguarded."""
        return max(0, self.healthy - self.desired) if self.expected > 0 else 0


def needs_scale(spec: Object) -> bool:
    """Whether the budget is relative to what the Pods' controllers want."""
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def expected_and_desired(spec: Object, pods: int, scale: int) -> tuple[int, int]:
    """How many Pods there should be and how many must be healthy, for `pods` found and `scale` wanted.

    Raises Unknown for a percentage that is none.
    """
    if spec.get("maxUnavailable") is not None:
        return scale, max(0, scale - _share(spec["maxUnavailable"], scale))
    least = spec.get("minAvailable")
    if least is None:
        return 0, 0
    return (scale, _share(least, scale)) if isinstance(least, str) else (pods, least)


def _share(value: int | str, of: int) -> int:
    """A number, or a percentage rounded up."""
    if isinstance(value, int):
        return value
    number = value.removesuffix("%")
    if number == value or not number.isascii() or not number.isdigit():
        raise Unknown(f"invalid value for IntOrString: {value!r} is not a percentage")
    return -(-int(number) * of // 100)


def disrupted(pods: Iterable[Object], known: Mapping[str, str], now: datetime) -> tuple[dict[str, str], list[Object]]:
    """Of the granted evictions those that are still to come, and the Pods that stayed although theirs was granted."""
    result: dict[str, str] = {}
    stayed: list[Object] = []
    for pod in pods:
        name = pod["metadata"]["name"]
        since = known.get(name)
        if since is None or is_deleting(pod):
            continue
        if times.parse_time(since) + timedelta(seconds=DELETION_SECONDS) < now:
            stayed.append(pod)
        else:
            result[name] = since
    return result, stayed


def healthy(pods: Iterable[Object], going: Mapping[str, str]) -> int:
    """How many Pods are ready and are neither being deleted nor about to be."""
    return sum(
        not is_deleting(pod)
        and pod["metadata"]["name"] not in going
        and (condition(pod, "Ready") or {}).get("status") == "True"
        for pod in pods
    )


def status(guard: Object, counts: Counts, going: Mapping[str, str], now: datetime) -> Object:
    """The budget's whole new status."""
    old = guard.get("status") or {}
    new: Object = {
        "observedGeneration": guard["metadata"].get("generation", 0),
        "disruptionsAllowed": counts.allowed,
        "currentHealthy": counts.healthy,
        "desiredHealthy": counts.desired,
        "expectedPods": counts.expected,
        "conditions": [dict(c) for c in old.get("conditions") or ()],
    }
    if going:
        new["disruptedPods"] = dict(going)
    budget.set_allowed(new, times.format_time(now))
    return new


def stale_in(pod: Object, now: datetime) -> float | None:
    """Seconds until the Pod's DisruptionTarget condition is out of date; None where it never is."""
    found = condition(pod, "DisruptionTarget")
    if is_deleting(pod) or is_terminal(pod) or found is None or found.get("status") != "True":
        return None
    if found.get("reason") == "TerminationByKubelet" or not found.get("lastTransitionTime"):
        return None
    return max(0.0, STALE_SECONDS - (now - times.parse_time(found["lastTransitionTime"])).total_seconds())


class DisruptionController:
    name = "disruption-controller"

    def __init__(self, context: Context) -> None:
        self.client, self.clock, self.recorder = context.client, context.clock, context.recorder
        self.budgets = context.informer(PODDISRUPTIONBUDGETS)
        self.pods = context.informer(PODS)
        controller = context.controller(self.name, self.reconcile)
        controller.watch(self.budgets)
        controller.watch(self.pods, self._guarding)
        context.controller(f"{self.name}-stale", self.clear).watch(self.pods)

    def _guarding(self, old: Object | None, new: Object | None) -> list[str]:
        """The budgets that a changed Pod belongs, or did belong, to."""
        seen = [pod["metadata"] for pod in (old, new) if pod is not None]
        return [
            key
            for key, guard in self.budgets.items().items()
            if any(
                metadata["namespace"] == guard["metadata"]["namespace"] and _selects(guard, metadata)
                for metadata in seen
            )
        ]

    async def reconcile(self, key: str) -> float | None:
        """`key` is a budget. What cannot be computed allows nothing, and says so."""
        guard = self.budgets.get(key)
        if guard is None:
            return None
        now = self.clock.now()
        try:
            new, recheck = await self._compute(guard, now)
        except (Unknown, errors.StatusError) as error:
            log.warning("a disruption budget cannot be computed", budget=key, error=str(error))
            old = guard.get("status") or {}
            conditions = [dict(c) for c in old.get("conditions") or ()]
            new, recheck = {**old, "disruptionsAllowed": 0, "conditions": conditions}, None
            for name in ("currentHealthy", "desiredHealthy", "expectedPods"):
                new.setdefault(name, 0)
            budget.set_failed(new, str(error), times.format_time(now))
        if new != guard.get("status"):
            await self.client.update(PODDISRUPTIONBUDGETS, {**guard, "status": new}, subresource="status")
        return recheck

    async def _compute(self, guard: Object, now: datetime) -> tuple[Object, float | None]:
        metadata, spec = guard["metadata"], guard.get("spec") or {}
        namespace = metadata["namespace"]
        of_namespace = (p for p in self.pods.items().values() if p["metadata"]["namespace"] == namespace)
        pods = [pod for pod in of_namespace if _selects(guard, pod["metadata"])]
        if not pods:
            self.recorder.event(guard, "Normal", "NoPods", "No matching pods found")
        scale = await self._scale(guard, pods) if needs_scale(spec) else 0
        expected, desired = expected_and_desired(spec, len(pods), scale)
        going, stayed = disrupted(pods, (guard.get("status") or {}).get("disruptedPods") or {}, now)
        for pod in stayed:
            text = f"Pod was expected by PDB {namespace}/{metadata['name']} to be deleted but it wasn't"
            self.recorder.event(pod, "Warning", "NotDeleted", text)
        first = min((times.parse_time(since) for since in going.values()), default=None)
        recheck = None
        if first is not None:
            # A moment later, so that its time is over then and not only up.
            recheck = max(0.0, DELETION_SECONDS - (now - first).total_seconds()) + 1.0
        return status(guard, Counts(expected, desired, healthy(pods, going)), going, now), recheck

    async def _scale(self, guard: Object, pods: Sequence[Object]) -> int:
        """How many Pods the controllers of these Pods want together. Raises Unknown, StatusError."""
        scales: dict[str, int] = {}
        asked: set[str] = set()
        unmanaged = 0
        for pod in pods:
            owner = controller_of(pod)
            if owner is None:
                unmanaged += 1
            elif owner["uid"] not in asked:
                asked.add(owner["uid"])
                found = await self._controller_scale(owner, pod["metadata"]["namespace"])
                if found is None:
                    raise Unknown(f'found no controllers for pod "{pod["metadata"]["name"]}"')
                scales[found[0]] = found[1]
        if unmanaged:
            text = f"{unmanaged} of the selected Pods have no controller: only an integer minAvailable can count them"
            self.recorder.event(guard, "Warning", "UnmanagedPods", text)
        return sum(scales.values())

    async def _controller_scale(self, owner: Object, namespace: str) -> tuple[str, int] | None:
        """(uid, replicas) of a controller; of a ReplicaSet's Deployment, where it has one."""
        group = owner["apiVersion"].rpartition("/")[0]
        resource = _KNOWN.get((group, owner["kind"]))
        if resource is None:
            return await self._other_scale(owner, group, namespace)
        found = await self._same(resource, owner, namespace)
        if found is None:
            return None
        above = controller_of(found) if resource is REPLICASETS else None
        if above is not None and above["kind"] == DEPLOYMENTS.kind:
            deployment = await self._same(DEPLOYMENTS, above, namespace)
            if deployment is not None:
                return above["uid"], deployment.get("spec", {}).get("replicas", 1)
        return owner["uid"], found.get("spec", {}).get("replicas", 1)

    async def _same(self, resource: Resource, owner: Object, namespace: str) -> Object | None:
        """The object that an owner reference means; None when it is gone, also when another has its name."""
        try:
            found = await self.client.get(resource, owner["name"], namespace)
        except errors.NotFound:
            return None
        return found if found["metadata"]["uid"] == owner["uid"] else None

    async def _other_scale(self, owner: Object, group: str, namespace: str) -> tuple[str, int] | None:
        """Of a kind that only its `scale` sub-resource says something about, a custom resource for one."""
        served = (await discover(self.client)).resources
        kind = owner["kind"]
        resource = next((r for r in served if (r.group, r.kind) == (group, kind) and r.namespaced), None)
        if resource is None:
            return None
        try:
            answer = await self.client.raw("GET", resource.path(namespace, owner["name"], "scale"))
        except errors.NotFound:
            return None
        scale = orjson.loads(answer.body)
        if scale["metadata"].get("uid") != owner["uid"]:
            return None
        return owner["uid"], (scale.get("spec") or {}).get("replicas", 0)

    async def clear(self, key: str) -> float | None:
        """`key` is a Pod: nobody deleted it although it was to be disrupted."""
        pod = self.pods.get(key)
        left = stale_in(pod, self.clock.now()) if pod is not None else None
        if pod is None or left is None:
            return None
        if left > 0:
            return left
        metadata = pod["metadata"]
        now = times.format_time(self.clock.now())
        new = {"type": "DisruptionTarget", "status": "False", "reason": None, "message": None}
        patch = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [new | {"lastTransitionTime": now}]}}
        await self.client.patch(
            PODS, metadata["name"], metadata["namespace"], patch, type="strategic", subresource="status"
        )
        return None


def _selects(guard: Object, metadata: Object) -> bool:
    try:
        selector = labels.from_label_selector((guard.get("spec") or {}).get("selector"))
    except errors.BadRequest:
        return False
    return selector.matches(metadata.get("labels") or {})
