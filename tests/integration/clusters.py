"""Clusters of real processes for tests: the command line, its daemons by process id, and proof of an empty end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from minikube_py.cli.layout import ALL_IN_ONE, DAEMONS, FOREGROUND, Layout
from minikube_py.client import kubeconfig
from minikube_py.client.rest import Client
from minikube_py.daemon.clock import RealClock
from tests.etcd import free_port

ROOT = Path(__file__).parent.parent.parent
FAKE = ("--container-runtime", "fake")
T = TypeVar("T")
Object = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What a command ended with."""

    code: int
    out: str
    err: str


def minikube_py(*arguments: str, timeout: float = 60, env: dict[str, str] | None = None) -> Result:
    """Run this project's command line to its end."""
    return run([sys.executable, "-m", "minikube_py.cli", *arguments], timeout=timeout, env=env)


def run(command: Sequence[str | Path], *, timeout: float = 30, env: dict[str, str] | None = None) -> Result:
    """Run a command to its end. Raises TimeoutExpired."""
    ended = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=timeout, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, cwd=ROOT,
    )  # fmt: skip
    return Result(ended.returncode, ended.stdout, ended.stderr)


def start(*arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start this project's command line; who starts it ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "minikube_py.cli", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}, cwd=ROOT,
    )  # fmt: skip


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """See to it that a process is gone at the end."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def until(ask: Callable[[], T], seconds: float = 15, what: str = "") -> T:
    """Ask until the answer is true and return it; fails the test after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {what or ask}; the last answer was {answer!r}")
        time.sleep(0.05)


async def eventually(ask: Callable[[], T], seconds: float = 15, what: str = "") -> T:
    """As `until`, while the event loop runs."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {what or ask}; the last answer was {answer!r}")
        await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pid: int, number: int = signal.SIGKILL, seconds: float = 10) -> None:
    """Send a signal and return when the process is gone."""
    os.kill(pid, number)
    until(lambda: not alive(pid), seconds, f"process {pid} ends")


@dataclass
class Cluster:
    """One cluster below a data directory of its own."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    flags: Sequence[str] = FAKE

    @property
    def layout(self) -> Layout:
        return Layout.at(self.data_dir)

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def run_up(self, *flags: str, env: dict[str, str] | None = None) -> Result:
        """`minikube-py up`, however it ends."""
        return minikube_py("up", *self.up_flags, *flags, env=env)

    @property
    def up_flags(self) -> list[str]:
        return ["--data-dir", str(self.data_dir), "--secure-port", str(self.port), *self.flags]

    def up(self, *flags: str) -> Result:
        """`minikube-py up`, which must succeed."""
        result = self.run_up(*flags)
        assert result.code == 0, f"{result}\n{self.logs()}"
        return result

    def run_down(self, *flags: str) -> Result:
        """`minikube-py down`, however it ends."""
        return minikube_py("down", "--data-dir", str(self.data_dir), *flags)

    def status(self) -> dict[str, Any]:
        """`minikube-py status -o json`."""
        found: dict[str, Any] = json.loads(minikube_py("status", "--data-dir", str(self.data_dir), "-o", "json").out)
        return found

    def pids(self) -> dict[str, int]:
        """The processes that are noted and run."""
        found = {}
        for name in (*DAEMONS, ALL_IN_ONE, FOREGROUND):
            file = self.layout.pid_file(name)
            if file.exists() and alive(pid := int(file.read_text().split()[0])):
                found[name] = pid
        return found

    def kill(self, *names: str, number: int = signal.SIGKILL) -> None:
        """Kill daemons, all at once."""
        pids = [self.pids()[name] for name in names]
        for pid in pids:
            os.kill(pid, number)
        for pid in pids:
            until(lambda pid=pid: not alive(pid), 10, f"process {pid} ends")  # type: ignore[misc]

    def log(self, daemon: str) -> str:
        return self.layout.log_file(daemon).read_text(errors="replace")

    def logs(self) -> str:
        """The end of each daemon's log, for failures."""
        return "\n".join(
            f"-- {file.name}\n" + "\n".join(file.read_text(errors="replace").splitlines()[-15:])
            for file in sorted((self.data_dir / "logs").glob("*.log"))
        )

    def containers(self, *columns: str) -> list[str]:
        """What the engine has of this cluster, by the columns (names unless given)."""
        chosen = "\t".join(f"{{{{.{column}}}}}" for column in columns or ("Names",))
        label = f"label=minikube-py.instance={self.layout.instance}"
        listed = run(["docker", "ps", "-a", "--no-trunc", "--filter", label, "--format", chosen])
        assert listed.code == 0, listed.err
        return listed.out.splitlines()

    def kubectl(self, *arguments: str, timeout: float = 30) -> Result:
        """kubectl 1.36 as the administrator."""
        home = str(self.data_dir.parent / "home")
        env = {"KUBECONFIG": str(self.layout.admin_conf), "HOME": home, "KUBECACHEDIR": home + "/cache"}
        return run([kubectl_binary(), *arguments], env=env, timeout=timeout)

    @asynccontextmanager
    async def client(self, name: str = "admin") -> AsyncIterator[Client]:
        """A client over the wire with one of the kubeconfig files."""
        clock = RealClock()
        transport = kubeconfig.load(self.layout.kubeconfig(name)).transport(clock=clock)
        try:
            yield Client(transport, clock=clock)
        finally:
            await transport.close()

    def finish(self) -> None:
        """Take it away and prove that nothing is left. Raises AssertionError."""
        pids = self.pids()
        result = self.run_down("--delete-data")
        left = [name for name, pid in pids.items() if alive(pid)]
        for name in left:
            kill(pids[name])
        assert result.code == 0, str(result)
        assert left == [], "`down` left processes"
        mounts = [m for m in Path("/proc/self/mountinfo").read_text().splitlines() if f"{self.data_dir}/" in m]
        assert mounts == []
        if "fake" not in self.flags:
            assert self.containers() == []


