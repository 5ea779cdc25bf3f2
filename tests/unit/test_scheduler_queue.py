"""The scheduling queue on a virtual clock: order, backoff, parking, gates, and pods in hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from minikube_py.daemon.clock import VirtualClock, settle
from minikube_py.scheduler.pod import PodInfo
from minikube_py.scheduler.queue import Place, SchedulingQueue, Waiting


def pod(name: str, *, priority: int = 0, gates: tuple[str, ...] = (), uid: str = "") -> PodInfo:
    return PodInfo(
        key=f"default/{name}", namespace="default", name=name, uid=uid or name, priority=priority, gates=gates
    )


def ready(queue: SchedulingQueue, name: str) -> bool:
    waiting = queue.get(f"default/{name}")
    return waiting is not None and waiting.place is Place.READY


async def popped(queue: SchedulingQueue) -> str:
    return (await queue.pop()).pod.name


async def test_priority_first_then_first_come() -> None:
    queue = SchedulingQueue(VirtualClock())
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        queue.put(pod(name, priority=priority))
    assert [await popped(queue) for _ in range(4)] == ["b", "d", "a", "c"]


async def test_pop_waits_for_a_pod() -> None:
    queue = SchedulingQueue(VirtualClock())
    task = asyncio.create_task(popped(queue))
    await settle()
    assert not task.done()
    queue.put(pod("a"))
    assert await task == "a"


async def test_a_pod_waits_once_and_a_removed_one_not_at_all() -> None:
    queue = SchedulingQueue(VirtualClock())
    queue.put(pod("a"))
    queue.put(pod("a"))
    queue.put(pod("b"))
    queue.remove("default/b")
    queue.put(pod("c"))
    assert [await popped(queue), await popped(queue)] == ["a", "c"]
    assert queue.get("default/b") is None


async def test_a_changed_priority_counts() -> None:
    queue = SchedulingQueue(VirtualClock())
    queue.put(pod("a"))
    queue.put(pod("b"))
    queue.put(pod("b", priority=1))
    assert await popped(queue) == "b"


async def test_backoff_doubles_up_to_the_limit() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    queue.put(pod("a"))
    for seconds in (1, 2, 4, 8, 10, 10):
        queue.retry(await queue.pop())
        await clock.advance(seconds - 0.1)
        assert not ready(queue, "a")
        await clock.advance(0.1)
        assert ready(queue, "a")


async def test_backoff_never_overflows() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    queue.put(pod("a"))
    waiting = await queue.pop()
    waiting.attempts = 5000
    queue.retry(waiting)
    await clock.advance(10)
    assert ready(queue, "a")


async def test_an_unschedulable_pod_waits_for_an_event_that_helps() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    for name in "ab":
        queue.put(pod(name))
        queue.unschedulable(await queue.pop(), frozenset((f"Plugin{name}",)))
    await clock.advance(60)

    def helps(waiting: Waiting) -> bool:
        return "Plugina" in waiting.failed_by

    queue.wake(helps)
    assert ready(queue, "a")
    assert not ready(queue, "b")
    assert queue.count(Place.UNSCHEDULABLE) == 1


async def test_an_early_event_still_waits_for_the_backoff() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    queue.put(pod("a"))
    queue.unschedulable(await queue.pop(), frozenset(("P",)))
    await clock.advance(0.25)
    queue.wake(lambda waiting: True)
    assert queue.count(Place.BACKOFF) == 1
    await clock.advance(0.75)
    assert ready(queue, "a")


async def test_unschedulable_pods_are_tried_again_after_five_minutes_in_any_case() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    queue.put(pod("a"))
    queue.unschedulable(await queue.pop(), frozenset(("P",)))
    await clock.advance("4m59s")
    assert not ready(queue, "a")
    await clock.advance("1s")
    assert ready(queue, "a")


async def test_a_pods_own_change_brings_it_back() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    queue.put(pod("a"))
    queue.unschedulable(await queue.pop(), frozenset(("P",)))
    await clock.advance(5)
    queue.put(pod("a"))
    assert not ready(queue, "a"), "nothing that matters changed"
    queue.put(pod("a", priority=1))
    assert ready(queue, "a")


async def test_gates_hold_and_let_go() -> None:
    queue = SchedulingQueue(VirtualClock())
    queue.put(pod("a", gates=("x", "y")))
    assert [w.pod.name for w in queue.gated()] == ["a"]
    queue.put(pod("a", gates=("y",)))
    assert queue.count(Place.GATED) == 1
    queue.put(pod("a"))
    assert await popped(queue) == "a"


async def test_a_pod_in_hand_is_not_handed_out_again() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    queue.put(pod("a"))
    waiting = await queue.pop()
    changed = pod("a", priority=3)
    queue.put(changed)
    assert queue.count(Place.READY) == 0
    queue.retry(waiting)
    await clock.advance(1)
    assert (await queue.pop()).pod == changed


async def test_an_old_hand_cannot_return_a_pod_that_went() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    queue.put(pod("a", uid="1"))
    old = await queue.pop()
    queue.put(pod("a", uid="2"))
    queue.retry(old)
    queue.unschedulable(old, frozenset())
    assert (await queue.pop()).pod.uid == "2"
    queue.remove("default/a")
    queue.retry(old)
    await clock.advance(600)
    assert len(queue) == 0


async def test_equality_ignores_the_condition_that_the_scheduler_itself_writes() -> None:
    from minikube_py.scheduler.pod import Condition

    plain = pod("a")
    assert plain == replace(plain, condition=Condition("False", "Unschedulable", "why", ""))
