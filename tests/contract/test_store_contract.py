"""The store contract against memory, SQLite and a real etcd, and against a trivial model of a store."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from minikube_py.apiserver.encryption.providers import AESGCM, Identity, Keeper
from minikube_py.apiserver.encryption.store import EncryptedStore
from minikube_py.daemon.clock import RealClock, VirtualClock
from minikube_py.store.base import Change, Compacted, Conflict, Entry, Exists, FutureRevision, NotFound, Store
from minikube_py.store.open import open_store
from tests.contract.store_contract import StoreContract, World, take
from tests.etcd import Etcd

_prefixes = itertools.count()
_LIMITS = st.integers(0, 4)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server
    server.stop()


async def real_time(_: float) -> None:
    """Let a real engine's time pass by itself; the tests wait for what it does."""


class TestMemory(StoreContract):
    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        clock = VirtualClock()
        store = await open_store("memory", clock=clock)
        yield World(store, clock.advance, (16 << 20) + 1)
        await store.close()


class TestSqlite(StoreContract):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        clock = VirtualClock()
        store = await open_store("sqlite", clock=clock, path=str(tmp_path / "store.db"))
        yield World(store, clock.advance, (16 << 20) + 1)
        await store.close()


class TestEncrypted(StoreContract):
    """What keeps values encrypted is a store like any other."""

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        clock = VirtualClock()
        keeper = Keeper([AESGCM("one", bytes(32)), Identity()])
        inner = await open_store("memory", clock=clock)
        store = EncryptedStore(inner, lambda key: keeper)
        store._feed = inner._feed  # type: ignore[attr-defined]
        yield World(store, clock.advance, (16 << 20) + 1)
        await store.close()


@pytest.mark.etcd
class TestEtcd(StoreContract):
    @pytest.fixture
    async def world(self, etcd: Etcd) -> AsyncIterator[World]:
        store = await open_store("etcd3", clock=RealClock(), servers=[etcd.url], prefix=f"/test{next(_prefixes)}/")
        yield World(store, real_time, 1_600_000)
        await store.close()


