"""The controller runner: from a change to reconcile, with its failures, retries and returns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.api.meta import Object
from minikube_py.api.resources import NODES, PODS
from minikube_py.client.controller import Controller, run_all
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client
from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import VirtualClock
from minikube_py.daemon.run import TaskReturned, leaves
from tests.fakes.apiserver import FakeApiServer

PODS_PATH = "/v1/pods"


def pod(name: str, node: str = "") -> Object:
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": {"nodeName": node}}


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.server = FakeApiServer()
        self.transport = AppTransport(self.server, user="u", clock=self.clock)
        self.client = Client(self.transport, clock=self.clock)
        self.pods: Informer[Object] = Informer(self.client, PODS, clock=self.clock)
        self.nodes: Informer[Object] = Informer(self.client, NODES, clock=self.clock)

    @asynccontextmanager
    async def running(self, *controllers: Controller, extra: Any = ()) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(run_all([self.pods, self.nodes], controllers, extra))
        await self.clock.advance(0)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.transport.close()


async def test_it_starts_after_the_caches_have_synced_and_reconciles_what_is_there() -> None:
    world = World()
    seen: list[tuple[str, bool, bool]] = []

    async def reconcile(key: str) -> None:
        seen.append((key, world.pods.synced, world.nodes.synced))

    controller = Controller("test", reconcile, clock=world.clock)
    controller.watch(world.pods)
    controller.watch(world.nodes, lambda old, new: ["all-nodes"])
    world.server.put(PODS_PATH, pod("a"))
    world.server.put("/v1/nodes", {"metadata": {"name": "n"}})
    async with world.running(controller):
        assert sorted(seen) == [("all-nodes", True, True), ("default/a", True, True)]
        seen.clear()
        world.server.drop(PODS_PATH, "default/a")
        controller.enqueue("by-hand")
        controller.enqueue_after("later", 5)
        await world.clock.advance(4)
        assert sorted(k for k, _, _ in seen) == ["by-hand", "default/a"]
        await world.clock.advance(2)
        assert seen[-1][0] == "later"


async def test_keys_may_lead_to_owners_old_and_new() -> None:
    world = World()
    seen: list[str] = []

    async def reconcile(key: str) -> None:
        seen.append(key)

    controller = Controller("test", reconcile, clock=world.clock)
    controller.watch(world.pods, lambda old, new: {o["spec"]["nodeName"] for o in (old, new) if o})
    world.server.put(PODS_PATH, pod("a", "n1"))
    async with world.running(controller):
        world.server.put(PODS_PATH, pod("a", "n2"))
        await world.clock.advance(0)
        assert seen[0] == "n1" and sorted(seen[1:]) == ["n1", "n2"]


async def test_failures_back_off_are_logged_and_forgotten_after_success(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    tries: list[float] = []
    failing = True

    async def reconcile(key: str) -> None:
        tries.append(world.clock.monotonic())
        if failing:
            raise KeyError("a bug")

    controller = Controller("test", reconcile, clock=world.clock)
    async with world.running(controller):
        with caplog.at_level(logging.DEBUG, logger="minikube_py"):
            controller.enqueue("a")
            await world.clock.advance(0.1)
        assert len(tries) == 5  # 0, 5, 15, 35, 75 ms
        assert [round(t * 1000) for t in tries] == [0, 5, 15, 35, 75]
        record = caplog.records[0]
        assert record.getMessage() == "reconcile failed" and record.exc_info
        assert record.fields["retry_seconds"] == 0.005 and record.fields["key"] == "a"  # type: ignore[attr-defined]
        failing = False
        await world.clock.advance(10)
        assert len(tries) == 6 and controller.queue.retries("a") == 0


async def test_a_conflict_is_retried_quietly_and_a_refusal_without_traceback(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    problems: list[Exception] = [errors.Conflict("stale"), errors.Forbidden("no")]

    async def reconcile(key: str) -> None:
        if problems:
            raise problems.pop(0)

    controller = Controller("test", reconcile, clock=world.clock)
    async with world.running(controller):
        with caplog.at_level(logging.INFO, logger="minikube_py"):
            controller.enqueue("a")
            await world.clock.advance(1)
        assert [(r.levelname, r.getMessage(), r.exc_info) for r in caplog.records] == [
            ("WARNING", "reconcile failed", None)
        ]
        assert problems == [] and controller.queue.idle


async def test_a_returned_number_means_come_back() -> None:
    world = World()
    times: list[float] = []

    async def reconcile(key: str) -> float | None:
        times.append(world.clock.monotonic())
        return 30.0 if len(times) < 3 else None

    controller = Controller("test", reconcile, clock=world.clock)
    async with world.running(controller):
        controller.enqueue("a")
        await world.clock.advance("10m")
    assert times == [0, 30, 60]


async def test_workers_work_at_once_but_never_on_one_key() -> None:
    world = World()
    running: list[str] = []
    most = 0
    gate = asyncio.Event()

    async def reconcile(key: str) -> None:
        nonlocal most
        assert key not in running
        running.append(key)
        most = max(most, len(running))
        await gate.wait()
        running.remove(key)

    controller = Controller("test", reconcile, clock=world.clock, workers=3)
    async with world.running(controller):
        for key in "abcde":
            controller.enqueue(key)
        await world.clock.advance(0)
        for key in "abcde":
            controller.enqueue(key)
        await world.clock.advance(0)
        assert most == 3
        gate.set()
        await world.clock.advance(0)
        assert running == [] and controller.queue.idle


async def _returns() -> None:
    return


async def _fails() -> None:
    raise OSError("disk")


@pytest.mark.parametrize(
    ("function", "error", "text"), [(_returns, TaskReturned, "task _returns returned"), (_fails, OSError, "disk")]
)
async def test_a_task_that_returns_or_fails_ends_all(
    function: Callable[[], Awaitable[None]], error: type[Exception], text: str
) -> None:
    world = World()
    async with world.running(extra=[function]) as task:
        await world.clock.advance(0)
        assert task.done()
        failure = task.exception()
        assert failure is not None
        [leaf] = leaves(failure)
        assert isinstance(leaf, error) and text in str(leaf)


async def test_the_tasks_have_names() -> None:
    world = World()

    class Recorder:
        name = "events of test"

        async def run(self) -> None:
            await asyncio.get_running_loop().create_future()

    async def reconcile(key: str) -> None: ...

    async with world.running(Controller("nodes", reconcile, clock=world.clock, workers=2), extra=[Recorder()]):
        names = {task.get_name() for task in asyncio.all_tasks()}
    assert names >= {"informer pods", "controller nodes", "nodes worker 0", "nodes worker 1", "events of test"}
