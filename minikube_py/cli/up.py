"""`minikube-py up`: a whole cluster on this machine with one command."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

from minikube_py.apiserver.config import Config
from minikube_py.cli import daemons, processes, remembered
from minikube_py.cli.down import stop_all
from minikube_py.cli.failures import Failed
from minikube_py.cli.layout import ALL_IN_ONE, DAEMONS, FOREGROUND, Layout
from minikube_py.cli.prepare import ensure_files
from minikube_py.cli.probe import Cluster, check_engine, check_port
from minikube_py.daemon.clock import Clock, RealClock

LOOK_SECONDS = 0.5
"""How often `--foreground` looks whether the daemons are still there."""


def run(arguments: argparse.Namespace) -> int:
    """Start what is not running, wait until the node is Ready; the exit code."""
    layout = daemons.layout_of(arguments)
    layout.make()
    config = daemons.api_config(arguments, layout)
    if arguments.foreground and arguments.single_process:
        from minikube_py.cli import single

        return single.run(arguments, layout, config)
    with ExitStack() as turn:
        turn.enter_context(processes.alone(layout, FOREGROUND))
        return asyncio.run(_main(Start(arguments, layout, config, RealClock()), turn))


async def _main(start: Start, turn: ExitStack) -> int:
    """Up, and with --foreground on until a signal; a signal before that takes back what was started."""
    stopped = asyncio.Event()
    with _signals(stopped):
        work = asyncio.create_task(start.up())
        signalled = asyncio.create_task(stopped.wait())
        await asyncio.wait((work, signalled), return_when=asyncio.FIRST_COMPLETED)
        signalled.cancel()
        work.cancel()
        try:
            await work
        except asyncio.CancelledError:
            return 130
        turn.close()
        if start.arguments.foreground:
            return await start.stay(stopped)
    return 0


@contextmanager
def _signals(stopped: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


class Start:
    """One run of `up`."""

    def __init__(self, arguments: argparse.Namespace, layout: Layout, config: Config, clock: Clock) -> None:
        """Raises ValueError for a Node that cannot be named so."""
        self.arguments, self.layout, self.config, self.clock = arguments, layout, config, clock
        self.wanted = (ALL_IN_ONE,) if arguments.single_process else DAEMONS
        self._kubelet = daemons.kubelet_config(arguments, layout, port=0)
        self._began = clock.monotonic()
        self._logs: dict[str, int] = {}
        """Where the logs of those that this run started begin."""
        self._kubelet_began: datetime | None = None

    def say(self, sentence: str) -> None:
        """A line of progress."""
        print(f"{self.clock.monotonic() - self._began:6.1f}s  {sentence}", flush=True)

    def runs(self, process: str) -> bool:
        """Whether a daemon is there."""
        return processes.running(self.layout, process) is not None

    async def up(self) -> None:
        """Start what is missing and wait. What this started is stopped again when it cannot be finished."""
        try:
            await self._up()
        except BaseException:
            await stop_all(self.layout, self.clock, tuple(reversed(self._logs)))
            raise

    async def _up(self) -> None:
        others = [p for p in (*DAEMONS, ALL_IN_ONE) if p not in self.wanted and self.runs(p)]
        if others:
            raise Failed(f"{', '.join(others)} runs already in the other mode: `minikube-py down` first")
        await check_engine(self._kubelet, self.clock)
        if not self.runs(self.wanted[0]):
            check_port(self.config.bind_address, self.config.secure_port)
        node = self._kubelet.node_name()
        ensure_files(self.layout, self.config, node=node, kubelet_ip=self._kubelet.node_ip)
        remembered.keep(self.layout, self.arguments, processes=self.wanted, node=node)
        self.say(f"certificates and kubeconfig are in {self.layout.root}")
        async with Cluster(self.layout, self.clock) as cluster:
            for process in self.wanted:
                if self.runs(process):
                    self.say(f"{process} is running already")
                else:
                    if process == self.wanted[-1]:
                        self._kubelet_began = self.clock.now()
                    self._logs[process] = processes.spawn(self.layout, process, command(process, self.arguments))
                    self.say(f"{process} started")
                if process == self.wanted[0]:
                    await self._wait(process, cluster.wait_ready)
                    self.say(f"the API server answers at {cluster.server}")
            # What the API server remembers of the node may be from before; a kubelet of now must have said it.
            since = self._kubelet_began
            await self._wait(
                self.wanted[-1], lambda seconds, alive: cluster.wait_node(node, seconds, alive, since=since)
            )
        self.say(f"node {node} is Ready")
        for process in self.wanted:
            if not self.runs(process):
                raise self._failed(process)
        kubeconfig = shlex.quote(str(self.layout.admin_conf))
        print(f"\nThe cluster is up. Use it with:\n\n  export KUBECONFIG={kubeconfig}\n  kubectl get nodes\n")
        sys.stdout.flush()

    async def _wait(self, process: str, ready: Callable[[float, Callable[[], bool]], Awaitable[bool]]) -> None:
        if not await ready(self.arguments.wait, lambda: all(map(self.runs, self._logs)) and self.runs(process)):
            raise self._failed(next((p for p in self._logs if not self.runs(p)), process))

    def _failed(self, process: str) -> Failed:
        why = "is not ready in time" if self.runs(process) else "ended"
        log = processes.last_lines(self.layout, process, self._logs.get(process, 0))
        return Failed(f"{process} {why}; its log ({self.layout.log_file(process)}) ends with:\n{log}")

    async def stay(self, stopped: asyncio.Event) -> int:
        """Until a signal: then stop the daemons. One that ends by itself ends the others, and this with code 1."""
        code = 0
        with processes.claimed(self.layout.pid_file(FOREGROUND)):
            while not stopped.is_set():
                gone = [p for p in self.wanted if not self.runs(p)]
                if gone:
                    print(f"{', '.join(gone)} ended; see {self.layout.log_file(gone[0])}", file=sys.stderr)
                    code = 1
                    break
                try:
                    await self.clock.wait_for(stopped.wait(), LOOK_SECONDS)
                except TimeoutError:
                    pass
            await stop_all(self.layout, self.clock, tuple(reversed(self.wanted)))
        return code


def command(process: str, arguments: argparse.Namespace) -> list[str]:
    """The command line of one daemon of this cluster."""
    layout = daemons.layout_of(arguments)
    common = ["--data-dir", str(layout.root), "--logging-format", arguments.logging_format]
    common += ["-v", arguments.verbosity] if arguments.verbosity else []
    low, high = arguments.service_node_port_range
    api = [
        "--secure-port", str(arguments.secure_port), "--bind-address", arguments.bind_address,
        "--advertise-address", arguments.advertise_address, "--storage-backend", arguments.storage_backend,
        "--etcd-servers", arguments.etcd_servers, "--etcd-prefix", arguments.etcd_prefix,
        "--etcd-cafile", arguments.etcd_cafile, "--etcd-certfile", arguments.etcd_certfile,
        "--etcd-keyfile", arguments.etcd_keyfile, "--service-cluster-ip-range", arguments.service_cluster_ip_range,
        "--service-node-port-range", f"{low}-{high}", "--token-auth-file", arguments.token_auth_file,
        "--authorization-mode", arguments.authorization_mode,
        "--authorization-always-allow-paths", arguments.authorization_always_allow_paths,
        "--enable-admission-plugins", ",".join(arguments.enable_admission_plugins),
        "--disable-admission-plugins", ",".join(arguments.disable_admission_plugins),
    ]  # fmt: skip
    node = [
        "--container-runtime", arguments.container_runtime,
        "--container-runtime-endpoint", arguments.container_runtime_endpoint,
        "--hostname-override", arguments.hostname_override,
        "--node-ip", arguments.node_ip, "--max-pods", str(arguments.max_pods),
        "--pod-infra-container-image", arguments.pod_infra_container_image,
        *(f"--node-labels={labels}" for labels in arguments.node_labels),
    ]  # fmt: skip
    if process == ALL_IN_ONE:
        return ["up", "--single-process", "--foreground", *common, *api, *node]
    pid = ["--pid-file", str(layout.pid_file(process))]
    match process:
        case "apiserver":
            return ["apiserver", *common, *pid, *api]
        case "kubelet":
            return ["kubelet", *common, *pid, *node, "--port", "0"]
        case _:
            return [process, *common, *pid]
