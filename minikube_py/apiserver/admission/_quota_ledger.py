"""What is used of each ResourceQuota: counted from the caches, plus what is on its way to the store.

Nothing here waits, so that a check and the reservation that follows it are one step for everybody else. A reservation
ends when the cache shows the object that it was made for, or when it is given back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from minikube_py.api import podresources, quota
from minikube_py.api.podresources import Amounts
from minikube_py.api.quantity import Quantity
from minikube_py.apiserver.admission.base import Attributes
from minikube_py.apiserver.cache import Event, Item, KindCache
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.storage import Storage
from minikube_py.daemon.clock import Clock
from minikube_py.store.base import Entry

FOREIGN_SECONDS = 10.0
"""How long another server's writes may be on their way: for that long its word on what is used counts too."""

QUOTAS = "resourcequotas"


@dataclass(slots=True)
class Pending:
    """A write that is under way: what it adds, and what its object will use once it is stored."""

    attributes: Attributes
    uid: str
    added: Amounts
    target: Amounts


@dataclass(slots=True)
class Tally:
    """One quota, what its objects use, and the reservations. `entry` is its newest known state in the store."""

    key: str
    namespace: str
    name: str
    entry: Entry
    hard: Amounts
    scopes: Sequence[Mapping[str, object]]
    said: Amounts
    kinds: set[str]
    records: dict[str, Amounts] = field(default_factory=dict)
    used: Amounts = field(default_factory=dict)
    pending: dict[tuple[str, int], Pending] = field(default_factory=dict)
    leaving: dict[str, datetime] = field(default_factory=dict)
    foreign_until: float = 0.0
    foreign_before: float = 0.0

    def usage(self, kind: str, obj: Object, now: datetime) -> Amounts:
        """What the object uses of this quota's resources; nothing if a scope leaves it out."""
        if not quota.matches(kind, obj, self.scopes):
            return {}
        found = quota.usage(kind, obj, now)
        return {name: found[name] for name in quota.concerned(kind, self.hard) if name in found}

    def base(self, names: Mapping[str, object], now: float) -> Amounts:
        """What is used and reserved of the named resources, as far as anybody can know."""
        total = {name: self.used.get(name, quota.ZERO) for name in names}
        for one in self.pending.values():
            podresources.add(total, {n: a for n, a in one.added.items() if n in total})
        if now < self.foreign_until:
            podresources.raise_to(total, {n: a for n, a in self.said.items() if n in total})
        return total

    def heard(self, entry: Entry, status: Object, now: float, *, own: bool = False) -> None:
        """The quota's state in the store is this one; what this server did not write is another's word.

        The caches may show a write of our own before the store has told us its revision.
        """
        if entry.rev < self.entry.rev:
            return
        if entry.rev == self.entry.rev:
            if own:
                self.foreign_until = self.foreign_before
            return
        self.foreign_before = self.foreign_until
        if not own:
            self.foreign_until = now + FOREIGN_SECONDS
        self.entry = entry
        self.said = podresources.amounts((status.get("status") or {}).get("used"))

    def record(self, key: str, usage: Amounts) -> None:
        """An object uses this from now on."""
        before = self.records.pop(key, None)
        if before is not None:
            for name, amount in before.items():
                self.used[name] = self.used[name] - amount
        if usage:
            self.records[key] = usage
            podresources.add(self.used, usage)

    def arrived(self, key: str, uid: str, usage: Amounts) -> None:
        """The cache shows the object: what was reserved for it is counted now; of an update, once it uses that much."""
        for token, one in list(self.pending.items()):
            if token[0] == key and one.uid == uid:
                created = one.attributes.old is None
                if created or all(usage[n] == a for n, a in one.target.items() if n in usage):
                    del self.pending[token]


