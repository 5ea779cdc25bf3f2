"""What the client side relies on in an API server: one suite for the fake, the real one, in process and over the wire.

Use: subclass `ClientContract` in a test module and define a fixture `world` that yields a `World`. The server must have
the namespaces `default` and `kube-system` and allow everything to the transport's user.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.api.meta import Object
from minikube_py.api.resources import CONFIGMAPS, EVENTS, LEASES, PODS
from minikube_py.client.controller import Controller, run_all
from minikube_py.client.events import EventRecorder
from minikube_py.client.informer import Informer
from minikube_py.client.leader import LeaderElector
from minikube_py.client.rest import Client
from minikube_py.client.transport import Transport
from minikube_py.daemon.clock import Clock, VirtualClock
from minikube_py.daemon.metrics import Registry


class World:
    """A server under test: a transport to it and the clock that it and its clients go by."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self.transport = transport
        self.clock = clock
        self.client = Client(transport, clock=clock)

    async def eventually(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Let time pass until the condition holds; fail after so many seconds of the world's clock."""
        end = self.clock.monotonic() + seconds
        while not condition():
            assert self.clock.monotonic() < end, f"not so within {seconds} s"
            await self.passing(0.02)

    async def passing(self, seconds: float) -> None:
        """Let so much time pass."""
        if isinstance(self.clock, VirtualClock):
            await self.clock.advance(seconds)
        else:
            await self.clock.sleep(seconds)

    @asynccontextmanager
    async def running(self, *functions: Callable[[], Awaitable[object]]) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(run_all([], [], functions))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def config(name: str, data: dict[str, str] | None = None, **labels: str) -> Object:
    metadata: Object = {"name": name, "namespace": "default"}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data or {"k": "v"}}


