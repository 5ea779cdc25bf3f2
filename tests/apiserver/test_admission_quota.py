"""ResourceQuota in the API server: never exceeded, whatever runs at once, fails or starts anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.api.resources import PODS as PODS_RESOURCE
from minikube_py.api.resources import RESOURCEQUOTAS, SECRETS, SERVICES
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.main import start
from minikube_py.client.rest import Client
from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import Clock, RealClock, VirtualClock, settle
from minikube_py.daemon.run import named_group
from minikube_py.store.base import Store
from minikube_py.store.memory import MemoryStore
from minikube_py.store.open import open_store
from tests.apiserver.conftest import PODS, Api, pod

Object = dict[str, Any]
QUOTAS = "/api/v1/namespaces/default/resourcequotas"
SECRETS_PATH = "/api/v1/namespaces/default/secrets"


async def quota(api: Api, name: str, hard: Object, **spec: Any) -> None:
    await api.ok("POST", QUOTAS, {"metadata": {"name": name}, "spec": {"hard": hard, **spec}})


async def used(api: Api, name: str = "q") -> Object:
    found: Object = (await api.ok("GET", f"{QUOTAS}/{name}"))["status"].get("used", {})
    return found


async def refused(api: Api, path: str, body: Object, why: str) -> None:
    answer = await api.ask("POST", path, body)
    assert answer.status == 403, answer
    assert why in answer.json["message"], answer.json["message"]


def asking(name: str, *, limits: bool = False, **amounts: str) -> Object:
    made = pod(name)
    resources = {"requests": {k.replace("_", "-"): v for k, v in amounts.items()}}
    if limits:
        resources["limits"] = resources["requests"]
    made["spec"]["containers"][0]["resources"] = resources
    return made


def secret(name: str) -> Object:
    return {"metadata": {"name": name}}


async def test_what_was_there_before_the_quota_counts_at_once(api: Api) -> None:
    for name in ("a", "b"):
        await api.ok("POST", PODS, pod(name))
    await quota(api, "q", {"pods": "3", "count/pods": "10"})
    await api.ok("POST", PODS, pod("c"))
    assert await used(api) == {"count/pods": "3", "pods": "3"}
    answer = await api.ask("POST", PODS, pod("d"))
    assert answer.status == 403 and answer.reason == "Forbidden"
    assert answer.json["message"] == (
        'pods "d" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3'
    )
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    await api.cluster.add_account("default", "other")
    await api.ok("POST", "/api/v1/namespaces/other/pods", pod("d"))


async def test_usage_goes_down(api: Api) -> None:
    await quota(api, "q", {"pods": "1", "count/pods": "3"})
    await api.ok("POST", PODS, pod("a"))
    await refused(api, PODS, pod("b"), "exceeded quota")
    await api.ok("DELETE", f"{PODS}/a")
    await api.ok("POST", PODS, pod("b"))
    await refused(api, PODS, pod("c"), "exceeded quota")
    await api.cluster.set_status(PODS_RESOURCE, "b", "default", {"phase": "Succeeded"})
    await api.ok("POST", PODS, pod("c"))
    await api.cluster.set_status(PODS_RESOURCE, "c", "default", {"phase": "Failed"})
    await api.ok("POST", PODS, pod("d"))
    await api.cluster.set_status(PODS_RESOURCE, "d", "default", {"phase": "Failed"})
    await refused(api, PODS, pod("e"), "requested: count/pods=1, used: count/pods=3, limited: count/pods=3")


async def test_failures_and_dry_runs_take_nothing(api: Api) -> None:
    await quota(api, "q", {"secrets": "2"})
    await api.ok("POST", SECRETS_PATH, secret("a"))
    for _ in range(5):
        assert (await api.ask("POST", SECRETS_PATH, secret("a"))).status == 409
        assert (await api.ask("POST", SECRETS_PATH + "?dryRun=All", secret("b"))).status == 201
    assert await used(api) == {"secrets": "2"}, "the last one that failed is seen until the controller counts"
    await api.ok("POST", SECRETS_PATH, secret("b"))
    await refused(api, SECRETS_PATH, secret("c"), "used: secrets=2, limited: secrets=2")
    await refused(api, SECRETS_PATH + "?dryRun=All", secret("c"), "used: secrets=2, limited: secrets=2")


async def test_compute_resources(api: Api) -> None:
    await quota(api, "q", {
        "requests.cpu": "1", "limits.memory": "1Gi", "requests.ephemeral-storage": "1Gi", "requests.e.com/gpu": "1",
    })  # fmt: skip
    await refused(api, PODS, pod("a"), "failed quota: q: must specify limits.memory for: c; requests.cpu for: c")
    await api.ok("POST", PODS, asking("a", limits=True, cpu="600m", memory="512Mi", ephemeral_storage="1Gi"))
    assert await used(api) == {
        "limits.memory": "512Mi", "requests.cpu": "600m", "requests.e.com/gpu": "0",
        "requests.ephemeral-storage": "1Gi",
    }  # fmt: skip
    more = asking("b", limits=True, cpu="500m", memory="1Gi")
    await refused(
        api, PODS, more,
        "exceeded quota: q, requested: limits.memory=1Gi,requests.cpu=500m, "
        "used: limits.memory=512Mi,requests.cpu=600m, limited: limits.memory=1Gi,requests.cpu=1",
    )  # fmt: skip
    gpus = asking("c", limits=True, cpu="1m", memory="1Mi")
    gpus["spec"]["containers"][0]["resources"]["limits"]["e.com/gpu"] = "2"
    await refused(api, PODS, gpus, "requested: requests.e.com/gpu=2")


async def test_limit_ranges_speak_for_containers_that_say_nothing(api: Api) -> None:
    await quota(api, "q", {"limits.cpu": "1"})
    limits = [{"type": "Container", "default": {"cpu": "400m"}}]
    await api.ok("POST", "/api/v1/namespaces/default/limitranges",
                 {"metadata": {"name": "l"}, "spec": {"limits": limits}})  # fmt: skip
    await api.ok("POST", PODS, pod("a"))
    await api.ok("POST", PODS, pod("b"))
    await refused(api, PODS, pod("c"), "requested: limits.cpu=400m, used: limits.cpu=800m, limited: limits.cpu=1")


async def test_scopes(api: Api) -> None:
    await quota(api, "best", {"pods": "1"}, scopes=["BestEffort"])
    selector = {"matchExpressions": [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}]}  # fmt: skip
    await quota(api, "critical", {"pods": "0"}, scopeSelector=selector)
    await api.ok("POST", PODS, pod("a"))
    await refused(api, PODS, pod("b"), "exceeded quota: best")
    await api.ok("POST", PODS, asking("c", cpu="1m"))
    urgent = asking("d", cpu="1m")
    urgent["spec"]["priorityClassName"] = "system-node-critical"
    await refused(api, PODS, urgent, "exceeded quota: critical, requested: pods=1, used: pods=0, limited: pods=0")


async def test_a_service_that_changes_its_type(api: Api) -> None:
    await quota(api, "q", {"services": "5", "services.nodeports": "2", "services.loadbalancers": "1"})
    path = "/api/v1/namespaces/default/services"
    ports = [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]

    def service(name: str, kind: str = "ClusterIP") -> Object:
        return {"metadata": {"name": name}, "spec": {"type": kind, "ports": ports}}

    await api.ok("POST", path, service("a"))
    await api.ok("POST", path, service("b", "NodePort"))
    # The Service `kubernetes` is in this namespace, too.
    assert await used(api) == {"services": "3", "services.loadbalancers": "0", "services.nodeports": "2"}
    found = await api.ok("GET", f"{path}/a")
    found["spec"]["type"] = "LoadBalancer"
    answer = await api.ask("PUT", f"{path}/a", found)
    assert answer.status == 403
    assert (
        "requested: services.nodeports=2, used: services.nodeports=2, limited: services.nodeports=2"
        in (answer.json["message"])
    )
    await api.ok("DELETE", f"{path}/b")
    assert (await api.ok("PUT", f"{path}/a", found))["spec"]["type"] == "LoadBalancer"
    await refused(api, path, service("c", "NodePort"), "services.nodeports=2")


async def test_claims_and_any_other_kind(api: Api) -> None:
    await quota(api, "q", {
        "requests.storage": "10Gi", "persistentvolumeclaims": "5",
        "gold.storageclass.storage.k8s.io/requests.storage": "5Gi", "count/deployments.apps": "1", "configmaps": "1",
    })  # fmt: skip
    path = "/api/v1/namespaces/default/persistentvolumeclaims"

    def claim(name: str, size: str, storage_class: str) -> Object:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        return {"metadata": {"name": name}, "spec": {**spec, "storageClassName": storage_class}}

    await api.ok("POST", path, claim("a", "4Gi", "gold"))
    await refused(
        api, path, claim("b", "2Gi", "gold"), "requested: gold.storageclass.storage.k8s.io/requests.storage=2Gi"
    )
    await api.ok("POST", path, claim("b", "6Gi", "tin"))
    await refused(api, path, claim("c", "1", "tin"), "requested: requests.storage=1, used: requests.storage=10Gi")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]}
    deployment = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    await api.ok("POST", "/apis/apps/v1/namespaces/default/deployments", deployment)
    deployment["metadata"] = {"name": "e"}
    await refused(api, "/apis/apps/v1/namespaces/default/deployments", deployment, "count/deployments.apps=1")
    await api.config_map("one")
    await refused(api, "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "two"}}, "configmaps=1")


async def test_a_quota_that_changes(api: Api) -> None:
    await quota(api, "q", {"secrets": "1"})
    await api.ok("POST", SECRETS_PATH, secret("a"))
    found = await api.ok("GET", f"{QUOTAS}/q")
    found["spec"]["hard"] = {"secrets": "2", "configmaps": "0"}
    await api.ok("PUT", f"{QUOTAS}/q", found)
    await api.ok("POST", SECRETS_PATH, secret("b"))
    await refused(api, SECRETS_PATH, secret("c"), "used: secrets=2")
    await refused(api, "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "x"}}, "configmaps=0")
    await quota(api, "second", {"secrets": "9"})
    await api.ok("DELETE", f"{QUOTAS}/q")
    await api.ok("POST", SECRETS_PATH, secret("c"))
    assert await used(api, "second") == {"secrets": "3"}


# -- many at once, and more than one server


@asynccontextmanager
async def servers(store: Store, clock: Clock, number: int = 1) -> AsyncIterator[list[Client]]:
    """API servers over one store, each with a client."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(number):
            tasks = await stack.enter_async_context(named_group())
            server = await stack.enter_async_context(start(Config(storage_backend="memory"), clock, tasks, store))
            made.append(Client(AppTransport(server.app, user="admin", groups=("system:masters",)), clock=clock))
        yield made


