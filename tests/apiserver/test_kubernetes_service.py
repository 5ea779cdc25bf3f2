"""The Service `kubernetes`, the API servers behind it, and the pools of addresses and ports over a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.api.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES
from minikube_py.apiserver.bootstrap import kubernetes_service
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.main import APIServer, start
from minikube_py.client.rest import Client
from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import VirtualClock, settle
from minikube_py.daemon.run import named_group
from minikube_py.store.memory import MemoryStore

CONFIG = Config(storage_backend="memory", bind_address="0.0.0.0", secure_port=8443)


class Server:
    def __init__(self, made: APIServer, clock: VirtualClock) -> None:
        self.made = made
        self.client = Client(AppTransport(made.app, user="admin", groups=("system:masters",)), clock=clock)

    async def addresses(self) -> tuple[list[str], list[str]]:
        """What Endpoints and EndpointSlice say."""
        old = await self.client.get(ENDPOINTS, "kubernetes", "default")
        new = await self.client.get(ENDPOINTSLICES, "kubernetes", "default")
        listed = [a["ip"] for subset in old["subsets"] for a in subset["addresses"]]
        return listed, [a for endpoint in new["endpoints"] for a in endpoint["addresses"]]


@asynccontextmanager
async def serving(clock: VirtualClock, store: MemoryStore, config: Config) -> AsyncIterator[Server]:
    async with named_group() as tasks, start(config, clock, tasks, store) as made:
        yield Server(made, clock)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def store(clock: VirtualClock) -> MemoryStore:
    return MemoryStore(clock)


async def test_the_service_is_there_and_comes_back(clock: VirtualClock, store: MemoryStore) -> None:
    async with serving(clock, store, replace(CONFIG, advertise_address="10.0.0.1")) as server:
        found = await server.client.get(SERVICES, "kubernetes", "default")
        assert found["spec"]["clusterIP"] == "10.96.0.1" and found["spec"]["type"] == "ClusterIP"
        assert found["spec"]["ports"] == [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 8443}]
        assert found["metadata"]["labels"] == {"component": "apiserver", "provider": "kubernetes"}
        piece = await server.client.get(ENDPOINTSLICES, "kubernetes", "default")
        assert piece["addressType"] == "IPv4" and piece["ports"] == [{"name": "https", "port": 8443, "protocol": "TCP"}]
        for resource in (SERVICES, ENDPOINTS, ENDPOINTSLICES):
            await server.client.delete(resource, "kubernetes", "default")
        await clock.advance(11)
        await settle()
        found = await server.client.get(SERVICES, "kubernetes", "default")
        assert found["spec"]["clusterIP"] == "10.96.0.1"
        assert await server.addresses() == (["10.0.0.1"], ["10.0.0.1"])


async def test_what_is_right_is_not_written_again(clock: VirtualClock, store: MemoryStore) -> None:
    async with serving(clock, store, replace(CONFIG, advertise_address="10.0.0.1")) as server:
        before = [await server.client.get(r, "kubernetes", "default") for r in (SERVICES, ENDPOINTS, ENDPOINTSLICES)]
        await clock.advance(60)
        await settle()
        after = [await server.client.get(r, "kubernetes", "default") for r in (SERVICES, ENDPOINTS, ENDPOINTSLICES)]
        assert before == after


async def test_another_port_after_a_restart(clock: VirtualClock, store: MemoryStore) -> None:
    config = replace(CONFIG, advertise_address="10.0.0.1")
    async with serving(clock, store, config):
        pass
    async with serving(clock, store, replace(config, secure_port=9443)) as server:
        found = await server.client.get(SERVICES, "kubernetes", "default")
        assert found["spec"]["ports"][0]["targetPort"] == 9443
        old = await server.client.get(ENDPOINTS, "kubernetes", "default")
        assert old["subsets"][0]["ports"][0]["port"] == 9443


async def test_several_api_servers(clock: VirtualClock, store: MemoryStore) -> None:
    one, two = (replace(CONFIG, advertise_address=f"10.0.0.{i}") for i in (1, 2))
    async with serving(clock, store, one) as first:
        async with serving(clock, store, two) as second:
            both = (["10.0.0.1", "10.0.0.2"],) * 2
            assert await second.addresses() == both and await first.addresses() == both
            await clock.advance(60)
            await settle()
            assert await first.addresses() == both
        assert await first.addresses() == (["10.0.0.1"],) * 2, "who stops takes itself off the list"
    # The last one stays: somebody may be about to start with its address.
    async with serving(clock, store, two) as second:
        await settle()
        assert (await second.addresses())[0] == ["10.0.0.2"]


async def test_a_dead_one_leaves_the_list(clock: VirtualClock, store: MemoryStore) -> None:
    async with serving(clock, store, replace(CONFIG, advertise_address="10.0.0.1")) as first:
        await store.create(kubernetes_service.LEASES + "10.0.0.2", b'{"ip":"10.0.0.2","port":8443}', ttl=15)
        await clock.advance(11)
        await settle()
        assert await first.addresses() == (["10.0.0.1", "10.0.0.2"],) * 2
        await clock.advance(20)
        await settle()
        assert await first.addresses() == (["10.0.0.1"],) * 2


async def test_a_server_for_its_own_machine_lists_nobody(clock: VirtualClock, store: MemoryStore) -> None:
    async with serving(clock, store, replace(CONFIG, bind_address="127.0.0.1")) as server:
        assert (await server.client.get(SERVICES, "kubernetes", "default"))["spec"]["clusterIP"] == "10.96.0.1"
        with pytest.raises(errors.NotFound):
            await server.client.get(ENDPOINTS, "kubernetes", "default")


@pytest.mark.parametrize(
    ("bind", "advertise", "found"),
    [
        ("0.0.0.0", "10.1.1.1", "10.1.1.1"),
        ("10.2.2.2", "", "10.2.2.2"),
        ("127.0.0.1", "", ""),
        ("127.0.0.1", "10.1.1.1", "10.1.1.1"),
        ("::1", "", ""),
        ("fd00::1", "", "fd00::1"),
    ],
)
def test_the_advertised_address(bind: str, advertise: str, found: str) -> None:
    assert kubernetes_service.advertised(Config(bind_address=bind, advertise_address=advertise)) == found


def node_port_service(name: str) -> Any:
    metadata = {"name": name, "namespace": "default"}
    spec = {"type": "NodePort", "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


async def test_parallel_creates_a_crash_and_no_leak(clock: VirtualClock, store: MemoryStore) -> None:
    """The range has room for 13 more addresses and 12 ports: what a crash lost must be free again."""
    config = replace(CONFIG, service_cluster_ip_range="10.96.0.0/28", service_node_port_range=(30000, 30011))
    async with named_group() as tasks, start(config, clock, tasks, store) as made:
        client = Server(made, clock).client
        creating = [asyncio.ensure_future(client.create(SERVICES, node_port_service(f"a{i}"))) for i in range(50)]
        for _ in range(3):  # long enough for some to be under way, too short for all to be stored
            await asyncio.sleep(0)
        for task in creating[::2]:
            task.cancel()
        await asyncio.gather(*creating, return_exceptions=True)
        before = await held(client)
    async with serving(clock, store, config) as server:
        assert await held(server.client) == before
        results = await asyncio.gather(
            *(server.client.create(SERVICES, node_port_service(f"b{i}")) for i in range(50)), return_exceptions=True
        )
        refused = [r for r in results if isinstance(r, BaseException)]
        assert all(isinstance(r, errors.Invalid | errors.InternalError) for r in refused), refused
        _, ports = await held(server.client)
        assert len(ports) == 12, "every port of the range is in use, none is lost"
        for name in [s["metadata"]["name"] for s in (await server.client.list(SERVICES, "default"))["items"]]:
            if name != "kubernetes":
                await server.client.delete(SERVICES, name, "default")
        again = await asyncio.gather(*(server.client.create(SERVICES, node_port_service(f"c{i}")) for i in range(12)))
        assert len({s["spec"]["clusterIP"] for s in again} | {"10.96.0.1"}) == 13


async def held(client: Client) -> tuple[set[str], set[int]]:
    """The addresses and ports of all Services, none of them twice."""
    found = (await client.list(SERVICES, "default"))["items"]
    ips = [s["spec"]["clusterIP"] for s in found]
    ports = [p["nodePort"] for s in found for p in s["spec"]["ports"] if "nodePort" in p]
    assert len(set(ips)) == len(ips) and len(set(ports)) == len(ports)
    return set(ips), set(ports)
