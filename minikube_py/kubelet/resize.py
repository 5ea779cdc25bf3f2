"""Resizing Pods in place, pure: what the node has granted, whether it grants more, and what is left to be done.

A Pod's spec says what is wanted. What it was granted is what it runs with and what counts for the node: the rest of
the kubelet sees the Pod with its spec as it was granted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from minikube_py.api import quantity
from minikube_py.kubelet import podspec
from minikube_py.kubelet.admission import in_units, requests
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Container, Resources
from minikube_py.kubelet.security import resources
from minikube_py.kubelet.state import Local, View

RESIZED = ("cpu", "memory")
KINDS = ("initContainers", "containers")

Allocation = dict[str, Object]
"""The `resources` that each container was granted, by its name."""


def resizable(pod: Object) -> Iterator[Object]:
    """The containers whose resources may change: those that go on running."""
    yield from (spec for spec in podspec.init_containers(pod) if podspec.is_sidecar(spec))
    yield from podspec.containers(pod)


def wanted(pod: Object) -> Allocation:
    """What the spec asks for."""
    return {spec["name"]: spec.get("resources") or {} for spec in resizable(pod)}


def remembered(pod: Object) -> Allocation:
    """What an earlier process of the kubelet granted, as the Pod's status tells it; the spec where it does not."""
    status = pod.get("status") or {}
    known = {one["name"]: one for member in podspec.STATUSES for one in status.get(member) or ()}
    out = wanted(pod)
    for name, asked in out.items():
        told = known.get(name) or {}
        if told.get("resources") is None:
            continue
        granted_: Object = {key: value for key, value in asked.items() if key not in ("requests", "limits")}
        limits, given = told["resources"].get("limits"), told.get("allocatedResources")
        granted_ |= {"limits": limits} if limits else {}
        granted_ |= {"requests": given} if given else {}
        if not _same(granted_, asked):
            out[name] = granted_
    return out


def _same(one: Object, other: Object) -> bool:
    """Whether both say the same amounts, in whatever notation."""
    members = ("requests", "limits")
    return one == other or all(_amounts(one, member) == _amounts(other, member) for member in members)


def _amounts(of: Object, member: str) -> dict[str, Any]:
    return {name: quantity.parse(text) for name, text in (of.get(member) or {}).items()}


def differs(pod: Object, allocation: Allocation) -> bool:
    """Whether the spec asks for something else than was granted."""
    return any(not _same(asked, allocation.get(name, asked)) for name, asked in wanted(pod).items())


def granted(pod: Object, allocation: Allocation, restarting: Collection[str] = ()) -> Object:
    """The Pod with what it was granted in its spec; itself where that is what it asks for.

    Containers in `restarting` were stopped for their resize: whatever their policy says, they start again.
    """
    asked = wanted(pod)
    if not restarting and all(allocation.get(name, value) == value for name, value in asked.items()):
        return pod
    spec = dict(pod["spec"])
    for kind in KINDS:
        if kind in spec:
            spec[kind] = [_granted(one, allocation, one["name"] in restarting) for one in spec[kind] or ()]
    return {**pod, "spec": spec}


def _granted(spec: Object, allocation: Allocation, restarting: bool) -> Object:
    name = spec["name"]
    if name not in allocation:
        return spec
    out = {**spec, "resources": allocation[name]}
    if restarting:
        out["restartPolicy"] = "Always"
        out.pop("restartPolicyRules", None)
    return out


def refusal(pod: Object, others: Iterable[Object], allocatable: Mapping[str, str]) -> tuple[str, str] | None:
    """Why the node cannot give the Pod what its spec asks for, now (Deferred) or ever (Infeasible); None if it can.

    `others` are the other Pods of the node as they were granted.
    """
    asked = requests(pod)
    capacity = {name: in_units(name, allocatable.get(name, "0")) for name in RESIZED}
    if any(asked.get(name, 0) > capacity[name] for name in RESIZED):
        told = [
            f"{name}, requested: {asked[name]}, capacity: {capacity[name]}"
            for name in RESIZED if asked.get(name, 0) > capacity[name]
        ]  # fmt: skip
        return "Infeasible", "Node didn't have enough capacity: " + "; ".join(told)
    sums = [requests(other) for other in others if not podspec.is_terminal(other)]
    for name in RESIZED:
        used = sum(one.get(name, 0) for one in sums)
        if asked.get(name) and used + asked[name] > capacity[name]:
            return "Deferred", (
                f"Node didn't have enough resource: {name}, "
                f"requested: {asked[name]}, used: {used}, capacity: {capacity[name]}"
            )
    return None


