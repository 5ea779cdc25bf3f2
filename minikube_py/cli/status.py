"""`minikube-py status`: what of a cluster runs, and how it is."""

from __future__ import annotations

import argparse
import asyncio
import json

from minikube_py.api import errors
from minikube_py.cli import daemons, processes
from minikube_py.cli.layout import DAEMONS, Layout, read_json
from minikube_py.cli.probe import Cluster
from minikube_py.daemon.clock import Clock, RealClock


def run(arguments: argparse.Namespace) -> int:
    """Print the state; 0 when everything runs and every node is Ready, 1 otherwise."""
    layout = daemons.layout_of(arguments)
    found = asyncio.run(look(layout, RealClock()))
    if arguments.output == "json":
        print(json.dumps(found, indent=2))
    else:
        _print(layout, found)
    return 0 if found["healthy"] else 1


async def look(layout: Layout, clock: Clock) -> dict[str, object]:
    """The state as data: processes, server, ready, nodes, pods, healthy."""
    known = read_json(layout.cluster_file)
    names = known.get("processes") or list(DAEMONS)
    assert isinstance(names, list)
    pids = {name: processes.running(layout, name) for name in names}
    found: dict[str, object] = {
        "dataDir": str(layout.root), "processes": pids, "server": "", "ready": False, "nodes": {}, "pods": 0,
    }  # fmt: skip
    if layout.admin_conf.exists():
        async with Cluster(layout, clock) as cluster:
            found["server"] = cluster.server
            found["ready"] = await cluster.ready()
            if found["ready"]:
                try:
                    found["nodes"], found["pods"] = await cluster.nodes(), await cluster.pods()
                except errors.StatusError:
                    found["ready"] = False
    nodes = found["nodes"]
    assert isinstance(nodes, dict)
    ready_nodes = bool(nodes) and all(state == "True" for state in nodes.values())
    found["healthy"] = all(pids.values()) and bool(found["ready"]) and ready_nodes
    return found


def _print(layout: Layout, found: dict[str, object]) -> None:
    print(f"data directory      {layout.root}")
    pids, nodes = found["processes"], found["nodes"]
    assert isinstance(pids, dict) and isinstance(nodes, dict)
    for name, pid in pids.items():
        print(f"{name:<20}" + (f"running (pid {pid})" if pid else "stopped"))
    print(f"{'API server':<20}" + (f"ready at {found['server']}" if found["ready"] else "not ready"))
    for name, state in nodes.items():
        print(f"{'node ' + name:<20}" + ("Ready" if state == "True" else f"not Ready ({state})"))
    if found["ready"]:
        print(f"{'pods':<20}{found['pods']}")
