"""Pods that wait for a Node: ready, backing off, unschedulable until something changes, or held by a gate."""

from __future__ import annotations

import heapq
import itertools
from asyncio import Event as Signal
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from minikube_py.daemon.clock import Clock, Handle
from minikube_py.scheduler.pod import PodInfo


class Place(Enum):
    """Where a waiting Pod is. In HAND it is being decided or bound."""

    READY = "active"
    BACKOFF = "backoff"
    UNSCHEDULABLE = "unschedulable"
    GATED = "gated"
    HAND = "hand"


@dataclass(slots=True)
class Waiting:
    """A Pod in the queue. `failed_by` names the plugins that kept it off Nodes when it was last tried."""

    pod: PodInfo
    since: float
    place: Place = Place.READY
    attempts: int = 0
    failed_by: frozenset[str] = frozenset()
    backoff_ends: float = 0.0
    turn: int = 0
    timer: Handle | None = field(default=None, repr=False)


class SchedulingQueue:
    """Ready Pods by priority, then in the order in which they became ready.

    A failed Pod waits at least its backoff: `initial` seconds doubled with each attempt, up to `most`. An unschedulable
    one waits for an event that may help it, or `flush_after` seconds.
    """

    def __init__(
        self,
        clock: Clock,
        gate: Callable[[PodInfo], bool] = lambda pod: bool(pod.gates),
        *,
        initial: float = 1.0,
        most: float = 10.0,
        flush_after: float = 300.0,
    ) -> None:
        self._clock = clock
        self._gate = gate
        self._initial, self._most, self._flush_after = initial, most, flush_after
        self._waiting: dict[str, Waiting] = {}
        self._ready: list[tuple[int, int, str]] = []
        self._parked: dict[str, Waiting] = {}
        self._turns = itertools.count()
        self._signal = Signal()

    def __len__(self) -> int:
        return len(self._waiting)

    def get(self, key: str) -> Waiting | None:
        """The Pod, wherever it waits."""
        return self._waiting.get(key)

    def count(self, place: Place) -> int:
        """How many Pods are there."""
        return sum(w.place is place for w in self._waiting.values())

    def gated(self) -> list[Waiting]:
        """The Pods that a gate holds."""
        return [w for w in self._waiting.values() if w.place is Place.GATED]

    def put(self, pod: PodInfo) -> None:
        """An unassigned Pod was seen, for the first time or changed. A change of its own may make it fit."""
        waiting = self._waiting.get(pod.key)
        if waiting is not None and waiting.pod.uid != pod.uid:
            self.remove(pod.key)
            waiting = None
        if waiting is None:
            waiting = self._waiting[pod.key] = Waiting(pod, self._clock.monotonic())
            self._enter(waiting)
            return
        changed, waiting.pod = waiting.pod != pod, pod
        if not changed or waiting.place is Place.HAND:
            return
        if waiting.place is Place.READY or self._gate(pod):
            self._enter(waiting)  # its priority or its gates may be others
        elif waiting.place in (Place.UNSCHEDULABLE, Place.GATED):
            self._move(waiting)

    def remove(self, key: str) -> None:
        """The Pod is gone, or has its Node."""
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            self._leave(waiting)

    async def pop(self) -> Waiting:
        """The next Pod to decide; it is in hand until it is removed, `unschedulable` or `retry`."""
        while True:
            while self._ready:
                _, turn, key = heapq.heappop(self._ready)
                waiting = self._waiting.get(key)
                if waiting is not None and waiting.place is Place.READY and waiting.turn == turn:
                    waiting.place = Place.HAND
                    waiting.attempts += 1
                    return waiting
            self._signal.clear()
            await self._signal.wait()

    def unschedulable(self, waiting: Waiting, failed_by: frozenset[str]) -> None:
        """No Node can take the Pod now. Nothing happens if it was removed meanwhile."""
        if not self._is_in_hand(waiting):
            return
        waiting.failed_by = failed_by
        waiting.backoff_ends = self._clock.monotonic() + self._backoff(waiting)
        waiting.place = Place.UNSCHEDULABLE
        self._parked[waiting.pod.key] = waiting
        waiting.timer = self._clock.call_later(self._flush_after, lambda: self._move(waiting))

    def retry(self, waiting: Waiting) -> None:
        """Something went wrong: try again after the backoff. Nothing happens if it was removed meanwhile."""
        if self._is_in_hand(waiting):
            waiting.failed_by = frozenset()
            waiting.backoff_ends = self._clock.monotonic() + self._backoff(waiting)
            self._move(waiting)

    def wake(self, helps: Callable[[Waiting], bool]) -> None:
        """The cluster changed: unschedulable Pods that it may help are tried again, after their backoff."""
        for waiting in [w for w in self._parked.values() if helps(w)]:
            self._move(waiting)

    def _is_in_hand(self, waiting: Waiting) -> bool:
        return self._waiting.get(waiting.pod.key) is waiting and waiting.place is Place.HAND

    def _backoff(self, waiting: Waiting) -> float:
        doublings = min(waiting.attempts - 1, 30)
        return min(self._initial * 2.0**doublings, self._most)

    def _move(self, waiting: Waiting) -> None:
        """To the ready ones, by way of what is left of its backoff."""
        left = waiting.backoff_ends - self._clock.monotonic()
        self._leave(waiting)
        if left <= 0:
            self._enter(waiting)
            return
        waiting.place = Place.BACKOFF
        waiting.timer = self._clock.call_later(left, lambda: self._enter(waiting))

    def _enter(self, waiting: Waiting) -> None:
        self._leave(waiting)
        if self._gate(waiting.pod):
            waiting.place = Place.GATED
            return
        waiting.place = Place.READY
        waiting.turn = next(self._turns)
        heapq.heappush(self._ready, (-waiting.pod.priority, waiting.turn, waiting.pod.key))
        self._signal.set()

    def _leave(self, waiting: Waiting) -> None:
        self._parked.pop(waiting.pod.key, None)
        if waiting.timer is not None:
            waiting.timer.cancel()
            waiting.timer = None
