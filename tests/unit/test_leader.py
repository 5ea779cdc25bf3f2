"""Leader election: one leads at a time, whatever dies, and the Lease shows it as Kubernetes' own electors do."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.client.leader import LeaderElector, LeadershipLost
from minikube_py.client.rest import Client
from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import VirtualClock
from tests.fakes.apiserver import FakeApiServer

LEASES_PATH = "coordination.k8s.io/v1/leases"
KEY = "kube-system/scheduler"


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.server = FakeApiServer()
        self.leading: list[str] = []
        self.ended: list[str] = []
        self.leaders: list[str] = []

    def lease(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.server.objects[LEASES_PATH][KEY]["spec"]
        return spec

    def elector(self, identity: str) -> tuple[LeaderElector, asyncio.Task[None]]:
        client = Client(AppTransport(self.server, user="u", clock=self.clock), clock=self.clock)
        elector = LeaderElector(
            client, "scheduler", identity, clock=self.clock, rng=random.Random(1), on_new_leader=self.leaders.append
        )

        async def lead() -> None:
            self.leading.append(identity)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.leading.remove(identity)
                await self.clock.sleep(0)
                self.ended.append(identity)

        return elector, asyncio.create_task(elector.run(lead), name=identity)


async def test_the_first_leads_and_its_lease_reads_like_upstreams() -> None:
    world = World()
    elector, task = world.elector("a")
    await world.clock.advance(0)
    assert world.leading == ["a"] and elector.is_leader and world.leaders == ["a"]
    assert world.lease() == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2030-01-01T00:00:00.000000Z",
        "renewTime": "2030-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }
    await world.clock.advance(5)
    assert world.lease()["acquireTime"] == "2030-01-01T00:00:00.000000Z"
    assert world.lease()["renewTime"] == "2030-01-01T00:00:04.000000Z"
    task.cancel()
    await world.clock.advance(0)
    assert task.cancelled() and world.ended == ["a"]
    assert (world.lease()["holderIdentity"], world.lease()["leaseDurationSeconds"]) == ("", 1)


async def test_a_released_lease_is_taken_soon_and_a_dead_ones_after_its_duration() -> None:
    world = World()
    _, a = world.elector("a")
    await world.clock.advance(0)
    _, b = world.elector("b")
    await world.clock.advance(60)
    assert world.leading == ["a"], "as long as it renews, it leads"
    a.cancel()
    await world.clock.advance(5)
    assert world.leading == ["b"] and world.lease()["leaseTransitions"] == 1
    _, c = world.elector("c")
    await world.clock.advance(3)

    async def no_writes(method: str, path: str) -> None:
        if method == "PUT":
            raise errors.ServiceUnavailable("cut off")

    world.server.before = no_writes  # nobody can renew, take or release
    await world.clock.advance(23)
    assert world.leading == []
    world.server.before = None
    await world.clock.advance(20)
    assert world.leading == ["c"] and world.lease()["leaseTransitions"] == 2
    assert isinstance(b.exception(), LeadershipLost)
    c.cancel()
    await world.clock.advance(0)


async def test_a_leader_that_cannot_renew_stops_before_its_lease_is_another_ones() -> None:
    world = World()
    _, a = world.elector("a")
    await world.clock.advance(1)
    world.server.away = True
    await world.clock.advance(11.5)
    assert world.leading == [] and world.ended == ["a"], "within renew deadline + retry period"
    await world.clock.advance(60)
    error = a.exception()
    assert isinstance(error, LeadershipLost) and "could not be renewed within 10 s" in str(error)


async def test_a_stolen_lease_ends_the_leader() -> None:
    world = World()
    _, a = world.elector("a")
    await world.clock.advance(1)
    lease = world.server.objects[LEASES_PATH][KEY]
    world.server.put(LEASES_PATH, {**lease, "spec": {**lease["spec"], "holderIdentity": "thief"}})
    await world.clock.advance(5)
    assert world.leading == [] and isinstance(a.exception(), LeadershipLost)
    assert "held by thief" in str(a.exception())
    assert world.lease()["holderIdentity"] == "thief", "another's lease is not released"


async def test_a_deleted_lease_is_made_anew() -> None:
    world = World()
    elector, a = world.elector("a")
    await world.clock.advance(1)
    world.server.drop(LEASES_PATH, KEY)
    await world.clock.advance(5)
    assert world.leading == ["a"] and world.lease()["holderIdentity"] == "a" and elector.is_leader
    a.cancel()
    await world.clock.advance(0)


async def test_expiry_is_by_what_was_observed_not_by_the_others_clock() -> None:
    world = World()
    spec = {
        "holderIdentity": "old",
        "leaseDurationSeconds": 15,
        "renewTime": "1999-01-01T00:00:00.000000Z",
        "acquireTime": "1999-01-01T00:00:00.000000Z",
        "leaseTransitions": 4,
    }
    world.server.put(LEASES_PATH, {"metadata": {"name": "scheduler", "namespace": "kube-system"}, "spec": spec})
    _, a = world.elector("a")
    await world.clock.advance(14)
    assert world.leading == []
    await world.clock.advance(6)
    assert world.leading == ["a"] and world.lease()["leaseTransitions"] == 5
    a.cancel()
    await world.clock.advance(0)


async def test_of_many_candidates_one_leads() -> None:
    world = World()
    tasks = [world.elector(f"c{n}")[1] for n in range(5)]
    for _ in range(6):
        await world.clock.advance(20)
        assert len(world.leading) == 1
        next(t for t in tasks if t.get_name() == world.leading[0]).cancel()
        tasks = [t for t in tasks if t.get_name() != world.leading[0]]
        if not tasks:
            break
    await world.clock.advance(0)
    assert sorted(world.ended) == [f"c{n}" for n in range(5)]


async def test_what_the_led_work_raises_is_raised_and_the_lease_released() -> None:
    world = World()
    client = Client(AppTransport(world.server, user="u", clock=world.clock), clock=world.clock)
    elector = LeaderElector(client, "scheduler", "a", clock=world.clock)

    async def lead() -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        await elector.run(lead)
    assert world.lease()["holderIdentity"] == ""


@pytest.mark.parametrize(
    "times",
    [{"lease_duration": 5, "renew_deadline": 10}, {"renew_deadline": 2, "retry_period": 2}, {"lease_duration": 0.5}],
)
async def test_senseless_times_are_refused(times: Any) -> None:
    clock = VirtualClock()
    client = Client(AppTransport(FakeApiServer(), user="u"), clock=clock)
    with pytest.raises(ValueError):
        LeaderElector(client, "x", "me", clock=clock, **times)
    with pytest.raises(ValueError):
        LeaderElector(client, "x", "", clock=clock)
