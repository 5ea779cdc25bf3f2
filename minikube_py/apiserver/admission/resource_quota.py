"""ResourceQuota: nothing is stored that would bring a namespace above one of its quotas.

What a write adds is reserved in this process, and at the same time written to each quota's status.used by
compare-and-swap, so that other API servers over the same store see it. Writes that wait for each other go in one batch.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, field
from functools import partial

from minikube_py.api import errors, podresources, quota
from minikube_py.api.podresources import Amounts
from minikube_py.apiserver.admission._quota_ledger import Ledger, Pending, Tally, exceeded, shown
from minikube_py.apiserver.admission.base import Attributes, Plugin, forbidden
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.keylocks import KeyLocks
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.storage import Storage
from minikube_py.daemon.clock import Clock
from minikube_py.store import base as store

MAX_RETRIES = 50
_UPDATES = {"pods": "resize", "services": "", "persistentvolumeclaims": ""}
"""The updates after which an object may use more, by kind: of which sub-resource."""


@dataclass(slots=True, eq=False)
class _Ticket:
    """A write that waits for its turn: what it wants of which quota, and what became of it."""

    attributes: Attributes
    wanted: dict[str, tuple[Tally, Amounts, Amounts]]
    done: bool = False
    abandoned: bool = False
    error: errors.StatusError | None = None
    held: set[str] = field(default_factory=set)
    """The quotas in whose status it is written already."""


class ResourceQuota(Plugin):
    """As the admission plugin of that name."""

    name = "ResourceQuota"

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._ledger = Ledger(storage, clock)
        self._locks = KeyLocks()
        self._waiting: dict[str, deque[_Ticket]] = {}
        self._tokens = itertools.count()

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        if not kind.resource.namespaced:
            return False
        if operation == "CREATE":
            return not subresource
        return operation == "UPDATE" and _UPDATES.get(kind.resource.qualified) == subresource

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden: a quota would be exceeded, or a container does not say what a quota wants to know."""
        tallies = self._ledger.of(attributes.namespace)
        if not tallies:
            return
        wanted = self._wanted(attributes, [tallies[name] for name in sorted(tallies)])
        if not wanted:
            return
        if attributes.dry_run:
            for tally, added, _ in wanted.values():
                self._check(attributes, tally, tally.base(added, self._clock.monotonic()), added)
            return
        ticket = _Ticket(attributes, wanted)
        waiting = self._waiting.setdefault(attributes.namespace, deque())
        waiting.append(ticket)
        try:
            async with self._locks.hold(attributes.namespace):
                if not ticket.done:
                    await self._serve(attributes.namespace, waiting)
        finally:
            if not ticket.done:
                ticket.abandoned = True
                if ticket in waiting:
                    waiting.remove(ticket)
            if not waiting and self._waiting.get(attributes.namespace) is waiting:
                del self._waiting[attributes.namespace]
        if ticket.error is not None:
            raise ticket.error

    def _wanted(self, attributes: Attributes, tallies: list[Tally]) -> dict[str, tuple[Tally, Amounts, Amounts]]:
        """By quota, what the write adds to it, and what its object will use of it."""
        stored = attributes.kind.stored_as
        kind = (stored.resource if stored is not None else attributes.kind.resource).qualified
        now, new = self._clock.now(), attributes.new
        assert new is not None
        self._ledger.follow(kind)
        found = {}
        for tally in tallies:
            if kind not in tally.kinds or not quota.matches(kind, new, tally.scopes):
                continue
            if kind == "pods" and (missing := quota.missing(new, tally.hard)):
                raise forbidden(attributes, f"failed quota: {tally.name}: must specify {missing}")
            self._ledger.settle(tally)
            target = tally.usage(kind, new, now)
            before = tally.usage(kind, attributes.old, now) if attributes.old is not None else {}
            added = {n: a - before.get(n, quota.ZERO) for n, a in target.items() if a > before.get(n, quota.ZERO)}
            if added:
                found[tally.key] = (tally, added, target)
        return found

    @staticmethod
    def _check(attributes: Attributes, tally: Tally, base: Amounts, added: Amounts) -> None:
        if names := exceeded(tally.hard, base, added):
            raise forbidden(
                attributes,
                f"exceeded quota: {tally.name}, requested: {shown(added, names)}, used: {shown(base, names)}, "
                f"limited: {shown(tally.hard, names)}",
            )

    # -- reservations; the caller holds the namespace's lock

    async def _serve(self, namespace: str, waiting: deque[_Ticket]) -> None:
        """Settle everything that waits by now. Raises Unavailable, Conflict; what is not settled waits on."""
        batch = [ticket for ticket in waiting if not ticket.abandoned]
        waiting.clear()
        try:
            for _ in range(MAX_RETRIES):
                if await self._round(batch):
                    return
            raise errors.Conflict(f"the quotas of namespace {namespace} change too fast, please try again")
        finally:
            waiting.extendleft(t for t in reversed(batch) if not t.done)

    async def _round(self, batch: list[_Ticket]) -> bool:
        """Check all, write each quota once; False when somebody else wrote a quota in between."""
        now = self._clock.monotonic()
        running: dict[str, tuple[Tally, Amounts]] = {}
        passed: list[_Ticket] = []
        for ticket in batch:
            if ticket.done or ticket.abandoned:
                continue
            open_ = {key: w for key, w in ticket.wanted.items() if key not in ticket.held}
            bases = {
                key: running[key][1] if key in running else tally.base(tally.hard, now)
                for key, (tally, _, _) in open_.items()
            }
            try:
                for key, (tally, added, _) in open_.items():
                    self._check(ticket.attributes, tally, bases[key], added)
            except errors.Forbidden as error:
                ticket.error, ticket.done = error, True
                continue
            for key, (tally, added, _) in open_.items():
                podresources.add(bases[key], added)
                running[key] = (tally, bases[key])
            passed.append(ticket)
        clean = True
        for key, (tally, total) in running.items():
            if await self._write(tally, total):
                for ticket in passed:
                    if key in ticket.wanted:
                        ticket.held.add(key)
            else:
                clean = False
        for ticket in passed:
            if ticket.held.issuperset(ticket.wanted) and not ticket.abandoned:
                self._reserve(ticket)
        return clean

    async def _write(self, tally: Tally, total: Amounts) -> bool:
        """Put `total` into the quota's status; False when its state was another one, which is known then."""
        cache = self._storage.caches["resourcequotas"]
        entry = tally.entry
        obj = cache.codec.decode(entry.value, entry.rev)
        before = obj.get("status") or {}
        used = {**(before.get("used") or {}), **{name: str(amount) for name, amount in total.items()}}
        obj["status"] = {**before, "hard": obj["spec"]["hard"], "used": {n: used[n] for n in sorted(total)}}
        value = cache.codec.encode(obj)
        try:
            written = await self._storage.store.update(entry.key, value, at=entry.rev)
        except store.Conflict as lost:
            current = lost.current
            tally.heard(current, cache.codec.decode(current.value, current.rev), self._clock.monotonic())
            return False
        except store.NotFound:
            return True  # a quota that is gone bounds nothing
        tally.heard(written, obj, self._clock.monotonic(), own=True)
        return True

    def _reserve(self, ticket: _Ticket) -> None:
        attributes = ticket.attributes
        new: Object = attributes.new or {}
        cache = self._storage.cache(attributes.kind)
        key = cache.key(attributes.namespace, new["metadata"]["name"])
        for tally, added, target in ticket.wanted.values():
            token = (key, next(self._tokens))
            tally.pending[token] = Pending(attributes, new["metadata"]["uid"], added, target)
            attributes.undo.append(partial(_give_back, tally, token))
        ticket.done = True


def _give_back(tally: Tally, token: tuple[str, int]) -> None:
    tally.pending.pop(token, None)