class Ledger:
    """The tallies of all quotas, by namespace. Only objects of namespaces that have a quota are ever decoded."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._quotas: KindCache | None = None
        self._tallies: dict[str, dict[str, Tally]] = {}
        self._followed: dict[str, KindCache] = {}

    def of(self, namespace: str) -> Mapping[str, Tally]:
        """The tallies of a namespace's quotas, by name."""
        if self._quotas is None:
            self._begin()
        return self._tallies.get(namespace, {})

    def follow(self, kind: str) -> None:
        """See that objects of the kind are counted; a custom resource may be served anew with another cache."""
        cache = self._storage.caches.get(kind)
        if cache is None or self._followed.get(kind) is cache:
            return
        self._followed[kind] = cache
        cache.subscribe(lambda event: self._changed(kind, cache, event))
        self._count_all(kind, cache)

    def settle(self, tally: Tally) -> None:
        """Count no more what has left by the clock alone."""
        now = self._clock.now()
        for key in [key for key, gone in tally.leaving.items() if gone < now]:
            item = self._followed["pods"].items.get(key)
            if item is not None:
                self._take(tally, "pods", item)

    def _begin(self) -> None:
        cache = self._storage.caches.get(QUOTAS)
        if cache is None or not self._storage.loaded.is_set():
            return
        self._quotas = cache
        cache.subscribe(self._quota_changed)
        for item in cache.items.values():
            self._learn(item)

    def _quota_changed(self, event: Event | None) -> None:
        assert self._quotas is not None
        if event is None:
            for known in list(self._tallies.values()):
                for tally in list(known.values()):
                    if tally.key not in self._quotas.items:
                        self._forget(tally.namespace, tally.name)
            for item in self._quotas.items.values():
                self._learn(item)
        elif event.new is not None:
            self._learn(event.new)
        elif event.old is not None:
            self._forget(event.old.namespace, event.old.name)

    def _forget(self, namespace: str, name: str) -> None:
        known = self._tallies.get(namespace, {})
        known.pop(name, None)
        if not known:
            self._tallies.pop(namespace, None)

    def _learn(self, item: Item) -> None:
        obj = loads(item.data)
        spec = obj.get("spec") or {}
        hard, scopes = podresources.amounts(spec.get("hard")), quota.scopes(obj)
        entry = Entry(item.key, item.value, item.rev)
        known = self._tallies.setdefault(item.namespace, {})
        tally = known.get(item.name)
        if tally is not None and (tally.hard, tally.scopes) == (hard, scopes):
            tally.heard(entry, obj, self._clock.monotonic())
            return
        said = podresources.amounts((obj.get("status") or {}).get("used"))
        made = Tally(item.key, item.namespace, item.name, entry, hard, scopes, said, quota.kinds(hard))
        if tally is not None:
            made.pending = tally.pending  # the same dict: what is given back goes back here
        known[item.name] = tally = made
        for kind in sorted(tally.kinds):
            cache = self._followed.get(kind)
            if cache is not None and cache is self._storage.caches.get(kind):
                self._count(tally, kind, cache)
            else:
                self.follow(kind)

    # -- the objects

    def _changed(self, kind: str, cache: KindCache, event: Event | None) -> None:
        if self._followed.get(kind) is not cache:
            return
        if event is None:
            self._count_all(kind, cache)
            return
        item = event.new or event.old
        assert item is not None
        tallies = self._tallies.get(item.namespace)
        if not tallies:
            return
        for tally in tallies.values():
            if kind not in tally.kinds:
                continue
            if event.new is not None:
                self._take(tally, kind, event.new)
            else:
                tally.leaving.pop(item.key, None)
                tally.record(item.key, {})

    def _take(self, tally: Tally, kind: str, item: Item) -> None:
        obj, now = loads(item.data), self._clock.now()
        usage = tally.usage(kind, obj, now)
        if kind == "pods" and "pods" in usage and (gone := quota.leaves_at(obj)) is not None:
            tally.leaving[item.key] = gone
        else:
            tally.leaving.pop(item.key, None)
        tally.record(item.key, usage)
        if tally.pending:
            tally.arrived(item.key, obj["metadata"]["uid"], usage)

    def _count_all(self, kind: str, cache: KindCache) -> None:
        for known in self._tallies.values():
            for tally in known.values():
                if kind in tally.kinds:
                    self._count(tally, kind, cache)

    def _count(self, tally: Tally, kind: str, cache: KindCache) -> None:
        """Count a kind anew: after a gap a reservation whose write is over is in the caches, or came to nothing."""
        for key in [key for key in tally.records if key.startswith(cache.prefix)]:
            if key not in cache.items:
                tally.leaving.pop(key, None)
                tally.record(key, {})
        prefix = cache.key(tally.namespace, "")
        for key, item in cache.items.items():
            if key.startswith(prefix):
                self._take(tally, kind, item)
        for token, one in list(tally.pending.items()):
            if token[0].startswith(cache.prefix) and not one.attributes.undo:
                del tally.pending[token]


def exceeded(hard: Amounts, base: Amounts, added: Amounts) -> list[str]:
    """The resources of which there would be more than allowed."""
    return sorted(name for name, amount in added.items() if base.get(name, quota.ZERO) + amount > hard[name])


def shown(amounts: Mapping[str, Quantity], names: Sequence[str]) -> str:
    """`cpu=1,pods=2`."""
    return ",".join(f"{name}={amounts.get(name, quota.ZERO)}" for name in names)
