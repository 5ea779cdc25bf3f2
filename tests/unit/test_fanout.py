"""Fan-out: a lone change goes out at once; a burst is collected while the loop has its rest from the last round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from minikube_py.apiserver.fanout import LONGEST_REST, SLICE, Fanout
from minikube_py.daemon.clock import VirtualClock, settle


class Costly(VirtualClock):
    """A clock on which a test's work takes time."""

    def spend(self, seconds: float) -> None:
        self._elapsed += seconds


class Clients:
    """So many clients, whose writes take `cost` seconds each; `sent` lists what went to whom."""

    def __init__(self, clock: Costly, count: int, cost: float) -> None:
        self.sent: list[tuple[int, int]] = []
        self.changes = 0
        self._clock, self._cost = clock, cost
        self._fanout = Fanout(clock)
        self._flushes: list[Callable[[], None]] = [self._flush(i) for i in range(count)]

    def _flush(self, number: int) -> Callable[[], None]:
        def flush() -> None:
            self._clock.spend(self._cost)
            self.sent.append((number, self.changes))

        return flush

    def change(self) -> None:
        self.changes += 1
        for flush in self._flushes:
            self._fanout.add(flush)


async def test_a_lone_change_goes_to_everyone_at_once_and_in_order() -> None:
    clients = Clients(Costly(), 3 * SLICE + 1, 0.0001)
    clients.change()
    await settle()
    assert clients.sent == [(i, 1) for i in range(3 * SLICE + 1)]


async def test_others_have_turns_in_between() -> None:
    clients = Clients(Costly(), 3 * SLICE, 0.0)
    seen: list[int] = []
    clients.change()
    for _ in range(5):
        await asyncio.sleep(0)
        seen.append(len(clients.sent))
    assert SLICE in seen and 2 * SLICE in seen


@pytest.mark.parametrize(("cost", "rest"), [(0.0001, 0.004), (0.01, LONGEST_REST)])
async def test_changes_after_a_round_wait_as_long_as_it_took_and_go_out_in_one_write(cost: float, rest: float) -> None:
    clock = Costly()
    clients = Clients(clock, 40, cost)
    clients.change()
    await settle()
    clients.sent.clear()
    for _ in range(5):
        clients.change()
        await settle()
    assert not clients.sent
    await clock.advance(rest * 0.9)
    assert not clients.sent
    await clock.advance(rest * 0.2)
    assert clients.sent == [(i, 6) for i in range(40)]


async def test_without_a_burst_nothing_waits() -> None:
    clock = Costly()
    clients = Clients(clock, 40, 0.0001)
    for number in range(1, 4):
        clients.change()
        await settle()
        assert len(clients.sent) == 40 * number
        await clock.advance(0.05)
