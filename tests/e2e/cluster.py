"""A real cluster for tests: `minikube-py up` as processes, kubectl of several versions, proof that nothing is left."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.etcd import free_port

ROOT = Path(__file__).parent.parent.parent
KUBECTLS = ("1.32", "1.36")
T = TypeVar("T")


def binary(name: str) -> Path:
    """A program that `make setup` unpacks; without it the test is skipped, or fails where CI is set."""
    path = ROOT / ".cache" / "bin" / name
    if not path.exists():
        message = f"no {name} in .cache/bin (`make setup` unpacks it)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def kubectl_binary(version: str) -> Path:
    """The kubectl of a version."""
    return binary(f"kubectl-{version}")


@dataclass(frozen=True)
class Result:
    """What a command ended with."""

    command: str
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {self.command}\n[exit code {self.code}]\n-- stdout\n{self.out}\n-- stderr\n{self.err}"

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def rows(self) -> list[list[str]]:
        """The table that was printed, split at blanks, with its header."""
        return [line.split() for line in self.lines]

    def json(self) -> Any:
        return json.loads(self.out)


def run(
    arguments: Sequence[str | Path], *, input: str = "", env: Mapping[str, str] | None = None, timeout: float = 60
) -> Result:
    """Run a command to its end. Fails the test when it takes longer than `timeout` seconds."""
    command = shlex.join(str(argument) for argument in arguments)
    try:
        ended = subprocess.run(
            [str(argument) for argument in arguments], input=input, capture_output=True, text=True, timeout=timeout,
            env={**os.environ, **(env or {})}, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        pytest.fail(
            f"$ {command}\nstill runs after {timeout} s\n-- stdout\n{late.stdout!r}\n-- stderr\n{late.stderr!r}"
        )
    return Result(command, ended.returncode, ended.stdout, ended.stderr)


def until(ask: Callable[[], T], seconds: float = 20, *, every: float = 0.1) -> T:
    """Ask until the answer is true (or stops raising AssertionError) and return it; fails the test after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        try:
            answer = ask()
            if answer:
                return answer
            problem: object = f"the last answer was {answer!r}"
        except AssertionError as error:
            problem = error
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {problem}")
        time.sleep(every)


@dataclass
class Cluster:
    """One cluster below a data directory of its own."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    flags: Sequence[str] = ()

    @property
    def kubeconfig(self) -> Path:
        return self.data_dir / "admin.conf"

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """For its clients: no cache or configuration of whoever runs the tests is read or written."""
        home = str(self.data_dir.parent / "home")
        return {"KUBECONFIG": str(self.kubeconfig), "HOME": home, "KUBECACHEDIR": home + "/cache", "TZ": "UTC"}

    def up(self) -> None:
        """Start it and wait until its node is Ready."""
        flags = ["--data-dir", str(self.data_dir), "--secure-port", str(self.port), *self.flags]
        started = minikube_py("up", *flags, timeout=180)
        assert started.code == 0, f"{started}\n{self.logs()}"

    def down(self) -> None:
        """Stop it and check that nothing of it is left. Raises AssertionError saying what is."""
        instance = self.instance
        stopped = minikube_py("down", "--data-dir", str(self.data_dir), "--delete-data", timeout=180)
        assert stopped.code == 0, str(stopped)
        assert leftovers(self.data_dir, instance) == [], "`minikube-py down` left something behind"
        assert not self.data_dir.exists(), "`minikube-py down --delete-data` left files behind"

    @property
    def instance(self) -> str:
        """What its containers are labelled with."""
        from minikube_py.cli.layout import Layout

        return Layout.at(self.data_dir).instance

    def logs(self) -> str:
        """The end of each daemon's log, for failures."""
        return "\n".join(
            f"-- {file.name}\n" + "\n".join(file.read_text(errors="replace").splitlines()[-15:])
            for file in sorted((self.data_dir / "logs").glob("*.log"))
        )

    def kubectl(self, version: str, *arguments: str, input: str | None = None, **options: Any) -> Result:
        """Run kubectl as the administrator."""
        return run([kubectl_binary(version), *arguments], input=input or "", env=self.env, **options)


def minikube_py(*arguments: str, timeout: float = 60) -> Result:
    """Run this project's command line."""
    return run([sys.executable, "-m", "minikube_py.cli", *arguments], timeout=timeout)


def leftovers(data_dir: Path, instance: str) -> list[str]:
    """Processes, containers and mounts of a cluster that are still there, one line each."""
    found = [
        f"process {entry.name}: {command}"
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and str(data_dir) in (command := _command_line(entry)) and "pytest" not in command
    ]
    containers = run(
        ["docker", "ps", "-a", "--filter", f"label=minikube-py.instance={instance}", "--format", "{{.Names}}"]
    )
    assert containers.code == 0, str(containers)
    found += [f"container {name}" for name in containers.lines]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if str(data_dir) in line]
    return found


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
