"""kill -9 of the scheduler and the controller manager in the middle of their work: nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minikube_py.api import errors
from minikube_py.api.resources import CONFIGMAPS, NAMESPACES, PODS, SERVICEACCOUNTS
from minikube_py.client.rest import Client
from tests.integration.clusters import Cluster, Object, cluster, config_map, eventually, pod

PODS_WANTED = 30


async def test_scheduler(tmp_path: Path) -> None:
    """Killed before, during and after 30 Pods come: each is bound exactly once, and goes on to run."""
    rng = random.Random(seed := random.randrange(1 << 32))
    print(f"seed {seed}")
    with cluster(tmp_path / "data") as made:
        made.up()
        async with made.client() as client:
            bindings = Bindings(client)
            watching = asyncio.create_task(bindings.run(await _revision(client)))
            thresholds = sorted(rng.sample(range(1, PODS_WANTED), 3))
            creating = asyncio.create_task(_create_pods(client))
            for enough in thresholds:
                await eventually(bindings.reached(enough), 20)
                await asyncio.to_thread(made.kill, "scheduler")
                await asyncio.to_thread(made.up)
            await creating
            await eventually(bindings.reached(PODS_WANTED), 20, "all are bound")
            await _running(client, PODS_WANTED)
            watching.cancel()
            assert bindings.changed == [], "a Pod was bound twice"
            assert all(count == 1 for count in bindings.times.values()), bindings.times


class Bindings:
    """Watches Pods and notes when each got its node."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.nodes: dict[str, str] = {}
        self.times: dict[str, int] = {}
        self.changed: list[Object] = []

    def reached(self, number: int) -> Callable[[], bool]:
        """Whether so many Pods are bound."""
        return lambda: len(self.nodes) >= number

    async def run(self, revision: str) -> None:
        """Until cancelled."""
        async with self.client.watch(PODS, "default", resource_version=revision) as events:
            async for event in events:
                name, node = event.object["metadata"]["name"], event.object["spec"].get("nodeName", "")
                known = self.nodes.get(name)
                if node and known is None:
                    self.nodes[name] = node
                    self.times[name] = self.times.get(name, 0) + 1
                elif known is not None and node != known:
                    self.changed.append(event.object)


async def _create_pods(client: Client) -> None:
    for n in range(PODS_WANTED):
        await client.create(PODS, pod(f"p{n}"))
        await asyncio.sleep(0.01)


async def _running(client: Client, wanted: int) -> None:
    async with asyncio.timeout(20):
        while True:
            found = (await client.list(PODS, "default"))["items"]
            if sum(p.get("status", {}).get("phase") == "Running" for p in found) == wanted:
                return
            await asyncio.sleep(0.1)


async def _revision(client: Client) -> str:
    revision: str = (await client.list(PODS, "default", resource_version=""))["metadata"]["resourceVersion"]
    return revision


async def test_controller_manager(tmp_path: Path) -> None:
    """Killed while namespaces are emptied and others get their ServiceAccount: all is finished by the next one."""
    rng = random.Random(seed := random.randrange(1 << 32))
    print(f"seed {seed}")
    with cluster(tmp_path / "data") as made:
        made.up()
        async with made.client() as client:
            doomed, staying = [f"doomed-{n}" for n in range(6)], [f"staying-{n}" for n in range(10)]
            for name in doomed:
                await client.create(NAMESPACES, _namespace(name))
                await asyncio.gather(*(client.create(CONFIGMAPS, _in(name, config_map(f"c{n}"))) for n in range(30)))
            await _accounts(client, doomed)  # Pods are refused before
            for name in doomed:
                await client.create(PODS, _in(name, pod("a")))
            creating = asyncio.create_task(_make(client, doomed, staying))
            for _ in range(4):
                await asyncio.sleep(rng.uniform(0.02, 0.3))
                await asyncio.to_thread(made.kill, "controller-manager")
                await asyncio.to_thread(made.up)
            await creating
            await _accounts(client, staying)
            async with asyncio.timeout(30):
                while left := [n for n in doomed if await _there(client, n)]:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert left == []
            for resource in (CONFIGMAPS, PODS, SERVICEACCOUNTS):
                found = (await client.list(resource, resource_version=""))["items"]
                assert [o["metadata"] for o in found if o["metadata"]["namespace"] in doomed] == []
            # What stays has exactly what every namespace has.
            for name in staying:
                accounts = (await client.list(SERVICEACCOUNTS, name))["items"]
                assert [a["metadata"]["name"] for a in accounts] == ["default"]
                maps = {m["metadata"]["name"] for m in (await client.list(CONFIGMAPS, name))["items"]}
                assert maps == {"kube-root-ca.crt", "mine"}


async def _make(client: Client, doomed: list[str], staying: list[str]) -> None:
    for n, name in enumerate(staying):
        await client.create(NAMESPACES, _namespace(name))
        await client.create(CONFIGMAPS, _in(name, config_map("mine")))
        if n < len(doomed):
            await client.delete(NAMESPACES, doomed[n])
        await asyncio.sleep(0.03)


async def _accounts(client: Client, names: list[str]) -> None:
    async with asyncio.timeout(20):
        while not all([await _exists(client, name) for name in names]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _exists(client: Client, namespace: str) -> bool:
    try:
        await client.get(SERVICEACCOUNTS, "default", namespace)
        await client.get(CONFIGMAPS, "kube-root-ca.crt", namespace)
    except errors.NotFound:
        return False
    return True


async def _there(client: Client, namespace: str) -> bool:
    try:
        found = await client.get(NAMESPACES, namespace)
    except errors.NotFound:
        return False
    assert found["status"]["phase"] == "Terminating"
    return True


def _namespace(name: str) -> Object:
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}


def _in(namespace: str, obj: dict[str, Any]) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


async def test_everything_at_once(tmp_path: Path) -> None:
    """All four killed together, twice, while Pods are created; and the same with one process for all."""
    for mode in ("--no-single-process", "--single-process"):
        with cluster(tmp_path / mode.strip("-"), "--container-runtime", "fake", mode) as made:
            made.up()
            names = [f"p{n}" for n in range(8)]
            for half in (names[:4], names[4:]):
                async with made.client() as client:
                    await asyncio.gather(*(client.create(PODS, pod(name)) for name in half))
                await asyncio.to_thread(made.kill, *made.pids())
                await asyncio.to_thread(_up, made)
            async with made.client() as client:
                await _running(client, len(names))
                found = (await client.list(PODS, "default"))["items"]
                assert sorted(p["metadata"]["name"] for p in found) == names


def _up(made: Cluster) -> None:
    assert made.pids() == {}
    # Nothing but the directory is said: the rest is remembered.
    from tests.integration.clusters import minikube_py

    result = minikube_py("up", "--data-dir", str(made.data_dir))
    assert result.code == 0, result
