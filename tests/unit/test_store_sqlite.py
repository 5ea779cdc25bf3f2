"""What is SQLite's own: the file, restarts, failures of the disk, group commit."""

# ruff: noqa: ASYNC110, ASYNC230, ASYNC240 - the tests look at the file itself

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from minikube_py.daemon.clock import Clock, RealClock, VirtualClock
from minikube_py.store import sqlite_writer
from minikube_py.store.base import Change, Compacted, Conflict, Entry, Exists, NotFound, Unavailable
from minikube_py.store.sqlite import SqliteStore, open_sqlite
from minikube_py.store.sqlite_file import SCHEMA_VERSION
from minikube_py.store.sqlite_log import Write, plan

PATIENCE = 30.0


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "store.db")


@asynccontextmanager
async def opened(path: str, clock: Clock | None = None) -> AsyncIterator[SqliteStore]:
    store = await open_sqlite(path, clock or RealClock())
    try:
        yield store
    finally:
        await store.close()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


async def refused(path: str, match: str) -> None:
    with pytest.raises(Unavailable, match=match):
        await open_sqlite(path, RealClock())


# the file


async def test_a_new_file_an_empty_file_and_the_same_file_again(path: str) -> None:
    async with opened(path) as store:
        assert await store.revision() == 1
        one = await store.create("a", b"1")
    async with opened(path) as store:
        assert await store.get("a") == one
        assert await store.revision() == one.rev
    empty = path + "2"
    Path(empty).touch()
    async with opened(empty) as store:
        await store.create("a", b"1")


