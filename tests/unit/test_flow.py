"""How much is served at once, and who comes next."""

from __future__ import annotations

import asyncio

import pytest

from minikube_py.api.errors import TooManyRequests
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.flow import PATIENCE, QUEUE_LENGTH, Flow, Lane
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.paths import parse
from minikube_py.daemon.clock import VirtualClock, settle


class Crowd:
    """Requests that each take a seat, note it, and stay until they are sent away."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.served: list[str] = []
        self.refused: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._go: dict[str, asyncio.Event] = {}

    async def come(self, user: str, name: str) -> None:
        self._go[name] = asyncio.Event()

        async def request() -> None:
            try:
                if not self.lane.try_enter():
                    await self.lane.enter(user)
            except TooManyRequests:
                self.refused.append(name)
                return
            self.served.append(name)
            await self._go[name].wait()
            self.lane.leave()

        self._tasks[name] = asyncio.create_task(request())
        await settle()

    async def end(self, name: str) -> None:
        self._go[name].set()
        await settle()

    async def hang_up(self, name: str) -> None:
        self._tasks[name].cancel()
        await settle()


async def test_users_take_turns() -> None:
    crowd = Crowd(Lane(1, VirtualClock()))
    await crowd.come("busy", "b0")
    for number in range(1, 4):
        await crowd.come("busy", f"b{number}")
    await crowd.come("late", "l0")
    await crowd.come("late", "l1")
    assert crowd.served == ["b0"] and crowd.lane.waiting == 5
    for name in ("b0", "b1", "l0", "b2", "l1"):
        await crowd.end(name)
    assert crowd.served == ["b0", "b1", "l0", "b2", "l1", "b3"]
    await crowd.end("b3")
    assert crowd.lane.taken == 0 and crowd.lane.waiting == 0


async def test_a_full_queue_refuses_its_own_user_only() -> None:
    crowd = Crowd(Lane(1, VirtualClock()))
    for number in range(QUEUE_LENGTH + 2):
        await crowd.come("busy", f"b{number}")
    assert crowd.refused == [f"b{QUEUE_LENGTH + 1}"]
    await crowd.come("other", "o")
    await crowd.end("b0")
    await crowd.end("b1")
    assert crowd.served == ["b0", "b1", "o"]


async def test_nobody_waits_for_ever() -> None:
    clock = VirtualClock()
    crowd = Crowd(Lane(1, clock))
    await crowd.come("a", "a0")
    await crowd.come("b", "b0")
    await clock.advance(PATIENCE + 1)
    assert crowd.refused == ["b0"] and crowd.lane.waiting == 0
    await crowd.end("a0")
    assert crowd.lane.taken == 0
    await crowd.come("c", "c0")
    assert crowd.served == ["a0", "c0"]


async def test_whoever_hangs_up_leaves_no_seat_taken() -> None:
    crowd = Crowd(Lane(1, VirtualClock()))
    await crowd.come("a", "a0")
    await crowd.come("b", "b0")
    await crowd.come("b", "b1")
    await crowd.hang_up("b0")
    await crowd.end("a0")
    assert crowd.served == ["a0", "b1"]
    crowd.lane.leave()
    # The seat is given and, before its owner wakes up, its owner is gone.
    assert crowd.lane.try_enter()
    await crowd.come("c", "c0")
    crowd.lane.leave()
    await crowd.hang_up("c0")
    assert crowd.lane.taken == 0


async def test_without_a_limit_everybody_is_served() -> None:
    lane = Lane(0, VirtualClock())
    for _ in range(1000):
        assert lane.try_enter()
    assert lane.taken == 1000


@pytest.mark.parametrize(
    ("method", "path", "query", "groups", "wanted"),
    [
        ("GET", "/api/v1/namespaces/a/pods", b"", (), "reads"),
        ("GET", "/api/v1/namespaces/a/pods", b"watch=1", (), ""),
        ("GET", "/api/v1/namespaces/a/pods/p/log", b"", (), ""),
        ("GET", "/api/v1/namespaces/a/services/s/proxy/x/y", b"", (), ""),
        ("GET", "/openapi/v3", b"", (), "reads"),
        ("GET", "/readyz/ping", b"", (), ""),
        ("POST", "/api/v1/namespaces/a/pods", b"", (), "writes"),
        ("POST", "/api/v1/namespaces/a/pods/p/exec", b"", (), ""),
        ("POST", "/api/v1/namespaces/a/pods/p/eviction", b"", (), "writes"),
        ("DELETE", "/api/v1/namespaces/a/pods", b"", ("dev",), "writes"),
        ("DELETE", "/api/v1/namespaces/a/pods", b"", ("system:masters",), ""),
    ],
)
async def test_which_lane(method: str, path: str, query: bytes, groups: tuple[str, ...], wanted: str) -> None:
    async def nothing(*_: object) -> None:
        raise AssertionError("not called")

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}
    flow = Flow(VirtualClock())
    exchange = Exchange(scope, nothing, nothing, User("u", groups))  # type: ignore[arg-type]
    exchange.target = parse(path) if path.startswith("/api") else None
    lane = flow.lane(exchange)
    assert lane is (getattr(flow, wanted) if wanted else None)
