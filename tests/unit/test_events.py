"""The event recorder: what is sent, how repeats and similar ones are counted, and that nothing is lost unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from minikube_py.client.events import EventRecorder
from minikube_py.client.rest import Client
from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import VirtualClock
from minikube_py.daemon.metrics import Registry
from tests.fakes.apiserver import FakeApiServer

EVENTS_PATH = "/v1/events"


def pod(name: str = "web", uid: str = "u-1") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": "7"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


class World:
    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock()
        self.server = FakeApiServer()
        self.transport = AppTransport(self.server, user="u", clock=self.clock)
        self.registry = Registry()
        self.recorder = EventRecorder(
            Client(self.transport, clock=self.clock), "kubelet", clock=self.clock, host="n1", registry=self.registry,
            **options,
        )  # fmt: skip

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.recorder.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.transport.close()

    def events(self) -> list[dict[str, Any]]:
        return list(self.server.objects.get(EVENTS_PATH, {}).values())

    def writes(self) -> list[str]:
        return [method for method, _, _ in self.server.requests]


async def test_an_event_has_what_upstreams_recorder_gives_it() -> None:
    world = World()
    async with world.running():
        world.recorder.event(pod(), "Normal", "Started", "Started container web", field_path="spec.containers{web}")
        await world.clock.advance(0)
        [event] = world.events()
        metadata = event.pop("metadata")
        assert metadata["namespace"] == "shop" and metadata["name"] == f"web.{1893456000 * 10**9:x}"
        assert event == {
            "apiVersion": "v1",
            "kind": "Event",
            "involvedObject": {
                "kind": "Pod",
                "namespace": "shop",
                "name": "web",
                "uid": "u-1",
                "apiVersion": "v1",
                "resourceVersion": "7",
                "fieldPath": "spec.containers{web}",
            },
            "reason": "Started",
            "message": "Started container web",
            "source": {"component": "kubelet", "host": "n1"},
            "firstTimestamp": "2030-01-01T00:00:00Z",
            "lastTimestamp": "2030-01-01T00:00:00Z",
            "count": 1,
            "type": "Normal",
            "reportingComponent": "kubelet",
            "reportingInstance": "n1",
        }


async def test_events_of_cluster_wide_objects_go_to_default_and_long_names_are_cut() -> None:
    world = World()
    async with world.running():
        world.recorder.event({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}, "Warning", "Bad", "x")
        world.recorder.event(pod("a" * 253), "Normal", "R", "m")
        await world.clock.advance(0)
        node, long = world.events()
        assert node["metadata"]["namespace"] == "default" and "namespace" not in node["involvedObject"]
        assert len(long["metadata"]["name"]) == 253 and long["involvedObject"]["name"] == "a" * 253


async def test_repeats_are_patched_onto_the_first_for_ten_minutes() -> None:
    world = World()
    async with world.running():
        for _ in range(3):
            world.recorder.event(pod(), "Warning", "BackOff", "waiting")
            await world.clock.advance(60)
        world.recorder.event(pod(), "Warning", "BackOff", "another message")
        world.recorder.event(pod("web", "u-2"), "Warning", "BackOff", "waiting")
        await world.clock.advance(0)
        first, other, namesake = world.events()
        assert (first["count"], first["firstTimestamp"], first["lastTimestamp"]) == (
            3, "2030-01-01T00:00:00Z", "2030-01-01T00:02:00Z"
        )  # fmt: skip
        assert other["count"] == namesake["count"] == 1
        assert world.writes() == ["POST", "PATCH", "PATCH", "POST", "POST"]
        await world.clock.advance(601)
        world.recorder.event(pod(), "Warning", "BackOff", "waiting")
        await world.clock.advance(0)
        assert len(world.events()) == 4


async def test_a_repeat_whose_event_has_expired_is_made_anew_and_counts_on() -> None:
    world = World()
    async with world.running():
        world.recorder.event(pod(), "Normal", "R", "m")
        await world.clock.advance(1)
        world.server.objects[EVENTS_PATH].clear()
        for _ in range(2):
            world.recorder.event(pod(), "Normal", "R", "m")
            await world.clock.advance(1)
        [event] = world.events()
        assert event["count"] == 3 and world.writes() == ["POST", "PATCH", "POST", "PATCH"]


async def test_more_than_ten_similar_ones_are_combined() -> None:
    world = World()
    async with world.running():
        for number in range(15):
            world.recorder.event(pod(), "Warning", "Failed", f"message {number}")
        await world.clock.advance(0)
        *plain, combined = world.events()
        assert [e["message"] for e in plain] == [f"message {n}" for n in range(10)]
        assert combined["message"] == "(combined from similar events): message 14" and combined["count"] == 5


async def test_one_object_cannot_flood_the_server() -> None:
    world = World()
    async with world.running():
        for _ in range(40):
            world.recorder.event(pod(), "Normal", "R", "m")
        world.recorder.event(pod("other", "u-9"), "Normal", "R", "m")
        await world.clock.advance(0)
        assert [e["count"] for e in world.events()] == [25, 1]
        assert world.recorder.dropped == 15
        await world.clock.advance(300)
        world.recorder.event(pod(), "Normal", "R", "m")
        await world.clock.advance(0)
        assert world.events()[0]["count"] == 26


async def test_a_server_that_is_away_is_waited_for_and_the_queue_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    world = World(queue_length=3)
    world.server.away = True
    async with world.running():
        with caplog.at_level(logging.WARNING, logger="minikube_py.events"):
            for number in range(5):
                world.recorder.event(pod(f"p{number}", f"u{number}"), "Normal", "R", "m")
            await world.clock.advance(1)
        assert world.recorder.dropped == 2 and len(caplog.records) == 1, "logged once, counted each time"
        assert 'events_dropped_total{component="kubelet",cause="overflow"} 2' in world.registry.render()
        await world.clock.advance(40)
        world.server.away = False
        await world.clock.advance(10)
        assert [e["involvedObject"]["name"] for e in world.events()] == ["p0", "p1", "p2"]


async def test_what_cannot_be_sent_is_dropped_and_counted() -> None:
    world = World()
    async with world.running():
        world.server.answers.append((403, {}, b""))
        world.recorder.event(pod("refused", "u1"), "Normal", "R", "m")
        await world.clock.advance(0)
        assert world.recorder.dropped == 1 and world.events() == []
        world.server.away = True
        world.recorder.event(pod("late", "u2"), "Normal", "R", "m")
        await world.clock.advance(12 * 10)
        assert world.recorder.dropped == 2 and world.writes().count("POST") == 13


async def test_it_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for broken in ({}, {"metadata": None}, None, {"kind": "Pod", "apiVersion": "v1", "metadata": {}}):
        world.recorder.event(broken, "Normal", "R", "m")  # type: ignore[arg-type]
    world.recorder.event(pod(), "Fatal", "R", "m")  # type: ignore[arg-type]
    assert world.recorder.dropped == 5 and "an event was dropped" in caplog.text


async def test_a_lost_answer_does_not_lose_or_double_the_event() -> None:
    world = World()
    async with world.running():

        async def crash_after_write(method: str, path: str) -> None:
            world.server.before = None
            body = {"metadata": {"name": f"web.{1893456000 * 10**9:x}", "namespace": "shop"}, "count": 1}
            world.server.put(EVENTS_PATH, body)
            world.server.answers.append((500, {}, b""))

        world.server.before = crash_after_write
        world.recorder.event(pod(), "Normal", "R", "m")
        await world.clock.advance(11)
        assert world.recorder.dropped == 0 and world.writes() == ["POST", "POST"]
        world.recorder.event(pod(), "Normal", "R", "m")
        await world.clock.advance(0)
        assert [e["count"] for e in world.events()] == [2]


async def test_flush_sends_what_is_left_without_waiting() -> None:
    world = World()
    world.recorder.event(pod(), "Normal", "Stopped", "m")
    await world.recorder.flush()
    assert len(world.events()) == 1
    world.server.away = True
    world.recorder.event(pod(), "Normal", "Other", "m")
    await world.recorder.flush()
    assert world.recorder.dropped == 1
    await world.transport.close()