def pod(name: str) -> Object:
    spec = {"containers": [{"name": "c", "image": "busybox"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


class ClientContract:
    """The tests. Each uses names of its own, so that they can share a server."""

    async def test_an_object_is_created_read_changed_and_deleted(self, world: World) -> None:
        client = world.client
        with pytest.raises(errors.NotFound) as missing:
            await client.get(CONFIGMAPS, "crud", "default")
        assert missing.value.details["name"] == "crud"
        made = await client.create(CONFIGMAPS, config("crud"))
        assert made["metadata"]["uid"] and int(made["metadata"]["resourceVersion"]) > 0
        with pytest.raises(errors.AlreadyExists):
            await client.create(CONFIGMAPS, config("crud"))
        assert await client.get(CONFIGMAPS, "crud", "default") == made
        changed = await client.update(CONFIGMAPS, {**made, "data": {"k": "w"}})
        assert changed["metadata"]["uid"] == made["metadata"]["uid"]
        assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        with pytest.raises(errors.Conflict):
            await client.update(CONFIGMAPS, {**made, "data": {"k": "x"}})
        patched = await client.patch(CONFIGMAPS, "crud", "default", {"data": {"k": None, "n": "1"}})
        assert patched["data"] == {"n": "1"}
        with pytest.raises(errors.Conflict):
            await client.delete(CONFIGMAPS, "crud", "default", uid="someone-else")
        await client.delete(CONFIGMAPS, "crud", "default", uid=made["metadata"]["uid"])
        with pytest.raises(errors.NotFound):
            await client.delete(CONFIGMAPS, "crud", "default")

    async def test_names_are_generated(self, world: World) -> None:
        wanted = config("x")
        del wanted["metadata"]["name"]
        wanted["metadata"]["generateName"] = "generated-"
        names = {(await world.client.create(CONFIGMAPS, wanted))["metadata"]["name"] for _ in range(3)}
        assert len(names) == 3 and all(n.startswith("generated-") and len(n) > 10 for n in names)

    async def test_lists_select_and_their_items_know_what_they_are(self, world: World) -> None:
        for name, app in (("l1", "web"), ("l2", "db"), ("l3", "web")):
            await world.client.create(CONFIGMAPS, config(name, app=app, suite="list"))
        for version in (None, "0"):

            async def listed(selector: str, version: str | None = version, **more: Any) -> list[str]:
                found = await world.client.list(
                    CONFIGMAPS, "default", label_selector=selector, resource_version=version, **more
                )
                assert int(found["metadata"]["resourceVersion"]) > 0
                assert all(i["kind"] == "ConfigMap" and i["apiVersion"] == "v1" for i in found["items"])
                return [i["metadata"]["name"] for i in found["items"]]

            assert await listed("suite=list,app=web") == ["l1", "l3"]
            assert await listed("suite=list", field_selector="metadata.name=l2") == ["l2"]
            assert await listed("suite=nothing") == []
        everywhere = await world.client.list(CONFIGMAPS, label_selector="suite=list")
        assert len(everywhere["items"]) == 3
        await world.client.delete_collection(CONFIGMAPS, "default", label_selector="suite=list,app=web")
        left = await world.client.list(CONFIGMAPS, label_selector="suite=list")
        assert [i["metadata"]["name"] for i in left["items"]] == ["l2"]

    async def test_a_watch_tells_every_change_after_its_revision_in_order(self, world: World) -> None:
        client = world.client
        start = (await client.list(CONFIGMAPS, "default"))["metadata"]["resourceVersion"]
        await client.create(CONFIGMAPS, config("w1", suite="watch"))
        heard: list[tuple[str, str, int]] = []
        selector = "suite=watch"

        async def watch() -> None:
            async with client.watch(CONFIGMAPS, "default", resource_version=start, label_selector=selector) as events:
                async for event in events:
                    if event.type != "BOOKMARK":
                        metadata = event.object["metadata"]
                        heard.append((event.type, metadata["name"], int(metadata["resourceVersion"])))

        task = asyncio.create_task(watch())
        try:
            await world.eventually(lambda: len(heard) == 1)
            await client.create(CONFIGMAPS, config("w2", suite="watch"))
            await client.create(CONFIGMAPS, config("w3", suite="other"))
            await client.patch(CONFIGMAPS, "w3", "default", {"metadata": {"labels": {"suite": "watch"}}})
            await client.patch(CONFIGMAPS, "w1", "default", {"data": {"k": "2"}})
            await client.patch(CONFIGMAPS, "w2", "default", {"metadata": {"labels": {"suite": "other"}}})
            await client.delete(CONFIGMAPS, "w1", "default")
            await client.delete(CONFIGMAPS, "w2", "default")
            await client.delete(CONFIGMAPS, "w3", "default")
            await world.eventually(lambda: len(heard) >= 7)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert [h[:2] for h in heard] == [
            ("ADDED", "w1"), ("ADDED", "w2"), ("ADDED", "w3"), ("MODIFIED", "w1"), ("DELETED", "w2"),
            ("DELETED", "w1"), ("DELETED", "w3"),
        ]  # fmt: skip
        revisions = [h[2] for h in heard]
        assert revisions == sorted(set(revisions)) and revisions[0] > int(start)

    async def test_an_informer_holds_what_the_server_holds(self, world: World) -> None:
        client = world.client
        await client.create(CONFIGMAPS, config("i1", {"n": "0"}, suite="informer"))
        informer: Informer[Object] = Informer(
            client, CONFIGMAPS, clock=world.clock, namespace="default", label_selector="suite=informer"
        )
        mirror: dict[str, Object] = {}

        def replay(old: Object | None, new: Object | None) -> None:
            some = new or old
            assert some is not None
            name = some["metadata"]["name"]
            assert mirror.get(name) is old
            if new is None:
                del mirror[name]
            else:
                mirror[name] = new

        informer.on_change(replay)
        async with world.running(informer.run):
            await world.eventually(lambda: informer.synced)
            assert set(informer.items()) == {"default/i1"}
            for number in range(20):
                await client.create(CONFIGMAPS, config(f"j{number}", suite="informer"))
                await client.patch(CONFIGMAPS, "i1", "default", {"data": {"n": str(number)}})
                if number % 2:
                    await client.delete(CONFIGMAPS, f"j{number}", "default")
                elif number % 4:
                    gone = {"metadata": {"labels": {"suite": "none"}}}
                    await client.patch(CONFIGMAPS, f"j{number}", "default", gone)

            def caught_up() -> bool:
                first = informer.get("default/i1")
                return len(informer.items()) == 6 and first is not None and first["data"]["n"] == "19"

            await world.eventually(caught_up)
            found = await client.list(CONFIGMAPS, "default", label_selector="suite=informer")
            assert {i["metadata"]["name"]: i for i in found["items"]} == mirror
            assert list(mirror.values()) == list(informer.items().values())
            await client.delete_collection(CONFIGMAPS, "default", label_selector="suite=informer")
            await world.eventually(lambda: not informer.items() and not mirror)

    async def test_a_controller_brings_the_state_to_what_is_wanted(self, world: World) -> None:
        client = world.client
        informer: Informer[Object] = Informer(client, CONFIGMAPS, clock=world.clock, label_selector="suite=controller")

        async def reconcile(key: str) -> None:
            found = informer.get(key)
            if found is not None and found["data"].get("seen") != found["data"]["k"]:
                await client.update(CONFIGMAPS, {**found, "data": {**found["data"], "seen": found["data"]["k"]}})

        controller = Controller("test", reconcile, clock=world.clock, workers=3)
        controller.watch(informer)
        for number in range(5):
            await client.create(CONFIGMAPS, config(f"c{number}", {"k": "1"}, suite="controller"))
        task = asyncio.create_task(run_all([informer], [controller]))
        try:

            def all_seen(value: str) -> bool:
                found = informer.items().values()
                return len(found) == 5 and all(o["data"].get("seen") == value for o in found)

            await world.eventually(lambda: all_seen("1"))
            for number in range(5):
                await client.patch(CONFIGMAPS, f"c{number}", "default", {"data": {"k": "2"}})
            await world.eventually(lambda: all_seen("2"))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def test_status_and_binding_are_separate_from_the_spec(self, world: World) -> None:
        client = world.client
        made = await client.create(PODS, pod("s1"))
        target = {"apiVersion": "v1", "kind": "Node", "name": "n1"}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "s1"}, "target": target}
        await client.create_subresource(PODS, "s1", "default", "binding", binding)
        bound = await client.get(PODS, "s1", "default")
        assert bound["spec"]["nodeName"] == "n1"
        with pytest.raises(errors.Conflict):
            await client.update(PODS, {**made, "status": {"phase": "Running"}}, "status")
        status = {**bound, "metadata": {**bound["metadata"], "labels": {"x": "y"}}, "status": {"phase": "Running"}}
        running = await client.update(PODS, status, "status")
        assert running["status"]["phase"] == "Running"
        same = await client.patch(PODS, "s1", "default", {"status": {"phase": "Failed"}})
        assert same["status"]["phase"] == "Running"
        found = await client.list(PODS, field_selector="spec.nodeName=n1,status.phase=Running")
        assert [i["metadata"]["name"] for i in found["items"]] == ["s1"]
        await client.delete(PODS, "s1", "default", grace_period_seconds=0)

    async def test_one_of_two_leads_and_the_other_follows(self, world: World) -> None:
        leading: list[str] = []

        def elector(identity: str) -> asyncio.Task[None]:
            found = LeaderElector(
                world.client, "contract", identity, clock=world.clock,
                lease_duration=3, renew_deadline=2, retry_period=0.2,
            )  # fmt: skip

            async def lead() -> None:
                leading.append(identity)
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    leading.remove(identity)

            return asyncio.create_task(found.run(lead))

        tasks = {name: elector(name) for name in ("a", "b")}
        try:
            await world.eventually(lambda: len(leading) == 1)
            first = leading[0]
            await world.passing(1)
            assert leading == [first]
            tasks[first].cancel()
            await world.eventually(lambda: len(leading) == 1 and leading[0] != first)
            spec = (await world.client.get(LEASES, "contract", "kube-system"))["spec"]
            assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == (leading[0], 3)
            assert spec["leaseTransitions"] == 1
        finally:
            for task in tasks.values():
                task.cancel()
            both = asyncio.gather(*tasks.values(), return_exceptions=True)
            await world.eventually(both.done)

    async def test_events_are_stored_and_repeats_counted(self, world: World) -> None:
        recorder = EventRecorder(world.client, "contract", clock=world.clock, registry=Registry())
        about = await world.client.create(CONFIGMAPS, config("eventful"))
        informer: Informer[Object] = Informer(
            world.client, EVENTS, clock=world.clock, field_selector="involvedObject.name=eventful"
        )
        async with world.running(recorder.run, informer.run):
            for _ in range(3):
                recorder.event(about, "Warning", "Odd", "something odd")
            recorder.event(about, "Normal", "Fine", "all is well")

            def counts() -> dict[str, int]:
                return {e["reason"]: e["count"] for e in informer.items().values()}

            await world.eventually(lambda: counts() == {"Odd": 3, "Fine": 1})
        assert recorder.dropped == 0
        found = {e["reason"]: e for e in informer.items().values()}
        assert found["Odd"]["involvedObject"]["uid"] == about["metadata"]["uid"]