@contextmanager
def cluster(data_dir: Path, *flags: str) -> Iterator[Cluster]:
    """A cluster that may be brought up, with the fake runtime unless flags say otherwise; taken away at the end."""
    made = Cluster(data_dir, flags=flags or FAKE)
    try:
        yield made
    except BaseException:
        print(made.logs() if data_dir.exists() else f"{data_dir} is not there")
        raise
    finally:
        made.finish()


def kubectl_binary() -> Path:
    """kubectl 1.36; without it the test is skipped, or fails where CI is set."""
    path = ROOT / ".cache" / "bin" / "kubectl-1.36"
    if not path.exists():
        message = "no kubectl 1.36 in .cache/bin (`make setup` unpacks it)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def pod(name: str, *command: str, image: str = "minikube-py/busybox:1", **spec: Any) -> Object:
    """A Pod with one container, main."""
    container: Object = {"name": "main", "image": image, "command": list(command) or ["sleep", "3600"]}
    return {
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
    }  # fmt: skip


def config_map(name: str, **data: str) -> Object:
    """A ConfigMap in the namespace default."""
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"}, "data": data}


class Server:
    """A lone API server process that can be killed and started again on the same data."""

    def __init__(self, data_dir: Path, *flags: str, port: int = 0) -> None:
        self.data_dir, self.flags, self.port = data_dir, flags, port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def layout(self) -> Layout:
        return Layout.at(self.data_dir)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, return when it is ready."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with open(self.data_dir / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "minikube_py.cli", "apiserver", "--data-dir", str(self.data_dir),
                 "--secure-port", str(self.port), *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        if wait:
            until(self.ready, 20, "the API server is ready")

    def ready(self) -> bool:
        """Whether /readyz is ok, as curl sees it."""
        assert self.process is not None and self.process.poll() is None, self.log()
        ca = self.data_dir / "pki" / "ca.crt"
        return ca.exists() and run(["curl", "-s", "--cacert", str(ca), self.url + "/readyz"]).out == "ok"

    def log(self) -> str:
        return "\n".join((self.data_dir / "server.log").read_text(errors="replace").splitlines()[-30:])

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End it by a signal; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(15)
        self.process = None
        return code

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A client over the wire, as the administrator."""
        clock = RealClock()
        transport = kubeconfig.load(self.layout.admin_conf).transport(clock=clock)
        try:
            yield Client(transport, clock=clock)
        finally:
            await transport.close()
