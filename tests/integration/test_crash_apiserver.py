"""kill -9 of the API server under load: what was acknowledged is there, watchers resume without gap or duplicate."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from minikube_py.api import errors
from minikube_py.api.resources import CONFIGMAPS, SERVICES
from minikube_py.client.rest import Client
from tests.etcd import Etcd
from tests.integration.clusters import Object, Server, config_map, eventually, until

WRITERS = 16
KILLS = 4


class Writer:
    """Creates ConfigMaps and counts up in them, and knows what was acknowledged."""

    def __init__(self, number: int, client: Client, rng: random.Random) -> None:
        self.number, self.client, self.rng = number, client, rng
        self.acknowledged: dict[str, tuple[int, str]] = {}
        """The last acknowledged count of each name, and its revision."""
        self.tried: dict[str, int] = {}
        """The highest count that was ever sent for each name."""
        self.writes: dict[str, str] = {}
        """The names by the revisions of all acknowledged writes."""
        self.stopped = False

    async def run(self) -> None:
        """Until told to stop: a request that is under way is not torn off, it might be done after we have looked."""
        while not self.stopped:
            known = sorted(self.tried)
            try:
                if known and self.rng.random() < 0.5:
                    await self._patch(self.rng.choice(known))
                else:
                    await self._create(f"w{self.number}-{len(known)}")
            except (errors.ServiceUnavailable, errors.Timeout, errors.NotFound):
                # Not acknowledged: it may have been done or not. Or it was not, and a later patch finds nothing.
                await asyncio.sleep(0.01)

    async def _create(self, name: str) -> None:
        self.tried[name] = 0
        self._done(name, 0, await self.client.create(CONFIGMAPS, config_map(name, count="0")))

    async def _patch(self, name: str) -> None:
        count = self.tried[name] = self.tried[name] + 1
        patch = {"data": {"count": str(count)}}
        self._done(name, count, await self.client.patch(CONFIGMAPS, name, "default", patch))

    def _done(self, name: str, count: int, answer: Object) -> None:
        revision = answer["metadata"]["resourceVersion"]
        assert answer["data"]["count"] == str(count)
        assert revision not in self.writes
        self.writes[revision] = name
        self.acknowledged[name] = (count, revision)


class Watcher:
    """Watches through every end of its stream, from the last revision that it has seen."""

    def __init__(self, client: Client, revision: str) -> None:
        self.client, self.revision = client, revision
        self.seen: list[tuple[int, str, str, str]] = []
        """Revision, type, name, count."""
        self.resumed = 0

    async def run(self) -> None:
        """Until cancelled. Raises what is not a dead connection, above all 410 Gone."""
        while True:
            try:
                async with self.client.watch(CONFIGMAPS, "default", resource_version=self.revision) as events:
                    async for event in events:
                        meta = event.object["metadata"]
                        self.revision = meta["resourceVersion"]
                        if event.type != "BOOKMARK":
                            count = event.object["data"]["count"]
                            self.seen.append((int(self.revision), event.type, meta["name"], count))
            except (errors.ServiceUnavailable, errors.Timeout):
                pass
            self.resumed += 1
            await asyncio.sleep(0.01)


async def crash(server: Server, crashes: int, seed: int, disturb: Callable[[int], Awaitable[None]]) -> None:
    """Write and watch through `crashes` calls of `disturb`, and compare what everybody knows."""
    rng = random.Random(seed)
    print(f"seed {seed}")
    async with server.client() as client:
        start = (await client.list(CONFIGMAPS, "default"))["metadata"]["resourceVersion"]
        writers = [Writer(n, client, random.Random(seed + n)) for n in range(WRITERS)]
        watchers = [Watcher(client, start) for _ in range(3)]
        watching = [asyncio.create_task(watcher.run()) for watcher in watchers]
        for round in range(crashes):
            for writer in writers:
                writer.stopped = False
            tasks = [asyncio.create_task(writer.run()) for writer in writers]
            enough = sum(len(w.writes) for w in writers) + rng.randrange(20, 300)

            def written(tasks: list[asyncio.Task[None]] = tasks, enough: int = enough) -> bool:
                _raise(tasks + watching)
                return sum(len(w.writes) for w in writers) >= enough

            await eventually(written)
            await disturb(round)
            for writer in writers:
                writer.stopped = True
            async with asyncio.timeout(15):
                await asyncio.gather(*tasks)
        found = await client.list(CONFIGMAPS, "default", resource_version="")
        last = int(found["metadata"]["resourceVersion"])
        _compare_list(writers, found["items"])
        # One more write, so that a watcher that has seen it has seen everything.
        mark = await client.create(CONFIGMAPS, config_map("mark", count="0"))

        def seen() -> bool:
            _raise(watching)
            return all(w.seen and w.seen[-1][2] == "mark" for w in watchers)

        await eventually(seen)
        for task in watching:
            task.cancel()
        await asyncio.wait(watching)
    assert int(mark["metadata"]["resourceVersion"]) > last
    print(f"{sum(len(w.writes) for w in writers)} writes, watches resumed {[w.resumed for w in watchers]} times")
    _compare_watchers(watchers, writers, {i["metadata"]["name"]: i for i in [*found["items"], mark]})


def _raise(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()


def _compare_list(writers: list[Writer], items: list[Object]) -> None:
    stored = {item["metadata"]["name"]: item for item in items}
    unknown = stored.keys() - {name for w in writers for name in w.tried}
    assert unknown <= {"kube-root-ca.crt"}
    for writer in writers:
        for name, (count, revision) in writer.acknowledged.items():
            assert name in stored, f"{name} was acknowledged and is gone"
            now = int(stored[name]["data"]["count"])
            assert count <= now <= writer.tried[name]
            if now == count:
                assert stored[name]["metadata"]["resourceVersion"] == revision
        for name, tried in writer.tried.items():
            if name in stored:
                assert stored[name]["data"].keys() == {"count"} and 0 <= int(stored[name]["data"]["count"]) <= tried
                assert stored[name]["metadata"]["uid"]


def _compare_watchers(watchers: list[Watcher], writers: list[Writer], stored: dict[str, Object]) -> None:
    acknowledged = {int(revision): name for w in writers for revision, name in w.writes.items()}
    first = watchers[0].seen
    for watcher in watchers:
        revisions = [revision for revision, *_ in watcher.seen]
        assert revisions == sorted(set(revisions)), "an event came twice or out of order"
        assert watcher.seen == first, "two watchers have seen different things"
        assert acknowledged.items() <= {r: name for r, _, name, _ in watcher.seen}.items(), "an event is missing"
    names: set[str] = set()
    for _, kind, name, _count in first:
        assert kind == ("MODIFIED" if name in names else "ADDED")
        names.add(name)
    newest = {name: (str(revision), count) for revision, _, name, count in first}
    for name, (revision, count) in newest.items():
        assert (stored[name]["metadata"]["resourceVersion"], stored[name]["data"]["count"]) == (revision, count)
    assert names == stored.keys() - {"kube-root-ca.crt"}


async def test_kill_under_load(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        server.start()

        async def kill(_: int) -> None:
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

        await crash(server, KILLS, random.randrange(1 << 32), kill)
        # And a clean end loses nothing either.
        async with server.client() as client:
            before = await client.list(CONFIGMAPS, "default", resource_version="")
        assert server.kill(15) == 0
        server.start()
        async with server.client() as client:
            after = await client.list(CONFIGMAPS, "default", resource_version="")
        assert after["items"] == before["items"]
        assert int(after["metadata"]["resourceVersion"]) >= int(before["metadata"]["resourceVersion"])


async def test_kill_during_the_start(tmp_path: Path) -> None:
    """Before there is a database, while it is made, while certificates are written: the next start goes on."""
    rng = random.Random(seed := random.randrange(1 << 32))
    print(f"seed {seed}")
    with Server(tmp_path / "data") as server:
        for _ in range(8):
            server.start(wait=False)
            await asyncio.sleep(rng.uniform(0.05, 0.6))
            with suppress(AssertionError):
                server.kill()
        server.start()
        async with server.client() as client:
            await client.create(CONFIGMAPS, config_map("a"))


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server
    server.stop()


def flags(etcd: Etcd, prefix: str) -> list[str]:
    return ["--storage-backend", "etcd3", "--etcd-servers", etcd.url, "--etcd-prefix", prefix]


@pytest.mark.etcd
async def test_kill_under_load_over_etcd(tmp_path: Path, etcd: Etcd) -> None:
    with Server(tmp_path / "data", *flags(etcd, "/kill")) as server:
        server.start()

        async def kill(_: int) -> None:
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

        await crash(server, 2, random.randrange(1 << 32), kill)


@pytest.mark.etcd
async def test_etcd_killed_and_back(tmp_path: Path) -> None:
    """Meanwhile the API server says clearly that it has no store; afterwards it goes on and nobody missed anything."""
    etcd = Etcd(tmp_path / "etcd")
    etcd.start()
    try:
        with Server(tmp_path / "data", *flags(etcd, "/gone")) as server:
            server.start()
            process = server.process

            async def outage(round: int) -> None:
                etcd.stop()
                async with server.client() as client:
                    async with asyncio.timeout(15):
                        with pytest.raises((errors.ServiceUnavailable, errors.Timeout, errors.InternalError)) as raised:
                            await client.create(CONFIGMAPS, config_map(f"never-{round}"))
                        print(f"{type(raised.value).__name__}: {raised.value.message}")
                        assert "etcd" in raised.value.message or "store" in raised.value.message
                await asyncio.to_thread(etcd.start)
                await asyncio.to_thread(until, server.ready, 20, "the API server has its store again")

            await crash(server, 2, random.randrange(1 << 32), outage)
            assert server.process is process and process is not None and process.poll() is None
    finally:
        etcd.stop()


def shared(tmp_path: Path, etcd: Etcd, prefix: str) -> tuple[Server, Server]:
    """Two API servers over one store, with one authority; both start at once over an empty store."""
    with Server(tmp_path / "one", *flags(etcd, prefix + "-first")) as first:
        first.start()
    shutil.copytree(tmp_path / "one" / "pki", tmp_path / "two" / "pki")
    one = Server(tmp_path / "one", *flags(etcd, prefix))
    two = Server(tmp_path / "two", *flags(etcd, prefix))
    for server in (one, two):
        server.start(wait=False)
    for server in (one, two):
        until(server.ready, 20, "both are ready")
    return one, two


@pytest.mark.etcd
async def test_two_servers_over_one_etcd(tmp_path: Path, etcd: Etcd) -> None:
    one, two = shared(tmp_path, etcd, "/two")
    with one, two:
        async with one.client() as first, two.client() as second:
            start = (await second.list(CONFIGMAPS, "default"))["metadata"]["resourceVersion"]
            watcher = Watcher(second, start)
            watching = asyncio.create_task(watcher.run())
            for n in range(20):
                made = await first.create(CONFIGMAPS, config_map(f"n{n}", count="0"))
                got = await second.get(CONFIGMAPS, f"n{n}", "default")
                assert got == made, "a consistent get must show what was acknowledged elsewhere"
                listed = await second.list(CONFIGMAPS, "default", resource_version="")
                assert f"n{n}" in [item["metadata"]["name"] for item in listed["items"]]
                assert int(listed["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])
            # Both change the same revision: exactly one wins, whichever server it asked.
            for n in range(20):
                same = await first.get(CONFIGMAPS, f"n{n}", "default")
                mine, theirs = ({**same, "data": {"count": text}} for text in ("1", "2"))
                results = await asyncio.gather(
                    first.update(CONFIGMAPS, mine), second.update(CONFIGMAPS, theirs), return_exceptions=True
                )
                assert sorted(isinstance(r, errors.Conflict) for r in results) == [False, True], results
            # Every one of these patches counts one up from what it found: none may be lost.
            counter = await first.create(CONFIGMAPS, config_map("counter", count="0"))
            assert counter
            await asyncio.gather(*(_count(c) for c in (first, second) * 4))
            assert (await first.get(CONFIGMAPS, "counter", "default"))["data"]["count"] == "40"
            await _services(first, second)
            one.kill()
            last = await second.create(CONFIGMAPS, config_map("last", count="0"))
            await eventually(lambda: watcher.revision == last["metadata"]["resourceVersion"])
            assert watcher.resumed == 0, "the other server's watchers do not feel it"
            watching.cancel()
            revisions = [revision for revision, *_ in watcher.seen]
            assert revisions == sorted(set(revisions)) and len(revisions) == 20 + 20 + 1 + 40 + 1


async def _services(first: Client, second: Client) -> None:
    """No address or port is given out twice, and what one server's client frees can be had from the other."""
    clients = [first, second] * 15
    made = [await client.create(SERVICES, _service(f"s{n}")) for n, client in enumerate(clients)]
    assert len({s["spec"]["clusterIP"] for s in made}) == len({s["spec"]["ports"][0]["nodePort"] for s in made}) == 30
    wanted, port = made[0]["spec"]["clusterIP"], made[0]["spec"]["ports"][0]["nodePort"]
    await second.list(SERVICES, "default", resource_version="")
    for asked in ({"clusterIP": wanted}, {"nodePort": port}):
        with pytest.raises(errors.Invalid):
            await second.create(SERVICES, _service("again", **asked))
    await second.delete(SERVICES, "s0", "default")
    await first.list(SERVICES, "default", resource_version="")
    again = await first.create(SERVICES, _service("again", clusterIP=wanted, nodePort=port))
    assert again["spec"]["clusterIP"] == wanted and again["spec"]["ports"][0]["nodePort"] == port


def _service(name: str, *, clusterIP: str = "", nodePort: int = 0) -> Object:
    port = {"port": 80, **({"nodePort": nodePort} if nodePort else {})}
    spec = {"type": "NodePort", "ports": [port], **({"clusterIP": clusterIP} if clusterIP else {})}
    return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def _count(client: Client) -> None:
    for _ in range(5):
        while True:
            found = await client.get(CONFIGMAPS, "counter", "default")
            found = {**found, "data": {"count": str(int(found["data"]["count"]) + 1)}}
            try:
                await client.update(CONFIGMAPS, found)
            except errors.Conflict:
                continue
            break
