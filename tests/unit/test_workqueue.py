"""The work queue: who waits once, who runs again, and when the delayed come."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.client.workqueue import Closed, WorkQueue
from minikube_py.daemon.clock import VirtualClock, settle


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def test_keys_come_in_order_and_wait_once(clock: VirtualClock) -> None:
    queue = WorkQueue(clock)
    for key in "abcab":
        queue.add(key)
    assert len(queue) == 3
    assert [await queue.get() for _ in range(3)] == ["a", "b", "c"]


async def test_an_add_while_busy_means_exactly_one_more_run(clock: VirtualClock) -> None:
    queue = WorkQueue(clock)
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    waiting = asyncio.create_task(queue.get())
    await settle()
    assert not waiting.done(), "a key is never in two hands"
    queue.done("a")
    assert await waiting == "a"
    queue.done("a")
    assert queue.idle


async def test_of_several_delays_the_earliest_holds(clock: VirtualClock) -> None:
    queue = WorkQueue(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    queue.add_after("b", 0)
    assert await queue.get() == "b"
    waiting = asyncio.create_task(queue.get())
    await clock.advance(4.9)
    assert not waiting.done()
    await clock.advance(0.2)
    assert await waiting == "a"
    queue.done("a")
    queue.done("b")
    await clock.advance(60)
    assert len(queue) == 0 and queue.idle


async def test_retries_back_off_up_to_the_cap_and_forget_starts_anew(clock: VirtualClock) -> None:
    queue = WorkQueue(clock)
    delays = []
    for _ in range(1100):
        delays.append(queue.retry("a"))
    assert delays[:4] == [0.005, 0.01, 0.02, 0.04]
    assert delays[-1] == 1000.0 and queue.retries("a") == 1100
    queue.forget("a")
    assert queue.retry("a") == 0.005
    assert WorkQueue(clock, base_delay=1, max_delay=3).retry("x") == 1


async def test_close_lets_the_ready_go_and_wakes_who_waits(clock: VirtualClock) -> None:
    queue = WorkQueue(clock)
    waiting = [asyncio.create_task(queue.get()) for _ in range(2)]
    await settle()
    queue.add_after("later", 5)
    queue.add("a")
    queue.close()
    queue.add("b")
    queue.add_after("c", 1)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert sorted(map(repr, results)) == ["'a'", "Closed()"]
    await clock.advance(10)
    with pytest.raises(Closed):
        await queue.get()


async def test_a_cancelled_waiter_loses_no_key(clock: VirtualClock) -> None:
    queue = WorkQueue(clock)
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await settle()
    queue.add("a")  # wakes the first, which is cancelled before it runs
    first.cancel()
    await settle()
    assert first.cancelled() and second.done() and second.result() == "a"
    third = asyncio.create_task(queue.get())
    await settle()
    third.cancel()
    await settle()
    queue.add("b")
    assert await queue.get() == "b"


@given(st.lists(st.tuples(st.sampled_from(["add", "after", "get", "done", "advance"]), st.integers(0, 3)), max_size=60))
def test_no_key_is_lost_or_in_two_hands(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        clock = VirtualClock()
        queue = WorkQueue(clock)
        due: dict[str, float] = {}
        wanted: set[str] = set()
        busy: list[str] = []
        for action, number in steps:
            key = f"k{number}"
            if action == "add":
                queue.add(key)
                wanted.add(key)
            elif action == "after":
                queue.add_after(key, number + 1)
                due[key] = min(due.get(key, 1e9), clock.monotonic() + number + 1)
            elif action == "advance":
                await clock.advance(number)
                for name in [k for k, at in due.items() if at <= clock.monotonic()]:
                    wanted.add(name)
                    del due[name]
            elif action == "get" and len(queue):
                got = await queue.get()
                assert got in wanted and got not in busy
                wanted.remove(got)
                busy.append(got)
            elif action == "done" and busy:
                queue.done(busy.pop(0))
            assert len(queue) == len(wanted - set(busy))
        assert queue.idle == (not wanted and not busy and not due)

    asyncio.run(play())
