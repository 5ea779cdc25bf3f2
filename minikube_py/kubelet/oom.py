"""oom_score_adj by quality of service: whom the kernel kills first when the machine runs out of memory."""

from __future__ import annotations

from minikube_py.api import quantity
from minikube_py.kubelet import podspec
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.status import qos_class

BEST_EFFORT, GUARANTEED = 1000, -997
_CAP_SYS_RESOURCE = 24


def oom_score_adj(pod: Object, spec: Object, memory_capacity: int) -> int:
    """What Kubernetes gives this container on a node with so many bytes of memory; below 0 for Guaranteed Pods.

    A Burstable container is the safer the more of the node's memory it requests. A sidecar is never killed before
    the containers that it serves.
    """
    if pod["spec"].get("priorityClassName") == "system-node-critical":
        return GUARANTEED
    match (pod.get("status") or {}).get("qosClass") or qos_class(pod):
        case "Guaranteed":
            return GUARANTEED
        case "BestEffort":
            return BEST_EFFORT
    score = _share(spec, memory_capacity)
    if any(one is spec for one in podspec.init_containers(pod)) and podspec.is_sidecar(spec):
        score = min([score, *(_share(one, memory_capacity) for one in podspec.containers(pod))])
    # Between the classes around it, and never equal to them.
    return min(max(score, BEST_EFFORT + GUARANTEED), BEST_EFFORT - 1)


def attainable(score: int) -> int:
    """`score`, or the nearest that an engine with this process's rights can set.

    Without CAP_SYS_RESOURCE the kernel lets nobody go below what he was given himself.
    """
    return score if _may_lower() else max(score, _own_score())


def _share(spec: Object, memory_capacity: int) -> int:
    resources = spec.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    asked = requests.get("memory", limits.get("memory", "0"))
    return 1000 - 1000 * quantity.parse(asked).value() // max(1, memory_capacity)


def _may_lower() -> bool:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        effective = next((line.split()[1] for line in status if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_SYS_RESOURCE & 1)


def _own_score() -> int:
    with open("/proc/self/oom_score_adj", encoding="ascii") as own:
        return int(own.read())