@asynccontextmanager
async def opened(backend: str, directory: Path) -> AsyncIterator[tuple[Store, Clock]]:
    clock: Clock = VirtualClock() if backend == "memory" else RealClock()
    store: Store
    if backend == "memory":
        store = MemoryStore(clock)
    else:
        store = await open_store("sqlite", clock=clock, path=str(directory / "state.db"))
    try:
        yield store, clock
    finally:
        await store.close()


async def make_quota(client: Client, hard: Object) -> None:
    metadata = {"namespace": "default", "name": "q"}
    spec = {"hard": hard}
    await client.create(
        RESOURCEQUOTAS, {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec}
    )


async def try_secret(client: Client, name: str) -> bool:
    metadata = {"namespace": "default", "name": name}
    try:
        await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    except errors.Forbidden as error:
        assert "exceeded quota: q" in error.message
        return False
    return True


async def count(client: Client) -> int:
    return len((await client.list(SECRETS, "default"))["items"])


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
async def test_fifty_at_once_never_exceed_the_quota(backend: str, tmp_path: Path) -> None:
    async with opened(backend, tmp_path) as (store, clock), servers(store, clock) as (client,):
        await make_quota(client, {"secrets": "20", "count/secrets": "30"})
        won = await asyncio.gather(*(try_secret(client, f"s{i}") for i in range(50)))
        assert sum(won) == 20 == await count(client)
        found = await client.get(RESOURCEQUOTAS, "q", "default")
        assert found["status"]["used"] == {"secrets": "20", "count/secrets": "20"}
        gone = [f"s{i}" for i, yes in enumerate(won) if yes][:5]
        for name in gone:
            await client.delete(SECRETS, name, "default")
        won = await asyncio.gather(*(try_secret(client, f"t{i}") for i in range(50)))
        assert sum(won) == 5 and await count(client) == 20


