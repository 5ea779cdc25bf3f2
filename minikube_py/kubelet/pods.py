"""The heart of the kubelet: for each of its Pods, look at the engine, plan, take the steps, report the status.

A pass never waits for a step: steps run as tasks of their own, one per key, and each that ends calls for another pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeGuard

from minikube_py.api import errors
from minikube_py.client.controller import Controller
from minikube_py.client.informer import Informer
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.run import NamedGroup, named_group
from minikube_py.kubelet import announce, podspec
from minikube_py.kubelet.actions import (
    Action,
    EnsureImage,
    PostStart,
    ResizeContainer,
    RunSandbox,
    StartContainer,
    StopContainer,
)
from minikube_py.kubelet.admission import admit
from minikube_py.kubelet.backoff import doubled
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.images import ImagePuller
from minikube_py.kubelet.messages import termination_message
from minikube_py.kubelet.node import NodeManager
from minikube_py.kubelet.observe import Observer
from minikube_py.kubelet.plan import Plan, plan
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.probes import ProbeManager
from minikube_py.kubelet.reporter import StatusReporter
from minikube_py.kubelet.resizing import Resizing
from minikube_py.kubelet.runtime.base import EngineUnavailable, Runtime, RuntimeFault
from minikube_py.kubelet.state import NOTHING, Failure, View
from minikube_py.kubelet.status import NodeFacts, status
from minikube_py.kubelet.steps import Entry, StepFailed, Steps
from minikube_py.kubelet.volumes.base import MountFailed
from minikube_py.kubelet.volumes.manager import VolumeManager

log = logs.get("kubelet")

ENGINE_RETRY = 5.0


@dataclass(slots=True)
class _Step:
    """A step under way."""

    action: Action
    task: asyncio.Task[None]


class PodManager:
    """Owns the entries, their steps and the tasks of probes and pulls. `tasks` must be entered before anything runs."""

    name = "pods"

    def __init__(
        self,
        config: KubeletConfig,
        runtime: Runtime,
        *,
        clock: Clock,
        pods: Informer[Object],
        observer: Observer,
        reporter: StatusReporter,
        volumes: VolumeManager,
        node: NodeManager,
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._clock = clock
        self._pods = pods
        self._observer = observer
        self._reporter = reporter
        self._volumes = volumes
        self._node = node
        self._entries: dict[str, Entry] = {}
        self._steps_under_way: dict[str, dict[str, _Step]] = {}
        self._engine_slots = asyncio.Semaphore(config.max_parallel_engine_calls)
        self._group: NamedGroup | None = None
        self._stopping = False
        self._controller = Controller("pods", self._sync, clock=clock, workers=4)
        self._controller.watch(pods, keys=self._heard)
        self._resizing = Resizing(lambda *said: self.steps.event(*said))
        # Made by `main`, which ties the knot: they call back into this object.
        self.steps: Steps
        self.probes: ProbeManager
        self.images: ImagePuller

    # -- what others ask

    def entries(self) -> list[Entry]:
        """Everything in this kubelet's care, Pods on their way out and orphans included."""
        return list(self._entries.values())

    async def view(self, uid: str) -> View:
        """The Pod in the engine, fresh. Raises EngineUnavailable."""
        return (await self._observer.views()).get(uid, NOTHING)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work as a task that this object owns; it ends with the kubelet at the latest."""
        assert self._group is not None, "the pod manager does not run yet"
        return self._group.spawn(name, work)

    def look_again(self, uid: str) -> None:
        self._controller.enqueue(uid)

    # -- running

    async def run(self) -> None:
        """Until cancelled; steps under way are cancelled with it, and the next process goes on from the engine."""
        async with named_group() as group:
            self._group = group
            group.start("pod syncs", self._controller.run)
            group.start("engine events", self._hear_engine)
            group.start("housekeeping", self._keep_house)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                # Cancelled steps call for another pass, which must begin nothing new.
                self._stopping = True

    async def _hear_engine(self) -> None:
        async for event in self._runtime.events():
            self._observer.invalidate()
            if event.pod is None:
                self._node.look_again()
                self._forgive_engine()
                await self._look_at_everything()
            elif event.pod.uid in self._entries:
                self.look_again(event.pod.uid)

    def _forgive_engine(self) -> None:
        """The engine is back: what failed for its absence need not wait any longer."""
        for entry in self._entries.values():
            for key, failed in list(entry.local.retries.items()):
                if failed.reason == EngineUnavailable.reason:
                    del entry.local.retries[key]

    async def _keep_house(self) -> None:
        await self._pods.wait_synced()
        while True:
            self._observer.invalidate()
            await self._look_at_everything()
            await self._refresh_volumes()
            await self._clock.sleep(self._config.sync_frequency)

    async def _look_at_everything(self) -> None:
        """Every Pod, and everything in the engine or on the disk that belongs to no Pod any more."""
        if self._pods.synced:
            await self._adopt_orphans()
        for uid in self._entries:
            self.look_again(uid)

    async def _adopt_orphans(self) -> None:
        try:
            seen = set(await self._observer.views())
        except EngineUnavailable:
            return
        for uid in (seen | self._volumes.pod_dirs()) - self._entries.keys():
            log.info("remains of a pod that is no more", uid=uid)
            entry = self._entries[uid] = Entry(uid)
            entry.local.gone = True
            self.look_again(uid)

    async def _refresh_volumes(self) -> None:
        for entry in list(self._entries.values()):
            pod = entry.pod
            if pod is None or not entry.local.volumes_ready or podspec.is_terminal(pod):
                continue
            try:
                await self._volumes.refresh(pod, self.steps.facts(entry))
                over = await self._volumes.over_limit(pod)
            except (MountFailed, OSError, errors.StatusError) as e:
                log.warning("volumes could not be refreshed", pod=podspec.full_name(pod), error=e)
                continue
            if over and entry.local.rejected is None:
                entry.local.rejected = ("Evicted", over)
                self.steps.event(entry, "Warning", "Evicted", over)
                self.look_again(entry.uid)

    def _heard(self, old: Object | None, new: Object | None) -> list[str]:
        keys = []
        if old is not None and (new is None or podspec.uid(new) != podspec.uid(old)):
            entry = self._entries.get(podspec.uid(old))
            if entry is not None:
                entry.local.gone = True
                keys += [entry.uid, *self._deferred()]
        if new is not None:
            entry = self._entries.setdefault(podspec.uid(new), Entry(podspec.uid(new)))
            self._resizing.heard(entry, new)
            entry.local.gone = False
            keys.append(entry.uid)
            if podspec.is_terminal(new):
                keys += self._deferred()
        return keys

    # -- one pass

    async def _sync(self, uid: str) -> float | None:
        entry = self._entries.get(uid)
        if entry is None:
            return None
        # What was under way before the look is not seen in it for certain, even when it has ended meanwhile.
        busy = frozenset(self._steps_under_way.get(uid, ()))
        try:
            view = await self.view(uid)
        except EngineUnavailable as e:
            log.warning("the engine does not answer", error=e)
            self._node.look_again()
            return ENGINE_RETRY
        entry.view = view
        entry.local.busy = busy
        pod = entry.pod
        if pod is not None and not await self._admitted(entry, pod):
            self._report(entry, pod, view)
        if self._resizing.look(entry, lambda: self._others(entry), self._node.allocatable):
            for waiting in self._deferred():
                self.look_again(waiting)
        pod = entry.pod
        if pod is not None:
            self._note_hooks(entry, pod, view)
            await self._read_messages(entry, pod, view)
        if self._stopping:
            return None
        self._note_teardown(entry, pod)
        now = self._clock.now()
        found = plan(entry.pod, view, entry.local, now, backoff_max=self._config.container_backoff_max)
        if self._over(entry, found):
            self._forget(entry)
            return None
        if pod is not None:
            announce.backoffs(self.steps.event, entry, pod, found, now)
            announce.deadline(self.steps.event, entry, pod, now)
            known = {
                one["containerID"].rpartition("://")[2]: one
                for name in ("initContainerStatuses", "containerStatuses")
                for one in self._reporter.previous(pod).get(name) or ()
                if one.get("containerID")
            }
            self.probes.sync(pod, view, entry.local, self.steps.pod_ip(view), known)
        self._dispatch(entry, found)
        if pod is not None:
            self._report(entry, pod, view)
        if found.wake is None:
            return None
        return max(0.001, (found.wake - now).total_seconds())

    async def _admitted(self, entry: Entry, pod: Object) -> bool:
        """Whether the node takes the Pod; asked once, when it is first seen."""
        if entry.admitted or podspec.is_deleting(pod) or podspec.is_terminal(pod):
            return True
        if (pod.get("status") or {}).get("startTime") or not entry.view.empty:
            entry.admitted = True
            return True
        if entry.local.rejected is None:
            others = self._others(entry)
            refusal = admit(pod, others, self._node.allocatable, self._node.labels)
            if refusal is not None and refusal[0] == "NodeAffinity":
                # The label may have been put on the Node a moment ago.
                await self._node.refresh()
                refusal = admit(pod, others, self._node.allocatable, self._node.labels)
            entry.local.rejected = refusal
            if refusal is not None:
                self.steps.event(entry, "Warning", refusal[0], refusal[1])
                return False
            entry.admitted = True
        return entry.local.rejected is None

    def _others(self, entry: Entry) -> list[Object]:
        """What the node has taken beside this Pod, each as it was granted."""
        return [
            e.pod for e in self._entries.values()
            if e is not entry and e.admitted and e.pod is not None and not e.local.gone
        ]  # fmt: skip

    def _deferred(self) -> list[str]:
        """The Pods whose resize waits for room."""
        return [e.uid for e in self._entries.values() if (e.local.resize_pending or ("",))[0] == "Deferred"]

    def _note_hooks(self, entry: Entry, pod: Object, view: View) -> None:
        due = set()
        for spec in podspec.all_containers(pod):
            if not (spec.get("lifecycle") or {}).get("postStart"):
                continue
            one = view.latest(spec["name"])
            if one is not None and one.state == "running" and not self.steps.hook_done(entry, spec["name"], one.id):
                due.add(one.id)
        entry.local.hooks_due = frozenset(due)

    async def _read_messages(self, entry: Entry, pod: Object, view: View) -> None:
        messages = entry.local.messages
        for spec in podspec.every_container(pod):
            for one in view.containers.get(spec["name"], ()):
                if one.state == "exited" and one.id not in messages:
                    messages[one.id] = await termination_message(self._runtime, self._volumes, pod, spec, one)
        for stale in messages.keys() - {c.id for c in view.all()}:
            del messages[stale]

    def _note_teardown(self, entry: Entry, pod: Object | None) -> None:
        ending = pod is None or entry.local.gone or podspec.is_deleting(pod)
        if ending and entry.local.stop_began is None:
            entry.local.stop_began = self._clock.now()

    def _over(self, entry: Entry, found: Plan) -> bool:
        lost = entry.pod is None or entry.local.gone
        idle = not found.actions and not self._steps_under_way.get(entry.uid)
        return lost and idle and entry.view.empty and not entry.local.volumes_left

    def _forget(self, entry: Entry) -> None:
        self._entries.pop(entry.uid, None)
        self._steps_under_way.pop(entry.uid, None)
        self._reporter.forget(entry.uid)
        self.probes.forget(entry.uid)
        self.images.forget(entry.uid)

    def _report(self, entry: Entry, pod: Object, view: View) -> None:
        if entry.local.gone or _settled(pod):
            return
        facts = NodeFacts(self._node.ip)
        previous: Mapping[str, Any] = self._reporter.previous(pod)
        self._reporter.report(pod, status(pod, view, entry.local, previous, facts, self._clock.now()))

    # -- steps

    def _dispatch(self, entry: Entry, found: Plan) -> None:
        under_way = self._steps_under_way.setdefault(entry.uid, {})
        wanted = {action.key for action in found.actions}
        for key, step in list(under_way.items()):
            # Nobody waits for the image or the hook of a container that is not to run any more.
            if isinstance(step.action, (EnsureImage, PostStart)) and self._ending(entry) and key not in wanted:
                step.task.cancel()
        for action in found.actions:
            step_now = under_way.get(action.key)
            if step_now is None:
                if action.key not in entry.local.busy:
                    self._begin(entry, action)
            elif _sooner(action, step_now.action):
                # The grace period was shortened: stop anew, without the hook, beside what is being cancelled.
                step_now.task.cancel()
                self._begin(entry, replace(action, hook=False))

    def _ending(self, entry: Entry) -> bool:
        pod = entry.pod
        return pod is None or entry.local.gone or podspec.is_deleting(pod) or podspec.is_terminal(pod)

    def _begin(self, entry: Entry, action: Action) -> None:
        if isinstance(action, StopContainer) and action.resizes:
            entry.stopped_for_resize[action.name] = action.id
        step = _Step(action, self.spawn(f"{action.key} of {entry.uid}", self._take(entry, action)))
        self._steps_under_way.setdefault(entry.uid, {})[action.key] = step

    async def _take(self, entry: Entry, action: Action) -> None:
        task = asyncio.current_task()
        try:
            if isinstance(action, (RunSandbox, StartContainer)):
                async with self._engine_slots:
                    await self.steps.take(entry, action)
            else:
                await self.steps.take(entry, action)
        except StepFailed as e:
            self._failed(entry, action, e.reason, str(e), e.delay, e.longest)
        except (RuntimeFault, errors.StatusError) as e:
            self._failed(entry, action, getattr(e, "reason", type(e).__name__), str(e), 1.0, 30.0)
        except Exception as e:
            # A step is a worker: whatever goes wrong in it is one Pod's trouble, not the kubelet's end.
            log.exception("a step failed", step=action.key, uid=entry.uid, error=e)
            self._failed(entry, action, "InternalError", str(e), 1.0, 60.0)
        else:
            entry.local.retries.pop(action.key, None)
        finally:
            under_way = self._steps_under_way.get(entry.uid, {})
            step = under_way.get(action.key)
            if step is not None and step.task is task:
                del under_way[action.key]
            self._observer.invalidate()
            self.look_again(entry.uid)

    def _failed(self, entry: Entry, action: Action, reason: str, message: str, delay: float, longest: float) -> None:
        before = entry.local.retries.get(action.key)
        if before is not None:
            waited = (before.retry_at - before.at).total_seconds()
            delay = doubled(waited, longest, delay) if delay else 0.0
        if isinstance(action, ResizeContainer) and (before is None or before.message != message):
            self.steps.event(entry, "Warning", "ResizeError", f"Pod resize error: {message}", action.name)
        now = self._clock.now()
        entry.local.retries[action.key] = Failure(reason, message, now, now + timedelta(seconds=delay))
        log.warning(
            "a step of a pod failed", step=action.key, uid=entry.uid, reason=reason, error=message, retry_seconds=delay
        )


def _sooner(wanted: Action, now: Action) -> TypeGuard[StopContainer]:
    """Whether a container is being stopped that should stop sooner."""
    if not isinstance(now, StopContainer) or not isinstance(wanted, StopContainer):
        return False
    return (now.deadline - wanted.deadline).total_seconds() > 0.5


def _settled(pod: Object) -> bool:
    """Whether the API server has the last word on the Pod: a terminal phase and every container's end."""
    if not podspec.is_terminal(pod):
        return False
    known = pod.get("status") or {}
    lists = (known.get(name) or () for name in podspec.STATUSES)
    return not any("running" in (one.get("state") or {}) for each in lists for one in each)