class Model(RuleBasedStateMachine):
    """Any order of calls gives what a list of all writes says it must."""

    KEYS: ClassVar = ["a", "a/", "a/1", "ab", "b"]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store: Store = self.run(self.open())
        self.start = self.oldest = self.run(self.store.revision())
        # Every write: its revision, key, new value and the entry it replaced.
        self.writes: list[Change] = []

    async def open(self) -> Store:
        raise NotImplementedError

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        self.check_history()
        self.run(self.store.close())
        self.runner.close()

    def at(self, rev: int) -> dict[str, Entry]:
        state: dict[str, Entry] = {}
        for change in self.writes:
            if change.rev <= rev:
                state.pop(change.key, None)
                if change.new:
                    state[change.key] = change.new
        return state

    @property
    def now(self) -> dict[str, Entry]:
        return self.at(self.rev)

    @property
    def rev(self) -> int:
        return self.writes[-1].rev if self.writes else self.start

    def wrote(self, key: str, new: Entry | None, rev: int) -> None:
        assert rev > self.rev
        self.writes.append(Change(rev, key, new, self.now.get(key)))

    @rule(key=st.sampled_from(KEYS), value=st.binary(max_size=5))
    def create(self, key: str, value: bytes) -> None:
        if key in self.now:
            with pytest.raises(Exists):
                self.run(self.store.create(key, value))
        else:
            entry = self.run(self.store.create(key, value))
            assert entry == Entry(key, value, entry.rev)
            self.wrote(key, entry, entry.rev)

    @rule(key=st.sampled_from(KEYS), value=st.binary(max_size=5), off=st.sampled_from([0, 0, 0, 1, -1]))
    def update(self, key: str, value: bytes, off: int) -> None:
        current = self.now.get(key)
        if current is None:
            with pytest.raises(NotFound):
                self.run(self.store.update(key, value, at=self.rev + off))
        elif off:
            with pytest.raises(Conflict) as raised:
                self.run(self.store.update(key, value, at=current.rev + off))
            assert raised.value.current == current
        else:
            entry = self.run(self.store.update(key, value, at=current.rev))
            assert entry == Entry(key, value, entry.rev)
            self.wrote(key, entry, entry.rev)

    @rule(key=st.sampled_from(KEYS), off=st.sampled_from([None, None, 0, 1]))
    def delete(self, key: str, off: int | None) -> None:
        current = self.now.get(key)
        at = 0 if off is None else (current.rev if current else self.rev) + off
        if current is None:
            with pytest.raises(NotFound):
                self.run(self.store.delete(key, at=at))
        elif off:
            with pytest.raises(Conflict):
                self.run(self.store.delete(key, at=at))
        else:
            entry = self.run(self.store.delete(key, at=at))
            assert entry == Entry(key, current.value, entry.rev)
            self.wrote(key, None, entry.rev)

    @rule(prefix=st.sampled_from(["", *KEYS]), after=st.sampled_from(["", *KEYS]), limit=_LIMITS, data=st.data())
    def read(self, prefix: str, after: str, limit: int, data: st.DataObject) -> None:
        rev = data.draw(st.sampled_from([0, self.start, *(w.rev for w in self.writes)]))
        if rev and rev < self.oldest:
            with pytest.raises(Compacted) as raised:
                self.run(self.store.list(prefix, rev=rev))
            assert raised.value.oldest == self.oldest
            return
        page = self.run(self.store.list(prefix, after_key=after, limit=limit, rev=rev))
        state = self.at(rev or self.rev)
        matching = [state[k] for k in sorted(state) if k.startswith(prefix) and k > after]
        assert list(page.entries) == (matching[:limit] if limit else matching)
        assert page.more == (0 < limit < len(matching))
        assert page.rev == (rev or self.rev)

    @rule(key=st.sampled_from(KEYS))
    def get(self, key: str) -> None:
        if key in self.now:
            assert self.run(self.store.get(key)) == self.now[key]
        else:
            with pytest.raises(NotFound):
                self.run(self.store.get(key))

    @rule()
    def read_the_future(self) -> None:
        with pytest.raises(FutureRevision):
            self.run(self.store.list("", rev=self.rev + 1))

    @precondition(lambda self: len(self.writes) > 3)
    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        rev = data.draw(st.sampled_from([w.rev for w in self.writes]))
        self.run(self.store.compact(rev))
        self.oldest = max(self.oldest, rev)

    @rule()
    def check_history(self) -> None:
        expected = [write for write in self.writes if write.rev > self.oldest]

        async def watch() -> list[Change]:
            async with self.store.watch("", after=self.oldest) as changes:
                return await take(changes, len(expected))

        assert self.run(watch()) == expected


class SqliteModel(Model):
    async def open(self) -> Store:
        self.directory = tempfile.TemporaryDirectory()
        return await open_store("sqlite", clock=RealClock(), path=self.directory.name + "/store.db")

    @rule()
    def reopen(self) -> None:
        self.run(self.store.close())
        self.store = self.run(open_store("sqlite", clock=RealClock(), path=self.directory.name + "/store.db"))
        assert self.run(self.store.revision()) == self.rev

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


class MemoryModel(Model):
    async def open(self) -> Store:
        return await open_store("memory", clock=VirtualClock())


class EtcdModel(Model):
    url = ""

    async def open(self) -> Store:
        return await open_store("etcd3", clock=RealClock(), servers=[self.url], prefix=f"/model{next(_prefixes)}/")

    @initialize()
    def forget_other_examples(self) -> None:
        self.run(self.store.compact(self.start))


_FEW: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}
TestMemoryModel = MemoryModel.TestCase
TestMemoryModel.settings = settings(max_examples=60, stateful_step_count=40, **_FEW)
TestSqliteModel = SqliteModel.TestCase
TestSqliteModel.settings = settings(max_examples=25, stateful_step_count=40, **_FEW)


@pytest.mark.etcd
@pytest.mark.usefixtures("etcd")
class TestEtcdModel:
    def test_model(self, etcd: Etcd) -> None:
        from hypothesis.stateful import run_state_machine_as_test

        EtcdModel.url = etcd.url
        run_state_machine_as_test(EtcdModel, settings=settings(max_examples=12, stateful_step_count=30, **_FEW))
