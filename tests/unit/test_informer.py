"""The informer against a server that cuts, forgets, goes away and comes back as another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikube_py.api.meta import Object
from minikube_py.api.meta import key as object_key
from minikube_py.api.resources import NODES, PODS
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client
from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import VirtualClock
from tests.fakes.apiserver import FakeApiServer

PODS_PATH = "/v1/pods"


def pod(name: str, value: int = 0, **labels: str) -> Object:
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"value": value}}


class World:
    """A server, a running informer, and what its handler heard."""

    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock()
        self.server = FakeApiServer()
        self.transport = AppTransport(self.server, user="u", clock=self.clock)
        client = Client(self.transport, clock=self.clock)
        self.informer: Informer[Any] = Informer(client, PODS, clock=self.clock, rng=random.Random(1), **options)
        self.heard: list[tuple[Any, Any]] = []
        self.informer.on_change(lambda old, new: self.heard.append((old, new)))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        task = asyncio.create_task(self.informer.run())
        await self.clock.advance(0)
        try:
            yield self
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await self.transport.close()

    def names(self) -> list[tuple[str | None, str | None]]:
        return [tuple(o and o["metadata"]["name"] for o in pair) for pair in self.heard]

    def values(self) -> list[tuple[int | None, int | None]]:
        return [tuple(o and o["spec"]["value"] for o in pair) for pair in self.heard]

    def lists(self) -> list[str | None]:
        """The resourceVersion of each list that was asked for."""
        return [q.get("resourceVersion") for _, _, q in self.server.requests if "watch" not in q]

    def watches(self) -> list[str]:
        return [q["resourceVersion"] for _, _, q in self.server.requests if "watch" in q]


async def test_it_lists_from_the_servers_cache_and_watches_on_from_there() -> None:
    world = World()
    world.server.put(PODS_PATH, pod("a"))
    assert not world.informer.synced
    async with world.running():
        await world.informer.wait_synced()
        assert world.informer.synced and world.names() == [(None, "a")]
        assert (world.lists(), world.watches()) == (["0"], ["101"])
        world.server.put(PODS_PATH, pod("a", 1))
        world.server.put(PODS_PATH, pod("b"))
        world.server.drop(PODS_PATH, "default/b")
        await world.clock.advance(0)
        assert world.names() == [(None, "a"), ("a", "a"), (None, "b"), ("b", None)]
        assert list(world.informer.items()) == ["default/a"]
        assert world.informer.get("default/a")["spec"] == {"value": 1}
        assert world.informer.get("default/b") is None
        assert world.informer.revision == "104"
        with pytest.raises(TypeError):
            world.informer.items()["x"] = 1


async def test_a_stream_that_ends_is_resumed_without_a_list() -> None:
    world = World()
    async with world.running():
        world.server.put(PODS_PATH, pod("a"))
        await world.clock.advance(0)
        world.server.cut()
        world.server.put(PODS_PATH, pod("b"))
        await world.clock.advance(0)
        assert world.names() == [(None, "a"), (None, "b")]
        assert (world.lists(), world.watches()) == (["0"], ["100", "101"])


async def test_a_line_that_was_cut_in_the_middle_comes_again_whole() -> None:
    world = World()
    async with world.running():
        world.server.cut_bytes = 40
        world.server.put(PODS_PATH, pod("a"))
        await world.clock.advance(1)
        assert world.names() == [(None, "a")] and len(world.lists()) == 1


async def test_bookmarks_move_the_revision_on() -> None:
    world = World()
    async with world.running():
        for _ in range(5):
            world.server.put("/v1/nodes", {"metadata": {"name": "n"}})
        world.server.bookmark()
        await world.clock.advance(0)
        assert world.informer.revision == "105"
        world.server.compact()
        world.server.cut()
        await world.clock.advance(0)
        assert world.watches() == ["100", "105"] and len(world.lists()) == 1 and world.heard == []


@pytest.mark.parametrize("as_event", [False, True])
async def test_after_410_it_lists_anew_and_hears_what_it_missed(as_event: bool) -> None:
    world = World()
    world.server.gone_as_event = as_event
    for name in ("gone", "changed", "same", "replaced"):
        world.server.put(PODS_PATH, pod(name))
    async with world.running():
        world.heard.clear()
        world.server.away = True
        world.server.cut()
        world.server.drop(PODS_PATH, "default/gone")
        world.server.put(PODS_PATH, pod("changed", 1))
        world.server.drop(PODS_PATH, "default/replaced")
        world.server.put(PODS_PATH, pod("replaced", 2))
        world.server.put(PODS_PATH, pod("new", 3))
        world.server.compact()
        await world.clock.advance(1)
        assert world.heard == []
        world.server.away = False
        await world.clock.advance(60)
        assert world.names() == [
            ("gone", None), ("changed", "changed"), (None, "new"), ("replaced", None), (None, "replaced"),
        ]  # fmt: skip
        assert world.lists() == ["0", None], "the second list must be consistent, not from a cache"
        assert world.informer.relists == 1


@pytest.mark.parametrize("future_is_gone", [False, True])
async def test_a_server_with_another_shorter_history_is_listed_anew(future_is_gone: bool) -> None:
    world = World()
    world.server.accepts_future = not future_is_gone
    for name in ("a", "b", "c"):
        world.server.put(PODS_PATH, pod(name))
    async with world.running():
        world.heard.clear()
        world.server.reset(7)
        world.server.put(PODS_PATH, pod("b", 1))
        if not future_is_gone:
            await world.clock.advance(1)
            assert world.heard == []  # nothing yet tells the two histories apart
            world.server.bookmark()
        await world.clock.advance(60)
        assert world.names() == [("a", None), ("c", None), ("b", None), (None, "b")]
        assert world.informer.revision == "8"


async def test_too_large_a_revision_is_listed_anew() -> None:
    world = World()
    async with world.running():
        too_large = (
            b'{"kind":"Status","code":504,"reason":"Timeout","message":"Too large resource version: 9",'
            b'"details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"x"}]}}'
        )
        world.server.answers.append((504, {}, too_large))
        world.server.cut()
        await world.clock.advance(5)
        assert world.lists() == ["0", None]


@pytest.mark.parametrize(("status", "again"), [(500, False), (503, False), (429, False), (403, True), (400, True)])
async def test_only_a_hopeless_refusal_leads_to_a_list(status: int, again: bool) -> None:
    world = World()
    async with world.running():
        world.server.answers.append((status, {}, b""))
        world.server.cut()
        await world.clock.advance(10)
        assert (len(world.lists()) == 2) is again


async def test_it_outlives_a_server_that_is_away_for_long_and_asks_ever_less_often() -> None:
    world = World()
    world.server.away = True
    async with world.running():
        await world.clock.advance("1h")
        assert not world.informer.synced
        assert 3600 / 60 < len(world.server.requests) < 3600 / 30 + 20
        world.server.away = False
        world.server.put(PODS_PATH, pod("a"))
        await world.clock.advance(61)
        assert world.informer.synced and world.names() == [(None, "a")]
        # What was learnt about waiting is forgotten once the server is there.
        world.server.away = True
        world.server.cut()
        await world.clock.advance(0)
        world.server.away = False
        world.server.put(PODS_PATH, pod("a", 1))
        await world.clock.advance(1)
        assert world.values()[-1] == (0, 1)


async def test_a_server_that_ends_each_stream_at_once_is_not_hammered() -> None:
    world = World()

    async with world.running():

        async def cut(method: str, path: str) -> None:
            asyncio.get_running_loop().call_soon(world.server.cut)

        world.server.before = cut
        world.server.cut()
        await world.clock.advance(60)
        assert len(world.server.requests) < 15


async def test_a_silent_dead_connection_is_left_after_a_while() -> None:
    world = World()
    hang = asyncio.Event()

    async with world.running():

        async def never(method: str, path: str) -> None:
            if not hang.is_set():
                hang.set()
                await asyncio.get_running_loop().create_future()

        world.server.before = never
        world.server.cut()
        await world.clock.advance(1)
        world.server.put(PODS_PATH, pod("a"))
        await world.clock.advance("5m")
        assert world.heard == []
        await world.clock.advance("6m")
        assert world.names() == [(None, "a")]


async def test_selectors_and_namespace_travel_and_leaving_is_a_delete() -> None:
    world = World(namespace="default", label_selector="app=web", field_selector="metadata.name=a")
    world.server.put(PODS_PATH, pod("a", 1, app="web"))
    world.server.put(PODS_PATH, pod("b", 2, app="web"))
    async with world.running():
        assert world.values() == [(None, 1)]
        world.server.put(PODS_PATH, pod("a", 3, app="db"))
        await world.clock.advance(0)
        assert world.values() == [(None, 1), (1, None)]
        assert world.informer.items() == {} and world.informer.name == "pods in default"
        world.server.put(PODS_PATH, pod("a", 4, app="web"))
        await world.clock.advance(0)
        assert world.values()[-1] == (None, 4)


async def test_transform_keeps_a_projection() -> None:
    world = World(transform=lambda o: o["spec"]["value"])
    world.server.put(PODS_PATH, pod("a", 0))
    async with world.running():
        world.server.put(PODS_PATH, pod("a", 5))
        world.server.put("/v1/nodes", {"metadata": {"name": "n"}})
        world.server.drop(PODS_PATH, "default/a")
        await world.clock.advance(0)
        assert world.heard == [(None, 0), (0, 5), (5, None)]


async def test_a_late_handler_hears_what_is_there_already() -> None:
    world = World()
    world.server.put(PODS_PATH, pod("a"))
    async with world.running():
        late: list[Any] = []
        world.informer.on_change(lambda old, new: late.append((old, new)))
        assert late == world.heard != []


async def test_cluster_wide_objects_have_keys_without_a_slash() -> None:
    clock, server = VirtualClock(), FakeApiServer()
    server.put("/v1/nodes", {"metadata": {"name": "n1"}})
    transport = AppTransport(server, user="u", clock=clock)
    informer: Informer[Object] = Informer(Client(transport, clock=clock), NODES, clock=clock)
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    assert list(informer.items()) == ["n1"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await transport.close()


STEPS = st.one_of(
    st.tuples(st.sampled_from(["put", "put", "drop"]), st.integers(0, 1)),
    st.tuples(
        st.sampled_from(["cut", "cut_line", "compact", "bookmark", "away", "back", "reset", "as_event", "settle"]),
        st.integers(0, 1),
    ),
    st.tuples(st.just("advance"), st.integers(0, 40)),
)


@settings(max_examples=400, deadline=None)
@given(steps=st.lists(STEPS, max_size=40))
def test_whatever_happens_the_cache_ends_equal_and_the_replay_is_consistent(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        world = World()
        server = world.server
        mirror: dict[str, Object] = {}

        def replay(old: Object | None, new: Object | None) -> None:
            some = old or new
            assert some is not None
            key = object_key(some)
            assert mirror.get(key) is old, "what is old must be what was told last"
            if old is not None and new is not None:
                assert old["metadata"]["uid"] == new["metadata"]["uid"]
                assert old["metadata"]["resourceVersion"] != new["metadata"]["resourceVersion"]
            if new is None:
                del mirror[key]
            else:
                mirror[key] = new
            assert world.informer.get(key) is new

        world.informer.on_change(replay)
        async with world.running():
            for number, (action, value) in enumerate(steps):
                key = f"default/p{value}"
                if action == "put":
                    server.put(PODS_PATH, pod(f"p{value}", number))
                elif action == "drop" and key in server.objects.get(PODS_PATH, {}):
                    server.drop(PODS_PATH, key)
                elif action == "cut_line":
                    server.cut_bytes = 25
                elif action in ("cut", "compact", "bookmark"):
                    getattr(server, action)()
                elif action in ("away", "back"):
                    server.away = action == "away"
                    server.cut()
                elif action == "reset":
                    server.reset(server.revision + 1000)
                elif action == "as_event":
                    server.gone_as_event = bool(value)
                elif action == "advance":
                    await world.clock.advance(value)
                elif action == "settle":
                    await world.clock.advance(0)
            server.away = False
            await world.clock.advance("5m")
            assert dict(world.informer.items()) == server.objects.get(PODS_PATH, {}) == mirror

    asyncio.run(play())
