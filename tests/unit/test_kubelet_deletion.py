"""The end of Pods: grace, hooks, force, orphans, over the fake engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minikube_py.api.resources import PODS
from minikube_py.daemon.clock import settle
from tests.fakes.kubelet_world import World, shell, world

STUBBORN = "trap '' TERM; sleep infinity"


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        await made.start()
        yield made


def empty(w: World) -> bool:
    pods = w.root / "pods"
    return not w.engine.sandboxes and not w.engine.containers and not (pods.exists() and list(pods.iterdir()))


async def test_a_pod_that_listens_goes_at_once(w: World) -> None:
    await w.pod("p", volumes=[{"name": "v", "emptyDir": {}}])
    assert list((w.root / "pods").iterdir()) != []
    await w.delete()
    assert await w.get() is None
    assert empty(w)
    assert "Killing: Stopping container a" in await w.events()


async def test_a_stubborn_one_is_killed_after_its_grace(w: World) -> None:
    await w.pod("p", shell("a", STUBBORN), terminationGracePeriodSeconds=20)
    await w.delete()
    await w.advance(19.9)
    assert w.running() == ["a"]
    assert await w.get() is not None
    await w.advance(0.2)
    assert await w.get() is None
    assert empty(w)


async def test_the_last_status_tells_how_it_ended(w: World) -> None:
    seen = []

    async def watch() -> None:
        version = (await w.api.client.list(PODS))["metadata"]["resourceVersion"]
        async with w.api.client.watch(PODS, resource_version=version) as events:
            async for event in events:
                seen.append((event.type, event.object))

    await w.pod("p", shell("a", "trap 'exit 7' TERM; sleep infinity & wait"))
    task = w.api.run(watch)
    await w.api.settle()
    await w.delete()
    await w.api.kill(task)
    assert seen[-1][0] == "DELETED"
    last = seen[-1][1]["status"]
    assert last["phase"] == "Failed"
    assert last["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 7


async def test_pre_stop_comes_first_and_shares_the_grace(w: World) -> None:
    hook = {"preStop": {"sleep": {"seconds": 8}}}
    await w.pod("p", shell("a", STUBBORN, lifecycle=hook), terminationGracePeriodSeconds=20)
    await w.delete()
    assert w.calls("stop_container") == []
    await w.advance(8)
    assert [c[2] for c in w.engine.calls if c[0] == "stop_container"] == ["12"]
    await w.advance(12)
    assert await w.get() is None


async def test_a_hook_that_never_ends_leaves_two_seconds(w: World) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 1000"]}}}
    await w.pod("p", shell("a", STUBBORN, lifecycle=hook), terminationGracePeriodSeconds=10)
    await w.delete()
    await w.advance(10)
    assert [c[2] for c in w.engine.calls if c[0] == "stop_container"] == ["2"]
    await w.advance(2)
    assert await w.get() is None
    assert any(e.startswith("FailedPreStopHook") for e in await w.events())


async def test_a_second_deletion_shortens_the_grace(w: World) -> None:
    await w.pod("p", shell("a", STUBBORN), terminationGracePeriodSeconds=600)
    await w.delete()
    await w.advance(10)
    await w.delete(grace=12)
    await w.advance(1.5)
    assert w.running() == ["a"]
    await w.advance(1)
    assert await w.get() is None
    assert empty(w)


async def test_force(w: World) -> None:
    await w.pod("p", shell("a", STUBBORN), terminationGracePeriodSeconds=5)
    await w.delete(grace=0)
    assert await w.get() is None
    await w.advance(6)
    assert empty(w)


async def test_deletion_while_the_image_is_pulled(w: World) -> None:
    from minikube_py.kubelet.runtime.fake import FakeRuntime

    class Slow(FakeRuntime):
        async def pull_image(self, name: str, credentials=()):  # type: ignore[no-untyped-def]
            await self._clock.sleep(100)
            return await super().pull_image(name, credentials)

    await w.kill()
    await w.start(Slow(w.clock, instance="k", engine=w.engine))
    await w.pod("p", {"name": "a", "image": "other:1"})
    await w.advance(5)
    assert await w.words() == "ContainerCreating 0"
    await w.delete()
    assert await w.get() is None
    assert empty(w)
    await w.advance(200)
    assert empty(w)


async def test_deletion_during_a_post_start_hook(w: World) -> None:
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "sleep 1000"]}}}
    await w.pod("p", shell("a", lifecycle=hook))
    await w.delete()
    assert await w.get() is None
    assert empty(w)


async def test_deletion_in_crash_loop(w: World) -> None:
    await w.pod("p", shell("a", "exit 1"))
    await w.advance(5)
    assert await w.words() == "CrashLoopBackOff 1"
    await w.delete()
    assert await w.get() is None
    assert empty(w)


async def test_a_finished_pod_keeps_its_logs_until_it_is_deleted(w: World) -> None:
    await w.pod("p", shell("a", "echo hello"), restartPolicy="Never", volumes=[{"name": "v", "emptyDir": {}}])
    assert await w.phase() == "Succeeded"
    assert len(w.engine.containers) == 1
    assert list((w.root / "pods").iterdir()) == []
    await w.advance("1h")
    assert await w.phase() == "Succeeded"
    await w.delete()
    assert await w.get() is None
    assert empty(w)


async def test_a_namesake_starts_beside_the_one_that_leaves(w: World) -> None:
    await w.pod("p", shell("a", STUBBORN), terminationGracePeriodSeconds=30)
    await w.delete(grace=0)
    await w.pod("p", shell("a"))
    assert await w.words() == "running 0"
    await w.advance(31)
    assert w.running() == ["a"]
    assert await w.words() == "running 0"
    assert len(w.engine.sandboxes) == 1


async def test_orphans_are_removed_after_a_sync_only(w: World) -> None:
    await w.pod("p")
    await w.pod("q")
    await w.kill()
    await w.api.client.delete(PODS, "p", "default", grace_period_seconds=0)
    (w.root / "pods" / "left-behind").mkdir()
    await w.start()
    await w.advance(1)
    assert w.running() == ["a"]
    assert len(w.engine.sandboxes) == 1
    assert len(list((w.root / "pods").iterdir())) == 1
    assert await w.words("a", "q") == "running 0"


async def test_nothing_is_an_orphan_while_the_server_is_away(w: World) -> None:
    await w.pod("p")
    await w.kill()

    async def away(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        raise ConnectionError("no route")

    from minikube_py.api import errors

    class Away:
        async def request(self, *args, **more):  # type: ignore[no-untyped-def]
            raise errors.ServiceUnavailable("away")

        def stream(self, *args, **more):  # type: ignore[no-untyped-def]
            raise errors.ServiceUnavailable("away")

        async def close(self) -> None:
            return None

    await w.start(transport=Away())
    await w.advance("10m")
    assert w.running() == ["a"]
    await settle()
