"""Deletes objects whose owners are gone, and sees foreground and orphaning deletions through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial

from minikube_py.api import errors
from minikube_py.api.meta import Object
from minikube_py.api.resources import CUSTOMRESOURCEDEFINITIONS, Resource
from minikube_py.client.informer import Informer
from minikube_py.controller_manager.context import Context
from minikube_py.controller_manager.discovery import discover
from minikube_py.controller_manager.ownership import (
    FOREGROUND,
    ORPHAN,
    Delete,
    Graph,
    Item,
    Owner,
    Unlink,
    plan,
    without_owner,
)
from minikube_py.daemon import logs
from minikube_py.daemon.run import NamedGroup, named_group

log = logs.get("garbage-collector")

DISCOVERY_PERIOD = 30.0
DISCOVERY_PAUSE = 1.0
"""Changed CustomResourceDefinitions are looked at sooner, but no more often than this."""
IGNORED = {("", "events"), ("events.k8s.io", "events")}
"""Too many, too short-lived, and owned by nobody."""


class GarbageCollector:
    """Keys are uids. The graph is fed by an informer per served resource; new resources are found by discovery.

    What the graph does not know is asked for live before anything is deleted, and every deletion carries the uid and
    the resourceVersion that it was decided upon. An owner that exists but is not in the graph is asked for again after
    each discovery: its kind may be so new that nobody hears of its deletion yet.
    """

    name = "garbage-collector-controller"

    def __init__(self, context: Context) -> None:
        self.client, self.clock, self.recorder = context.client, context.clock, context.recorder
        self.graph = Graph()
        self._monitors: dict[Resource, tuple[Informer[Item], asyncio.Task[None]]] = {}
        self._discovered = asyncio.Event()
        self._changed = asyncio.Event()
        self._waiting: set[str] = set()
        """The uids of the dependents of owners that the graph does not hold."""
        self._kinds: dict[tuple[str, str], Resource] = {}
        self._controller = context.controller(self.name, self.reconcile, workers=context.config.concurrent_gc_syncs)
        context.task(self.monitor)

    async def monitor(self) -> None:
        """Keep one informer for each resource that can be listed, watched and deleted."""
        async with named_group() as group:
            while True:
                try:
                    found = await discover(self.client)
                except errors.StatusError as error:
                    log.warning("cannot discover resources", error=error)
                else:
                    self._kinds = {(r.api_version, r.kind): r for r in found.resources}
                    wanted = [
                        r for r in found.supporting("list", "watch", "delete") if (r.group, r.plural) not in IGNORED
                    ]
                    # A group that cannot be asked just now has not vanished.
                    self._sync_monitors(group, wanted, complete=not found.failures)
                    self._discovered.set()
                    waiting, self._waiting = self._waiting, set()
                    for uid in waiting:
                        self._controller.enqueue(uid)
                await self._pause()

    async def _pause(self) -> None:
        """Until what is served may have changed."""
        await self.clock.sleep(DISCOVERY_PAUSE)
        with suppress(TimeoutError):
            await self.clock.wait_for(self._changed.wait(), DISCOVERY_PERIOD - DISCOVERY_PAUSE)
        self._changed.clear()

    def _sync_monitors(self, group: NamedGroup, wanted: list[Resource], *, complete: bool) -> None:
        for resource in wanted:
            if resource not in self._monitors:
                informer = Informer(self.client, resource, clock=self.clock, transform=partial(Item.of, resource))
                informer.on_change(self._heard)
                task = group.spawn(f"informer {informer.name} for {self.name}", informer.run())
                self._monitors[resource] = (informer, task)
        for resource in [r for r in self._monitors if complete and r not in wanted]:
            informer, task = self._monitors.pop(resource)
            task.cancel()
            for item in list(informer.items().values()):
                self._heard(item, None)

    def _heard(self, old: Item | None, new: Item | None) -> None:
        item = new if new is not None else old
        assert item is not None
        if item.resource.qualified == CUSTOMRESOURCEDEFINITIONS.qualified:
            self._changed.set()
        if new is None:
            self.graph.remove(item.uid)
            affected = {d.uid for d in self.graph.dependents(item.uid)}
        else:
            self.graph.put(new)
            affected = {new.uid} if new.owners or new.deleting else set()
        # An owner that waits in the foreground may be waiting for this one.
        for owner in {o["uid"] for side in (old, new) if side is not None for o in side.owners}:
            known = self.graph.get(owner)
            if known is not None and known.deleting:
                affected.add(owner)
        for uid in affected:
            self._controller.enqueue(uid)

    async def reconcile(self, key: str) -> float | None:
        """One item: as an owner that is being deleted, or as a dependent."""
        await self._discovered.wait()
        for informer, _ in list(self._monitors.values()):
            await informer.wait_synced()
        item = self.graph.get(key)
        if item is None:
            return None
        if item.orphans_dependents:
            await self._orphan(item)
        elif item.removes_dependents_first:
            await self._finish(item)
        elif not item.deleting and item.owners:
            await self._collect(item)
        return None

    async def _orphan(self, item: Item) -> None:
        for dependent in self.graph.dependents(item.uid):
            await self._set_owners(dependent, without_owner(dependent, item.uid))
        await self._drop_finalizer(item, ORPHAN)

    async def _finish(self, item: Item) -> None:
        """Foreground: the blocking dependents go first. They are heard of as they do."""
        if not self.graph.blockers(item.uid):
            await self._drop_finalizer(item, FOREGROUND)
        for dependent in self.graph.dependents(item.uid):
            if not dependent.deleting:
                self._controller.enqueue(dependent.uid)

    async def _collect(self, item: Item) -> None:
        owners = [(ref, await self._look_up(item, ref)) for ref in item.owners]
        action = plan(item, owners, self.graph.dependents(item.uid))
        if isinstance(action, Unlink):
            await self._set_owners(item, list(action.keep))
        elif isinstance(action, Delete):
            log.info("deleting", item=_shown(item), policy=action.policy)
            await self._quietly(
                self.client.delete(
                    item.resource,
                    item.name,
                    item.namespace,
                    propagation_policy=action.policy,
                    uid=item.uid,
                    resource_version=item.revision,
                )
            )

    async def _look_up(self, item: Item, reference: Object) -> Owner:
        """What an owner reference points to: by the graph, else live. An owner in another namespace is none."""
        known = self.graph.get(reference["uid"])
        if known is not None and known.namespace in ("", item.namespace):
            return Owner.WAITING if known.removes_dependents_first else Owner.SOLID
        self._waiting.add(item.uid)
        resource = self._kinds.get((reference["apiVersion"], reference["kind"]))
        if resource is None:
            # It may be served again tomorrow; nothing is deleted for want of knowledge.
            log.warning("an owner's kind is not served", item=_shown(item), kind=reference["kind"])
            return Owner.SOLID
        if resource.namespaced and not item.namespace:
            message = f"owner {reference['kind']} {reference['name']} has a namespace, and this object has none"
            self.recorder.event(_reference(item), "Warning", "OwnerRefInvalidNamespace", message)
            return Owner.SOLID
        try:
            live = await self.client.get(resource, reference["name"], item.namespace if resource.namespaced else "")
        except errors.NotFound:
            return Owner.DANGLING
        if live["metadata"]["uid"] != reference["uid"]:
            return Owner.DANGLING
        return Owner.WAITING if Item.of(resource, live).removes_dependents_first else Owner.SOLID

    async def _set_owners(self, item: Item, owners: list[Object]) -> None:
        await self._patch(item, {"ownerReferences": owners or None})

    async def _drop_finalizer(self, item: Item, finalizer: str) -> None:
        await self._patch(item, {"finalizers": [f for f in item.finalizers if f != finalizer] or None})

    async def _patch(self, item: Item, metadata: Object) -> None:
        patch = {"metadata": {**metadata, "uid": item.uid, "resourceVersion": item.revision}}
        await self._quietly(self.client.patch(item.resource, item.name, item.namespace, patch, type="merge"))

    @staticmethod
    async def _quietly(request: Awaitable[Object]) -> None:
        try:
            await request
        except errors.NotFound:
            pass  # gone already; it will be heard


def _shown(item: Item) -> str:
    return f"{item.resource.qualified} {item.namespace}/{item.name}".replace(" /", " ")


def _reference(item: Item) -> Object:
    metadata = {"name": item.name, "uid": item.uid, **({"namespace": item.namespace} if item.namespace else {})}
    return {"apiVersion": item.resource.api_version, "kind": item.resource.kind, "metadata": metadata}
