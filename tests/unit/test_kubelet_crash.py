"""A kubelet killed at every step of a Pod's life, and its engine killed under it: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api.resources import NODES
from minikube_py.kubelet.runtime.fake import FakeRuntime
from tests.fakes.kubelet_world import World, shell, world

CHANGES = (
    "run_sandbox", "stop_sandbox", "remove_sandbox", "create_container", "start_container", "stop_container",
    "remove_container", "pull_image",
)  # fmt: skip
STEPS = 24
"""More than the life below takes; the last ones are not reached, which is the case without a crash."""


class Doom:
    """Counts the kubelet's changes to the world; at the chosen one everything it does hangs for ever."""

    def __init__(self, at: int, after: bool) -> None:
        self.at = at
        self.after = after
        self.count = 0
        self.dead = False

    async def change(self, work: Any) -> Any:
        if self.dead:
            work.close()
            await _for_ever()
        self.count += 1
        if self.count != self.at:
            return await work
        self.dead = True
        if self.after:
            await work
        else:
            work.close()
        return await _for_ever()

    async def look(self) -> None:
        if self.dead:
            await _for_ever()


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


class MortalRuntime(FakeRuntime):
    """The fake runtime, as a process sees it that dies in the middle of a call."""

    doom: Doom

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in CHANGES:
            doom: Doom = super().__getattribute__("doom")
            if super().__getattribute__("__dict__").get("_inside"):
                return found

            async def call(*arguments: Any, **more: Any) -> Any:
                async def work() -> Any:
                    # What the driver calls of itself is part of the same change.
                    self.__dict__["_inside"] = True
                    try:
                        return await found(*arguments, **more)
                    finally:
                        self.__dict__["_inside"] = False

                return await doom.change(work())

            return call
        return found

    async def snapshot(self) -> Any:
        await self.doom.look()
        return await super().snapshot()


class MortalTransport:
    """A transport whose writes count as changes."""

    def __init__(self, inner: Any, doom: Doom) -> None:
        self._inner = inner
        self._doom = doom

    async def request(self, method: str, path: str, **more: Any) -> Any:
        work = self._inner.request(method, path, **more)
        if method != "GET" and "/pods/" in path:
            return await self._doom.change(work)
        if self._doom.dead:
            work.close()
            await _for_ever()
        return await work

    @asynccontextmanager
    async def stream(self, *arguments: Any, **more: Any) -> AsyncIterator[Any]:
        async with self._inner.stream(*arguments, **more) as stream:
            yield stream

    async def close(self) -> None:
        await self._inner.close()


async def start_mortal(w: World, at: int, after: bool) -> Doom:
    doom = Doom(at, after)
    runtime = MortalRuntime(w.clock, instance="k", engine=w.engine)
    runtime.doom = doom
    await w.start(runtime, MortalTransport(w.api.transport("system:node:node-1", ("system:nodes",)), doom))
    return doom


async def relieve(w: World, doom: Doom) -> None:
    """Where the kubelet has died: a new one takes over."""
    if doom.dead:
        doom.dead = False
        doom.at = -1
        await w.kill()
        await w.start()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
async def test_killed_in_a_pods_life(tmp_path: Path, at: int, after: bool) -> None:
    async with world(tmp_path) as w:
        doom = await start_mortal(w, at, after)
        hook = {"postStart": {"exec": {"command": ["true"]}}, "preStop": {"exec": {"command": ["true"]}}}
        mount = [{"name": "v", "mountPath": "/v"}]
        await w.pod(
            "p",
            shell("a", lifecycle=hook, volumeMounts=mount),
            {"name": "b", "image": "pulled:1", "command": ["serve"]},
            initContainers=[shell("i", "echo once >> /v/log", volumeMounts=mount)],
            volumes=[{"name": "v", "emptyDir": {}}],
        )
        await relieve(w, doom)
        for _ in range(40):
            await w.advance(1)
            await relieve(w, doom)
        assert w.running() == ["a", "b"]
        assert (await w.phase(), await w.words("a"), await w.words("b")) == ("Running", "running 0", "running 0")
        assert (await w.container("i"))["state"]["terminated"]["exitCode"] == 0
        assert len([s for s in w.engine.sandboxes.values() if s.ready]) == 1
        assert next(w.root.glob("pods/*/volumes/*/v/log")).read_text() == "once\n"
        await w.delete()
        await relieve(w, doom)
        for _ in range(40):
            await w.advance(1)
            await relieve(w, doom)
        assert await w.get() is None
        assert (w.engine.sandboxes, w.engine.containers) == ({}, {})
        assert list((w.root / "pods").iterdir()) == []


async def test_the_life_has_as_many_steps_as_are_tried(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        doom = await start_mortal(w, -1, False)
        await w.pod("p", shell("a"), shell("b"), initContainers=[shell("i", "true")])
        await w.delete()
        assert 10 <= doom.count < STEPS


async def test_restart_counts_and_backoff_outlive_the_kubelet(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.start()
        await w.pod("p", shell("a", "sleep 1; exit 1"))
        await w.advance(14)
        assert await w.words() in ("Error 2", "CrashLoopBackOff 2")
        await w.restart()
        await w.advance(2)
        assert await w.words() == "CrashLoopBackOff 2"
        await w.advance(15)
        assert (await w.container())["restartCount"] == 2
        await w.advance(5)
        assert (await w.container())["restartCount"] == 3


async def test_terminal_pods_stay_so_after_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.start()
        await w.pod("p", shell("a", "echo why > /dev/termination-log; exit 3"), restartPolicy="Never")
        before = await w.status()
        await w.kill()
        w.engine.containers.clear()
        await w.start()
        await w.advance("5m")
        assert await w.status() == before
        assert before["phase"] == "Failed"


async def test_the_engine_dies_and_comes_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.start()
        await w.pod("p", shell("a"), shell("b"))
        await w.pod("q", shell("a"), restartPolicy="Never")
        first = (await w.status())["podIP"]
        w.engine.crash()
        await w.advance(1)
        assert w.running() == ["a", "b"]
        assert (await w.words("a"), await w.words("b"), await w.phase()) == ("running 1", "running 1", "Running")
        assert await w.phase("q") == "Failed"
        assert (await w.container())["lastState"]["terminated"]["exitCode"] == 137
        assert any(e.startswith("SandboxChanged") for e in await w.events())
        assert first


async def test_the_engine_is_away_for_a_while(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.start()
        await w.pod("p")
        w.engine.away = True
        await w.advance(25)
        assert await w.phase() == "Running"
        node = await w.api.client.get(NODES, "node-1")
        ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "KubeletNotReady")
        assert "container runtime is down" in ready["message"]
        await w.pod("q")
        w.engine.away = False
        await w.advance(0.1)
        assert await w.words("a", "q") == "running 0"
        node = await w.api.client.get(NODES, "node-1")
        assert next(c for c in node["status"]["conditions"] if c["type"] == "Ready")["status"] == "True"


async def test_the_pause_container_is_killed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.start()
        await w.pod("p")
        runtime = FakeRuntime(w.clock, instance="k", engine=w.engine)
        await runtime.stop_sandbox(next(iter(w.engine.sandboxes)))
        await w.advance(1)
        assert (w.running(), await w.words()) == (["a"], "running 1")
        assert [s.config.attempt for s in w.engine.sandboxes.values() if s.ready] == [1]
