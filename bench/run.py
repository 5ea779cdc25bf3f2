"""`kubectl run` until the watch shows Running, on a real cluster, against two bare engine starts measured in turns.

`python -m bench.run [ROUNDS]` prints the medians. Needs a Docker Engine, the project's images and the unpacked kubectl.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.engine import BUSYBOX, SLEEP, bare
from minikube_py.api.resources import PODS
from minikube_py.client import kubeconfig
from minikube_py.client.rest import Client
from minikube_py.daemon.clock import RealClock

KUBECTL = Path(__file__).parent.parent / ".cache" / "bin" / "kubectl"
LIMIT, ROUNDS = 60.0, 10


@dataclass
class Times:
    """Seconds of every round: two bare starts, kubectl's own life, from its start to Running."""

    bare: list[float] = field(default_factory=list)
    kubectl: list[float] = field(default_factory=list)
    running: list[float] = field(default_factory=list)

    @property
    def beyond(self) -> float:
        """Median to Running without the median of two bare starts."""
        return statistics.median(self.running) - statistics.median(self.bare)


def problem() -> str:
    """Why this cannot be measured here, or ""."""
    if not KUBECTL.exists():
        return "no kubectl in .cache/bin (`make setup` unpacks it)"
    asked = subprocess.run(["docker", "image", "inspect", BUSYBOX], capture_output=True, text=True, check=False)
    return asked.stderr.strip() if asked.returncode else ""


def measure(rounds: int, say: Callable[[str], None] = print) -> Times:
    """Start a cluster in a directory of its own, measure, and take it away again with everything in it."""
    directory = Path(tempfile.mkdtemp(prefix="minikube-py-bench-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        _minikube_py("up", directory, "--secure-port", str(port))
        return asyncio.run(_measure(directory, rounds, say))
    finally:
        _minikube_py("down", directory, "--delete-data")
        shutil.rmtree(directory, ignore_errors=True)


def _minikube_py(verb: str, directory: Path, *flags: str) -> None:
    command = [sys.executable, "-m", "minikube_py.cli", verb, "--data-dir", str(directory), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"minikube-py {verb} failed: {done.stdout}{done.stderr}")


async def _measure(directory: Path, rounds: int, say: Callable[[str], None]) -> Times:
    transport = kubeconfig.load(str(directory / "admin.conf")).transport()
    client, times = Client(transport, clock=RealClock()), Times()
    # A cache of its own: the first round fills it, and is not counted.
    env = {**os.environ, "KUBECONFIG": str(directory / "admin.conf"), "HOME": str(directory / "home")}
    try:
        for number in range(-1, rounds):
            plain = (await asyncio.to_thread(bare, 1))[0]
            took, running = await _one(client, f"bench-{number + 1}", env)
            what = "warm-up" if number < 0 else str(number + 1)
            say(f"{what}: bare {plain:.3f}, kubectl {took:.3f}, Running {running:.3f}")
            if number >= 0:
                times.bare.append(plain)
                times.kubectl.append(took)
                times.running.append(running)
    finally:
        await transport.close()
        shutil.rmtree(directory / "home", ignore_errors=True)
    return times


async def _one(client: Client, name: str, env: dict[str, str]) -> tuple[float, float]:
    """Seconds of kubectl's life and until Running; the Pod is gone afterwards."""
    async with asyncio.timeout(LIMIT), _phases(client, name) as phases:
        command = (str(KUBECTL), "run", name, f"--image={BUSYBOX}", "--command", "--", *SLEEP)
        began = time.perf_counter()
        started = await asyncio.create_subprocess_exec(*command, env=env, stdout=subprocess.DEVNULL)

        async def ended() -> float:
            if code := await started.wait():
                raise RuntimeError(f"kubectl ended with {code}")
            return time.perf_counter() - began

        life = asyncio.create_task(ended())
        async for phase in phases:
            if phase == "Running":
                break
        running = time.perf_counter() - began
        took = await life
        await client.delete(PODS, name, "default", grace_period_seconds=0)
        async for phase in phases:
            if phase == "gone":
                break
    return took, running


@asynccontextmanager
async def _phases(client: Client, name: str) -> AsyncIterator[AsyncIterator[str]]:
    """What a watch tells of a Pod that does not exist yet; at last `gone`."""
    version = (await client.list(PODS, "default"))["metadata"]["resourceVersion"]
    selector = f"metadata.name={name}"
    async with client.watch(PODS, "default", resource_version=version, field_selector=selector) as events:

        async def told() -> AsyncIterator[str]:
            async for event in events:
                yield "gone" if event.type == "DELETED" else str((event.object.get("status") or {}).get("phase"))

        yield told()


def report(times: Times) -> None:
    def show(what: str, seconds: Iterable[float]) -> None:
        values = sorted(seconds)
        print(f"{what:<52}{statistics.median(values):9.3f}{values[0]:9.3f}{values[-1]:9.3f}")

    print(f"{'seconds':<52}{'median':>9}{'best':>9}{'worst':>9}")
    show("two bare starts (pause, container in its network)", times.bare)
    show("kubectl run, from start to end of kubectl", times.kubectl)
    show("kubectl run, from start to Running in the watch", times.running)
    print(f"{'beyond two bare starts (goal 0.3)':<52}{times.beyond:9.3f}")


def main() -> int:
    if reason := problem():
        print(reason, file=sys.stderr)
        return 1
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    report(measure(rounds, lambda text: print(text, file=sys.stderr, flush=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
