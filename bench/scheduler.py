"""How many Pods per second the pure scheduling cycle decides (`--nodes N --pods N`, `--profile` to see where)."""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import random
import time
from typing import Any

from minikube_py.api.resources import NODES, PODS, SERVICEACCOUNTS
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.main import start
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client
from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import RealClock, VirtualClock
from minikube_py.daemon.run import named_group
from minikube_py.scheduler.algorithm import Chosen, Profile, decide
from minikube_py.scheduler.cache import Cache
from minikube_py.scheduler.config import SchedulerConfig
from minikube_py.scheduler.main import run
from minikube_py.scheduler.node import NodeFacts
from minikube_py.scheduler.plugins import PLUGINS
from minikube_py.scheduler.pod import PodInfo

ZONES = ("a", "b", "c")


def node(number: int) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": f"node-{number}", "topology.kubernetes.io/zone": ZONES[number % 3]}
    taints = [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}] if number % 10 == 9 else []
    return {
        "metadata": {"name": f"node-{number}", "labels": labels},
        "spec": {"taints": taints},
        "status": {"allocatable": {"cpu": "32", "memory": "128Gi", "pods": "110"}},
    }


def plain(number: int) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "name": f"pod-{number}", "uid": f"u{number}", "labels": {"app": "web"}},
        "spec": {
            "containers": [
                {"name": "c", "image": "web:1", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}
            ]
        },
    }


def with_affinity(number: int) -> dict[str, Any]:
    pod = plain(number)
    term = {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]}]}
    pod["spec"]["affinity"] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    }
    return pod


def spread(number: int) -> dict[str, Any]:
    pod = plain(number)
    pod["spec"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}},
        }
    ]
    return pod


def apart(number: int) -> dict[str, Any]:
    pod = plain(number)
    group = f"g{number // 50}"
    pod["metadata"]["labels"]["group"] = group
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"group": group}}}
    pod["spec"]["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return pod


KINDS = {"plain": plain, "node affinity": with_affinity, "zone spread": spread, "anti-affinity": apart}


def schedule(pods: list[PodInfo], nodes: list[NodeFacts]) -> int:
    """Decide and assume every Pod; how many found a Node."""
    cache, profile, rng = Cache(VirtualClock()), Profile(PLUGINS), random.Random(1)
    for facts in nodes:
        cache.set_node(facts)
    placed = start = 0
    for pod in pods:
        result = decide(pod, cache, profile, rng.choice, start=start)
        if isinstance(result, Chosen):
            cache.assume(pod, result.node)
            start += result.seen
            placed += 1
    return placed


async def through_the_server(pods: int, nodes: int) -> tuple[float, float]:
    """Seconds to create the Pods, and until the last is bound, with the API server in this process (memory store)."""
    clock = RealClock()
    bound = asyncio.Event()
    missing = pods

    def heard(old: PodInfo | None, new: PodInfo | None) -> None:
        nonlocal missing
        if new is not None and new.node_name and (old is None or not old.node_name):
            missing -= 1
            if not missing:
                bound.set()

    async with named_group() as tasks, start(Config(storage_backend="memory"), clock, tasks) as server:
        transport = AppTransport(server.app, user="bench", groups=("system:masters",))
        client = Client(transport, clock=clock)
        for i in range(nodes):
            obj = {"apiVersion": "v1", "kind": "Node", **node(i)}
            made = await client.create(NODES, obj)
            await client.update(NODES, {**made, "status": obj["status"]}, subresource="status")
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": False}
        await client.create(SERVICEACCOUNTS, {**account, "metadata": {"namespace": "default", "name": "default"}})
        began = time.perf_counter()
        for i in range(pods):
            await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", **plain(i)})
        created = time.perf_counter() - began
        watcher = Informer(client, PODS, clock=clock, transform=PodInfo.of)
        watcher.on_change(heard)
        running = [
            tasks.start("watcher", watcher.run),
            tasks.start("scheduler", lambda: run(SchedulerConfig(seed=1), clock, transport)),
        ]
        began = time.perf_counter()
        await bound.wait()
        took = time.perf_counter() - began
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return created, took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--profile", action="store_true", help="show where the time of the pure cycle goes")
    parser.add_argument("--server", action="store_true", help="also bind through an API server in this process")
    args = parser.parse_args()
    nodes = [NodeFacts.of(node(i)) for i in range(args.nodes)]
    print(f"{args.pods} pods over {args.nodes} nodes")
    print(f"{'pods':<16}{'placed':>8}{'pods/s':>10}{'us/pod':>10}")
    for name, make in KINDS.items():
        raw = [make(i) for i in range(args.pods)]
        began = time.perf_counter()
        pods = [PodInfo.of(p) for p in raw]
        projecting = time.perf_counter() - began
        profiler = cProfile.Profile() if args.profile else None
        began = time.perf_counter()
        if profiler is not None:
            profiler.enable()
        placed = schedule(pods, nodes)
        if profiler is not None:
            profiler.disable()
        took = time.perf_counter() - began
        print(f"{name:<16}{placed:>8}{args.pods / took:>10,.0f}{took / args.pods * 1e6:>10,.0f}")
        print(f"  projection {projecting / args.pods * 1e6:,.0f} us/pod")
        if profiler is not None:
            pstats.Stats(profiler).sort_stats("tottime").print_stats(12)
    if args.server:
        created, took = asyncio.run(through_the_server(args.pods, args.nodes))
        print("through the API server in this process (memory store), plain pods:")
        print(f"  created one by one at {args.pods / created:,.0f}/s, then bound at {args.pods / took:,.0f}/s")


if __name__ == "__main__":
    main()
