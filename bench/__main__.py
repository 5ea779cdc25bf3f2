"""`python -m bench [--peer KUBECONFIG]`: the API server's table, this project's and any other server's, in one run."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import rows
from bench import run as kubectl_run
from bench.wire import Target, load
from minikube_py.client import kubeconfig

CRDS = "create CustomResourceDefinitions, 4 clients, /s"
RUN = "kubectl run to Running beyond two bare engine starts, s"
GOALS = {
    "command to /readyz, s": "0.5",
    "resident memory, idle, MB": "90",
    "GET one Pod, 16 clients, /s": "12,000",
    "create ConfigMaps, 16 clients, /s": "3,500",
    "create Pods, 16 clients, /s": "1,900",
    "patch Pods, 16 clients, /s": "1,500",
    "delete ConfigMaps, 16 clients, /s": "3,200",
    "LIST 10,000 Pods, resourceVersion=0, s": "0.07",
    "LIST 10,000 Pods, consistent, s": "0.07",
    "LIST 10,000 Pods as Table, s": "0.06",
    "LIST by label, 100 of 10,000 Pods, s": "0.015",
    "resident memory, 10,000 Pods and 6,000 ConfigMaps, MB": "260",
    "fan-out to 200 watchers, events/s": "55,000",
    "fan-out at 20 updates/s, p50 ms": "6",
    CRDS: "",
    "discovery with 1,000 CRDs, s": "0.05",
    "resident memory, 1,000 CRDs, MB": "400",
    RUN: "0.3",
}


@dataclass
class Measured:
    name: str
    figures: dict[str, float] = field(default_factory=dict)


class Own:
    """A lone API server of this project on SQLite, started for the run in a directory of its own."""

    def __init__(self, storage: list[str]) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="minikube-py-bench-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._storage = storage
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds from the command to the first good /readyz."""
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "minikube_py.cli", "apiserver", "--data-dir", str(self.directory),
             "--secure-port", str(self.port), "-v", "warning", *self._storage],
        )  # fmt: skip
        import ssl
        import urllib.request

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while time.perf_counter() - began < 30:
            try:
                with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/readyz", context=context, timeout=5):
                    return time.perf_counter() - began
            except OSError:
                time.sleep(0.005)
        raise RuntimeError("the API server did not become ready")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)

    def memory(self) -> float:
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def kubeconfig(self) -> str:
        return str(self.directory / "admin.conf")


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; 0 for a server whose process is not known."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(
    path: str, into: Measured, say: Callable[[str], None], pods: int, wanted: set[str], own: Own | None = None
) -> None:
    """Put the server of a kubeconfig through every row; the own one's CPU time per request and memory are told, too."""
    pid = own.pid if own is not None else 0
    target = Target(kubeconfig.load(path))
    await rows.prepare(target)

    def note(row: str, value: float) -> None:
        into.figures[row] = value
        say(f"{into.name}: {row}: {value:,.3f}")

    async def rate(row: str, requests: Iterator[bytes], good: int, seconds: float = 0) -> None:
        before = _cpu_seconds(pid)
        count, took = await load(target, requests, 16, good, seconds)
        note(row, count / took)
        if pid:
            say(f"   ({(_cpu_seconds(pid) - before) / count * 1e6:.0f} us of CPU per request)")

    run = f"r{os.getpid()}-{time.time_ns() // 1000 % 1_000_000}"
    if "configmaps" in wanted:
        await rate("create ConfigMaps, 16 clients, /s", rows.creates(target, "configmaps", run, pods // 2), 201)
        if "delete" in wanted:
            await rate("delete ConfigMaps, 16 clients, /s", rows.deletes(target, "configmaps", run, pods // 2), 200)
    if wanted & {"pods", "get", "list", "patch", "memory"}:
        await rate("create Pods, 16 clients, /s", rows.creates(target, "pods", run, pods), 201)
    if "memory" in wanted and own is not None:
        await load(target, rows.creates(target, "configmaps", f"{run}-m", pods * 6 // 10), 16, 201)
        note("resident memory, 10,000 Pods and 6,000 ConfigMaps, MB", own.memory())
    if "patch" in wanted:
        await rate("patch Pods, 16 clients, /s", rows.patches(target, run, pods), 200)
    if "get" in wanted:
        await rate("GET one Pod, 16 clients, /s", rows.gets(target, f"{run}-1"), 200, seconds=4)
    if "list" in wanted:
        for label, query in (("resourceVersion=0", "?resourceVersion=0"), ("consistent", "")):
            seconds, size = await rows.list_seconds(target, query)
            note(f"LIST 10,000 Pods, {label}, s", seconds)
            say(f"   ({size / 1e6:.1f} MB)")
        note("LIST 10,000 Pods as Table, s", (await rows.list_seconds(target, "", accept=rows.TABLE))[0])
        note("LIST by label, 100 of 10,000 Pods, s", (await rows.list_seconds(target, "?labelSelector=shard%3D07"))[0])
    if "fanout" in wanted:
        before = _cpu_seconds(pid)
        updates = min(300, pods)
        events, delay = await rows.fan_out(target, 200, updates)
        note("fan-out to 200 watchers, events/s", events)
        if pid:
            say(f"   ({(_cpu_seconds(pid) - before) / ((40 + updates) * 200) * 1e6:.1f} us of CPU per event)")
        note("fan-out at 20 updates/s, p50 ms", delay)
    if "crds" in wanted:
        created, discovery = await rows.custom_resources(target, pods // 10)
        note(CRDS, created)
        note("discovery with 1,000 CRDs, s", discovery)
        if own is not None:
            note("resident memory, 1,000 CRDs, MB", own.memory())


def _figure(value: float) -> str:
    return f"{value:,.4f}" if value < 1 else f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--peer", action="append", default=[], metavar="KUBECONFIG", help="measure this server, too")
    parser.add_argument("--pods", type=int, default=10_000, help="how many Pods to create and list")
    every = "start,configmaps,delete,pods,memory,patch,get,list,fanout,crds,run"
    parser.add_argument("--rows", default=every, help="which rows, comma-separated")
    parser.add_argument("--storage", default="", help="flags of the own server's storage, as one word list")
    parser.add_argument(
        "--keep", action="store_true", help="wait for Enter before the own server is stopped (profiling)"
    )
    arguments = parser.parse_args()
    wanted = set(arguments.rows.split(","))

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    results = []
    own, mine = Own(arguments.storage.split()), Measured("minikube_py")
    results.append(mine)
    try:
        import uvloop

        own.start()  # the first start makes certificates and fills file caches
        if "start" in wanted:
            starts = []
            for _ in range(5):
                own.stop()
                starts.append(own.start())
            mine.figures["command to /readyz, s"] = sorted(starts)[2]
            say(f"starts: {[round(s, 3) for s in starts]}")
            time.sleep(1)
            mine.figures["resident memory, idle, MB"] = own.memory()
        say(f"own server: pid {own.pid}")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(own.kubeconfig, mine, say, arguments.pods, wanted, own))
            for peer in arguments.peer:
                other = Measured(peer)
                results.append(other)
                runner.run(measure(peer, other, say, arguments.pods, wanted))
        if arguments.keep:
            input("Enter ends it ")
    finally:
        own.stop()
        own.remove()
    # After the lone server has ended: the cluster needs the machine.
    if "run" in wanted:
        if reason := kubectl_run.problem():
            say(f"{RUN}: not measured: {reason}")
        else:
            mine.figures[RUN] = kubectl_run.measure(kubectl_run.ROUNDS, say).beyond
    print(f"{'work':58}{'goal':>10}" + "".join(f"{r.name[-20:]:>22}" for r in results))
    for row, goal in GOALS.items():
        if any(row in r.figures for r in results):
            shown = (_figure(r.figures[row]) if row in r.figures else "-" for r in results)
            print(f"{row:58}{goal:>10}" + "".join(f"{s:>22}" for s in shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
