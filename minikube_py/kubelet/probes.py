"""Startup, liveness and readiness probes: a task each per running container, with Kubernetes' thresholds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from minikube_py.client.events import EventRecorder
from minikube_py.daemon.clock import Clock
from minikube_py.kubelet import podspec
from minikube_py.kubelet.handlers import Handlers, Target
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Container, RuntimeFault
from minikube_py.kubelet.state import Health, Local, View

ProbeName = Literal["startup", "liveness", "readiness"]
NAMES: tuple[ProbeName, ...] = ("startup", "liveness", "readiness")
Spawn = Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[None]"]


@dataclass(frozen=True, slots=True)
class Timing:
    """A probe's numbers with Kubernetes' defaults; seconds."""

    initial_delay: float
    period: float
    timeout: float
    success_threshold: int
    failure_threshold: int

    @classmethod
    def of(cls, probe: Object) -> Timing:
        return cls(
            float(probe.get("initialDelaySeconds") or 0),
            float(probe.get("periodSeconds") or 10),
            float(probe.get("timeoutSeconds") or 1),
            int(probe.get("successThreshold") or 1),
            int(probe.get("failureThreshold") or 3),
        )


class Counter:
    """Consecutive results; answers the new verdict when a threshold is reached, else None."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._last: bool | None = None
        self._run = 0

    def add(self, success: bool) -> bool | None:
        self._run = self._run + 1 if success is self._last else 1
        self._last = success
        needed = self._timing.success_threshold if success else self._timing.failure_threshold
        return success if self._run >= needed else None


@dataclass(slots=True)
class _Watched:
    """One running container under probes."""

    pod: Object
    spec: Object
    container: Container
    ip: str
    health: Health
    started: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)


class ProbeManager:
    """`sync` makes the tasks fit a Pod's containers; results go into `local.health`, and `changed(uid)` is called."""

    def __init__(
        self, handlers: Handlers, recorder: EventRecorder, *, clock: Clock, spawn: Spawn, changed: Callable[[str], None]
    ) -> None:
        self._handlers = handlers
        self._recorder = recorder
        self._clock = clock
        self._spawn = spawn
        self._changed = changed
        self._watched: dict[str, dict[str, _Watched]] = {}

    def sync(self, pod: Object, view: View, local: Local, ip: str, known: dict[str, Object]) -> None:
        """Start what is missing, end what is over. `known` is what was reported before, by containerID."""
        mine = self._watched.setdefault(podspec.uid(pod), {})
        running: dict[str, tuple[Object, Container]] = {}
        inits = {s["name"] for s in podspec.init_containers(pod) if not podspec.is_sidecar(s)}
        for spec in podspec.all_containers(pod):
            if spec["name"] in inits or not any(spec.get(f"{name}Probe") for name in NAMES):
                continue
            one = view.latest(spec["name"])
            if one is not None and one.state == "running" and one.id not in local.hooks_due:
                running[one.id] = (spec, one)
        for gone in [i for i in mine if i not in running]:
            self._end(mine.pop(gone))
        for container_id, (spec, one) in running.items():
            watched = mine.get(container_id)
            if watched is None:
                health = local.health.setdefault(container_id, Health())
                watched = mine[container_id] = _Watched(pod, spec, one, ip, health)
                self._begin(watched, known.get(container_id) or {})
            watched.pod, watched.ip = pod, ip
            if podspec.is_deleting(pod):
                # A Pod on its way out is no longer restarted, but its readiness still counts.
                for name in ("startup", "liveness"):
                    task = watched.tasks.pop(name, None)
                    if task is not None:
                        task.cancel()
        for stale in [i for i in local.health if i not in running]:
            del local.health[stale]
        if not mine:
            self._watched.pop(podspec.uid(pod), None)

    def forget(self, uid: str) -> None:
        for watched in self._watched.pop(uid, {}).values():
            self._end(watched)

    def _end(self, watched: _Watched) -> None:
        for task in watched.tasks.values():
            task.cancel()

    def _begin(self, watched: _Watched, before: Object) -> None:
        spec, health = watched.spec, watched.health
        # What an earlier kubelet process found out about this very container still holds.
        if not spec.get("startupProbe") or before.get("started"):
            health.started = True
            watched.started.set()
        else:
            health.started = False
        health.ready = bool(before.get("ready")) if spec.get("readinessProbe") else True
        for name in NAMES:
            probe = spec.get(f"{name}Probe")
            if probe and not (name == "startup" and health.started):
                title = f"{name} probe of {podspec.full_name(watched.pod)} {spec['name']}"
                watched.tasks[name] = self._spawn(title, self._probe(watched, name, probe))

    async def _probe(self, watched: _Watched, name: ProbeName, probe: Object) -> None:
        timing = Timing.of(probe)
        counter = Counter(timing)
        if name != "startup":
            await watched.started.wait()
        began = watched.container.started_at or watched.container.created_at
        await self._wait_until(began, timing.initial_delay)
        while True:
            success = await self._once(watched, name, probe, timing)
            verdict = None if success is None else counter.add(success)
            if verdict is not None and self._judge(watched, name, probe, verdict):
                return
            await self._clock.sleep(timing.period)

    async def _wait_until(self, began: datetime, delay: float) -> None:
        left = delay - (self._clock.now() - began).total_seconds()
        if delay and left > 0:
            await self._clock.sleep(left)

    async def _once(self, watched: _Watched, name: ProbeName, probe: Object, timing: Timing) -> bool | None:
        """One result; None where the engine could not say."""
        target = Target(watched.spec, watched.container.id, watched.ip)
        try:
            success, said = await self._handlers.run(probe, target, timing.timeout)
        except RuntimeFault:
            return None
        if not success:
            self._recorder.event(
                watched.pod, "Warning", "Unhealthy", f"{name.capitalize()} probe failed: {said}",
                field_path=podspec.field_path(watched.pod, watched.spec["name"]),
            )  # fmt: skip
        return success

    def _judge(self, watched: _Watched, name: ProbeName, probe: Object, verdict: bool) -> bool:
        """Note a verdict; whether the probe is over."""
        health = watched.health
        over = False
        changed = False
        match name:
            case "startup" if verdict:
                health.started, changed, over = True, True, True
                watched.started.set()
            case "readiness":
                changed, health.ready = health.ready is not verdict, verdict
            case _ if not verdict:
                health.failed, changed, over = name, True, True
                grace = probe.get("terminationGracePeriodSeconds")
                health.grace = None if grace is None else float(grace)
        if changed:
            self._changed(podspec.uid(watched.pod))
        return over
