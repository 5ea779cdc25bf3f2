"""A Pod's status, pure: from the Pod, the engine's view of it and local memory to what `kubectl` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from minikube_py.api.times import format_time
from minikube_py.kubelet import podspec, resize
from minikube_py.kubelet.conditions import conditions
from minikube_py.kubelet.containerstatus import container_status, ephemeral_status
from minikube_py.kubelet.ends import DEADLINE_EXCEEDED, ended, failed_for_good, past_deadline
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.state import Local, View, current_sandbox


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a Pod's status says about its node."""

    host_ip: str
    host_ips: Sequence[str] = ()


def status(
    pod: Object, view: View, local: Local, previous: Mapping[str, Any], node: NodeFacts, now: datetime
) -> dict[str, Any]:
    """The whole `status` of the Pod.

    `previous` is what was last reported (or what the API server has, after a restart of the kubelet): conditions of
    others stay, transition times stay where nothing changed, and what the engine has forgotten is carried over.
    A terminal phase never changes again.
    """
    out: dict[str, Any] = {"phase": "Pending"}
    generation = pod["metadata"].get("generation")
    if generation:
        out["observedGeneration"] = generation
    _addresses(out, pod, view, previous, node)
    out["startTime"] = previous.get("startTime") or format_time(now)
    out["qosClass"] = previous.get("qosClass") or qos_class(pod)
    if local.rejected is not None and view.empty and not previous.get("containerStatuses"):
        out["phase"] = "Failed"
        out["reason"], out["message"] = local.rejected
        out["conditions"] = conditions(pod, out, previous, False, now)
        return out
    known = _by_name(previous)
    stopped = view.empty or not any(c.state == "running" for c in view.all())
    inits = [
        container_status(pod, spec, view, local, known.get(spec["name"]), now, init=True)
        for spec in podspec.init_containers(pod)
    ]
    mains = [
        container_status(pod, spec, view, local, known.get(spec["name"]), now, init=False)
        for spec in podspec.containers(pod)
    ]
    if inits:
        out["initContainerStatuses"] = inits
    out["containerStatuses"] = mains
    looking = [
        ephemeral_status(pod, spec, view, local, known.get(spec["name"]), now)
        for spec in podspec.ephemeral_containers(pod)
    ]
    if looking:
        out["ephemeralContainerStatuses"] = looking
    over = podspec.is_deleting(pod) or local.gone
    out["phase"] = _phase(pod, view, local, inits, mains, now, over=over and stopped)
    final = next((p for p in (pod.get("status") or {}, previous) if p.get("phase") in ("Succeeded", "Failed")), None)
    if final is not None:
        out |= {name: final[name] for name in ("phase", "reason", "message") if final.get(name)}
    elif local.rejected is not None:
        # Evicted: its phase says so at once, its containers follow.
        out["phase"] = "Failed"
        out["reason"], out["message"] = local.rejected
    elif past_deadline(pod, now) and not over:
        out["reason"], out["message"] = DEADLINE_EXCEEDED
    passing = resize.conditions(pod, view, local)
    out["conditions"] = conditions(pod, out, previous, _sandbox_ready(view), now, passing)
    return out


def _sandbox_ready(view: View) -> bool:
    return current_sandbox(view) is not None


def _by_name(previous: Mapping[str, Any]) -> dict[str, Any]:
    lists = (previous.get(name) or () for name in podspec.STATUSES)
    return {one["name"]: one for each in lists for one in each}


def _addresses(out: dict[str, Any], pod: Object, view: View, previous: Mapping[str, Any], node: NodeFacts) -> None:
    if node.host_ip:
        out["hostIP"] = node.host_ip
        out["hostIPs"] = [{"ip": ip} for ip in (node.host_ips or (node.host_ip,))]
    sandbox = current_sandbox(view)
    if sandbox is not None:
        ip = node.host_ip if sandbox.host_network else sandbox.ip
        out["podIP"], out["podIPs"] = ip, [{"ip": ip}]
    elif (podspec.is_deleting(pod) or podspec.is_terminal(pod)) and previous.get("podIP"):
        out["podIP"], out["podIPs"] = previous["podIP"], list(previous.get("podIPs") or [{"ip": previous["podIP"]}])


def _phase(
    pod: Object,
    view: View,
    local: Local,
    inits: Sequence[dict[str, Any]],
    mains: Sequence[dict[str, Any]],
    now: datetime,
    *,
    over: bool,
) -> str:
    """As Kubernetes' getPhase; `over` says that the Pod was deleted and has stopped."""
    running = any(c.state == "running" for c in view.all())
    if past_deadline(pod, now) and not running:
        return "Failed"
    for spec, one in zip(podspec.init_containers(pod), inits, strict=True):
        if failed_for_good(pod, spec, view.latest(spec["name"])) and not running:
            return "Failed"
        if over:
            continue
        if podspec.is_sidecar(spec):
            if not one.get("started") and not any(_began(m) for m in mains):
                return "Pending"
        elif not _succeeded(one) and not any(_began(m) for m in mains):
            return "Pending"
    waiting = running_mains = stopped = succeeded = 0
    for one in mains:
        state = one["state"]
        if "running" in state:
            running_mains += 1
        elif "terminated" in state:
            stopped += 1
            succeeded += state["terminated"].get("exitCode") == 0
        elif "terminated" in (one.get("lastState") or {}):
            stopped += 1
        else:
            waiting += 1
    if over:
        return "Succeeded" if stopped == succeeded == len(mains) else "Failed"
    if waiting:
        return "Pending"
    if running_mains:
        return "Running"
    if stopped and ended(pod, view):
        if running:
            return "Running"  # Its sidecars are being stopped.
        return "Succeeded" if succeeded == len(mains) else "Failed"
    return "Running" if stopped else "Pending"


def _succeeded(one: Mapping[str, Any]) -> bool:
    return "terminated" in one["state"] and not one["state"]["terminated"].get("exitCode")


def _began(one: Mapping[str, Any]) -> bool:
    return "waiting" not in one["state"] or bool(one.get("lastState"))


def qos_class(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort by the containers' cpu and memory requests and limits."""
    from minikube_py.api import quantity

    any_set = False
    guaranteed = True
    for spec in podspec.all_containers(pod):
        resources = spec.get("resources") or {}
        limits = resources.get("limits") or {}
        requests = resources.get("requests") or {}
        for name in ("cpu", "memory"):
            limit = quantity.parse(limits[name]) if name in limits else None
            request = quantity.parse(requests[name]) if name in requests else limit
            any_set = any_set or request is not None or limit is not None
            guaranteed = guaranteed and limit is not None and request == limit
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
