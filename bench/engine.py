"""What the runtime adds to the engine: bare starts against sandboxes, snapshots, events. Usage: bench/engine.py [PODS]

Prints a table. Needs a Docker Engine and the project's images (deploy/images/build.sh); removes what it makes.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial

from minikube_py.daemon.clock import RealClock
from minikube_py.kubelet.runtime.base import ContainerConfig, PodRef, SandboxConfig
from minikube_py.kubelet.runtime.docker import DockerRuntime

BUSYBOX, PAUSE = "minikube-py/busybox:1", "minikube-py/pause:1"
SLEEP = ["sleep", "3600"]


def show(what: str, seconds: Iterable[float]) -> None:
    values = sorted(seconds)
    print(f"{what:<58} {statistics.median(values) * 1000:9.1f} {values[0] * 1000:9.1f} {values[-1] * 1000:9.1f}")


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def bare(rounds: int) -> list[float]:
    """Two bare starts with the SDK: a pause container and one that joins its network."""
    import docker

    client, took = docker.APIClient(version="auto"), []
    for _ in range(rounds):
        made = []
        began = time.perf_counter()
        try:
            made.append(client.create_container(PAUSE)["Id"])
            client.start(made[0])
            host = client.create_host_config(network_mode=f"container:{made[0]}")
            made.append(client.create_container(BUSYBOX, SLEEP, host_config=host)["Id"])
            client.start(made[1])
            took.append(time.perf_counter() - began)
        finally:
            for container in reversed(made):
                client.remove_container(container, force=True)
    client.close()
    return took


async def pod(runtime: DockerRuntime, name: str) -> str:
    ref = PodRef("bench", name, name)
    sandbox = await runtime.run_sandbox(SandboxConfig(ref, hostname=name))
    container = await runtime.create_container(sandbox.id, ContainerConfig(ref, "main", BUSYBOX, command=SLEEP))
    await runtime.start_container(container)
    return sandbox.id


async def main(pods: int) -> None:
    runtime = DockerRuntime(RealClock(), instance=f"bench-{secrets.token_hex(4)}")
    print(f"{'milliseconds, on ' + await runtime.version():<58} {'median':>9} {'best':>9} {'worst':>9}")
    try:
        plain, ours = [], []
        for number in range(8):  # In turns: the machine's speed drifts.
            plain += await asyncio.to_thread(bare, 1)
            ours.append(await timed(partial(pod, runtime, f"one-{number}")))
            await runtime.remove_sandbox((await runtime.snapshot()).sandboxes[0].id)
        show("two bare starts (pause, container in its network)", plain)
        show("run_sandbox + create_container + start_container", ours)

        whole = await timed(lambda: asyncio.gather(*(pod(runtime, f"p-{n}") for n in range(pods))))
        show(f"{pods} pods at once, per pod", [whole / pods])

        containers = [c.id for c in (await runtime.snapshot()).containers]
        cold = DockerRuntime(RealClock(), instance=runtime._instance)
        await cold.version()
        show(f"snapshot of {2 * pods} containers, first look", [await timed(cold.snapshot)])
        await cold.close()
        show(f"snapshot of {2 * pods} containers, nothing new", [await timed(runtime.snapshot) for _ in range(20)])
        true = partial(runtime.exec_sync, containers[0], ["true"], 30)
        show("exec_sync of `true`", [await timed(true) for _ in range(10)])
        show("a stop without grace", [await timed(partial(runtime.stop_container, c, 0)) for c in containers[:5]])

        heard = []
        async with aclosing(runtime.events()) as events:
            await anext(events)
            for container in containers[5:10]:
                asking = asyncio.create_task(runtime.stop_container(container, 0))
                heard.append(await timed(events.__anext__))
                await asking
        show("from kill to the event", heard)
        gone = await timed(lambda: clean(runtime))
        show(f"removal of {pods} pods, per pod", [gone / pods])
    finally:
        await clean(runtime)
        await runtime.close()


async def clean(runtime: DockerRuntime) -> None:
    await asyncio.gather(*(runtime.remove_sandbox(s.id) for s in (await runtime.snapshot()).sandboxes))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50))
