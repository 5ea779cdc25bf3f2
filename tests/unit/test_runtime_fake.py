"""The fake engine beyond the contract: its programs, faults on demand, several drivers, crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from minikube_py.daemon.clock import VirtualClock, settle
from minikube_py.kubelet.runtime import base
from minikube_py.kubelet.runtime.base import LogOptions, RuntimeEvent
from minikube_py.kubelet.runtime.fake import FakeEngine, FakeRuntime
from minikube_py.kubelet.runtime.fake_containers import FakeImage
from tests.contract.runtime_harness import FakeHarness


@pytest.fixture
async def harness() -> AsyncIterator[FakeHarness]:
    harness = FakeHarness()
    yield harness
    await harness.clean()


async def ran(harness: FakeHarness, script: str, **config: Any) -> tuple[int, str]:
    """A script's exit code and output."""
    container = await harness.start(["sh", "-c", script], **config)
    seen = await harness.exited(container)
    return seen.exit_code, b"".join([c async for c in harness.runtime.logs(container, LogOptions())]).decode()


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("", 0, ""),
        ("true", 0, ""),
        ("false", 1, ""),
        ("exit 3; echo never", 3, ""),
        ("false || echo a && echo b; true || echo c", 0, "a\nb\n"),
        ("echo 'a  $X' \"b  $X\" c$X ${X}d \\$X", 0, "a  $X b  1 c1 1d $X\n"),
        ("Y=2; export Z=3 Y; echo $Y$Z$NONE; echo \"$NONE\" x", 0, "23\n x\n"),
        ("false; echo $?", 0, "1\n"),
        ("if [ $X = 1 ]; then echo one; else echo other; fi", 0, "one\n"),
        ("if test -z $NONE; then echo empty; fi", 0, "empty\n"),
        ("if false; then echo a; elif true; then echo b; else echo c; fi", 0, "b\n"),
        ("until [ -f /done ]; do touch /done; echo once; done", 0, "once\n"),
        ("echo a > /f; echo b >> /f; cat /f; rm /f", 0, "a\nb\n"),
        ("cat /f", 1, "cat: can't open '/f': No such file or directory\n"),
        ("echo out >/dev/null; echo err 2>/dev/null >&2; echo both >&2 2>/dev/null", 0, "both\n"),
        ("printf 'a\\n%s\\n' b | cat; cat < /f2 || echo none", 0, "a\nb\nsh: No such file or directory\nnone\n"),
        ("cd /tmp; pwd; hostname; id -u", 0, "/tmp\nh\n7\n"),
        ("# a comment\necho x # another\n\necho y", 0, "x\ny\n"),
        ("nothing-like-it", 127, "sh: nothing-like-it: not found\n"),
        ("kill -9 1; kill 1; kill 2 || echo alive", 0, "sh: can't kill pid 2: No such process\nalive\n"),
        ("trap 'exit 4' USR1; kill -USR1 1; echo never", 4, ""),
        ("exec sh -c 'exit 9'; echo never", 9, ""),
        ("sleep x", 1, "sleep: invalid number 'x'\n"),
    ],
)  # fmt: skip
async def test_scripts(harness: FakeHarness, script: str, code: int, output: str) -> None:
    hostname, security = "h", base.Security(run_as_user=7)
    sandbox = await harness.sandbox(hostname=hostname)
    container = await harness.create(sandbox, ["sh", "-c", script], env=[("X", "1")], security=security)
    await harness.runtime.start_container(container)
    seen = await harness.exited(container)
    log = b"".join([c async for c in harness.runtime.logs(container, LogOptions())]).decode()
    assert (seen.exit_code, log) == (code, output)


@pytest.mark.parametrize(
    "script", ["echo $(date)", "(echo a)", "echo 'a", "if true; then", "while true; done", "> ", "a | ; b"]
)
async def test_what_the_shell_does_not_know_is_said(harness: FakeHarness, script: str) -> None:
    code, output = await ran(harness, script)
    assert code == 2 and output.startswith("sh: syntax error: ")


async def test_traps_wait_for_the_foreground_and_interrupt_wait(harness: FakeHarness) -> None:
    clock = harness.clock
    slow = await harness.start(["sh", "-c", "trap 'exit 5' TERM; sleep 10; echo never"])
    await settle()
    stopping = asyncio.create_task(harness.runtime.stop_container(slow, 30))
    await harness.drive(stopping)
    seen = await harness.runtime.inspect_container(slow)
    assert seen.exit_code == 5 and seen.finished_at is not None and seen.started_at is not None
    assert 10 <= (seen.finished_at - seen.started_at).total_seconds() < 11
    quick = await harness.start(["sh", "-c", "trap 'exit 6' TERM; sleep 10 & wait; echo never"])
    await settle()
    before = clock.monotonic()
    await harness.runtime.stop_container(quick, 30)
    assert clock.monotonic() == before and (await harness.runtime.inspect_container(quick)).exit_code == 6


