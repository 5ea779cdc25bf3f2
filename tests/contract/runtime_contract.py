"""What every container runtime must do: one suite, run over the fake and over a real Docker engine.

A test gets a `Harness`: a runtime, a way to let time pass, and short cuts that remove what they made.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from minikube_py.kubelet.runtime import base
from minikube_py.kubelet.runtime.base import (
    Container,
    ContainerConfig,
    LogOptions,
    Mount,
    PodRef,
    Runtime,
    RuntimeEvent,
    Sandbox,
)

T = TypeVar("T")
BUSYBOX, WEB = "minikube-py/busybox:1", "minikube-py/web:1"
LONG = ["sleep", "3600"]


class Harness(Protocol):
    """A runtime under test. `drive` runs something to its end while time passes; it fails after 60 real seconds."""

    runtime: Runtime

    def other(self) -> Runtime:
        """A runtime of another instance on the same engine."""
        ...

    async def drive(self, what: Awaitable[T]) -> T: ...

    async def sandbox(self, name: str = "pod", **config: Any) -> Sandbox: ...

    async def create(self, sandbox: Sandbox, command: Sequence[str] | None, **config: Any) -> str: ...

    async def start(self, command: Sequence[str] | None, **config: Any) -> str:
        """A sandbox with one started container; its id."""
        ...

    def private_image(self) -> tuple[str, base.Credentials]:
        """An image that is not there yet, and whose registry gives it only to these credentials."""
        ...

    def public_image(self) -> str:
        """An image that is not there yet, in a registry that asks for nothing."""
        ...

    async def exited(self, container_id: str) -> Container: ...

    async def eventually(self, check: Callable[[], Awaitable[T | None]]) -> T: ...


async def log_of(runtime: Runtime, container_id: str, **options: Any) -> bytes:
    return b"".join([chunk async for chunk in runtime.logs(container_id, LogOptions(**options))])


async def output_of(session: base.Session) -> tuple[bytes, bytes]:
    out: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    async for stream, data in session:
        out[stream] += data
    return bytes(out["stdout"]), bytes(out["stderr"])


class RuntimeContract:
    # -- sandboxes

    async def test_version_names_the_engine(self, harness: Harness) -> None:
        name = harness.runtime.engine_name
        assert name in ("docker", "fake")
        assert re.fullmatch(name + r"://\d+\.\d+\.\d+\S*", await harness.runtime.version())

    async def test_a_sandbox_from_birth_to_removal(self, harness: Harness) -> None:
        runtime = harness.runtime
        made = await harness.sandbox(attempt=2, annotations={"a/b": 'x"y'})
        assert made.ready and re.fullmatch(r"\d+\.\d+\.\d+\.\d+", made.ip) and not made.host_network
        assert made.pod.name == "pod" and made.attempt == 2 and made.annotations == {"a/b": 'x"y'}
        assert list((await runtime.snapshot()).sandboxes) == [made]

        await runtime.stop_sandbox(made.id)
        (stopped,) = (await runtime.snapshot()).sandboxes
        assert not stopped.ready and stopped.ip == "" and stopped.id == made.id
        await runtime.stop_sandbox(made.id)

        await runtime.remove_sandbox(made.id)
        await runtime.remove_sandbox(made.id)
        await runtime.stop_sandbox(made.id)
        assert not (await runtime.snapshot()).sandboxes

    async def test_addresses_differ(self, harness: Harness) -> None:
        one, two = await harness.sandbox("one"), await harness.sandbox("two")
        assert one.ip != two.ip

    async def test_dialling_where_nobody_listens(self, harness: Harness) -> None:
        made = await harness.sandbox()
        with pytest.raises(ConnectionRefusedError, match="connect: connection refused"):
            await harness.runtime.dial(made.id, 9)
        with pytest.raises(base.NotFound):
            await harness.other().dial(made.id, 9)
        await harness.runtime.stop_sandbox(made.id)
        with pytest.raises(base.NotFound):
            await harness.runtime.dial(made.id, 9)
        with pytest.raises(base.NotFound):
            await harness.runtime.dial("0" * 64, 9)

    async def test_a_sandbox_on_the_hosts_network_has_no_address(self, harness: Harness) -> None:
        made = await harness.sandbox(host_network=True)
        assert made.ready and made.ip == "" and made.host_network
        assert list((await harness.runtime.snapshot()).sandboxes) == [made]

    async def test_what_is_left_under_the_same_name_is_replaced(self, harness: Harness) -> None:
        first = await harness.sandbox()
        second = await harness.sandbox()
        assert second.id != first.id
        assert [s.id for s in (await harness.runtime.snapshot()).sandboxes] == [second.id]
        one = await harness.create(second, LONG)
        two = await harness.create(second, LONG)
        assert one != two
        assert [c.id for c in (await harness.runtime.snapshot()).containers] == [two]

    async def test_removing_a_sandbox_removes_what_joined_it(self, harness: Harness) -> None:
        sandbox = await harness.sandbox()
        for name in ("a", "b"):
            await harness.runtime.start_container(await harness.create(sandbox, LONG, name=name))
        await harness.drive(harness.runtime.remove_sandbox(sandbox.id))
        snapshot = await harness.runtime.snapshot()
        assert not snapshot.sandboxes and not snapshot.containers

    async def test_a_host_port_is_given_once(self, harness: Harness) -> None:
        port = base.PortMapping(host_port=28411, container_port=80)
        await harness.sandbox("one", ports=[port])
        with pytest.raises(base.SandboxFailed, match="port is already allocated"):
            await harness.sandbox("two", ports=[port])
        assert [s.pod.name for s in (await harness.runtime.snapshot()).sandboxes] == ["one"]

    # -- containers

    async def test_a_container_from_birth_to_removal(self, harness: Harness) -> None:
        runtime = harness.runtime
        sandbox = await harness.sandbox()
        container = await harness.create(sandbox, ["sh", "-c", "sleep 1; exit 3"], attempt=4, annotations={"k": "v"})
        seen = await runtime.inspect_container(container)
        assert (seen.state, seen.exit_code, seen.started_at, seen.finished_at) == ("created", 0, None, None)
        assert (seen.name, seen.attempt, seen.sandbox_id, seen.image) == ("main", 4, sandbox.id, BUSYBOX)
        assert seen.pod == sandbox.pod and seen.annotations == {"k": "v"} and seen.message == ""
        image = await runtime.image(BUSYBOX)
        assert image is not None and seen.image_id == image.id

        await runtime.start_container(container)
        seen = await runtime.inspect_container(container)
        assert seen.state == "running" and seen.started_at is not None and seen.finished_at is None
        assert seen.created_at <= seen.started_at
        assert list((await runtime.snapshot()).containers) == [seen]
        await runtime.start_container(container)

        seen = await harness.exited(container)
        assert seen.exit_code == 3 and not seen.oom_killed
        assert seen.started_at is not None and seen.finished_at is not None
        assert timedelta(seconds=0.9) < seen.finished_at - seen.started_at < timedelta(seconds=10)
        assert list((await runtime.snapshot()).containers) == [seen]

        await runtime.remove_container(container)
        await runtime.remove_container(container)
        assert not (await runtime.snapshot()).containers
        with pytest.raises(base.NotFound):
            await runtime.inspect_container(container)

    async def test_other_resources_for_a_running_container(self, harness: Harness) -> None:
        runtime = harness.runtime
        small, large = base.Resources(102, 20_000, 100_000, 64 << 20), base.Resources(204, 50_000, 100_000, 128 << 20)
        container = await harness.start(["sleep", "3600"], resources=small)
        before = await runtime.inspect_container(container)
        assert before.resources == small
        for wanted in (large, small):
            await runtime.update_container(container, wanted)
            (now,) = (await runtime.snapshot()).containers
            assert now.resources == wanted and (now.id, now.started_at) == (before.id, before.started_at)
        # What is 0 stays.
        await runtime.update_container(container, base.Resources(cpu_shares=512))
        assert (await runtime.inspect_container(container)).resources == replace(small, cpu_shares=512)
        with pytest.raises(base.NotFound):
            await runtime.update_container("no-such-container", large)
        unlimited = await harness.start(["sleep", "3600"], resources=base.Resources(cpu_shares=2))
        await runtime.update_container(unlimited, large)
        assert (await runtime.inspect_container(unlimited)).resources == large

    async def test_a_container_that_joins_anothers_processes(self, harness: Harness) -> None:
        runtime = harness.runtime
        sandbox = await harness.sandbox()
        target = await harness.create(sandbox, ["sh", "-c", "sleep 3600"])
        await runtime.start_container(target)
        one, two = [
            await harness.create(sandbox, ["sleep", "3600"], name=name, target=target) for name in ("one", "two")
        ]
        await runtime.start_container(one)
        await runtime.start_container(two)
        # Not the first of its namespace, it heeds a signal that it has no handler for ...
        await harness.drive(runtime.stop_container(one, 30))
        assert (await runtime.inspect_container(one)).exit_code == 143
        # ... and it does not outlive the first.
        await runtime.stop_container(target, 0)
        assert (await harness.exited(two)).exit_code == 137

    @pytest.mark.parametrize(
        ("image", "command", "args", "output"),
        [
            (BUSYBOX, ["echo", "command"], None, b"command\n"),
            (BUSYBOX, None, ["echo", "args"], b"args\n"),
            (BUSYBOX, ["echo"], ["both", "of them"], b"both of them\n"),
            (BUSYBOX, [], ["echo", "an empty command is none"], b"an empty command is none\n"),
            (BUSYBOX, ["echo"], [], b"\n"),
            (BUSYBOX, None, None, b""),
            (WEB, ["echo", "instead of the entrypoint"], None, b"instead of the entrypoint\n"),
        ],
    )
    async def test_command_and_args(
        self, harness: Harness, image: str, command: Sequence[str] | None, args: Sequence[str] | None, output: bytes
    ) -> None:
        container = await harness.start(command, args=args, image=image)
        assert (await harness.exited(container)).exit_code == 0
        assert await log_of(harness.runtime, container) == output

    async def test_an_images_entrypoint_runs_by_itself_and_ends_when_asked(self, harness: Harness) -> None:
        container = await harness.start(None, image=WEB)
        # Asked too early, a shell has not set its traps yet and is deaf.
        if (await harness.runtime.version()).startswith("docker"):
            await harness.eventually(lambda: _served(harness.runtime, container))
        await harness.drive(harness.runtime.stop_container(container, 30))
        assert (await harness.runtime.inspect_container(container)).exit_code == 0

    async def test_environment_directory_and_host_name(self, harness: Harness) -> None:
        sandbox = await harness.sandbox(hostname="its-name")
        container = await harness.create(
            sandbox, ["sh", "-c", 'echo "$A|$B|$HOSTNAME"; pwd; hostname; cat /etc/hostname'],
            env=[("A", "1 2"), ("B", "x=y")], working_dir="/tmp",
        )  # fmt: skip
        await harness.runtime.start_container(container)
        await harness.exited(container)
        assert await log_of(harness.runtime, container) == b"1 2|x=y|its-name\n/tmp\nits-name\nits-name\n"

    async def test_mounts_are_shared_and_can_be_read_only(self, harness: Harness, tmp_path: Path) -> None:
        sandbox = await harness.sandbox()
        (tmp_path / "in").write_text("from outside\n")
        script = "cat /data/in; echo from inside > /data/out; echo no > /fixed/out || echo refused; cat /fixed/in"
        container = await harness.create(
            sandbox,
            ["sh", "-c", script],
            mounts=[Mount(str(tmp_path), "/data"), Mount(str(tmp_path), "/fixed", read_only=True)],
        )
        await harness.runtime.start_container(container)
        await harness.exited(container)
        log = await log_of(harness.runtime, container)
        assert b"Read-only file system" in log
        assert [line for line in log.splitlines() if b"Read-only" not in line] == [
            b"from outside", b"refused", b"from outside"
        ]  # fmt: skip
        assert (tmp_path / "out").read_text() == "from inside\n"

    async def test_a_missing_mount_source_becomes_a_directory(self, harness: Harness, tmp_path: Path) -> None:
        await harness.start(LONG, mounts=[Mount(str(tmp_path / "a" / "b"), "/data")])
        assert (tmp_path / "a" / "b").is_dir()

    async def test_an_absent_image(self, harness: Harness) -> None:
        sandbox = await harness.sandbox()
        with pytest.raises(base.NotFound):
            await harness.create(sandbox, LONG, image="minikube-py/absent:1")

    async def test_an_unknown_sandbox(self, harness: Harness) -> None:
        config = ContainerConfig(PodRef("default", "pod", "uid-pod"), "main", BUSYBOX, command=LONG)
        with pytest.raises(base.NotFound):
            await harness.runtime.create_container("0" * 64, config)

    async def test_a_group_needs_a_user(self, harness: Harness) -> None:
        sandbox = await harness.sandbox()
        with pytest.raises(base.CreateContainerError):
            await harness.create(sandbox, LONG, security=base.Security(run_as_group=3))

    async def test_the_user(self, harness: Harness) -> None:
        container = await harness.start(["id", "-u"], security=base.Security(run_as_user=1234))
        await harness.exited(container)
        assert await log_of(harness.runtime, container) == b"1234\n"

    @pytest.mark.parametrize("command", ["no-such-command", "/no/such/command"])
    async def test_a_command_that_is_not_there(self, harness: Harness, command: str) -> None:
        sandbox = await harness.sandbox()
        container = await harness.create(sandbox, [command])
        with pytest.raises(base.RunContainerError, match=f'exec: "{command}".*(not found|no such file)'):
            await harness.runtime.start_container(container)
        seen = await harness.runtime.inspect_container(container)
        assert (seen.state, seen.exit_code, seen.started_at) == ("exited", 127, None)
        assert command in seen.message and seen.finished_at is not None
        assert list((await harness.runtime.snapshot()).containers) == [seen]

    async def test_a_container_whose_sandbox_has_stopped_cannot_start(self, harness: Harness) -> None:
        sandbox = await harness.sandbox()
        container = await harness.create(sandbox, LONG)
        await harness.runtime.stop_sandbox(sandbox.id)
        with pytest.raises(base.RunContainerError, match="cannot join"):
            await harness.runtime.start_container(container)
        seen = await harness.runtime.inspect_container(container)
        assert (seen.state, seen.exit_code) == ("exited", 128)

    # -- stopping

    async def test_a_polite_stop(self, harness: Harness) -> None:
        script = "trap 'echo bye; exit 7' TERM; echo ready; while true; do sleep 0.1; done"
        container = await harness.start(["sh", "-c", script])
        await harness.eventually(lambda: _logged(harness.runtime, container, b"ready\n"))
        await harness.drive(harness.runtime.stop_container(container, 60))
        seen = await harness.runtime.inspect_container(container)
        assert (seen.state, seen.exit_code) == ("exited", 7)
        assert await log_of(harness.runtime, container) == b"ready\nbye\n"

    async def test_the_deaf_are_killed_when_their_grace_is_over(self, harness: Harness) -> None:
        # The first process of a PID namespace ignores what it has no handler for.
        container = await harness.start(LONG)
        await harness.drive(harness.runtime.stop_container(container, 1))
        seen = await harness.runtime.inspect_container(container)
        assert (seen.state, seen.exit_code) == ("exited", 137)
        assert seen.finished_at is not None and seen.started_at is not None
        assert timedelta(seconds=0.9) < seen.finished_at - seen.started_at < timedelta(seconds=15)

    async def test_no_grace_kills_at_once_and_stopping_again_is_harmless(self, harness: Harness) -> None:
        container = await harness.start(["sh", "-c", "trap '' TERM; sleep 3600"])
        await harness.runtime.stop_container(container, 0)
        assert (await harness.runtime.inspect_container(container)).exit_code == 137
        await harness.runtime.stop_container(container, 30)
        await harness.runtime.stop_container("0" * 64, 30)

    async def test_removing_a_running_container(self, harness: Harness) -> None:
        container = await harness.start(LONG)
        await harness.runtime.remove_container(container)
        assert not (await harness.runtime.snapshot()).containers

    async def test_stopping_many_takes_no_longer_than_one(self, harness: Harness) -> None:
        sandbox = await harness.sandbox()
        made = [await harness.create(sandbox, LONG, name=f"c{n}") for n in range(12)]
        await asyncio.gather(*(harness.runtime.start_container(c) for c in made))
        began = max(c.started_at for c in (await harness.runtime.snapshot()).containers if c.started_at)
        await harness.drive(asyncio.gather(*(harness.runtime.stop_container(c, 3) for c in made)))
        ends = [c.finished_at for c in (await harness.runtime.snapshot()).containers]
        assert len(ends) == 12 and all(end is not None and end - began < timedelta(seconds=12) for end in ends)

    # -- several

    async def test_a_driver_sees_only_its_own(self, harness: Harness) -> None:
        mine = await harness.start(LONG)
        other = harness.other()
        assert (await other.snapshot()) == base.Snapshot([], [])
        for attempt in (
            other.inspect_container(mine),
            other.exec_sync(mine, ["true"], 5),
            log_of(other, mine),
        ):
            with pytest.raises(base.NotFound):
                await attempt

    async def test_the_unknown_is_not_found(self, harness: Harness) -> None:
        unknown = "0" * 64
        for attempt in (
            harness.runtime.start_container(unknown),
            harness.runtime.inspect_container(unknown),
            harness.runtime.exec_sync(unknown, ["true"], 5),
            harness.runtime.exec(unknown, ["true"], stdin=False, tty=False),
            harness.runtime.attach(unknown, stdin=False, tty=False),
            log_of(harness.runtime, unknown),
        ):
            with pytest.raises(base.NotFound):
                await attempt

    # -- images

    async def test_stats_of_what_runs(self, harness: Harness) -> None:
        runtime, busy = harness.runtime, ["sh", "-c", "echo " + "word " * 200 + "| cat"]
        sandbox = await harness.sandbox()
        one, two, created = [await harness.create(sandbox, LONG, name=name) for name in ("one", "two", "created")]
        for container in (one, two):
            await runtime.start_container(container)
        asked = [one, two, created, "0" * 64]
        before = await runtime.container_stats(asked)
        assert set(before) == {one, two}
        for used in before.values():
            assert 0 < used.working_set <= used.memory and 0 <= used.rss <= used.memory
            assert used.cpu_nanoseconds > 0
        assert (await harness.drive(runtime.exec_sync(one, busy, 30))).exit_code == 0
        after = await runtime.container_stats(asked)
        assert after[one].cpu_nanoseconds > before[one].cpu_nanoseconds
        assert after[one].at >= before[one].at
        assert await harness.other().container_stats(asked) == {}
        await harness.drive(runtime.stop_container(one, 0))
        assert set(await runtime.container_stats(asked)) == {two}
        await harness.drive(runtime.remove_container(two))
        assert await runtime.container_stats(asked) == {}

    async def test_images(self, harness: Harness) -> None:
        runtime = harness.runtime
        assert await runtime.image("minikube-py/absent:1") is None
        image = await runtime.image(BUSYBOX)
        assert image is not None and BUSYBOX in image.tags and image.id.startswith("sha256:") and image.size > 0
        assert (await runtime.image(image.id)) == image
        assert image.id in {i.id for i in await runtime.images()}

    @pytest.mark.parametrize("name", ["BAD NAME", "Upper/case:1", "a:b:c", "http://x/y"])
    async def test_names_that_are_none(self, harness: Harness, name: str) -> None:
        with pytest.raises(base.InvalidImageName):
            await harness.runtime.image(name)
        with pytest.raises(base.InvalidImageName):
            await harness.runtime.pull_image(name)
        sandbox = await harness.sandbox()
        with pytest.raises(base.InvalidImageName):
            await harness.create(sandbox, LONG, image=name)

    async def test_a_pull_that_fails_says_why(self, harness: Harness) -> None:
        with pytest.raises(base.ImagePullFailed, match=r"\w"):
            await harness.runtime.pull_image("127.0.0.1:9/minikube-py/absent:1")

    async def test_a_private_image_needs_credentials(self, harness: Harness) -> None:
        runtime = harness.runtime
        name, good = harness.private_image()
        wrong = base.Credentials(good.username, "not-the-password")
        with pytest.raises(base.ImagePullFailed, match="no basic auth credentials"):
            await runtime.pull_image(name)
        with pytest.raises(base.ImagePullFailed, match="unauthorized") as refused:
            await runtime.pull_image(name, [wrong])
        assert wrong.password not in str(refused.value) and "no basic auth" not in str(refused.value)
        assert await runtime.image(name) is None
        pulled = await runtime.pull_image(name, [wrong, good])
        assert name in pulled.tags and await runtime.image(name) == pulled

    async def test_credentials_do_not_spoil_a_pull_that_needs_none(self, harness: Harness) -> None:
        name = harness.public_image()
        pulled = await harness.runtime.pull_image(name, [base.Credentials("any", "body")])
        assert name in pulled.tags

    async def test_the_oom_score(self, harness: Harness) -> None:
        container = await harness.start(LONG, resources=base.Resources(oom_score_adj=741))
        found = await harness.runtime.exec_sync(container, ["cat", "/proc/1/oom_score_adj"], 30)
        assert found.stdout == b"741\n"

    # -- exec

    async def test_exec_sync(self, harness: Harness) -> None:
        container = await harness.start(LONG)
        result = await harness.runtime.exec_sync(container, ["sh", "-c", "echo out; echo err >&2; exit 5"], 20)
        assert result == base.ExecResult(5, b"out\n", b"err\n")
        assert (await harness.runtime.exec_sync(container, ["true"], 20)).exit_code == 0

    async def test_exec_sync_has_a_limit(self, harness: Harness) -> None:
        container = await harness.start(LONG)
        with pytest.raises(TimeoutError):
            await harness.drive(harness.runtime.exec_sync(container, ["sleep", "77"], 0.5))

    async def test_exec_of_a_command_that_is_not_there(self, harness: Harness) -> None:
        container = await harness.start(LONG)
        result = await harness.runtime.exec_sync(container, ["no-such-command"], 20)
        assert result.exit_code in (126, 127)
        assert b"no-such-command" in result.stdout + result.stderr

    async def test_exec_needs_a_running_container(self, harness: Harness) -> None:
        container = await harness.start(["true"])
        await harness.exited(container)
        with pytest.raises(base.NotFound):
            await harness.runtime.exec_sync(container, ["true"], 5)
        with pytest.raises(base.NotFound):
            await harness.runtime.exec(container, ["true"], stdin=False, tty=False)
        with pytest.raises(base.NotFound):
            await harness.runtime.attach(container, stdin=False, tty=False)

    async def test_exec_passes_bytes_both_ways_until_stdin_ends(self, harness: Harness) -> None:
        container = await harness.start(LONG)
        session = await harness.runtime.exec(container, ["cat"], stdin=True, tty=False)
        sent = bytes(range(256)) * 8192

        async def send() -> None:
            for at in range(0, len(sent), 50_000):
                await session.write(sent[at : at + 50_000])
            await session.close_stdin()

        sending = asyncio.create_task(send())
        out, err = await asyncio.wait_for(output_of(session), 60)
        await sending
        assert out == sent and err == b""
        assert await session.exit_code() == 0
        await session.close()

    async def test_exec_of_large_output_waits_for_its_reader(self, harness: Harness) -> None:
        container = await harness.start(LONG)
        size = 24_000_000
        session = await harness.runtime.exec(container, ["head", "-c", str(size), "/dev/zero"], stdin=False, tty=False)
        got = 0
        async for _, data in session:
            assert 0 < len(data) <= 1 << 18
            got += len(data)
            await asyncio.sleep(0)
        assert got == size and await session.exit_code() == 0
        await session.close()

    async def test_exec_without_stdin_is_at_its_end(self, harness: Harness) -> None:
        container = await harness.start(LONG)
        assert (await harness.runtime.exec_sync(container, ["cat"], 20)) == base.ExecResult(0, b"", b"")

    async def test_exec_on_a_terminal(self, harness: Harness) -> None:
        container = await harness.start(LONG)
        session = await harness.runtime.exec(container, ["sh"], stdin=True, tty=True)
        await session.resize(123, 45)
        await session.write(b"stty size; exit 6\n")
        out, err = await asyncio.wait_for(output_of(session), 60)
        assert b"45 123\r\n" in out and err == b""
        assert await session.exit_code() == 6
        await session.close()

    async def test_letting_go_of_an_exec(self, harness: Harness) -> None:
        container = await harness.start(LONG)
        session = await harness.runtime.exec(container, ["cat"], stdin=True, tty=False)
        await session.close()
        await session.close()
        assert (await harness.runtime.inspect_container(container)).state == "running"

    # -- attach

    async def test_attach_joins_the_first_process(self, harness: Harness) -> None:
        container = await harness.start(["cat"], stdin=True, stdin_once=True)
        session = await harness.runtime.attach(container, stdin=True, tty=False)
        await session.write(b"\x00one\n")
        await session.close_stdin()
        assert await asyncio.wait_for(output_of(session), 60) == (b"\x00one\n", b"")
        assert await session.exit_code() is None
        await session.close()
        assert (await harness.exited(container)).exit_code == 0
        assert await log_of(harness.runtime, container) == b"\x00one\n"

    async def test_detaching_leaves_the_process_alone(self, harness: Harness) -> None:
        container = await harness.start(["cat"], stdin=True)
        for text in (b"one\n", b"two\n"):
            session = await harness.runtime.attach(container, stdin=True, tty=False)
            await session.write(text)
            async for stream, data in session:
                assert (stream, data) == ("stdout", text)
                break
            await session.close()
        assert (await harness.runtime.inspect_container(container)).state == "running"

    async def test_attach_to_a_terminal(self, harness: Harness) -> None:
        container = await harness.start(["sh"], stdin=True, tty=True)
        session = await harness.runtime.attach(container, stdin=True, tty=True)
        await session.resize(99, 33)
        await session.write(b"stty size; exit 4\n")
        out, err = await asyncio.wait_for(output_of(session), 60)
        assert b"33 99\r\n" in out and err == b""
        await session.close()
        assert (await harness.exited(container)).exit_code == 4

    # -- logs

    async def test_logs_have_both_streams_and_the_last_half_line(self, harness: Harness) -> None:
        container = await harness.start(["sh", "-c", "echo one; sleep 0.2; echo two >&2; sleep 0.2; printf three"])
        await harness.exited(container)
        assert await log_of(harness.runtime, container) == b"one\ntwo\nthree"

    async def test_log_options(self, harness: Harness) -> None:
        container = await harness.start(["sh", "-c", "echo one; sleep 1.2; echo two; echo three"])
        seen = await harness.exited(container)
        runtime = harness.runtime
        assert seen.started_at is not None
        assert await log_of(runtime, container, tail_lines=2) == b"two\nthree\n"
        assert await log_of(runtime, container, tail_lines=0) == b""
        assert await log_of(runtime, container, tail_lines=100) == b"one\ntwo\nthree\n"
        assert await log_of(runtime, container, limit_bytes=5) == b"one\nt"
        assert await log_of(runtime, container, tail_lines=2, limit_bytes=2) == b"tw"
        later = seen.started_at + timedelta(seconds=0.9)
        assert await log_of(runtime, container, since=later) == b"two\nthree\n"
        stamped = (await log_of(runtime, container, timestamps=True)).decode().splitlines()
        assert [line.split(" ", 1)[1] for line in stamped] == ["one", "two", "three"]
        for line in stamped:
            match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{9}Z .*", line)
            assert match is not None
            at = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
            assert abs(at - seen.started_at) < timedelta(seconds=15)

    async def test_following_a_log_ends_with_the_container(self, harness: Harness) -> None:
        container = await harness.start(["sh", "-c", "for_nothing; echo one; sleep 1; echo two; exit 1"])
        log = await harness.drive(log_of(harness.runtime, container, follow=True, tail_lines=100))
        # Two streams: what was written to stderr may stand on either side of a line of stdout.
        assert [line for line in log.splitlines() if b"for_nothing" not in line] == [b"one", b"two"]

    async def test_following_can_be_left(self, harness: Harness) -> None:
        container = await harness.start(["sh", "-c", "echo one; sleep 3600"])
        async with aclosing(harness.runtime.logs(container, LogOptions(follow=True))) as log:
            assert await anext(log) == b"one\n"

    async def test_the_log_of_what_has_not_started_is_empty(self, harness: Harness) -> None:
        container = await harness.create(await harness.sandbox(), LONG)
        assert await log_of(harness.runtime, container) == b""

    # -- events

    async def test_events_tell_that_something_happened(self, harness: Harness) -> None:
        async with aclosing(harness.runtime.events()) as events:
            assert await asyncio.wait_for(anext(events), 30) == RuntimeEvent(None)
            sandbox = await harness.sandbox()
            assert await asyncio.wait_for(anext(events), 30) == RuntimeEvent(sandbox.pod)
            container = await harness.create(sandbox, ["sh", "-c", "sleep 0.5; exit 1"])
            await harness.runtime.start_container(container)
            assert await asyncio.wait_for(anext(events), 30) == RuntimeEvent(sandbox.pod)
            assert (await harness.runtime.snapshot()).containers[0].state == "running"
            assert await harness.drive(anext(events)) == RuntimeEvent(sandbox.pod)
            await harness.exited(container)
            await harness.runtime.remove_container(container)
            assert await asyncio.wait_for(anext(events), 30) == RuntimeEvent(sandbox.pod)
            assert not (await harness.runtime.snapshot()).containers
            await harness.runtime.stop_sandbox(sandbox.id)
            assert await asyncio.wait_for(anext(events), 30) == RuntimeEvent(sandbox.pod)
            assert not (await harness.runtime.snapshot()).sandboxes[0].ready

    async def test_events_of_others_are_not_heard(self, harness: Harness) -> None:
        async with aclosing(harness.other().events()) as events:
            assert await asyncio.wait_for(anext(events), 30) == RuntimeEvent(None)
            heard = asyncio.ensure_future(anext(events))
            await harness.exited(await harness.start(["true"]))
            assert not heard.done()
            heard.cancel()
            with pytest.raises(asyncio.CancelledError):
                await heard


async def _logged(runtime: Runtime, container_id: str, wanted: bytes) -> bool | None:
    return wanted in await log_of(runtime, container_id) or None


async def _served(runtime: Runtime, container_id: str) -> bool | None:
    result = await runtime.exec_sync(container_id, ["wget", "-qO-", "http://127.0.0.1/"], 20)
    return b"It works" in result.stdout or None
