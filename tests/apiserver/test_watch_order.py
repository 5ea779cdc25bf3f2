"""However changes, slow reads and queueing interleave: a watcher gets every event once and in order, or is cut off."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikube_py.apiserver import watch as module
from minikube_py.apiserver.auth.user import ANONYMOUS
from minikube_py.apiserver.cache import Filter
from minikube_py.apiserver.encoding import dumps
from minikube_py.apiserver.http import RAW, Exchange
from minikube_py.apiserver.kinds.configmap import KIND
from minikube_py.apiserver.options import list_options
from minikube_py.apiserver.resources import event_line
from minikube_py.apiserver.storage import Storage
from minikube_py.apiserver.watch import Watcher, bookmark_object
from minikube_py.daemon.clock import VirtualClock, settle
from minikube_py.store.base import Change, Entry
from minikube_py.store.memory import MemoryStore

PREFIX = "/registry/configmaps/"
RUNS = settings(max_examples=300, deadline=None, database=None, derandomize="CI" in os.environ)


class Client:
    """The server's end of a connection whose buffer fills and empties as the test says."""

    def __init__(self) -> None:
        self.text = b""
        self.full = False
        self.gone = False
        self.aborted = False
        self._changed = asyncio.Event()

    def set_full(self, full: bool) -> None:
        self.full = full
        self._changed.set()

    def leave(self) -> None:
        self.gone = True
        self._changed.set()

    # what server.py's raw answer does

    def start(self, content_type: bytes) -> None:
        assert self.text == b""

    def write(self, data: bytes) -> bool:
        if self.full or self.gone:
            return False
        self.text += data
        return True

    def abort(self) -> None:
        self.aborted = True
        self.leave()

    # what uvicorn does

    async def send(self, message: dict[str, Any]) -> None:
        while self.full and not self.gone:
            self._changed.clear()
            await self._changed.wait()
        if not self.gone:
            self.text += message["body"]

    async def receive(self) -> dict[str, Any]:
        while not self.gone:
            self._changed.clear()
            await self._changed.wait()
        return {"type": "http.disconnect"}

    def events(self) -> list[tuple[str, int]]:
        lines = [json.loads(line) for line in self.text.splitlines()]
        return [(line["type"], int(line["object"]["metadata"]["resourceVersion"])) for line in lines]


class World:
    """A cache that is fed by hand, and one watcher of it."""

    def __init__(self, query: dict[str, str], *, direct: bool = True) -> None:
        self.clock = VirtualClock()
        self.storage = Storage(MemoryStore(self.clock), [KIND], self.clock)
        self.cache = self.storage.caches["configmaps"]
        self.storage.progress.advance(1)
        self.storage.loaded.set()
        self.cache.load([], 1)
        self.rev = 1
        self.expected: list[tuple[str, int]] = []
        self.client = Client()
        scope = {
            "type": "http", "method": "GET", "path": "/w", "headers": [], "query_string": b"", RAW: self.client
        }  # fmt: skip
        self._exchange = Exchange(scope, self.client.receive, self.client.send, ANONYMOUS)  # type: ignore[arg-type]
        self._options = list_options({"watch": "1", "resourceVersion": "1", **query}, KIND)
        self._filter = Filter("default", "", self._options.labels, None)
        self._direct = direct

    def begin(self) -> asyncio.Task[None]:
        codec = self.cache.codec
        watcher = Watcher(self.storage, self.cache, self._filter, self._options, self.clock)
        return asyncio.ensure_future(
            watcher.serve(
                self._exchange,
                lambda event, type_: event.frame(type_, codec),
                lambda item: b'{"type":"ADDED","object":%b}\n' % item.data,
                lambda rev, initial: event_line("BOOKMARK", bookmark_object("ConfigMap", "v1", rev, initial)),
                direct=self._direct,
            )
        )

    def change(self, name: str, colour: str, selected: Callable[[str], bool]) -> None:
        """Create, change or (with no colour) delete, as the store tells it; note what the watcher must see."""
        self.rev += 1
        key = f"{PREFIX}default/{name}"
        old = self.cache.items.get(key)
        before = old is not None and selected((old.labels or {})["colour"])
        if colour:
            metadata = {"name": name, "namespace": "default", "labels": {"colour": colour}}
            value = dumps({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata})
            entry = Entry(key, value, self.rev)
            self.cache.apply(Change(self.rev, key, entry, None))
            now = selected(colour)
            type_ = ("MODIFIED" if before else "ADDED") if now else ("DELETED" if before else "")
        elif old is not None:
            self.cache.apply(Change(self.rev, key, None, None))
            type_ = "DELETED" if before else ""
        else:
            type_ = ""
        if type_:
            self.expected.append((type_, self.rev))
        self.storage.progress.advance(self.rev)


change = st.tuples(st.just("change"), st.sampled_from("abc"), st.sampled_from(["red", "blue", ""]))
step = st.one_of(
    change, change, change,
    st.tuples(st.just("full"), st.booleans(), st.none()), st.tuples(st.just("full"), st.booleans(), st.none()),
    st.tuples(st.just("turn"), st.integers(1, 3), st.none()),
    st.tuples(st.just("settle"), st.none(), st.none()),
    st.tuples(st.just("time"), st.sampled_from(["1s", "59s", "61s"]), st.none()),
)  # fmt: skip
steps = st.lists(step, min_size=5, max_size=60)


