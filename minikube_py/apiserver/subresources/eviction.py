"""`pods/eviction`: a deletion that asks the Pod's disruption budget first."""

from __future__ import annotations

from dataclasses import replace

from minikube_py.api import budget, errors, labels
from minikube_py.api.meta import condition, set_condition
from minikube_py.api.resources import PODDISRUPTIONBUDGETS
from minikube_py.api.times import format_time
from minikube_py.apiserver import body, deletion, options
from minikube_py.apiserver.cache import Filter
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.encoding import Object, dumps, loads
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.options import DeleteOptions, WriteOptions
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.resources import require_verbs
from minikube_py.apiserver.writes import Request
from minikube_py.daemon.clock import Clock

EVICTED = dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})

MAX_DISRUPTED_PODS = 2000
"""Evictions that the budget's controller has not seen yet: beyond these it is taken to be dead."""
RETRIES = 20
STILL_SECONDS = 10
"""When to ask again where the budget's status is about to be computed anew."""
_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


class Eviction:
    """Serves the sub-resource; budgets are looked for when asked, since their kind may come later."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    async def serve(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        """Delete the Pod, or raise TooManyRequests with the cause DisruptionBudget when its budget says no.

        Raises NotFound, Conflict (preconditions), BadRequest, Invalid; InternalError for a Pod of several budgets.
        """
        require_verbs(exchange, ("POST",))
        wanted = options.write_options(exchange.query, exchange.header(b"user-agent"))
        obj, _ = await body.read_object(exchange, duplicates=False)
        body.require_kind(obj, "Eviction", "policy/v1")
        body.check_options(obj, "policy/v1.Eviction", "Eviction")
        if (obj.get("metadata") or {}).get("name") != target.name:
            raise errors.BadRequest("name in URL does not match name in Eviction object")
        how = options.delete_options({}, obj.get("deleteOptions") or {})
        if wanted.dry_run and not how.dry_run:
            how = replace(how, dry_run=True)
        await _Attempt(self._catalog, self._clock, registry, exchange, target, how).run()
        await exchange.answer(201, EVICTED)


class _Attempt:
    """One eviction: `how` is what the client asked of the deletion."""

    def __init__(
        self, catalog: Catalog, clock: Clock, pods: Registry, exchange: Exchange, target: Target, how: DeleteOptions
    ) -> None:
        self._catalog, self._clock, self._pods, self._how = catalog, clock, pods, how
        self._user, self._namespace, self._name = exchange.user, target.namespace, target.name

    async def run(self) -> None:
        pod = await self._delete_unguarded()
        if pod is None:
            return
        budgets = self._budgets(pod)
        if len(budgets) > 1:
            raise errors.InternalError(_SEVERAL)
        how = self._how
        pinned = False
        if budgets:
            guard = budgets[0]
            if _does_not_count(pod, guard):
                # It must not have become ready meanwhile: then it would count.
                how, pinned = _at_revision(how, pod), not how.resource_version
            else:
                await self._take_from(guard["metadata"]["name"])
        try:
            await self._mark_and_delete(how)
        except errors.Conflict:
            if pinned:
                raise _still_processing(budgets[0]["metadata"]["name"]) from None
            raise

    async def _delete_unguarded(self) -> Object | None:
        """Delete a Pod that no budget counts: one that has not begun, has ended, or is going. Else it is returned."""
        for _ in range(RETRIES):
            pod = await self._pods.read(self._namespace, self._name)
            phase = (pod.get("status") or {}).get("phase")
            going = phase in ("Succeeded", "Failed") or "deletionTimestamp" in pod["metadata"]
            if not going and phase != "Pending":
                return pod
            # A Pending Pod may be ready before it is deleted, and then its budget counts it.
            how = self._how if going or self._how.resource_version else _at_revision(self._how, pod)
            try:
                await self._mark_and_delete(how)
            except errors.Conflict:
                if self._how.resource_version:
                    raise
                continue
            return None
        raise errors.conflict("", "pods", self._name)

    def _budgets(self, pod: Object) -> list[Object]:
        """The budgets whose selector matches the Pod."""
        registry = self._registry()
        if registry is None:
            return []
        of_pod = pod["metadata"].get("labels") or {}
        found = []
        for item in registry.cache.list(Filter(self._namespace), 0).items:
            guard = loads(item.data)
            selector = labels.from_label_selector((guard.get("spec") or {}).get("selector"))
            if selector.matches(of_pod):
                found.append(guard)
        return found

    def _registry(self) -> Registry | None:
        wanted = PODDISRUPTIONBUDGETS
        return self._catalog.get(wanted.group, wanted.version, wanted.plural)

    async def _take_from(self, name: str) -> None:
        """Take one disruption from the budget: of several evictions at once no more go through than it allows."""
        registry = self._registry()
        assert registry is not None
        now = format_time(self._clock.now())

        def decrement(guard: Object) -> Object:
            status = guard.setdefault("status", {})
            _require_allowed(guard, status)
            status["disruptionsAllowed"] -= 1
            if not status["disruptionsAllowed"]:
                budget.set_allowed(status, now)
            # So that the budget's controller does not count a Pod that is about to go.
            status.setdefault("disruptedPods", {})[self._name] = now
            return guard

        await registry.modify(decrement, self._request(name, self._how.dry_run), internal=True)

    async def _mark_and_delete(self, how: DeleteOptions) -> None:
        def mark(pod: Object) -> Object:
            deletion.check_preconditions(self._pods.kind, pod, how)
            conditions = pod.setdefault("status", {}).setdefault("conditions", [])
            new = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
            set_condition(conditions, new | {"message": "Eviction API: evicting"}, format_time(self._clock.now()))
            return pod

        marked = await self._pods.modify(mark, self._request(self._name, how.dry_run), internal=True)
        if how.resource_version and not how.dry_run:
            how = _at_revision(how, loads(marked.data))  # the condition was our own change
        await self._pods.delete(self._namespace, self._name, how, self._user)

    def _request(self, name: str, dry_run: bool) -> Request:
        return Request(self._user, WriteOptions(dry_run, "", "Ignore", None), self._namespace, name, "status")


def _at_revision(how: DeleteOptions, pod: Object) -> DeleteOptions:
    return replace(how, resource_version=pod["metadata"]["resourceVersion"])


def _does_not_count(pod: Object, guard: Object) -> bool:
    """Whether the Pod is not ready and may go all the same, without being taken from the budget."""
    if (condition(pod, "Ready") or {}).get("status") == "True":
        return False
    if (guard.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = guard.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    return bool(status.get("currentHealthy", 0) >= desired > 0)


def _require_allowed(guard: Object, status: Object) -> None:
    """Raises TooManyRequests, or Forbidden for a status that no controller can have meant."""
    metadata = guard["metadata"]
    name = metadata["name"]
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        raise _still_processing(name)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or ()) > MAX_DISRUPTED_PODS:
        raise _forbidden(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    if allowed:
        return
    found = condition(guard, budget.DISRUPTION_ALLOWED)
    if found is not None and found.get("reason") == budget.SYNC_FAILED:
        why = f"does not allow evicting pods currently because it failed sync: {found.get('message', '')}"
    else:
        desired, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        why = f"needs {desired} healthy pods and has {current} currently"
    raise _too_many(f"The disruption budget {name} {why}")


def _still_processing(name: str) -> errors.TooManyRequests:
    return _too_many(f"The disruption budget {name} is still being processed by the server.", STILL_SECONDS)


def _too_many(cause: str, seconds: int = 0) -> errors.TooManyRequests:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    if seconds:
        details["retryAfterSeconds"] = seconds
    return errors.TooManyRequests(_VIOLATES, details=details)


def _forbidden(name: str, why: str) -> errors.Forbidden:
    text = f'poddisruptionbudget.policy "{name}" is forbidden: {why}'
    return errors.Forbidden(text, details={"name": name, "group": "policy", "kind": "poddisruptionbudget"})
