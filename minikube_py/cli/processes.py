"""Starting and stopping daemons as processes of their own; the one place that starts processes."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minikube_py.cli.layout import Layout
from minikube_py.daemon import files
from minikube_py.daemon.clock import Clock

STOP_SECONDS = 35.0
"""How long a daemon may drain before it is killed."""

LOG_BYTES = 16 << 20
"""A log that has grown beyond this is moved aside when its daemon starts."""


def spawn(layout: Layout, process: str, arguments: list[str]) -> int:
    """Start `minikube-py ARGUMENTS` in a session of its own, logging to its file; where its part of the log begins."""
    log = layout.log_file(process)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with open(log, "ab") as output:
        begin = output.tell()
        child = subprocess.Popen(
            [sys.executable, "-m", "minikube_py.cli", *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd="/",
        )  # fmt: skip
    record(layout.pid_file(process), child.pid)
    return begin


def record(file: Path, pid: int) -> None:
    """Note a process with its start time, so that another one with the same number is never taken for it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    files.replace(file, f"{pid} {_started(pid)}\n".encode(), 0o644)


@contextmanager
def claimed(file: Path) -> Iterator[None]:
    """Be the one process of a pid file as long as this lasts. Raises OSError when there is one already.

    Who started this process notes it too, but may be killed before it can: the lock is what keeps two from running.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_suffix(".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"another process runs already for {file}") from None
        record(file, os.getpid())
        yield


@contextmanager
def alone(layout: Layout, command: str) -> Iterator[None]:
    """Wait until no other process runs this command for the cluster, then keep others waiting."""
    file = layout.pid_file(command).with_suffix(".turn")
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def running(layout: Layout, process: str) -> int | None:
    """The process id, None when it is not running."""
    try:
        text, started = layout.pid_file(process).read_text().split()
        pid = int(text)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return pid if _started(pid) == started else None


def _started(pid: int) -> str:
    """The kernel's start time of a process, empty when there is none or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


async def stop(layout: Layout, process: str, clock: Clock) -> bool:
    """End a process, SIGTERM first; False when it was not running."""
    pid = running(layout, process)
    file = layout.pid_file(process)
    if pid is None:
        _unlink(file)
        return False
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            break
        end = clock.monotonic() + seconds
        while running(layout, process) == pid and clock.monotonic() < end:
            _reap(pid)
            await clock.sleep(0.02)
        if running(layout, process) != pid:
            break
    if running(layout, process) is None:
        _unlink(file)
    return True


def _unlink(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except NotADirectoryError:
        pass


def _reap(pid: int) -> None:
    """Collect the process if it happens to be a child of this one."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def last_lines(layout: Layout, process: str, begin: int = 0, count: int = 12) -> str:
    """The end of a process's log, from byte `begin` on, for an error message."""
    try:
        lines = layout.log_file(process).read_bytes()[begin:].decode(errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    return "\n".join(lines[-count:]) or "(nothing)"