async def test_the_same_name_fifty_times_takes_one_place(tmp_path: Path) -> None:
    async with opened("memory", tmp_path) as (store, clock), servers(store, clock) as (client,):
        await make_quota(client, {"secrets": "50"})

        async def make() -> bool:
            try:
                return await try_secret(client, "same")
            except errors.AlreadyExists:
                return False

        assert sum(await asyncio.gather(*(make() for _ in range(50)))) == 1
        assert sum(await asyncio.gather(*(try_secret(client, f"s{i}") for i in range(50)))) == 49


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
async def test_two_servers_never_exceed_the_quota_together(backend: str, tmp_path: Path) -> None:
    async with opened(backend, tmp_path) as (store, clock), servers(store, clock, 2) as clients:
        await make_quota(clients[0], {"secrets": "20"})
        for client in clients:
            await client.get(RESOURCEQUOTAS, "q", "default")  # both have heard of it
        won = await asyncio.gather(*(try_secret(clients[i % 2], f"s{i}") for i in range(50)))
        assert sum(won) == 20 == await count(clients[0])


async def test_a_reservation_of_a_server_that_died_does_not_stay(tmp_path: Path) -> None:
    """Killed between the reservation and the write: the number in the status says 1, and nothing is there."""
    async with opened("memory", tmp_path) as (store, clock):
        async with servers(store, clock) as (client,):
            await make_quota(client, {"secrets": "1"})
            original = store.create

            async def never(key: str, *rest: Any, **more: Any) -> Any:
                if "/secrets/" in key:
                    await asyncio.get_running_loop().create_future()
                return await original(key, *rest, **more)

            store.create = never  # type: ignore[method-assign]
            task = asyncio.create_task(try_secret(client, "lost"))
            await settle()
            assert not await try_secret(client, "meanwhile"), "while it is under way it holds its place"
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            store.create = original  # type: ignore[method-assign]
        async with servers(store, clock) as (client,):
            assert (await client.get(RESOURCEQUOTAS, "q", "default"))["status"]["used"] == {"secrets": "1"}
            assert await try_secret(client, "next")
            assert not await try_secret(client, "another")


async def test_a_client_that_goes_away_gives_back(tmp_path: Path) -> None:
    async with opened("memory", tmp_path) as (store, clock), servers(store, clock) as (client,):
        await make_quota(client, {"secrets": "5", "services": "1"})
        for number in range(30):
            task = asyncio.create_task(try_secret(client, f"s{number}"))
            for _ in range(number):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        there = await count(client)
        won = await asyncio.gather(*(try_secret(client, f"t{i}") for i in range(10)))
        assert there + sum(won) == 5 == await count(client)
        assert not (await client.list(SERVICES, "default"))["items"][1:]