async def test_a_stop_before_the_first_step_counts(harness: FakeHarness) -> None:
    container = await harness.start(["sleep", "5"])
    await harness.runtime.stop_container(container, 0)
    assert (await harness.runtime.inspect_container(container)).exit_code == 137


async def test_faults_on_demand(harness: FakeHarness) -> None:
    engine, runtime = harness.engine, harness.runtime
    engine.sandbox_fault = "no more addresses"
    with pytest.raises(base.SandboxFailed, match="no more addresses"):
        await harness.sandbox()
    engine.sandbox_fault = ""
    sandbox = await harness.sandbox()
    engine.create_faults["main"] = "disk full"
    with pytest.raises(base.CreateContainerError, match="disk full"):
        await harness.create(sandbox, ["true"])
    engine.create_faults.clear()
    engine.start_faults["main"] = "no such device"
    container = await harness.create(sandbox, ["true"])
    with pytest.raises(base.RunContainerError, match="no such device"):
        await runtime.start_container(container)
    seen = await runtime.inspect_container(container)
    assert (seen.state, seen.exit_code, seen.message) == ("exited", 128, "no such device")
    engine.pull_faults["busybox"] = "toomanyrequests"
    with pytest.raises(base.ImagePullFailed, match="toomanyrequests"):
        await runtime.pull_image("busybox")
    assert ("run_sandbox", "default", "pod") in engine.calls


async def test_pulls(harness: FakeHarness) -> None:
    engine, runtime = harness.engine, harness.runtime
    with pytest.raises(base.ImagePullFailed, match="manifest unknown"):
        await runtime.pull_image("nginx:1")
    engine.offer(FakeImage("nginx:1", entrypoint=("serve",), user="9"))
    image = await runtime.pull_image("docker.io/library/nginx:1")
    assert image.user == "9" and await runtime.image("nginx:1") == image
    engine.registry = True
    engine.absent.add("gone:2")
    with pytest.raises(base.ImagePullFailed):
        await runtime.pull_image("gone:2")
    await runtime.pull_image("anything/else")
    container = await harness.start(["/bin/some-daemon", "--flag"], image="anything/else")
    await harness.runtime.stop_container(container, 30)
    assert (await runtime.inspect_container(container)).exit_code == 0


async def test_an_engine_that_is_away(harness: FakeHarness) -> None:
    container = await harness.start(["sleep", "3600"])
    async with aclosing(harness.runtime.events()) as events:
        assert await anext(events) == RuntimeEvent(None)
        harness.engine.away = True
        for attempt in (
            harness.runtime.version(), harness.runtime.snapshot(), harness.runtime.inspect_container(container),
            harness.runtime.stop_container(container, 1), harness.runtime.exec_sync(container, ["true"], 1),
        ):  # fmt: skip
            with pytest.raises(base.EngineUnavailable):
                await attempt
        harness.engine.away = False
        assert await anext(events) == RuntimeEvent(None)


async def test_an_engine_that_crashes_has_lost_its_processes(harness: FakeHarness) -> None:
    container = await harness.start(["sleep", "3600"])
    harness.engine.crash()
    seen = await harness.exited(container)
    assert seen.exit_code == 137
    (sandbox,) = (await harness.runtime.snapshot()).sandboxes
    assert not sandbox.ready and sandbox.ip == ""


async def test_a_driver_that_comes_back_finds_everything() -> None:
    clock, engine = VirtualClock(), FakeEngine()
    first = FakeRuntime(clock, engine=engine, instance="a")
    ref = base.PodRef("default", "pod", "uid")
    sandbox = await first.run_sandbox(base.SandboxConfig(ref))
    container = await first.create_container(
        sandbox.id, base.ContainerConfig(ref, "main", "busybox", command=["sleep", "10"])
    )
    await first.start_container(container)
    await first.close()
    second = FakeRuntime(clock, engine=engine, instance="a")
    assert [c.state for c in (await second.snapshot()).containers] == ["running"]
    await clock.advance(11)
    assert [c.exit_code for c in (await second.snapshot()).containers] == [0]
    await engine.close()


async def test_what_is_executed_ends_with_its_container(harness: FakeHarness) -> None:
    container = await harness.start(["sleep", "5"])
    session = await harness.runtime.exec(container, ["sleep", "3600"], stdin=False, tty=False)
    await harness.exited(container)
    assert [item async for item in session] == [] and await session.exit_code() == 137
    await session.close()
