"""A Pod's conditions, pure: which are true, and the reasons that kubectl users know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from minikube_py.api.times import format_time
from minikube_py.kubelet import podspec
from minikube_py.kubelet.podspec import Object

PASSING = ("PodResizePending", "PodResizeInProgress")
"""Those of the kubelet's condition types that are gone when they are not true."""
OWNED = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", *PASSING)
"""The condition types that the kubelet writes; PodScheduled it adds only where it is missing."""


def conditions(
    pod: Object,
    status: Mapping[str, Any],
    previous: Mapping[str, Any],
    sandbox_ready: bool,
    now: datetime,
    passing: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """All conditions of the Pod: ours as `status` (phase and container statuses) says, others' as they were.

    `passing` are those that a resize has now.
    """
    live = list((pod.get("status") or {}).get("conditions") or ())
    theirs = {c["type"]: c for c in live}
    # Ours are as we last made them: what comes back from the API server may be older.
    ours = {c["type"]: c for c in previous.get("conditions") or () if c["type"] in (*OWNED, "PodScheduled")}
    old = {**ours, **theirs, **{kind: one for kind, one in ours.items() if kind in OWNED}}
    containers_ready = _containers_ready(pod, status)
    mine = [
        _condition("PodReadyToStartContainers", sandbox_ready),
        _initialized(pod, status),
        _ready(pod, old, containers_ready),
        containers_ready,
        *passing,
    ]
    if "PodScheduled" not in theirs:
        mine.append(_condition("PodScheduled", True))
    generation = pod["metadata"].get("generation")
    out = []
    for one in mine:
        was = old.get(one["type"])
        same = was is not None and was.get("status") == one["status"]
        one["lastProbeTime"] = None
        kept = was.get("lastTransitionTime") if same and was is not None else None
        one["lastTransitionTime"] = kept or format_time(now)
        if generation:
            one.setdefault("observedGeneration", generation)
        out.append(one)
    out += [c for c in live if c["type"] not in OWNED]
    return out


def _condition(kind: str, true: bool, reason: str = "", message: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {"type": kind, "status": "True" if true else "False"}
    if reason:
        out["reason"] = reason
    if message:
        out["message"] = message
    return out


def _names(found: Sequence[str]) -> str:
    return "[" + " ".join(found) + "]"


def _initialized(pod: Object, status: Mapping[str, Any]) -> dict[str, Any]:
    if status.get("phase") == "Succeeded":
        return _condition("Initialized", True, "PodCompleted")
    known = {s["name"]: s for s in status.get("initContainerStatuses") or ()}
    unknown, incomplete = [], []
    for spec in podspec.init_containers(pod):
        one = known.get(spec["name"])
        if one is None:
            unknown.append(spec["name"])
        elif podspec.is_sidecar(spec):
            if not one.get("started"):
                incomplete.append(spec["name"])
        elif not one.get("ready"):
            incomplete.append(spec["name"])
    begun = any(
        "running" in s["state"] or "terminated" in s["state"] or s.get("lastState")
        for s in status.get("containerStatuses") or ()
    )
    if begun and not unknown:
        return _condition("Initialized", True)
    parts = []
    if unknown:
        parts.append(f"containers with unknown status: {_names(unknown)}")
    if incomplete:
        parts.append(f"containers with incomplete status: {_names(incomplete)}")
    if parts:
        return _condition("Initialized", False, "ContainersNotInitialized", ", ".join(parts))
    return _condition("Initialized", True)


def _containers_ready(pod: Object, status: Mapping[str, Any]) -> dict[str, Any]:
    match status.get("phase"):
        case "Succeeded":
            return _condition("ContainersReady", False, "PodCompleted")
        case "Failed":
            return _condition("ContainersReady", False, "PodFailed")
    known = {s["name"]: s for s in status.get("containerStatuses") or ()}
    known |= {s["name"]: s for s in status.get("initContainerStatuses") or ()}
    watched = [s["name"] for s in podspec.init_containers(pod) if podspec.is_sidecar(s)]
    watched += [s["name"] for s in podspec.containers(pod)]
    unknown = [n for n in watched if n not in known]
    unready = [n for n in watched if n in known and not known[n].get("ready")]
    parts = []
    if unknown:
        parts.append(f"containers with unknown status: {_names(unknown)}")
    if unready:
        parts.append(f"containers with unready status: {_names(unready)}")
    if parts:
        return _condition("ContainersReady", False, "ContainersNotReady", ", ".join(parts))
    return _condition("ContainersReady", True)


def _ready(pod: Object, old: Mapping[str, Any], containers: Mapping[str, Any]) -> dict[str, Any]:
    if containers["status"] != "True":
        return _condition("Ready", False, containers.get("reason", ""), containers.get("message", ""))
    missing = []
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        current = _live(pod, old, kind)
        if current is None:
            missing.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif current.get("status") != "True":
            state = current.get("status")
            missing.append(f'the status of pod readiness gate "{kind}" is not "True", but {state}')
    if missing:
        return _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(missing))
    return _condition("Ready", True)


def _live(pod: Object, old: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    for one in (pod.get("status") or {}).get("conditions") or ():
        if one["type"] == kind:
            found: Mapping[str, Any] = one
            return found
    return old.get(kind)
