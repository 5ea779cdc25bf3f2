"""The sampler on virtual time over the fake engine, and what the kubelet's server tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from minikube_py.daemon.clock import VirtualClock, settle
from minikube_py.kubelet.observe import Observer
from minikube_py.kubelet.runtime.base import ContainerConfig, PodRef, SandboxConfig, Usage
from minikube_py.kubelet.runtime.fake import FakeEngine, FakeRuntime
from minikube_py.kubelet.stats import Sampler, Series
from minikube_py.kubelet.summary import NodeStats

BOOTED = datetime(2029, 12, 31, tzinfo=UTC)
START = datetime(2030, 1, 1, tzinfo=UTC)
POD = PodRef("default", "web", "uid-web")
MIB = 1 << 20


class World:
    """A sampler, and an engine whose events reach it."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.engine = FakeEngine()
        self.runtime = FakeRuntime(clock, engine=self.engine)
        self.observer = Observer(self.runtime)
        self.asked: list[int] = []
        self.sampler = Sampler(
            self.runtime, self.observer, clock=clock, machine=self.machine, booted_at=lambda: BOOTED
        )  # fmt: skip
        self.stats = NodeStats(self.sampler, "node-1", 1000 * MIB)
        self._attempts = 0

    def machine(self, now: datetime) -> Usage:
        """Half a CPU since the start."""
        return Usage(now, round((now - BOOTED).total_seconds() * 5e8), 400 * MIB, 500 * MIB, 300 * MIB)

    async def hear(self) -> None:
        async for _ in self.runtime.events():
            self.observer.invalidate()

    async def start(self, *names: str, pod: PodRef = POD) -> list[str]:
        sandbox = await self.runtime.run_sandbox(SandboxConfig(pod, self._attempts))
        return [await self.run(sandbox.id, name, pod) for name in names]

    async def run(self, sandbox: str, name: str, pod: PodRef = POD) -> str:
        self._attempts += 1
        config = ContainerConfig(
            pod, name, "minikube-py/busybox:1", attempt=self._attempts, command=["sleep", "100000"]
        )  # fmt: skip
        container = await self.runtime.create_container(sandbox, config)
        await self.runtime.start_container(container)
        return container

    def pods(self) -> dict[str, Any]:
        return {pod["podRef"]["name"]: pod for pod in self.stats.summary()["pods"]}

    def container(self, name: str = "a") -> dict[str, Any]:
        found: dict[str, Any] = next(c for c in self.pods()["web"]["containers"] if c["name"] == name)
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = VirtualClock()
    made = World(clock)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(made.sampler.run()), group.create_task(made.hear())]
        await settle()
        yield made
        for task in tasks:
            task.cancel()
    await made.engine.close()


async def test_a_rate_is_known_soon_and_kept_up(world: World) -> None:
    world.engine.loads["a"] = (0.25, 8 * MIB)
    await world.start("a")
    await world.clock.advance(1.5)
    first = world.container()
    assert first["startTime"] == "2030-01-01T00:00:00Z"
    # A process that was started, and a quarter of a second: the look is one second after the engine's news.
    assert first["cpu"] == {"time": "2030-01-01T00:00:01Z", "usageCoreNanoSeconds": 251_000_000}
    assert first["memory"] == {
        "time": "2030-01-01T00:00:01Z", "usageBytes": 8 * MIB, "workingSetBytes": 8 * MIB, "rssBytes": 8 * MIB,
    }  # fmt: skip
    await world.clock.advance(5)
    soon = world.container()["cpu"]
    assert soon["usageNanoCores"] == 250_000_000 and 3 <= float(soon["window"].removesuffix("s")) <= 5
    world.engine.loads["a"] = (0.25, 9 * MIB)
    await world.clock.advance(60)
    later = world.container()
    assert later["cpu"]["usageNanoCores"] == 250_000_000 and later["memory"]["workingSetBytes"] == 9 * MIB
    assert 13 <= float(later["cpu"]["window"].removesuffix("s")) <= 15
    seen = datetime.fromisoformat(later["cpu"]["time"])
    assert world.clock.now() - seen <= timedelta(seconds=16)


async def test_the_engine_is_asked_about_every_15_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    stats = world.runtime.container_stats

    async def counted(ids: Any) -> Any:
        asked.append(world.clock.monotonic())
        return await stats(ids)

    monkeypatch.setattr(world.runtime, "container_stats", counted)
    await world.start("a", "b")
    await world.clock.advance("10m")
    # Once after the start, once five seconds later, then every fifteen.
    assert asked[0] == 1.0 and 3 <= asked[1] - asked[0] <= 5
    gaps = [b - a for a, b in pairwise(asked[1:])]
    assert all(13 <= gap <= 15 for gap in gaps) and len(gaps) >= 39


async def test_the_node(world: World) -> None:
    await world.clock.advance(30)
    node = world.stats.summary()["node"]
    assert node["nodeName"] == "node-1" and node["startTime"] == "2029-12-31T00:00:00Z"
    assert node["cpu"]["usageNanoCores"] == 500_000_000
    assert node["memory"]["workingSetBytes"] == 400 * MIB and node["memory"]["availableBytes"] == 600 * MIB
    assert node["memory"]["usageBytes"] == 500 * MIB and node["memory"]["rssBytes"] == 300 * MIB


