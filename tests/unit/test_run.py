"""The root of a process: exit codes, what is logged, and what signals do; signals in processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from minikube_py.daemon.run import TaskReturned, leaves, named_group


def start(body: str) -> subprocess.Popen[str]:
    """A Python process that runs `body`, with `run` and `asyncio` at hand; it says when it is ready."""
    script = "import asyncio, os, sys\nfrom minikube_py.daemon import logs, run\nlogs.configure()\n"
    return subprocess.Popen(
        [sys.executable, "-c", script + textwrap.dedent(body)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = process.communicate(timeout=30)
    return process.returncode, err


WAITS = """
async def root():
    print("ready", flush=True)
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        {clean_up}
        print("clean", file=sys.stderr, flush=True)
sys.exit(run.main(root, name="test", drain_seconds={drain}))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains(number: signal.Signals) -> None:
    process = start(WAITS.format(clean_up="await asyncio.sleep(0.01)", drain=10))
    ready(process)
    process.send_signal(number)
    code, err = finish(process)
    assert code == 0 and "clean" in err and f"run: stopping  daemon=test signal={number.name}" in err


def test_the_second_signal_ends_at_once() -> None:
    process = start(WAITS.format(clean_up='print("draining", flush=True); await asyncio.sleep(60)', drain=60))
    ready(process)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None and process.stdout.readline() == "draining\n"
    process.send_signal(signal.SIGTERM)
    code, err = finish(process)
    assert code == 1 and "second signal, ending at once" in err and "clean\n" not in err


def test_draining_is_bounded() -> None:
    process = start(WAITS.format(clean_up="await asyncio.sleep(60)", drain=0.05))
    ready(process)
    process.send_signal(signal.SIGTERM)
    code, err = finish(process)
    assert code == 1 and "did not stop in time  daemon=test seconds=0.05" in err


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ("async def root(): pass\nsys.exit(run.main(root))", 1, "root task returned, though it must run"),
        ("async def root(): pass\nsys.exit(run.main(root, may_return=True))", 0, ""),
        ("async def root(): raise OSError('disk full')\nsys.exit(run.main(root))", 1, "OSError: disk full"),
        (
            """
            async def fails(): raise OSError('disk full')
            async def root():
                async with run.named_group() as group:
                    group.start("disk task", fails)
            sys.exit(run.main(root))
            """,
            1,
            'the daemon failed  daemon=daemon error="disk full"',
        ),
        (
            """
            async def returns(): pass
            async def root():
                async with run.named_group() as group:
                    group.start("short task", returns)
            sys.exit(run.main(root))
            """,
            1,
            "task short task returned",
        ),
    ],
)
def test_exit_codes(body: str, code: int, text: str) -> None:
    found, err = finish(start(body))
    assert found == code and text in err


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ('{"message": "Fatal error on SSL protocol", "transport": 1, "exception": RuntimeError("closed")}', False),
        ('{"message": "Fatal error", "transport": 1, "exception": ConnectionResetError()}', False),
        ('{"message": "a bug", "transport": 1, "exception": KeyError("bug")}', True),
        ('{"message": "a task failed", "exception": RuntimeError("bug")}', True),
    ],
)
def test_a_broken_connection_is_no_error_of_the_daemon(context: str, told: bool) -> None:
    body = f"""
    async def root():
        asyncio.get_running_loop().call_exception_handler({context})
    sys.exit(run.main(root, may_return=True))
    """
    code, err = finish(start(body))
    assert code == 0
    assert ("Error" in err) is told, err


def test_production_runs_on_uvloop() -> None:
    pytest.importorskip("uvloop", reason="uvloop is not installed")
    body = """
    async def root(): print(type(asyncio.get_running_loop()).__module__, flush=True)
    sys.exit(run.main(root, may_return=True))
    """
    out, _ = start(body).communicate(timeout=30)
    assert out == "uvloop\n"


async def test_a_group_fails_with_its_first_failure_and_cancels_the_others() -> None:
    cancelled = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    async def returns() -> None:
        await asyncio.sleep(0)

    async def ends() -> int:
        return 5

    with pytest.raises(ExceptionGroup) as caught:
        async with named_group() as group:
            group.start("waits", waits)
            spawned = group.spawn("ends", ends())
            group.start("returns", returns)
    [leaf] = leaves(caught.value)
    assert isinstance(leaf, TaskReturned) and leaf.name == "returns"
    assert cancelled.is_set() and spawned.result() == 5