async def play(world: World, todo: list[tuple[str, Any, Any]], selected: Callable[[str], bool]) -> asyncio.Task[None]:
    """Do the steps with a watcher that begins somewhere among the first turns of the loop."""
    watching = world.begin()
    for what, first, second in todo:
        match what:
            case "change":
                world.change(first, second, selected)
            case "full":
                world.client.set_full(first)
            case "turn":
                for _ in range(first):
                    await asyncio.sleep(0)
            case "settle":
                await settle()
            case "time":
                await world.clock.advance(first)
    return watching


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("selector", ["", "colour=red"])
def test_every_event_once_and_in_order(direct: bool, selector: str) -> None:
    def selected(colour: str) -> bool:
        return not selector or colour == "red"

    @RUNS
    @given(steps, st.booleans())
    def check(todo: list[tuple[str, Any, Any]], bookmarks: bool) -> None:
        async def run() -> None:
            query = {"labelSelector": selector, "timeoutSeconds": "100000"}
            world = World(query | ({"allowWatchBookmarks": "1"} if bookmarks else {}), direct=direct)
            watching = await play(world, todo, selected)
            world.client.set_full(False)
            await settle()
            seen = world.client.events()
            assert [event for event in seen if event[0] != "BOOKMARK"] == world.expected
            revisions = [revision for _, revision in seen]
            assert revisions == sorted(revisions), "a bookmark never runs ahead of an event"
            world.client.leave()
            await asyncio.wait_for(watching, 5)
            assert world.cache.watchers == 0

        asyncio.run(run())

    check()


@RUNS
@given(steps, st.integers(1, 4))
def test_who_falls_too_far_behind_is_cut_off_and_has_seen_no_gap(todo: list[tuple[str, Any, Any]], limit: int) -> None:
    async def run() -> None:
        world = World({"timeoutSeconds": "100000"})
        watching = await play(world, todo, lambda _: True)
        await settle()
        seen = world.client.events()
        assert seen == world.expected[: len(seen)], "what came is the beginning of what happened"
        if not world.client.aborted:
            world.client.set_full(False)
            await settle()
            assert world.client.events() == world.expected
            world.client.leave()
        await asyncio.wait_for(watching, 5)
        assert world.cache.watchers == 0

    before, module.QUEUE_LIMIT = module.QUEUE_LIMIT, limit
    try:
        asyncio.run(run())
    finally:
        module.QUEUE_LIMIT = before


async def test_nothing_overtakes_what_waits() -> None:
    """The client reads again before the task that sends the queue has had its turn."""
    world = World({})
    watching = world.begin()
    await settle()
    world.change("a", "red", lambda _: True)
    world.client.set_full(True)
    world.change("a", "blue", lambda _: True)
    world.client.set_full(False)
    world.change("a", "red", lambda _: True)
    await settle()
    assert world.client.events() == world.expected
    world.client.leave()
    await watching


async def test_a_client_that_never_reads_is_cut_off_when_its_queue_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_LIMIT", 10)
    world = World({})
    watching = world.begin()
    await settle()
    world.client.set_full(True)
    for i in range(30):
        world.change("a", "red", lambda _: True)
        if i % 7 == 0:
            await settle()
    await settle()
    assert world.client.aborted and watching.done()
    assert world.cache.watchers == 0


async def test_a_client_that_never_reads_is_cut_off_after_its_time() -> None:
    world = World({"timeoutSeconds": "60"})
    watching = world.begin()
    await settle()
    world.client.set_full(True)
    world.change("a", "red", lambda _: True)
    world.change("a", "blue", lambda _: True)
    await world.clock.advance("61s")
    assert not watching.done(), "it may still read"
    await world.clock.advance("5s")
    assert world.client.aborted and watching.done()


async def test_a_client_that_reads_at_last_ends_in_good_order() -> None:
    world = World({"timeoutSeconds": "60"})
    watching = world.begin()
    await settle()
    world.client.set_full(True)
    world.change("a", "red", lambda _: True)
    await world.clock.advance("61s")
    world.client.set_full(False)
    await settle()
    assert watching.done() and not world.client.aborted
    assert world.client.events() == world.expected


async def test_a_gap_in_the_stores_history_ends_every_watch() -> None:
    world = World({})
    watching = world.begin()
    await settle()
    world.change("a", "red", lambda _: True)
    await settle()
    world.cache.replace([], 50)
    world.storage.progress.advance(50)
    await settle()
    assert watching.done() and not world.client.aborted
    assert world.client.events() == world.expected
    assert world.cache.items == {} and not world.cache.covers(49) and world.cache.covers(50)


async def test_a_row_that_cannot_be_made_costs_only_its_own_watch() -> None:
    """What hears of changes is the feed of all caches: nothing that can fail may run there."""
    world = World({}, direct=False)

    def broken(*_: object) -> bytes:
        raise RuntimeError("no row")

    watcher = Watcher(world.storage, world.cache, Filter("default"), list_options({"watch": "1"}, KIND), world.clock)
    watching = asyncio.ensure_future(
        watcher.serve(world._exchange, broken, broken, broken, direct=False)  # type: ignore[arg-type]
    )
    await settle()
    world.change("a", "red", lambda _: True)
    await settle()
    with pytest.raises(RuntimeError, match="no row"):
        await watching
    assert world.cache.watchers == 0
