"""What is etcd's own: servers that go away and come back, TLS, other users of the same cluster, leases."""

# ruff: noqa: ASYNC110 - the tests wait for a server of another process

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aetcd import rpc

from minikube_py.daemon.clock import RealClock
from minikube_py.store.base import Change, Compacted, Entry, Store, Unavailable
from minikube_py.store.etcd import EtcdStore, open_etcd
from minikube_py.store.open import TLSFiles
from tests.contract.store_contract import take, take_until_mark
from tests.etcd import Etcd

pytestmark = pytest.mark.etcd
PATIENCE = 30.0


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Etcd]:
    server = Etcd(tmp_path / "etcd")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Etcd]]:
    members = [Etcd(tmp_path / name, name=name) for name in ("one", "two", "three")]
    try:
        for member in members:
            member.start(members, wait=False)
        for member in members:
            member.wait()
        yield members
    finally:
        for member in members:
            member.stop()


@asynccontextmanager
async def opened(*servers: str, prefix: str = "/registry/", tls: TLSFiles | None = None) -> AsyncIterator[EtcdStore]:
    store = await open_etcd(servers, RealClock(), prefix=prefix, tls=tls)
    try:
        yield store
    finally:
        await store.close()


async def persist(action: Callable[[], Awaitable[Any]]) -> Any:
    """Repeat an action until the store is available again."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await action()
            except Unavailable:
                await asyncio.sleep(0.05)


async def test_etcd_goes_away_and_comes_back(etcd: Etcd) -> None:
    async with opened(etcd.url) as store, store.watch("", after=await store.revision()) as watch:
        made: list[Entry] = []
        for round_ in range(3):
            made.append(await persist(lambda r=round_: store.create(f"before/{r}", b"")))  # type: ignore[misc]
            etcd.stop()
            calls = (store.revision(), store.get("a"), store.list(""), store.create("x", b""), watch.request_progress())
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {Unavailable}
            etcd.start()
        made.append(await persist(lambda: store.create("after", b"")))
        await watch.request_progress()
        *changes, mark = await take_until_mark(watch)
        assert [c.new for c in changes] == made
        assert mark.rev >= made[-1].rev


async def test_a_watch_survives_restarts_under_load(etcd: Etcd) -> None:
    async with opened(etcd.url) as store:
        acknowledged: list[int] = []
        stop = False

        async def write(name: int) -> None:
            count = 0
            while not stop:
                count += 1
                try:
                    acknowledged.append((await store.create(f"k/{name}/{count}", b"")).rev)
                except Unavailable:
                    await asyncio.sleep(0.01)

        seen: list[Change] = []

        async def follow() -> None:
            async with store.watch("k/", after=start) as watch:
                async for change in watch:
                    if not change.key:
                        return
                    seen.append(change)
                    if stop and change.rev >= max(acknowledged):
                        return

        start = await store.revision()
        writers = [asyncio.create_task(write(i)) for i in range(4)]
        follower = asyncio.create_task(follow())
        for _ in range(2):
            count = len(acknowledged)
            async with asyncio.timeout(PATIENCE):
                while len(acknowledged) < count + 100:
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(etcd.stop)
            await asyncio.to_thread(etcd.start)
        stop = True
        await asyncio.gather(*writers)
        await persist(lambda: store.create("k/last", b""))
        await asyncio.wait_for(follower, PATIENCE)
        revs = [change.rev for change in seen]
        assert revs == sorted(set(revs)), "in order, none twice"
        assert set(acknowledged) <= set(revs), "none missing"


async def test_another_server_takes_over(cluster: list[Etcd]) -> None:
    async with opened(*(member.url for member in cluster)) as store:
        start = await store.revision()
        async with store.watch("", after=start) as watch:
            made = [await store.create("0", b"")]
            for killed, member in enumerate(cluster):
                member.stop()
                made.append(await persist(lambda k=killed: store.create(f"{k} killed", b"")))  # type: ignore[misc]
                assert await persist(lambda k=killed: store.get(f"{k} killed")) == made[-1]  # type: ignore[misc]
                await asyncio.to_thread(member.start, cluster)
            changes = await take(watch, len(made))
            # A create whose answer was lost is tried again as another one's failure; here none was.
            assert [c.new for c in changes] == made


async def test_one_dead_server_among_several_is_no_obstacle(etcd: Etcd) -> None:
    async with opened("http://127.0.0.1:1", etcd.url) as store:
        await store.create("a", b"1")


async def test_nobody_there() -> None:
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
            await open_etcd(["http://127.0.0.1:1"], RealClock())


async def test_an_etcd_that_forgot_what_was_delivered(etcd: Etcd) -> None:
    """Its data were lost, or restored from a backup: watches must not wait for revisions to come round again."""
    async with opened(etcd.url) as store:
        for i in range(20):
            await store.create(f"k{i}", b"")
        async with store.watch("", after=await store.revision()) as watch:
            etcd.stop()
            shutil.rmtree(etcd.directory / "data")
            etcd.start()
            with pytest.raises(Compacted):
                await take(watch, 1)
        async with store.watch("", after=await persist(store.revision)) as watch:
            new = await store.create("new", b"")
            assert (await take(watch, 1))[0].new == new


async def test_compaction_while_the_connection_was_down(etcd: Etcd) -> None:
    async with opened(etcd.url) as store, store.watch("", after=await store.revision()) as watch:
        one = await store.create("a", b"1")
        assert (await take(watch, 1))[0].new == one
        # The follower is kept from coming back while another client writes and compacts.
        assert store._follower is not None
        store._follower.cancel()
        await asyncio.gather(store._follower, return_exceptions=True)
        async with opened(etcd.url) as other:
            two = await other.update("a", b"2", at=one.rev)
            three = await other.update("a", b"3", at=two.rev)
            await other.compact(three.rev)
        store._follower = asyncio.create_task(store._follow())
        with pytest.raises(Compacted):
            await take(watch, 1)


async def test_prefixes_are_separate_and_foreign_writes_do_not_stop_progress(etcd: Etcd) -> None:
    async with opened(etcd.url, prefix="/one/") as one, opened(etcd.url, prefix="/two/") as two:
        async with one.watch("", after=await one.revision()) as watch:
            await two.create("a", b"two")
            mine = await one.create("a", b"one")
            for i in range(50):
                foreign = await two.create(f"k{i}", b"")
            await watch.request_progress()
            *changes, mark = await take_until_mark(watch)
            assert [c.new for c in changes] == [mine]
            assert mark.rev >= foreign.rev
        assert (await one.list("")).entries == [mine]
        async with opened(etcd.url, prefix="") as whole:
            assert [e.key for e in (await whole.list("", limit=2)).entries] == ["/one/a", "/two/a"]
            assert len((await whole.list("")).entries) == 52
        async with opened(etcd.url, prefix="/on") as shorter:
            assert [e.key for e in (await shorter.list("")).entries] == ["e/a"]


async def test_leases_go_with_their_keys(etcd: Etcd) -> None:
    async with opened(etcd.url) as store:
        entries = [await store.create(f"k{i}", b"", ttl=1000) for i in range(4)]
        await store.update("k0", b"", at=entries[0].rev)
        await store.update("k1", b"", at=entries[1].rev, ttl=1000)
        await store.delete("k2")
        with pytest.raises(Exception, match="exists"):
            await store.create("k3", b"", ttl=1000)
        await asyncio.gather(*store._revoking)
        leases = await store._call("Lease.LeaseLeases", rpc.LeaseLeasesRequest())
        assert len(leases.leases) == 2, "k1 has a new one, k3 its first"
        assert [e.key for e in (await store.list("")).entries] == ["k0", "k1", "k3"]


async def test_another_ones_lease_is_left_alone(etcd: Etcd) -> None:
    async with opened(etcd.url) as store:
        await store._call("Lease.LeaseGrant", rpc.LeaseGrantRequest(TTL=1000, ID=4242))
        for key in (b"/registry/a", b"/registry/b"):
            await store._call("KV.Put", rpc.PutRequest(key=key, value=b"", lease=4242))
        await store.delete("a")
        await asyncio.gather(*store._revoking)
        assert [e.key for e in (await store.list("")).entries] == ["b"]


async def test_several_changes_of_one_revision(etcd: Etcd) -> None:
    """Another client's transaction, or a lease that several keys share."""
    async with opened(etcd.url) as store, store.watch("", after=await store.revision()) as watch:
        puts = [rpc.RequestOp(request_put=rpc.PutRequest(key=b"/registry/%d" % i, value=b"")) for i in range(5)]
        answer = await store._call("KV.Txn", rpc.TxnRequest(success=puts))
        assert [(c.rev, c.key) for c in await take(watch, 5)] == [(answer.header.revision, str(i)) for i in range(5)]


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a server certificate for 127.0.0.1, a client certificate and a stranger's CA, made by openssl."""
    directory = tmp_path_factory.mktemp("tls")

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)

    for ca in ("ca", "stranger"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.crt")  # fmt: skip
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        (directory / f"{name}.ext").write_text(extension)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt")  # fmt: skip
    return directory


async def test_tls_with_client_certificates(tmp_path: Path, certificates: Path) -> None:
    def file(name: str) -> str:
        return str(certificates / name)

    flags = ["--cert-file", file("server.crt"), "--key-file", file("server.key"), "--client-cert-auth",
             "--trusted-ca-file", file("ca.crt")]  # fmt: skip
    server = Etcd(tmp_path / "etcd", tls=flags)
    server.start()
    try:
        good = TLSFiles(file("ca.crt"), file("client.crt"), file("client.key"))

        async def use() -> Store:
            async with opened(server.url, tls=good) as store:
                await store.create("a", b"1")
                return store

        await persist(use)
        for bad in (TLSFiles(file("stranger.crt"), good.cert_file, good.key_file), TLSFiles(file("ca.crt"))):
            with pytest.raises(Unavailable):
                await open_etcd([server.url], RealClock(), tls=bad)
    finally:
        server.stop()
