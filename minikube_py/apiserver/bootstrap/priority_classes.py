"""The PriorityClasses of what a cluster cannot do without."""

from __future__ import annotations

from minikube_py.api.resources import PRIORITYCLASSES
from minikube_py.apiserver.bootstrap.base import Hook, Server

SYSTEM = {
    "system-node-critical": (2_000_001_000, "For Pods that the Node needs to work: they are the last to be moved."),
    "system-cluster-critical": (2_000_000_000, "For Pods that the cluster needs to work, but may run on any Node."),
}


async def run(server: Server) -> None:
    """Make the ones that are missing."""
    for name, (value, description) in SYSTEM.items():
        made = {
            "kind": "PriorityClass",
            "apiVersion": "scheduling.k8s.io/v1",
            "metadata": {"name": name},
            "value": value,
            "description": description,
        }
        await server.ensure(PRIORITYCLASSES, made)
    await server.storage.fresh()


def missing(server: Server) -> str | None:
    there = server.storage.caches[PRIORITYCLASSES.qualified]
    gone = [name for name in SYSTEM if there.key("", name) not in there.items]
    return f"priority classes {', '.join(gone)} are missing" if gone else None


HOOK = Hook("scheduling/bootstrap-system-priority-classes", run, missing)
