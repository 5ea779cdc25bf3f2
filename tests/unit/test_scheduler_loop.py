"""The scheduler daemon against a real API server in this process: retries, restarts, conflicts, hand-over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.api.meta import Object, condition
from minikube_py.api.resources import EVENTS, NODES, PODS, PRIORITYCLASSES
from minikube_py.client.events import EventRecorder
from minikube_py.client.transport import AppTransport, Response
from minikube_py.scheduler.config import SchedulerConfig
from minikube_py.scheduler.cycle import Scheduler
from minikube_py.scheduler.main import run
from minikube_py.scheduler.node import NodeFacts
from minikube_py.scheduler.pod import PodInfo
from tests.fakes.cluster import Cluster, cluster

CONFIG = SchedulerConfig(seed=1)


@pytest.fixture
async def world() -> AsyncIterator[Cluster]:
    async with cluster() as made:
        yield made


def begin(world: Cluster, config: SchedulerConfig = CONFIG, transport: Any = None) -> asyncio.Task[Any]:
    return world.run(lambda: run(config, world.clock, transport or world.transport("system:kube-scheduler", ())))


async def events(world: Cluster, reason: str) -> list[Object]:
    found = (await world.client.list(EVENTS, "default"))["items"]
    return [e for e in found if e["reason"] == reason]


async def scheduled_condition(world: Cluster, name: str) -> Object:
    found = condition(await world.client.get(PODS, name, "default"), "PodScheduled")
    assert found is not None
    return found


def bindings(world: Cluster) -> list[str]:
    return [path.split("/")[6] for method, path in world.requests if method == "POST" and path.endswith("/binding")]


async def test_a_pod_gets_a_node_and_an_event_says_so(world: Cluster) -> None:
    begin(world)
    await world.add_node("n1")
    await world.add_pod("a")
    await world.settle()
    assert await world.node_of("a") == "n1"
    (event,) = await events(world, "Scheduled")
    assert event["message"] == "Successfully assigned default/a to n1"
    assert (event["type"], event["source"]["component"]) == ("Normal", "default-scheduler")
    assert (await scheduled_condition(world, "a"))["status"] == "True"


async def test_an_unschedulable_pod_says_why_and_a_new_node_cures_it(world: Cluster) -> None:
    begin(world)
    await world.add_node("small", capacity={"cpu": "1", "memory": "1Gi", "pods": "10"})
    await world.add_pod("a", cpu="2")
    await world.settle()
    message = "0/1 nodes are available: 1 Insufficient cpu. preemption: not supported."
    found = await scheduled_condition(world, "a")
    assert (found["status"], found["reason"], found["message"]) == ("False", "Unschedulable", message)
    (event,) = await events(world, "FailedScheduling")
    assert (event["type"], event["message"]) == ("Warning", message)
    await world.advance(30)
    await world.add_node("big")  # as not ready at first: a try that fails, and a delay before the next
    await world.advance(10)
    assert await world.node_of("a") == "big"


async def test_saying_why_settles(world: Cluster) -> None:
    """The status patch of an unschedulable Pod must not bring the Pod back by itself."""
    begin(world)
    await world.add_node("n1")
    await world.add_pod("a", cpu="100")
    await world.settle()
    before = len(world.writes())
    await world.advance(60)
    assert len(world.writes()) == before
    await world.advance("5m")
    patches = [w for w in world.writes()[before:] if w[1].endswith("/pods/a/status")]
    assert patches == [], "the same reason is not patched twice"


@pytest.mark.parametrize(
    ("spec", "cure"),
    [
        ({}, "untaint"),
        ({"nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}]}, "label"),
    ],
)
async def test_a_changed_node_cures(world: Cluster, spec: Any, cure: str) -> None:
    begin(world)
    await world.add_node("n1", taints=[{"key": "k", "effect": "NoSchedule"}])
    await world.add_pod("a", **spec)
    await world.advance(20)
    assert await world.node_of("a") == ""
    change = {"spec": {"taints": None}} if cure == "untaint" else {"metadata": {"labels": {"disk": "ssd"}}}
    await world.client.patch(NODES, "n1", "", change)
    await world.settle()
    assert await world.node_of("a") == "n1"


async def test_a_deleted_or_finished_pod_frees_its_resources(world: Cluster) -> None:
    begin(world)
    await world.add_node("n1")
    for name in "abcd":
        await world.add_pod(name, cpu="3")
        await world.advance(15)
    assert [await world.node_of(n) for n in "abcd"] == ["n1", "", "", ""]
    await world.client.delete(PODS, "a", "default", grace_period_seconds=0)
    await world.settle()
    (second,) = [n for n in "bcd" if await world.node_of(n)]
    await world.set_status(PODS, second, "default", {"phase": "Succeeded"})
    await world.advance(15)
    assert len([n for n in "bcd" if await world.node_of(n)]) == 2


async def test_priority_decides_who_gets_what_is_left(world: Cluster) -> None:
    await world.add_node("n1")
    await world.add_pod("low", cpu="3")
    high = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 100}
    await world.client.create(PRIORITYCLASSES, high)
    await world.add_pod("high", cpu="3", priorityClassName="high")
    begin(world)
    await world.settle()
    assert (await world.node_of("low"), await world.node_of("high")) == ("", "n1")


async def test_pods_of_another_scheduler_are_left_alone_but_counted(world: Cluster) -> None:
    begin(world)
    await world.add_node("n1")
    await world.add_pod("theirs", schedulerName="mine", cpu="1")
    await world.add_pod("direct", nodeName="n1", cpu="3")
    await world.add_pod("ours", cpu="2")
    await world.advance(20)
    assert await world.node_of("theirs") == ""
    assert await world.node_of("ours") == ""
    await world.client.delete(PODS, "direct", "default", grace_period_seconds=0)
    await world.settle()
    assert await world.node_of("ours") == "n1"


async def test_a_gated_pod_waits_for_its_gates(world: Cluster) -> None:
    begin(world)
    await world.add_node("n1")
    await world.add_pod("a", schedulingGates=[{"name": "example.com/hold"}])
    await world.advance("10m")
    assert await world.node_of("a") == ""
    assert (await scheduled_condition(world, "a"))["reason"] == "SchedulingGated"
    assert await events(world, "FailedScheduling") == []
    await world.client.patch(PODS, "a", "default", [{"op": "remove", "path": "/spec/schedulingGates"}], type="json")
    await world.settle()
    assert await world.node_of("a") == "n1"


async def test_a_burst_never_overcommits_a_node(world: Cluster) -> None:
    begin(world)
    for i in range(5):
        await world.add_node(f"n{i}")
    await asyncio.gather(*(world.add_pod(f"p{i:02}", cpu="1") for i in range(30)))
    await world.settle()
    pods = (await world.client.list(PODS, "default"))["items"]
    placed: dict[str, int] = {}
    for pod in pods:
        node = pod["spec"].get("nodeName", "")
        placed[node] = placed.get(node, 0) + 1
    assert placed == {**{f"n{i}": 4 for i in range(5)}, "": 10}
    assert len(bindings(world)) == len(set(bindings(world))) == 20


class Flaky(AppTransport):
    """Answers the next bindings with an error: before they reach the server, or after it has done them."""

    def __init__(self, world: Cluster, *, lost: int = 0, refused: int = 0) -> None:
        super().__init__(world.app, user="system:kube-scheduler", groups=())
        self.lost, self.refused = lost, refused
        self.gate: asyncio.Event | None = None

    async def request(self, method: str, path: str, **kwargs: Any) -> Response:
        if path.endswith("/binding"):
            if self.refused:
                self.refused -= 1
                raise errors.ServiceUnavailable("connection refused")
            answer = await super().request(method, path, **kwargs)
            if self.lost:
                self.lost -= 1
                raise errors.ServiceUnavailable("connection lost")
            if self.gate is not None:
                await self.gate.wait()
            return answer
        return await super().request(method, path, **kwargs)


async def test_a_failed_binding_is_tried_again_after_a_backoff(world: Cluster) -> None:
    begin(world, transport=Flaky(world, refused=2))
    await world.add_node("n1")
    await world.add_pod("a", cpu="4")
    await world.settle()
    assert await world.node_of("a") == ""
    (event,) = await events(world, "FailedScheduling")
    assert event["message"] == "binding rejected: connection refused"
    await world.advance(1)
    assert await world.node_of("a") == ""
    await world.advance(2)
    assert await world.node_of("a") == "n1"


async def test_a_binding_whose_answer_was_lost_is_not_done_twice(world: Cluster) -> None:
    begin(world, transport=Flaky(world, lost=1))
    await world.add_node("n1")
    await world.add_node("n2")
    await world.add_pod("a", cpu="4")
    await world.advance(30)
    first = await world.node_of("a")
    assert first
    assert bindings(world) == ["a"]
    # It counts where it is: a second such Pod goes to the other Node.
    await world.add_pod("b", cpu="4")
    await world.advance(30)
    assert {first, await world.node_of("b")} == {"n1", "n2"}


async def test_a_pod_bound_by_somebody_else_is_taken_as_it_is(world: Cluster) -> None:
    await world.add_node("n1")
    await world.add_node("n2", unschedulable=True)
    await world.add_pod("a", cpu="3")
    pod = await world.client.get(PODS, "a", "default")
    rival: Object = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a", "namespace": "default"}}
    rival["target"] = {"kind": "Node", "name": "n2"}

    class Beaten(Flaky):
        """Somebody else binds first, between the decision and the request."""

        async def request(self, method: str, path: str, **kwargs: Any) -> Response:
            if path.endswith("/binding") and not await world.node_of("a"):
                await world.client.create_subresource(PODS, "a", "default", "binding", rival)
            return await super().request(method, path, **kwargs)

    begin(world, transport=Beaten(world))
    await world.advance(60)
    after = await world.client.get(PODS, "a", "default")
    assert (after["spec"]["nodeName"], after["metadata"]["uid"]) == ("n2", pod["metadata"]["uid"])
    await world.add_pod("b", cpu="4")
    await world.settle()
    assert await world.node_of("b") == "n1", "what was assumed on n1 was given back"


async def test_killed_between_deciding_and_hearing_it_never_binds_twice(world: Cluster) -> None:
    """The assumed Pod is lost with the process; the next one finds the Pod bound, or binds it."""
    await world.add_node("n1")
    await world.add_node("n2")
    for round in range(4):
        name = f"p{round}"
        transport = Flaky(world, refused=1 if round % 2 else 0)
        transport.gate = asyncio.Event()  # the answer of an accepted binding never comes
        task = begin(world, transport=transport)
        await world.settle()
        await world.add_pod(name, cpu="1")
        await world.settle()
        bound = await world.node_of(name)
        await world.kill(task)
        task = begin(world)
        await world.advance(30)
        now = await world.node_of(name)
        assert now
        assert bound in ("", now)
        await world.kill(task)
    assert sorted(bindings(world)) == ["p0", "p1", "p2", "p3"]


async def test_restarting_changes_nothing(world: Cluster) -> None:
    task = begin(world)
    await world.add_node("n1")
    await world.add_pod("a", cpu="3")
    await world.add_pod("b", cpu="3")
    await world.advance(15)
    await world.kill(task)
    before = await world.client.list(PODS, "default")
    begin(world)
    await world.advance(15)
    after = await world.client.list(PODS, "default")
    assert [p["metadata"]["resourceVersion"] for p in after["items"]] == [
        p["metadata"]["resourceVersion"] for p in before["items"]
    ]


class Deaf(Flaky):
    """While `deaf`, what the watch of Pods sends is lost; bindings wait for `hold` before they are sent."""

    def __init__(self, world: Cluster) -> None:
        super().__init__(world)
        self.deaf = False
        self.hold = asyncio.Event()

    async def request(self, method: str, path: str, **kwargs: Any) -> Response:
        if path.endswith("/binding"):
            await self.hold.wait()
        return await super().request(method, path, **kwargs)

    def stream(self, method: str, path: str, **kwargs: Any) -> Any:
        inner = super().stream(method, path, **kwargs)
        return self._muted(inner) if path.endswith("/pods") else inner

    @asynccontextmanager
    async def _muted(self, inner: Any) -> AsyncIterator[Any]:
        async with inner as stream:
            yield _Muted(stream, self)


class _Muted:
    def __init__(self, stream: Any, owner: Deaf) -> None:
        self.stream, self.owner = stream, owner
        self.status, self.headers = stream.status, stream.headers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.stream:
            if not self.owner.deaf:
                yield piece


@pytest.mark.parametrize("fate", ["bound", "deleted"])
async def test_a_binding_that_is_never_heard_of_is_looked_up(world: Cluster, fate: str) -> None:
    transport = Deaf(world)
    begin(world, transport=transport)
    await world.add_node("n1")
    await world.add_pod("a", cpu="3")
    await world.settle()
    transport.deaf = True
    transport.hold.set()
    await world.settle()
    assert await world.node_of("a") == "n1"
    if fate == "deleted":
        await world.client.delete(PODS, "a", "default", grace_period_seconds=0)
    world.requests.clear()
    await world.advance(29)
    assert world.requests == []
    await world.advance(2)
    assert world.requests == [("GET", "/api/v1/namespaces/default/pods/a")]
    transport.deaf = False
    await world.add_pod("b", cpu="3")
    await world.advance(15)
    assert await world.node_of("b") == ("" if fate == "bound" else "n1")
    assert bindings(world).count("a") == 0


async def test_an_old_view_of_an_assumed_pod_does_not_queue_it_again(world: Cluster) -> None:
    """The answer to the binding may overtake what the watch has to say about the time before."""
    recorder = EventRecorder(world.client, "test", clock=world.clock)
    scheduler = Scheduler(world.client, recorder, clock=world.clock, config=CONFIG)
    scheduler.node_changed(None, NodeFacts("n1", allocatable={"pods": 10}))
    pod = PodInfo(key="default/a", namespace="default", name="a", uid="u1")
    scheduler.pod_changed(None, pod)
    scheduler.schedule(await scheduler.queue.pop())
    scheduler.queue.remove(pod.key)
    late = replace(pod, labels={"x": "y"})
    scheduler.pod_changed(pod, late)
    assert len(scheduler.queue) == 0
    bound = replace(late, node_name="n1")
    scheduler.pod_changed(late, bound)
    assert not scheduler.cache.is_assumed(pod.key)
    # Deleted and made anew under the same name, it is another Pod.
    scheduler.pod_changed(bound, None)
    scheduler.pod_changed(None, replace(pod, uid="u2"))
    assert (await scheduler.queue.pop()).pod.uid == "u2"


async def test_leader_hand_over(world: Cluster) -> None:
    def elected(identity: str) -> asyncio.Task[Any]:
        return begin(world, SchedulerConfig(seed=1, leader_elect=True, identity=identity))

    await world.add_node("n1")
    first = elected("one")
    await world.settle()
    elected("two")
    await world.add_pod("a", cpu="1")
    await world.settle()
    assert await world.node_of("a") == "n1"
    assert bindings(world) == ["a"], "a standby binds nothing"
    await world.kill(first)
    await world.add_pod("b", cpu="1")
    await world.advance(20)
    assert await world.node_of("b") == "n1"
    assert sorted(bindings(world)) == ["a", "b"]
    assert len(await events(world, "Scheduled")) == 2
