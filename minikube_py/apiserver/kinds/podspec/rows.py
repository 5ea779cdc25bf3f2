"""How `kubectl get pods` words the state of a Pod."""

from __future__ import annotations

from typing import Any

from minikube_py.apiserver.kinds._cells import NONE, Age, age

Object = dict[str, Any]


def row(obj: Object) -> list[Any]:
    """The cells of a Pod's row."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    ready, total, state, restarts = summary(metadata, spec, status)
    ips = status.get("podIPs")
    return [
        metadata["name"],
        f"{ready}/{total}",
        state,
        restarts,
        age(metadata.get("creationTimestamp")),
        (ips[0].get("ip") if ips else None) or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec.get("readinessGates"), status),
    ]


def row_conditions(obj: Object) -> list[dict[str, str]]:
    """The mark of a Pod that has ended, by which clients may hide it."""
    phase = (obj.get("status") or {}).get("phase")
    if phase == "Succeeded":
        message = "The pod has completed successfully."
    elif phase == "Failed":
        message = "The pod failed."
    else:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": message}]


def _gates(gates: list[Object] | None, status: Object) -> str:
    if not gates:
        return NONE
    true = {c["type"] for c in status.get("conditions") or () if c.get("status") == "True"}
    return f"{sum(g.get('conditionType') in true for g in gates)}/{len(gates)}"


def summary(metadata: Object, spec: Object, status: Object) -> tuple[int, int, str, str | Age]:
    """(ready containers, all containers, the word for the state, restarts)."""
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    state = status.get("reason") or status.get("phase") or ""
    scheduled = conditions.get("PodScheduled")
    if scheduled and scheduled.get("reason") == "SchedulingGated":
        state = "SchedulingGated"

    init_containers = spec.get("initContainers") or ()
    restartable = {c["name"] for c in init_containers if c.get("restartPolicy") == "Always"} if init_containers else ()
    total = len(spec.get("containers") or ()) + len(restartable)
    ready = restarts = sidecar_restarts = 0
    latest = sidecar_latest = ""
    initializing = False

    for i, container in enumerate(status.get("initContainerStatuses") or ()):
        count, last = container.get("restartCount", 0), _finished(container)
        restarts += count
        latest = max(latest, last)
        sidecar = container.get("name") in restartable
        if sidecar:
            sidecar_restarts += count
            sidecar_latest = max(sidecar_latest, last)
        now = container.get("state") or {}
        terminated, waiting = now.get("terminated"), now.get("waiting")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if sidecar and container.get("started"):
            if container.get("ready"):
                ready += 1
            continue
        if terminated is not None:
            state = "Init:" + (terminated.get("reason") or _ended(terminated))
        elif waiting is not None and waiting.get("reason", "") not in ("", "PodInitializing"):
            state = f"Init:{waiting['reason']}"
        else:
            state = f"Init:{i}/{len(init_containers)}"
        initializing = True
        break

    initialized = conditions.get("Initialized")
    if not initializing or (initialized and initialized.get("status") == "True"):
        restarts, latest = sidecar_restarts, sidecar_latest
        running, error = False, ""
        for container in reversed(status.get("containerStatuses") or ()):
            restarts += container.get("restartCount", 0)
            latest = max(latest, _finished(container))
            now = container.get("state") or {}
            terminated, waiting = now.get("terminated"), now.get("waiting")
            if waiting is not None and waiting.get("reason"):
                state = waiting["reason"]
            elif terminated is not None:
                state = terminated.get("reason") or _ended(terminated)
                if terminated.get("exitCode"):
                    error = state
            elif container.get("ready") and now.get("running") is not None:
                running = True
                ready += 1
        if state == "Completed":
            is_ready = conditions.get("Ready")
            if running:
                state = "Running" if is_ready and is_ready.get("status") == "True" else "NotReady"
            if error and state != "Running":
                state = error

    if metadata.get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            state = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            state = "Terminating"
    if restarts and latest:
        since = age(latest)
        return ready, total, state, Age(since.since, f"{restarts} (", " ago)")
    return ready, total, state, str(restarts)


def _finished(container: Object) -> str:
    """When the container's previous run ended; RFC 3339 in UTC compares as text."""
    last = container.get("lastState")
    terminated = last.get("terminated") if last else None
    return (terminated.get("finishedAt") or "") if terminated else ""


def _ended(terminated: Object) -> str:
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"
