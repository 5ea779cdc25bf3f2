"""Both clocks, above all that virtual time fires everything due, in order, and that time limits are exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from minikube_py.daemon.clock import Clock, Handle, RealClock, VirtualClock, parse_duration, settle


async def test_virtual_time_stands_still_until_told() -> None:
    clock = VirtualClock(datetime(2031, 5, 6, tzinfo=UTC))
    assert clock.now() == datetime(2031, 5, 6, tzinfo=UTC) and clock.monotonic() == 0
    await clock.advance("1h30m")
    assert clock.now() == datetime(2031, 5, 6, 1, 30, tzinfo=UTC)
    assert clock.time() == clock.now().timestamp() and clock.monotonic() == 5400


async def test_what_is_due_fires_in_order_and_may_schedule_more() -> None:
    clock, fired = VirtualClock(), []

    async def every(seconds: float, name: str) -> None:
        while True:
            await clock.sleep(seconds)
            fired.append((clock.monotonic(), name))

    tasks = [asyncio.create_task(every(2, "two")), asyncio.create_task(every(3, "three"))]
    await clock.advance(6)
    assert fired == [(2, "two"), (3, "three"), (4, "two"), (6, "three"), (6, "two")]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_cancelled_timer_does_not_fire() -> None:
    clock, fired = VirtualClock(), []
    handle = clock.call_later(1, lambda: fired.append(1))
    clock.call_later(-5, lambda: fired.append(2))
    handle.cancel()
    handle.cancel()
    await clock.advance(2)
    assert fired == [2]


async def test_a_cancelled_sleep_leaves_no_timer() -> None:
    clock = VirtualClock()
    task = asyncio.create_task(clock.sleep(10))
    await settle()
    task.cancel()
    await clock.advance(20)
    assert task.cancelled()


@pytest.mark.parametrize("clock", [RealClock(), VirtualClock()])
async def test_sleeping_no_time_yields_once(clock: Clock) -> None:
    order: list[str] = []
    task = asyncio.create_task(_append(order, "other"))
    await clock.sleep(0)
    order.append("me")
    await task
    assert order == ["other", "me"]


async def _append(order: list[str], what: str) -> None:
    order.append(what)


async def test_timeouts() -> None:
    clock = VirtualClock()

    async def limited(seconds: float | None) -> str:
        try:
            return await clock.wait_for(_slow(clock), seconds)
        except TimeoutError as error:
            return str(error)

    tasks = [asyncio.create_task(limited(s)) for s in (5, 15, None)]
    await clock.advance(20)
    assert [t.result() for t in tasks] == ["timed out after 5 s", "done", "done"]


async def _slow(clock: Clock) -> str:
    await clock.sleep(10)
    return "done"


async def test_cancelling_from_outside_stays_a_cancellation() -> None:
    clock = VirtualClock()

    async def work() -> None:
        async with clock.timeout(5):
            await clock.sleep(100)

    task = asyncio.create_task(work())
    await clock.advance(1)
    task.cancel()
    await settle()
    assert task.cancelled()


async def test_both_at_once_are_a_cancellation() -> None:
    class Manual(VirtualClock):
        def call_later(self, delay: float, callback: Callable[[], object]) -> Handle:
            fire.append(callback)
            return super().call_later(delay, callback)

    fire: list[Callable[[], object]] = []
    clock = Manual()
    task = asyncio.create_task(clock.wait_for(asyncio.get_running_loop().create_future(), 5))
    await settle()
    fire[0]()
    task.cancel()
    await settle()
    assert task.cancelled()


async def test_a_time_limit_works_while_the_task_is_being_cancelled() -> None:
    clock, outcome = VirtualClock(), []

    async def work() -> None:
        try:
            await clock.sleep(1000)
        finally:
            try:
                async with clock.timeout(5):
                    await clock.sleep(100)
            except TimeoutError:
                outcome.append("gave up cleaning")

    task = asyncio.create_task(work())
    await settle()
    task.cancel()
    await clock.advance(6)
    assert outcome == ["gave up cleaning"] and task.cancelled()


async def test_nested_timeouts_raise_at_the_one_that_fired() -> None:
    clock, outcome = VirtualClock(), []

    async def work() -> None:
        async with clock.timeout(20):
            try:
                async with clock.timeout(5):
                    await clock.sleep(100)
            except TimeoutError:
                outcome.append("inner")
            try:
                async with clock.timeout(50):
                    await clock.sleep(100)
            except TimeoutError:
                outcome.append("never")

    task = asyncio.create_task(work())
    await clock.advance(30)
    assert outcome == ["inner"] and isinstance(task.exception(), TimeoutError)


async def test_the_real_clock_is_real() -> None:
    clock = RealClock()
    before = clock.monotonic()
    with pytest.raises(TimeoutError):
        await clock.wait_for(asyncio.get_running_loop().create_future(), 0.01)
    assert 0.01 <= clock.monotonic() - before < 5
    assert abs(clock.now().timestamp() - clock.time()) < 5 and clock.now().tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("250ms", 0.25), ("1.5s", 1.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5m ", "-5m", "5x", "1h30"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


async def test_settle_gives_up_on_tasks_that_never_rest() -> None:
    async def busy() -> None:
        while True:  # noqa: ASYNC110 - never resting is the point
            await asyncio.sleep(0)

    task = asyncio.create_task(busy())
    with pytest.raises(RuntimeError, match="still runnable after 50 turns"):
        await settle(50)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
