"""The kubelet's measurements: what each container and the machine use, looked at about every 15 seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.kubelet import usage
from minikube_py.kubelet.observe import Observer
from minikube_py.kubelet.runtime.base import Container, PodRef, Runtime, RuntimeFault, Usage
from minikube_py.kubelet.state import View

log = logs.get("kubelet.stats")

INTERVAL = 15.0
FRESH = 5.0
"""Seconds between the first and the second look at a container, so that its rate is soon known."""
SETTLE = 1.0
"""Seconds from the engine's news to the look, which many of them share."""
SLACK = 2.0
"""Seconds that a look may be early in order to go with another one."""
NODE = ""
"""The machine among the ids of containers."""


class Series:
    """The last two measurements of one thing: a level, and the rate between them."""

    __slots__ = ("before", "last")

    def __init__(self, first: Usage) -> None:
        self.before: Usage | None = None
        self.last = first

    def add(self, new: Usage) -> None:
        """A counter or a clock that went back begins anew: a rate over that moment would be none."""
        forward = new.at > self.last.at and new.cpu_nanoseconds >= self.last.cpu_nanoseconds
        self.before, self.last = self.last if forward else None, new

    @property
    def window_nanoseconds(self) -> int:
        """What the rate is an average over; 0 while there is none."""
        if self.before is None:
            return 0
        return round((self.last.at - self.before.at).total_seconds() * 1e3) * 10**6

    @property
    def nanocores(self) -> int | None:
        """Nanoseconds of CPU time per second, None while unknown."""
        if self.before is None:
            return None
        spent = self.last.cpu_nanoseconds - self.before.cpu_nanoseconds
        return round(spent / (self.last.at - self.before.at).total_seconds())


@dataclass(frozen=True, slots=True)
class PodFigures:
    """A Pod with its running containers; those that were not measured yet have None.

    `ended_nanoseconds` is the CPU time of its earlier containers, so that the Pod's own counter never goes back.
    """

    ref: PodRef
    started_at: datetime
    containers: Sequence[tuple[Container, Series | None]]
    ended_nanoseconds: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is known now. `failed`: the engine did not answer the last time."""

    booted_at: datetime
    node: Series | None
    pods: Sequence[PodFigures]
    failed: bool


class Sampler:
    """Measures for as long as it runs. `machine` and `booted_at` read the machine's own figures."""

    name = "stats"

    def __init__(
        self,
        runtime: Runtime,
        observer: Observer,
        *,
        clock: Clock,
        machine: Callable[[datetime], Usage] = usage.of_machine,
        booted_at: Callable[[], datetime] = usage.booted_at,
    ) -> None:
        self._runtime = runtime
        self._observer = observer
        self._clock = clock
        self._machine = machine
        self._booted_at = booted_at
        self._series: dict[str, Series] = {}
        self._due: dict[str, float] = {}
        self._ended: dict[str, int] = {}
        self._owners: dict[str, str] = {}
        self._views: Mapping[str, View] = {}
        self._failed = False
        self._changed = asyncio.Event()
        observer.subscribe(self._changed.set)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            await self._look()
            # Containers that an engine out of reach left due are no reason to ask it again at once.
            next_look = (self._due[NODE] if self._failed else min(self._due.values())) - self._clock.monotonic()
            try:
                await self._clock.wait_for(self._changed.wait(), max(next_look, SETTLE))
            except TimeoutError:
                continue
            await self._clock.sleep(SETTLE)

    def figures(self) -> Figures:
        """What was seen at the last look."""
        pods = []
        for uid, view in self._views.items():
            running = [c for c in view.all() if c.state == "running"]
            if running:
                started = min([s.created_at for s in view.sandboxes] + [c.created_at for c in running])
                measured = [(c, self._series.get(c.id)) for c in sorted(running, key=lambda c: c.name)]
                pods.append(PodFigures(running[0].pod, started, measured, self._ended.get(uid, 0)))
        pods.sort(key=lambda pod: (pod.ref.namespace, pod.ref.name))
        return Figures(self._booted_at(), self._series.get(NODE), pods, self._failed)

    async def _look(self) -> None:
        """Measure what is due: at once what is new, soon what was seen once, the rest every `INTERVAL`."""
        soon = self._clock.monotonic() + SLACK
        if self._due.get(NODE, 0.0) <= soon:
            self._note(NODE, self._machine(self._clock.now()))
        try:
            self._views = await self._observer.views()
            self._forget()
            wanted = [one for one in self._owners if self._due.get(one, 0.0) <= soon]
            found = await self._runtime.container_stats(wanted) if wanted else {}
        except RuntimeFault as error:
            if not self._failed:
                log.warning("the containers could not be measured", error=error, retry_seconds=INTERVAL)
            self._failed = True
            return
        self._failed = False
        for one in wanted:
            self._note(one, found.get(one))

    def _note(self, one: str, new: Usage | None) -> None:
        known = self._series.get(one)
        self._due[one] = self._clock.monotonic() + (FRESH if new is not None and known is None else INTERVAL)
        if new is None:
            return
        if known is None:
            self._series[one] = Series(new)
        else:
            known.add(new)

    def _forget(self) -> None:
        """Let go of containers that no longer run; their Pod keeps the CPU time that they have had."""
        running = {c.id: uid for uid, view in self._views.items() for c in view.all() if c.state == "running"}
        for gone, uid in self._owners.items():
            if gone not in running:
                self._due.pop(gone, None)
                series = self._series.pop(gone, None)
                if series is not None:
                    self._ended[uid] = self._ended.get(uid, 0) + series.last.cpu_nanoseconds
        self._owners = running
        for uid in self._ended.keys() - self._views.keys():
            del self._ended[uid]