@pytest.mark.parametrize(
    "content", [b"x", b"kind: Config\n" * 100, b"SQLite format 3\0", b"\0" * 8192], ids=["x", "yaml", "stub", "zeros"]
)
async def test_a_file_that_is_no_database_is_left_alone(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    await refused(path, "is not a database")
    assert Path(path).read_bytes() == content
    assert os.listdir(os.path.dirname(path)) == ["store.db"]


async def test_a_database_of_another_program_is_left_alone(path: str) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE log (mine)")
    other.close()
    content = Path(path).read_bytes()
    await refused(path, "of another program")
    assert Path(path).read_bytes() == content


async def test_a_newer_schema_is_refused_by_its_number(path: str) -> None:
    async with opened(path):
        pass
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    content = Path(path).read_bytes()
    await refused(path, f"schema version {SCHEMA_VERSION + 1}")
    assert Path(path).read_bytes() == content


async def test_a_damaged_database_is_refused(path: str) -> None:
    async with opened(path) as store:
        await asyncio.gather(*(store.create(f"k{i}", b"x" * 2000) for i in range(100)))
    with open(path, "r+b") as file:
        file.seek(100)
        file.write(os.urandom(4096 * 20))
    await refused(path, "cannot open")


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    await refused(str(tmp_path / "no" / "store.db"), "cannot open .*no/store.db")


async def test_two_servers_cannot_share_a_file(path: str) -> None:
    async with opened(path) as store:
        await refused(path, "in use by another server")
        os.symlink(path, path + ".link")
        await refused(path + ".link", "in use by another server")
        await store.create("a", b"")
    async with opened(path + ".link") as store:
        await store.get("a")


async def test_a_leftover_of_an_interrupted_creation_is_no_obstacle(path: str) -> None:
    Path(path + ".new").write_bytes(b"half")
    async with opened(path) as store:
        await store.create("a", b"")


async def test_readable_by_its_owner_only(path: str) -> None:
    async with opened(path):
        assert os.stat(path).st_mode & 0o077 == 0


# restarts


async def test_the_revision_never_goes_back(path: str) -> None:
    async with opened(path) as store:
        await store.create("a", b"1")
        gone = await store.delete("a")
        await store.compact(gone.rev)
        await eventually(lambda: store._log.purge() is False)
    async with opened(path) as store:
        assert await store.revision() == gone.rev
        assert (await store.create("b", b"")).rev == gone.rev + 1
        with pytest.raises(Compacted):
            await store.list("", rev=gone.rev - 1)


async def test_deadlines_survive_a_restart(path: str) -> None:
    async with opened(path, VirtualClock()) as store:
        await store.create("soon", b"", ttl=60)
        await store.create("later", b"", ttl=3600)
        start = (await store.create("never", b"")).rev
    clock = VirtualClock()
    await clock.advance("10m")
    async with opened(path, clock) as store, store.watch("", after=start) as watch:
        await clock.advance(0)
        async with asyncio.timeout(PATIENCE):
            assert (await anext(aiter(watch))).key == "soon"
            await clock.advance("49m")
            assert [e.key for e in (await store.list("")).entries] == ["later", "never"]
            await clock.advance("1m")
            assert (await anext(aiter(watch))).key == "later"


async def test_forgotten_rows_are_deleted_also_after_a_restart(path: str) -> None:
    clock = VirtualClock()
    async with opened(path, clock) as store:
        entry = await store.create("a", b"0")
        for i in range(500):
            entry = await store.update("a", b"%d" % i, at=entry.rev)
            await store.create(f"b{i}", b"")
            await store.delete(f"b{i}")
        await store.compact(entry.rev)
        await clock.advance(0.02)
        assert 0 < rows(path) < 1500
    async with opened(path, clock) as store:
        await clock.advance("1m")
        # What is left: the key, and what came after the compaction.
        assert rows(path) == 3
        assert await store.get("a") == entry


def rows(path: str) -> int:
    database = sqlite3.connect(path)
    try:
        return int(database.execute("SELECT COUNT(*) FROM log").fetchone()[0])
    finally:
        database.close()


async def test_closing_finishes_the_writes_that_were_begun(path: str) -> None:
    store = await open_sqlite(path, RealClock())
    writes = [asyncio.create_task(store.create(f"k{i}", b"")) for i in range(300)]
    await asyncio.sleep(0)
    await store.close()
    assert all(isinstance(entry, Entry) for entry in await asyncio.gather(*writes))
    async with opened(path) as store:
        assert len((await store.list("")).entries) == 300


# group commit


async def test_nothing_is_seen_or_acknowledged_before_it_is_durable(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(path) as store:
        start = (await store.create("before", b"")).rev
        syncing, go_on = threading.Event(), threading.Event()
        sync = store._log.sync

        def slow_sync() -> None:
            syncing.set()
            assert go_on.wait(PATIENCE)
            sync()

        monkeypatch.setattr(store._log, "sync", slow_sync)
        async with store.watch("", after=start) as watch:
            write = asyncio.create_task(store.create("a", b""))
            await eventually(syncing.is_set)
            assert rows(path) == 2, "the row is in the file, only its sync is missing"
            assert not write.done()
            assert await store.revision() == start
            assert [e.key for e in (await store.list("")).entries] == ["before"]
            with pytest.raises(NotFound):
                await store.get("a")
            await watch.request_progress()
            assert await anext(aiter(watch)) == Change(start, "", None, None)
            go_on.set()
            entry = await write
            assert await store.get("a") == entry
            assert (await anext(aiter(watch))).new == entry


async def test_writes_that_wait_together_share_a_sync(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(path) as store:
        syncs = 0
        sync = store._log.sync

        def count() -> None:
            nonlocal syncs
            syncs += 1
            sync()

        monkeypatch.setattr(store._log, "sync", count)
        await store.create("lone", b"")
        assert syncs == 1
        await asyncio.gather(*(store.create(f"k{i}", b"") for i in range(128)))
        assert syncs == 2
        for awaitable in (store.create("lone", b""), store.update("lone", b"", at=99)):
            with pytest.raises((Exists, Conflict)):
                await awaitable
        assert syncs == 2, "what changes nothing needs no sync"


async def test_the_log_file_stays_bounded_under_constant_writing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_CHECKPOINT_BYTES": 1 << 20, "_LONG_FRAMES": 400, "_GROWN_BYTES": 1 << 20}.items():
        monkeypatch.setattr(sqlite_writer, name, value)
    numbers = iter(range(6000))
    async with opened(path) as store:

        async def write() -> None:
            for number in numbers:
                await store.create(f"k{number}", b"x" * 2000)

        await asyncio.gather(*(write() for _ in range(16)))
        assert os.path.getsize(path + "-wal") < 8 << 20
        assert len((await store.list("")).entries) == 6000


def test_plan() -> None:
    current = {"a": Entry("a", b"1", 5)}
    writes = [
        Write("a", b"x", create=True),
        Write("a", b"2", at=4),
        Write("a", b"2", at=5, deadline=77),
        Write("a", b"3", at=5),
        Write("b", b"", create=True),
        Write("b", None),
        Write("b", None),
        Write("b", b"x", at=8),
        Write("b", b"again", create=True),
        Write("a", None, at=8),
    ]
    rows, changes = plan(writes, current, 7)
    two = Entry("a", b"2", 8)
    assert [w.outcome if isinstance(w.outcome, Entry) else type(w.outcome) for w in writes] == [
        Exists, Conflict, two, Conflict, Entry("b", b"", 9), Entry("b", b"", 10), NotFound, NotFound,
        Entry("b", b"again", 11), Entry("a", b"2", 12),
    ]  # fmt: skip
    assert rows == [
        (8, "a", 5, 77, b"2"), (9, "b", 0, None, b""), (10, "b", 9, None, None), (11, "b", 0, None, b"again"),
        (12, "a", 8, None, None),
    ]  # fmt: skip
    assert changes == [
        Change(8, "a", two, Entry("a", b"1", 5)), Change(9, "b", Entry("b", b"", 9), None),
        Change(10, "b", None, Entry("b", b"", 9)), Change(11, "b", Entry("b", b"again", 11), None),
        Change(12, "a", None, two),
    ]  # fmt: skip
    assert current == {"b": Entry("b", b"again", 11)}


# failures


@contextmanager
def no_larger_files(size: int) -> Iterator[None]:
    """Have the kernel refuse to let files grow over `size`, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("group", [1, 20])
async def test_a_write_that_does_not_fit_on_the_disk_is_not_there(path: str, group: int) -> None:
    async with opened(path) as store:
        one = await store.create("a", b"1")
        async with store.watch("", after=one.rev) as watch:
            with no_larger_files(os.path.getsize(path + "-wal")):
                writes = [store.create(f"k{i}", b"x" * 10_000) for i in range(group)]
                outcomes = await asyncio.gather(*writes, return_exceptions=True)
                assert [type(outcome) for outcome in outcomes] == [Unavailable] * group
                assert (await store.list("")).entries == [one]
                assert await store.revision() == one.rev
            two = await store.create("b", b"x" * 10_000)
            assert two.rev == one.rev + 1
            assert (await anext(aiter(watch))).new == two
    async with opened(path) as store:
        assert (await store.list("")).entries == [one, two]


async def test_a_database_that_cannot_grow_refuses_writes_and_serves_reads(path: str) -> None:
    async with opened(path) as store:
        one = await store.create("a", b"1")
        store._log._db.execute("PRAGMA max_page_count = 12").fetchall()
        with pytest.raises(Unavailable, match="full"):
            await store.create("b", b"x" * 100_000)
        assert await store.get("a") == one
        with pytest.raises(Exists):
            await store.create("a", b"")
        store._log._db.execute("PRAGMA max_page_count = 100000").fetchall()
        await store.create("b", b"x" * 100_000)


async def test_after_a_failed_sync_the_store_must_be_opened_again(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(path) as store:
        one = await store.create("a", b"1")

        def fail() -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(store._log, "sync", fail)
        writes = [asyncio.create_task(store.create(f"k{i}", b"")) for i in range(200)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        for awaitable in (store.revision(), store.get("a"), store.list(""), store.delete("a"), store.compact(1)):
            with pytest.raises(Unavailable, match=r"opened again.*Input/output"):
                await awaitable
    async with opened(path) as store:
        # Whether they took effect is unknown; the one before did.
        assert one in (await store.list("")).entries


async def test_expiry_is_tried_again_after_a_failure(path: str) -> None:
    clock = VirtualClock()
    async with opened(path, clock) as store:
        one = await store.create("a", b"1", ttl=5)
        await store.create("b", b"", ttl=5)
        failures = 0
        append = store._log.append

        def fail(writes: list[Write]) -> list[Change]:
            nonlocal failures
            failures += 1
            raise sqlite3.OperationalError("database or disk is full")

        store._log.append = fail  # type: ignore[method-assign, assignment]
        await clock.advance(5)
        await eventually(lambda: failures == 1)
        store._log.append = append  # type: ignore[method-assign]
        assert await store.get("a") == one
        async with store.watch("", after=await store.revision()) as watch:
            await clock.advance(20)
            async with asyncio.timeout(PATIENCE):
                assert {(await anext(aiter(watch))).key for _ in range(2)} == {"a", "b"}


async def test_a_cancelled_writer_does_not_disturb_the_others(path: str) -> None:
    async with opened(path) as store:
        writes = [asyncio.create_task(store.create(f"k{i}", b"")) for i in range(10)]
        await asyncio.sleep(0)
        for write in writes[::2]:
            write.cancel()
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert all(isinstance(outcome, Entry) for outcome in outcomes[1::2])
        assert len((await store.list("")).entries) == 10, "they had been handed over"
