"""What is used of each ResourceQuota, counted from the objects themselves, in its status.

The API server adds to status.used before it stores an object. What comes to nothing, what is deleted and what was there
before the quota is put right here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial

from minikube_py.api import errors, podresources, quota
from minikube_py.api.meta import Object
from minikube_py.api.podresources import Amounts
from minikube_py.api.quantity import Quantity
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PODS, RESOURCEQUOTAS, SERVICES, Resource
from minikube_py.client.controller import own_key
from minikube_py.client.informer import Informer
from minikube_py.controller_manager.context import Context
from minikube_py.controller_manager.discovery import discover
from minikube_py.daemon import logs
from minikube_py.daemon.run import NamedGroup, named_group

log = logs.get("resourcequota")

RESYNC = 300.0
"""Seconds between recounts when nothing is heard, as kube-controller-manager's --resource-quota-sync-period."""

LATER = 2.0
"""Seconds after which a number that the API server wrote is checked: its write has come to something by then."""

DISCOVERY_PERIOD = 30.0
MEASURED: Mapping[str, Resource] = {r.plural: r for r in (PODS, SERVICES, PERSISTENTVOLUMECLAIMS)}
"""The kinds of which one object can use more than another; of all others only their number matters."""


def plan(found: Object, objects: Mapping[str, Iterable[Object]], counts: Mapping[str, int], now: datetime) -> Object:
    """The status that a quota should have, from the objects of its namespace, and the mere numbers of other kinds."""
    hard = podresources.amounts((found.get("spec") or {}).get("hard"))
    scopes = quota.scopes(found)
    used: Amounts = dict.fromkeys(hard, quota.ZERO)
    for kind, those in objects.items():
        names = quota.concerned(kind, hard)
        for obj in those if names else ():
            if quota.matches(kind, obj, scopes):
                usage = quota.usage(kind, obj, now)
                podresources.add(used, {name: usage[name] for name in names if name in usage})
    if not scopes:
        for kind, number in counts.items():
            for name in quota.concerned(kind, hard):
                used[name] = Quantity(number * quota.ONE.nano)
    return {
        "hard": {name: str(amount) for name, amount in sorted(hard.items())},
        "used": {name: str(amount) for name, amount in sorted(used.items())},
    }


class ResourceQuotaController:
    name = "resourcequota-controller"

    def __init__(self, context: Context) -> None:
        self.client, self.clock = context.client, context.clock
        self.quotas = context.informer(RESOURCEQUOTAS)
        self._measured = {kind: context.informer(resource) for kind, resource in MEASURED.items()}
        self._counted: dict[str, tuple[Resource, Informer[str], asyncio.Task[None]]] = {}
        self._looked_for: set[str] = set()
        self._named: dict[str, set[str]] = {}
        self._wanted = asyncio.Event()
        self._controller = context.controller(self.name, self.reconcile, workers=2)
        self.quotas.on_change(self._index)
        self._controller.watch(self.quotas, self._quota_changed)
        for kind, informer in self._measured.items():
            self._controller.watch(informer, partial(self._object_changed, kind))
        context.task(self._monitor)

    # -- what is heard

    def _index(self, old: Object | None, new: Object | None) -> None:
        for one, change in ((old, set.discard), (new, set.add)):
            if one is not None:
                metadata = one["metadata"]
                change(self._named.setdefault(metadata["namespace"], set()), metadata["name"])
                if not self._named[metadata["namespace"]]:
                    del self._named[metadata["namespace"]]

    def _quota_changed(self, old: Object | None, new: Object | None) -> Iterable[str]:
        if new is None:
            return ()
        keys = list(own_key(old, new))
        if old is not None and old.get("spec") == new.get("spec"):
            self._controller.enqueue_after(keys[0], LATER)
            return ()
        self._wanted.set()
        return keys

    def _object_changed(self, kind: str, old: Object | None, new: Object | None) -> Iterable[str]:
        one = old if new is None else new
        assert one is not None
        namespace = one["metadata"]["namespace"]
        if namespace not in self._named:
            return ()
        now = self.clock.now()
        if old is not None and (new is None or quota.usage(kind, old, now) != quota.usage(kind, new, now)):
            return self._keys(namespace)
        if old is None:
            self._later(namespace)
        return ()

    def _count_changed(self, old: str | None, new: str | None) -> None:
        """An object of a kind that is only counted came or went, in this namespace."""
        if new is None and old is not None:
            for key in self._keys(old):
                self._controller.enqueue(key)
        elif old is None and new is not None:
            self._later(new)

    def _later(self, namespace: str) -> None:
        for key in self._keys(namespace):
            self._controller.enqueue_after(key, LATER)

    def _keys(self, namespace: str) -> list[str]:
        return [f"{namespace}/{name}" for name in sorted(self._named.get(namespace, ()))]

    # -- the kinds that are only counted

    async def _monitor(self) -> None:
        """Watch the kinds that quotas name, as long as they do and the API server serves them."""
        await self.quotas.wait_synced()
        async with named_group() as group:
            while True:
                self._wanted.clear()
                names = {
                    kind
                    for one in self.quotas.items().values()
                    for kind in quota.kinds((one.get("spec") or {}).get("hard") or ())
                } - MEASURED.keys()
                if names or self._counted:
                    try:
                        found = await discover(self.client)
                    except errors.StatusError as error:
                        log.warning("cannot discover resources", error=error)
                    else:
                        served = {
                            r.qualified: r
                            for r in found.supporting("list", "watch")
                            if r.namespaced and r.qualified in names
                        }
                        self._watch(group, served, complete=not found.failures)
                        self._looked_for = names
                try:
                    await self.clock.wait_for(self._wanted.wait(), DISCOVERY_PERIOD)
                except TimeoutError:
                    continue

    def _watch(self, group: NamedGroup, served: Mapping[str, Resource], *, complete: bool) -> None:
        for kind in [k for k in self._counted if complete and self._counted[k][0] != served.get(k)]:
            self._counted.pop(kind)[2].cancel()
        for kind, resource in served.items():
            if kind not in self._counted:
                informer = Informer(self.client, resource, clock=self.clock, transform=_namespace)
                informer.on_change(self._count_changed)
                task = group.spawn(f"informer {informer.name} for {self.name}", informer.run())
                self._counted[kind] = (resource, informer, task)
                for key in list(self.quotas.items()):
                    self._controller.enqueue(key)

    # -- counting

    async def reconcile(self, key: str) -> float | None:
        """`key` is a quota."""
        found = self.quotas.get(key)
        if found is None:
            return None
        namespace = found["metadata"]["namespace"]
        kinds = quota.kinds((found.get("spec") or {}).get("hard") or ())
        if kinds - MEASURED.keys() - self._looked_for:
            self._wanted.set()
            return 1.0
        objects = {
            kind: [o for o in informer.items().values() if o["metadata"]["namespace"] == namespace]
            for kind, informer in self._measured.items()
            if kind in kinds
        }
        counts = {}
        for kind in kinds & self._counted.keys():
            informer = self._counted[kind][1]
            await informer.wait_synced()
            counts[kind] = sum(1 for where in informer.items().values() if where == namespace)
        status = plan(found, objects, counts, self.clock.now())
        if status == found.get("status"):
            return RESYNC
        try:
            await self.client.update(RESOURCEQUOTAS, {**found, "status": status}, subresource="status")
        except errors.NotFound:
            return None  # gone already; it will be heard
        return RESYNC


def _namespace(obj: Object) -> str:
    return str(obj["metadata"]["namespace"])