async def test_a_pod_is_the_sum_and_has_no_rate_until_all_have(world: World) -> None:
    world.engine.loads |= {"a": (0.25, MIB), "b": (0.5, 2 * MIB)}
    (first,) = await world.start("a")
    await world.clock.advance(20)
    sandbox = (await world.runtime.inspect_container(first)).sandbox_id
    await world.run(sandbox, "b")
    await world.clock.advance(0.5)
    assert "cpu" in world.pods()["web"] and [c["name"] for c in world.pods()["web"]["containers"]] == ["a"]
    await world.clock.advance(1)
    pod = world.pods()["web"]
    assert "usageNanoCores" in pod["containers"][0]["cpu"] and "usageNanoCores" not in pod["containers"][1]["cpu"]
    assert "usageNanoCores" not in pod["cpu"] and pod["memory"]["workingSetBytes"] == 3 * MIB
    await world.clock.advance(20)
    pod = world.pods()["web"]
    assert pod["cpu"]["usageNanoCores"] == 750_000_000 and pod["startTime"] == "2030-01-01T00:00:00Z"
    assert pod["podRef"] == {"name": "web", "namespace": "default", "uid": "uid-web"}


async def test_a_restart_begins_anew_and_the_pods_counter_goes_on(world: World) -> None:
    world.engine.loads["a"] = (1.0, MIB)
    (first,) = await world.start("a")
    await world.clock.advance(40)
    before = world.pods()["web"]["cpu"]["usageCoreNanoSeconds"]
    assert before > 20 * 10**9
    sandbox = (await world.runtime.inspect_container(first)).sandbox_id
    await world.runtime.stop_container(first, 0)
    await world.clock.advance(2)
    assert world.pods() == {}, "nothing of the Pod runs"
    await world.run(sandbox, "a")
    await world.clock.advance(2)
    again = world.container()["cpu"]
    assert "usageNanoCores" not in again and again["usageCoreNanoSeconds"] < 2 * 10**9
    pod = world.pods()["web"]["cpu"]
    assert pod["usageCoreNanoSeconds"] == before + again["usageCoreNanoSeconds"]
    await world.clock.advance(5)
    assert world.container()["cpu"]["usageNanoCores"] == 10**9
    await world.runtime.remove_sandbox(sandbox)
    await world.clock.advance(2)
    assert world.pods() == {} and world.sampler._ended == {} and set(world.sampler._series) == {""}


async def test_an_engine_that_is_away_leaves_old_figures_and_says_so(world: World) -> None:
    await world.start("a")
    await world.clock.advance(30)
    before = world.container()
    world.engine.away = True
    await world.clock.advance(60)
    assert world.container() == before
    text = world.stats.resource_metrics()
    assert "\nscrape_error 1\n" in text and "\nresource_scrape_error 1\n" in text
    assert world.stats.summary()["node"]["cpu"]["time"] > before["cpu"]["time"]
    world.engine.away = False
    await world.clock.advance(20)
    assert world.container()["cpu"]["time"] > before["cpu"]["time"]
    assert "\nscrape_error 0\n" in world.stats.resource_metrics()


async def test_a_container_that_cannot_be_measured_is_named_without_figures(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(ids: Any) -> dict[str, Usage]:
        world.asked.append(len(ids))
        return {}

    monkeypatch.setattr(world.runtime, "container_stats", nothing)
    await world.start("a")
    await world.clock.advance(60)
    assert world.container() == {"name": "a", "startTime": "2030-01-01T00:00:00Z"}
    assert "cpu" not in world.pods()["web"]
    assert 4 <= len(world.asked) <= 6, "it is not asked for all the time"
    assert "container_" not in world.stats.resource_metrics()


async def test_prometheus_text(world: World) -> None:
    world.engine.loads["a"] = (0.25, 8 * MIB)
    await world.start("a")
    await world.clock.advance(1.5)
    lines = world.stats.resource_metrics().splitlines()
    at = round(START.timestamp() * 1000)
    labels = '{container="a",namespace="default",pod="web"}'
    assert f"container_cpu_usage_seconds_total{labels} 0.251000000 {at + 1000}" in lines
    assert f"container_memory_working_set_bytes{labels} {8 * MIB} {at + 1000}" in lines
    assert f"container_start_time_seconds{labels} {START.timestamp():.6f}" in lines
    assert f'pod_cpu_usage_seconds_total{{namespace="default",pod="web"}} 0.251000000 {at + 1000}' in lines
    assert f'pod_memory_working_set_bytes{{namespace="default",pod="web"}} {8 * MIB} {at + 1000}' in lines
    assert f"node_cpu_usage_seconds_total 43200.000000000 {at}" in lines
    assert f"node_memory_working_set_bytes {400 * MIB} {at}" in lines
    assert "scrape_error 0" in lines and "resource_scrape_error 0" in lines
    types = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE")}
    assert types["pod_cpu_usage_seconds_total"] == "counter" and types["scrape_error"] == "gauge"
    assert {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")} == set(types)


@pytest.mark.parametrize(
    ("samples", "rate", "window"),
    [
        ([(0, 100)], None, 0),
        ([(0, 0), (10, 5 * 10**9)], 500_000_000, 10 * 10**9),
        ([(0, 0), (10, 5 * 10**9), (14.5, 5 * 10**9)], 0, 4_500_000_000),
        ([(0, 0), (10, 5 * 10**9), (20, 10**9)], None, 0),  # the counter began anew
        ([(0, 0), (10, 5 * 10**9), (20, 10**9), (30, 2 * 10**9)], 100_000_000, 10 * 10**9),
        ([(0, 0), (10, 5 * 10**9), (5, 6 * 10**9)], None, 0),  # the clock was set back
        ([(0, 0), (0, 5)], None, 0),
    ],
)  # fmt: skip
def test_rates(samples: list[tuple[float, int]], rate: int | None, window: int) -> None:
    made = [Usage(START + timedelta(seconds=at), cpu, 1, 1, 1) for at, cpu in samples]
    series = Series(made[0])
    for one in made[1:]:
        series.add(one)
    assert (series.nanocores, series.window_nanoseconds) == (rate, window)