def how(spec: Object, one: Container) -> Literal["", "update", "restart"]:
    """What must be done for a running container to have the resources of its spec."""
    changed = _changed(spec, one)
    if not changed:
        return ""
    policies = {p.get("resourceName"): p.get("restartPolicy") for p in spec.get("resizePolicy") or ()}
    return "restart" if any(policies.get(name) == "RestartContainer" for name in changed) else "update"


def target(spec: Object) -> Resources:
    """The cgroup values of a container's spec."""
    return resources(spec)


def _changed(spec: Object, one: Container) -> Sequence[str]:
    if one.resources is None:
        return ()
    goal = target(spec)
    out = []
    if _cpu(goal) != _cpu(one.resources):
        out.append("cpu")
    if goal.memory_bytes != one.resources.memory_bytes:
        out.append("memory")
    return out


def _cpu(found: Resources) -> tuple[int, int, int]:
    return found.cpu_shares, found.cpu_quota, found.cpu_period


def reached(goal: Resources, now: Resources | None) -> bool:
    """Whether the engine shows what was asked of it."""
    return now is not None and replace(goal, oom_score_adj=0) == replace(now, oom_score_adj=0)


def unfinished(pod: Object, view: View, restarting: Collection[str]) -> list[str]:
    """The names of containers that do not run with what they were granted yet."""
    out = []
    for spec in resizable(pod):
        one = view.latest(spec["name"])
        if spec["name"] in restarting or (one is not None and one.state == "running" and how(spec, one)):
            out.append(spec["name"])
    return out


def conditions(pod: Object, view: View, local: Local) -> list[dict[str, Any]]:
    """PodResizePending and PodResizeInProgress, each only while it is so."""
    out: list[dict[str, Any]] = []
    if local.resize_pending is not None:
        reason, message = local.resize_pending
        out.append({"type": "PodResizePending", "status": "True", "reason": reason, "message": message})
        out[-1] |= _generation(pod["metadata"].get("generation"))
    if podspec.is_terminal(pod) or podspec.is_deleting(pod):
        return out
    if names := unfinished(pod, view, local.restarting):
        one: dict[str, Any] = {"type": "PodResizeInProgress", "status": "True"}
        failures = (local.retries.get(f"resize/{found.id}") for name in names if (found := view.latest(name)))
        if failed := next((f for f in failures if f is not None), None):
            one |= {"reason": "Error", "message": failed.message}
        out.append(one | _generation(local.resize_generation or pod["metadata"].get("generation")))
    return out


def _generation(number: int | None) -> dict[str, Any]:
    return {"observedGeneration": number} if number else {}


def shown(spec: Object, one: Container | None, previous: Mapping[str, Any] | None) -> dict[str, Any]:
    """`resources` (in force) and `allocatedResources` of a container's status; `previous` is its status before."""
    asked = spec.get("resources") or {}
    out: dict[str, Any] = {"resources": {m: dict(asked[m]) for m in ("limits", "requests") if asked.get(m)}}
    if asked.get("claims"):
        out["resources"]["claims"] = asked["claims"]
    if asked.get("requests"):
        out["allocatedResources"] = dict(asked["requests"])
    if one is None or one.state != "running" or one.resources is None or not _changed(spec, one):
        return out
    before = (previous or {}).get("resources")
    if before is not None and reached(target({"resources": before}), one.resources):
        out["resources"] = before
    else:
        _in_force(out["resources"], one.resources)
    return out


def _in_force(out: dict[str, Any], now: Resources) -> None:
    """What the control group says, in the notation of the API; memory requests are not in it."""
    found = {"cpu": f"{now.cpu_quota * 1000 // now.cpu_period}m" if now.cpu_quota and now.cpu_period else ""}
    found["memory"] = str(now.memory_bytes) if now.memory_bytes else ""
    limits = {**(out.get("limits") or {}), **found}
    out["limits"] = {name: text for name, text in limits.items() if text}
    if not out["limits"]:
        del out["limits"]
    if (out.get("requests") or {}).get("cpu"):
        out["requests"]["cpu"] = f"{-(-now.cpu_shares * 1000 // 1024)}m"
