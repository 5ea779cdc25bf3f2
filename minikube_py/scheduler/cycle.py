"""The scheduling cycle: take a Pod from the queue, decide, assume, and bind in the background."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from minikube_py.api import errors, times
from minikube_py.api.resources import PODS
from minikube_py.client.events import EventRecorder
from minikube_py.client.rest import Client
from minikube_py.daemon import logs, metrics
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.run import NamedGroup, named_group
from minikube_py.scheduler.algorithm import Chosen, Profile, Unschedulable, decide
from minikube_py.scheduler.cache import Cache
from minikube_py.scheduler.config import SchedulerConfig
from minikube_py.scheduler.node import NodeFacts, NodeInfo
from minikube_py.scheduler.plugins import PLUGINS
from minikube_py.scheduler.plugins.base import Event, NamespaceEvent, NodeEvent, Plugin, PodEvent
from minikube_py.scheduler.pod import PodInfo
from minikube_py.scheduler.queue import Place, SchedulingQueue, Waiting

log = logs.get("scheduler")


class Scheduler:
    """Hears of Pods, Nodes and namespaces, and gives Pods that have no Node one of them.

    Between hearing and deciding nothing awaits, so a decision always sees one consistent state, and no event can slip
    in between a failed decision and its parking in the queue.
    """

    def __init__(
        self,
        client: Client,
        recorder: EventRecorder,
        *,
        clock: Clock,
        config: SchedulerConfig,
        plugins: Sequence[Plugin] = PLUGINS,
        registry: metrics.Registry | None = None,
    ) -> None:
        self.profile = Profile(plugins)
        self.cache = Cache(clock, ttl=config.assume_ttl)
        self.queue = SchedulingQueue(
            clock,
            lambda pod: any(gate.hold(pod) for gate in self.profile.gates),
            initial=config.pod_initial_backoff_seconds,
            most=config.pod_max_backoff_seconds,
            flush_after=config.pod_max_in_unschedulable_pods_duration,
        )
        self._client, self._recorder, self._clock, self._config = client, recorder, clock, config
        self._random = random.Random(config.seed)
        self._start = 0
        self._slots = asyncio.Semaphore(config.parallel_bindings)
        self._group: NamedGroup | None = None
        self._filters = {f.name: f for f in self.profile.filters}
        self._attempts = (registry or metrics.REGISTRY).counter(
            "scheduler_schedule_attempts_total", "Attempts to schedule Pods", ("result", "profile")
        )
        self.cache.expired = self._unconfirmed

    # what is heard

    def pod_changed(self, old: PodInfo | None, new: PodInfo | None) -> None:
        """An informer's handler for Pods, placed or not."""
        before = old if old is not None and old.node_name and not old.done else None
        after = new if new is not None and new.node_name and not new.done else None
        if after is not None:
            self.queue.remove(after.key)
            if before != after or self.cache.is_assumed(after.key):
                self.cache.set_pod(after)
                self._wake(PodEvent(before, after))
            return
        if before is not None:
            self.cache.remove_pod(before.key)
            self._wake(PodEvent(before, None))
        if new is not None and not new.done and not new.deleting and new.scheduler_name == self._config.scheduler_name:
            self._pending(new)
        elif old is not None:
            self.queue.remove(old.key)
            if new is None or new.done:
                self._release(old)

    def node_changed(self, old: NodeFacts | None, new: NodeFacts | None) -> None:
        """An informer's handler for Nodes."""
        if old == new:
            return
        if new is not None:
            self.cache.set_node(new)
        elif old is not None:
            self.cache.remove_node(old.name)
        self._wake(NodeEvent(old, new))

    def namespace_changed(self, name: str, labels: dict[str, str] | None) -> None:
        """The labels of a namespace; None when it is gone."""
        if labels != self.cache.namespace_labels(name):
            self.cache.set_namespace(name, labels)
            self._wake(NamespaceEvent(name))

    def _pending(self, pod: PodInfo) -> None:
        # A Pod that counts somewhere is bound or about to be; a view of it without its Node is an old one.
        if self.cache.node_of(pod.key):
            return
        self.queue.put(pod)
        waiting = self.queue.get(pod.key)
        if waiting is not None and waiting.place is Place.GATED:
            why = next(filter(None, (gate.hold(pod) for gate in self.profile.gates)))
            self._background(f"gate {pod.key}", lambda: self._say(pod, "SchedulingGated", why))

    def _release(self, pod: PodInfo) -> None:
        """The Pod ended while its binding was under way."""
        if self.cache.is_assumed(pod.key):
            self.cache.forget(pod)
            self._wake(PodEvent(pod, None))

    def _wake(self, event: Event) -> None:
        def helps(waiting: Waiting) -> bool:
            return any(self._filters[name].cured_by(waiting.pod, event) for name in waiting.failed_by)

        self.queue.wake(helps)

    # what is done

    async def run(self) -> None:
        """Schedule until cancelled. The caches behind the handlers must have synced."""
        async with named_group() as group:
            self._group = group
            try:
                for pod in [w.pod for w in self.queue.gated()]:
                    self._pending(pod)
                while True:
                    await self._slots.acquire()
                    self._slots.release()
                    self.schedule(await self.queue.pop())
                    await self._clock.sleep(0)
            finally:
                self._group = None

    def schedule(self, waiting: Waiting) -> None:
        """One decision, with what follows from it started in the background."""
        pod = waiting.pod
        try:
            result = decide(
                pod,
                self.cache,
                self.profile,
                self._tie_break,
                start=self._start,
                percentage=self._config.percentage_of_nodes_to_score,
            )
        except Exception:  # a plugin's bug must not stop the others' Pods
            log.exception("cannot decide", pod=pod.key)
            self._count("error")
            self.queue.retry(waiting)
            return
        if isinstance(result, Chosen):
            self._start += result.seen
            node = result.node
            self.cache.assume(pod, node)
            self._background(f"bind {pod.key}", lambda: self._bind(waiting, pod, node))
            return
        self._count("unschedulable")
        log.info("unable to schedule pod; waiting", pod=pod.key, why=result.message)
        self.queue.unschedulable(waiting, result.failed_by)
        self._background(f"report {pod.key}", lambda: self._refuse(pod, result))

    async def _bind(self, waiting: Waiting, pod: PodInfo, node: str) -> None:
        try:
            await self.profile.binder.bind(self._client, pod, node)
        except Exception as error:
            # Whether it was bound after all (a lost answer) the informer will tell; a second binding is refused.
            self.cache.forget(pod)
            self.queue.retry(waiting)
            self._wake(PodEvent(pod, None))
            self._count("error")
            if isinstance(error, errors.Conflict | errors.NotFound):
                log.info("the pod is bound or gone already", pod=pod.key, node=node, error=error)
                return
            write = log.warning if isinstance(error, errors.StatusError) else log.exception
            write("cannot bind", pod=pod.key, node=node, error=error)
            self._recorder.event(pod.reference, "Warning", "FailedScheduling", f"binding rejected: {error}")
            return
        self.cache.expected(pod)
        if self.queue.get(pod.key) is waiting:
            self.queue.remove(pod.key)
        self._count("scheduled")
        log.info("bound pod", pod=pod.key, node=node)
        self._recorder.event(
            pod.reference, "Normal", "Scheduled", f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        )

    async def _refuse(self, pod: PodInfo, result: Unschedulable) -> None:
        self._recorder.event(pod.reference, "Warning", "FailedScheduling", result.message)
        await self._say(pod, "Unschedulable", result.message)

    async def _say(self, pod: PodInfo, reason: str, message: str) -> None:
        """Put PodScheduled=False on the Pod's status, unless it says just that."""
        known = pod.condition
        if known is not None and (known.status, known.reason, known.message) == ("False", reason, message):
            return
        since = known.since if known is not None and known.status == "False" else ""
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
            "lastTransitionTime": since or times.format_time(self._clock.now()),
        }
        # The uid keeps the patch off a successor of the same name.
        patch = {"metadata": {"uid": pod.uid}, "status": {"conditions": [condition]}}
        try:
            await self._client.patch(PODS, pod.name, pod.namespace, patch, type="strategic", subresource="status")
        except errors.StatusError as error:
            quiet = isinstance(error, errors.NotFound | errors.Conflict)
            (log.debug if quiet else log.warning)("cannot say why a pod waits", pod=pod.key, error=error)

    def _unconfirmed(self, pod: PodInfo) -> None:
        log.warning("an accepted binding was not seen in time", pod=pod.key, node=self.cache.node_of(pod.key))
        self._background(f"look up {pod.key}", lambda: self._look_up(pod))

    async def _look_up(self, pod: PodInfo) -> None:
        try:
            found = PodInfo.of(await self._client.get(PODS, pod.name, pod.namespace))
        except errors.NotFound:
            self._release(pod)
            return
        except errors.StatusError:
            self.cache.expected(pod)
            return
        if found.uid == pod.uid and found.node_name:
            self.pod_changed(None, found)
            return
        self._release(pod)
        if found.uid == pod.uid:
            self.pod_changed(None, found)

    def _background(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` beside the cycle, `parallel_bindings` at once. A standby (not running) writes nothing."""
        if self._group is None:
            return

        async def bounded() -> None:
            async with self._slots:
                await work()

        self._group.spawn(name, bounded())

    def _tie_break(self, nodes: Sequence[NodeInfo]) -> NodeInfo:
        return self._random.choice(nodes)

    def _count(self, result: str) -> None:
        self._attempts.inc(result, self._config.scheduler_name)
