"""Follows the CustomResourceDefinitions: names, registration, conditions, and the clean-up of what is deleted.

Definitions are worked through one after another, in the order of their changes. Every API server does this for itself,
since each must serve what the store holds; what they write to a definition's status is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from minikube_py.api import errors
from minikube_py.api.resources import CUSTOMRESOURCEDEFINITIONS as CRDS
from minikube_py.api.times import format_time
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.cache import Event
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.custom import names
from minikube_py.apiserver.custom.kind import Version, versions
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.options import DeleteOptions
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.storage import Storage
from minikube_py.apiserver.writes import Request
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.store.base import Unavailable

log = logs.get("apiserver.custom")

RETRY_SECONDS = 1.0
DELETE_ALL = DeleteOptions(None, "", "", "", False)

Write = Callable[[Object], bool]
"""Changes a definition in place; true if it did."""


@dataclass(slots=True)
class _Served:
    """What is registered of one definition: the stored kind's registry, the kinds shown, made of which spec."""

    stored: Registry
    shown: list[Kind]
    versions: list[Version]
    token: object
    accepted: Object


class Manager:
    """The definitions of one API server. `request(name)` makes the request of the server's own writes to one."""

    def __init__(
        self,
        catalog: Catalog,
        storage: Storage,
        clock: Clock,
        user: User,
        request: Callable[[str], Request],
        builtin: Iterable[Kind],
    ) -> None:
        self._catalog, self._storage, self._clock = catalog, storage, clock
        self._user, self._request = user, request
        self._registry = catalog.of(CRDS)
        self._cache = self._registry.cache
        self._served: dict[str, _Served] = {}
        self._accepted: dict[str, Object] = {}
        """The names that each definition has got."""
        self._taken: dict[str, names.Taken] = {}
        """The names in use by group."""
        self._refused: dict[str, str] = {}
        """The group of each definition that did not get all its names."""
        for kind in builtin:
            self._in(kind.resource.group).add(names.of_kind(kind))
        self._queue: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._ends: dict[str, Callable[[], object]] = {}

    async def begin(self) -> None:
        """Serve every definition that is there, and hear of every later change."""
        self._cache.subscribe(self._hear)
        for item in self._cache.items.values():
            crd: Object = loads(item.data)
            # Before any is settled: who has a name keeps it.
            self._has(item.name, crd["spec"]["group"], crd["status"].get("acceptedNames") or {})
        self._hear(None)
        while self._queue:
            await self._next()

    async def run(self) -> None:
        """Work off changes for ever."""
        while True:
            self._wake.clear()
            while self._queue:
                await self._next()
            await self._wake.wait()

    def _hear(self, event: Event | None) -> None:
        if event is None:
            prefix = len(self._cache.prefix)
            for name in (*(key[prefix:] for key in self._cache.items), *self._served):
                self._add(name)
            return
        item = event.new or event.old
        assert item is not None
        self._add(item.name)

    def _add(self, name: str) -> None:
        self._queue[name] = None
        self._wake.set()

    async def _next(self) -> None:
        name = next(iter(self._queue))
        del self._queue[name]
        try:
            await self._sync(name)
        except (errors.StatusError, Unavailable) as error:
            log.warning("a definition could not be served, trying again", crd=name, error=str(error))
            self._clock.call_later(RETRY_SECONDS, lambda: self._add(name))
        except Exception:
            # A definition that nobody foresaw must not keep the others from being served.
            log.exception("a definition cannot be served", crd=name)

    async def _sync(self, name: str) -> None:
        item = self._cache.items.get(self._cache.key("", name))
        if item is None:
            self._forget(name)
            return
        data = item.data
        crd: Object = loads(data)
        changed = self._settle(crd)
        self._remember(crd)
        deleted = bool(crd["metadata"].get("deletionTimestamp"))
        if names.is_true(crd, "NamesAccepted") or names.is_true(crd, "Established"):
            await self._serve(name, crd, data)
            if deleted:
                await self._clean(name)
            elif names.establish(crd, self._now()) or changed:
                await self._write(name, lambda c: self._settle(c) | names.establish(c, self._now()))
        elif deleted:
            await self._finish(name, "NeverEstablished", "resource was never established")
        elif changed:
            await self._write(name, self._settle)

    def _now(self) -> str:
        return format_time(self._clock.now())

    # -- names --------------------------------------------------------------------------------------------------

    def _settle(self, crd: Object) -> bool:
        status = crd["status"]
        if status.get("acceptedNames") == crd["spec"]["names"] and names.is_true(crd, "NamesAccepted"):
            return names.approve(crd, self._now())
        taken, own = self._in(crd["spec"]["group"]), self._accepted.get(crd["metadata"]["name"], {})
        taken.add(own, -1)  # what it has cannot be in its own way
        changed = names.accept(crd, taken, self._now())
        taken.add(own)
        return names.approve(crd, self._now()) or changed

    def _remember(self, crd: Object) -> None:
        """Note the names that a definition has got."""
        name, group, accepted = crd["metadata"]["name"], crd["spec"]["group"], crd["status"]["acceptedNames"]
        before = self._has(name, group, accepted)
        if names.is_true(crd, "NamesAccepted"):
            self._refused.pop(name, None)
        else:
            self._refused[name] = group
        if before != accepted:
            self._reconsider(group, name)

    def _in(self, group: str) -> names.Taken:
        found = self._taken.get(group)
        if found is None:
            found = self._taken[group] = names.Taken()
        return found

    def _has(self, name: str, group: str, accepted: Object) -> Object:
        """A definition has these names from now on; returns the ones that it had."""
        before = self._accepted.pop(name, {})
        taken = self._in(group)
        taken.add(before, -1)
        taken.add(accepted)
        if accepted:
            self._accepted[name] = accepted
        return before

    def _reconsider(self, group: str, name: str) -> None:
        """A name may be free now: those of the group that did not get all of theirs are looked at again."""
        for other, its_group in self._refused.items():
            if its_group == group and other != name:
                self._add(other)

    # -- registration -------------------------------------------------------------------------------------------

    async def _serve(self, name: str, crd: Object, data: bytes) -> None:
        made = versions(crd, data)
        storage = next(v for v in made if v.storage)
        token = ([v.token for v in made], storage.terminating)
        accepted = crd["status"]["acceptedNames"]
        before = self._served.get(name)
        if before is not None and (before.token, before.accepted) == (token, accepted):
            for version in before.versions:
                version.share(data)
            return
        if (end := self._ends.pop(name, None)) is not None:
            end()
        stored = self._registry.alike(storage.kind(storage))
        await self._storage.add(stored.kind)
        shown: list[Kind] = []
        for version in made:
            if version.served:
                registry = stored if version is storage else self._registry.alike(version.kind(storage))
                self._catalog.add(registry)
                shown.append(registry.kind)
        still = {k.resource for k in shown}
        for kind in before.shown if before is not None else ():
            if kind.resource not in still:
                self._catalog.remove(kind.resource)
        self._served[name] = _Served(stored, shown, made, token, accepted)

    def _forget(self, name: str) -> None:
        end = self._ends.pop(name, None)
        if end is not None:
            end()
        served = self._served.pop(name, None)
        if served is not None:
            for kind in served.shown:
                self._catalog.remove(kind.resource)
            self._storage.remove(served.stored.kind)
        self._refused.pop(name, None)
        group = name.partition(".")[2]
        if self._has(name, group, {}):
            self._reconsider(group, name)

    async def _write(self, name: str, change: Write) -> bool:
        """Change a definition's status as the server's own write; false if it is gone."""

        def changed(crd: Object) -> Object:
            change(crd)
            return crd

        try:
            await self._registry.modify(changed, self._request(name), internal=True)
        except errors.NotFound:
            return False
        return True

    # -- deletion -----------------------------------------------------------------------------------------------

    async def _clean(self, name: str) -> None:
        """Delete the objects of a definition that is going, and let it go once the last of them is gone."""
        served = self._served[name]
        cache = served.stored.cache
        if names.FINALIZER not in (await self._finalizers(name)):
            return
        if cache.items:
            why = ("InstanceDeletionInProgress", "CustomResource deletion is in progress")
            await self._write(name, lambda c: names.terminating(c, "True", *why, self._now()))
            if name not in self._ends:
                self._ends[name] = cache.subscribe(lambda event: self._emptied(name))
            for item in list(cache.items.values()):
                if not loads(item.data)["metadata"].get("deletionTimestamp"):
                    await self._delete(served.stored, item.namespace, item.name)
        await self._storage.fresh()
        if not cache.items:
            await self._finish(name, "InstanceDeletionCompleted", "removed all instances")

    async def _delete(self, registry: Registry, namespace: str, name: str) -> None:
        try:
            await registry.delete(namespace, name, DELETE_ALL, self._user)
        except errors.NotFound:
            log.debug("an instance was gone before", name=name, namespace=namespace)

    def _emptied(self, name: str) -> None:
        served = self._served.get(name)
        if served is not None and not served.stored.cache.items:
            self._add(name)

    async def _finalizers(self, name: str) -> list[str]:
        item = self._cache.items.get(self._cache.key("", name))
        return [] if item is None else loads(item.data)["metadata"].get("finalizers") or []

    async def _finish(self, name: str, reason: str, message: str) -> None:
        def last(crd: Object) -> bool:
            names.terminating(crd, "False", reason, message, self._now())
            left = [f for f in crd["metadata"].get("finalizers") or () if f != names.FINALIZER]
            if left:
                crd["metadata"]["finalizers"] = left
            else:
                crd["metadata"].pop("finalizers", None)
            return True

        await self._write(name, last)
