"""One container's status, pure: its state, the one before, and the words that kubectl shows for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from minikube_py.api.times import format_time
from minikube_py.kubelet import backoff, podspec, resize
from minikube_py.kubelet.ends import past_deadline
from minikube_py.kubelet.plan import FRESH
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Container
from minikube_py.kubelet.state import Local, View

LOST = "The container could not be located when the pod was terminated"


def container_status(
    pod: Object,
    spec: Object,
    view: View,
    local: Local,
    previous: Mapping[str, Any] | None,
    now: datetime,
    *,
    init: bool,
) -> dict[str, Any]:
    """The ContainerStatus of `spec`. `previous` is the one last reported, for what the engine no longer shows."""
    out = _status(pod, spec, view, local, previous, now, init=init)
    if not init or podspec.is_sidecar(spec):
        out |= resize.shown(spec, view.latest(spec["name"]), previous)
    return out


def _status(
    pod: Object,
    spec: Object,
    view: View,
    local: Local,
    previous: Mapping[str, Any] | None,
    now: datetime,
    *,
    init: bool,
) -> dict[str, Any]:
    name = spec["name"]
    group = view.containers.get(name) or ()
    if not group and previous is not None and (previous.get("containerID") or previous.get("lastState")):
        return _remembered(pod, spec, local, previous, now, init=init)
    shown = group[0] if group else None
    before = group[1] if len(group) > 1 else None
    if shown is not None and shown.state == "created" and before is not None:
        # The new attempt has not started: what counts is still the last one.
        shown, before = before, (group[2] if len(group) > 2 else None)
    out: dict[str, Any] = {"name": name, "state": {}, "lastState": {}, "ready": False, "restartCount": 0}
    out |= {"image": spec.get("image", ""), "imageID": ""}
    if shown is None or shown.state == "created":
        out["state"] = {"waiting": waiting(pod, spec, local, now)}
        out["started"] = False
        if shown is not None:
            out["restartCount"] = shown.attempt
        return out
    out["restartCount"] = shown.attempt
    out["imageID"] = with_scheme(view.engine, shown.image_id)
    out["containerID"] = with_scheme(view.engine, shown.id)
    if shown.state == "running":
        _running(out, spec, shown, local, previous, init=init)
        if before is not None and before.state == "exited":
            out["lastState"] = {"terminated": terminated(before, local, view.engine)}
        return out
    out["started"] = False
    ended = terminated(shown, local, view.engine)
    if "message" not in ended:
        _recall_message(ended, previous)
    reason = None
    if spec["name"] in local.restarting:
        # By its own policy its end may be final, and a status that has said so is never taken back.
        reason = _failure(spec, local, now) or {"reason": "ContainerCreating"}
    elif _will_restart(pod, spec, shown, local, now, init=init):
        reason = _waiting_to_restart(pod, spec, shown, local, now)
    if reason is not None:
        out["state"], out["lastState"] = {"waiting": reason}, {"terminated": ended}
    else:
        out["state"] = {"terminated": ended}
        if before is not None and before.state == "exited":
            out["lastState"] = {"terminated": terminated(before, local, view.engine)}
        # A regular init container is ready once it has succeeded.
        out["ready"] = init and not podspec.is_sidecar(spec) and shown.exit_code == 0
    return out


def ephemeral_status(
    pod: Object, spec: Object, view: View, local: Local, previous: Mapping[str, Any] | None, now: datetime
) -> dict[str, Any]:
    """The ContainerStatus of an ephemeral container: no probe asks after it, and one that is lost stays lost."""
    out = _status(pod, spec, view, local, previous, now, init=False)
    out["ready"] = False
    del out["started"]
    if "waiting" in out["state"] and out["lastState"]:
        out["state"], out["lastState"] = out["lastState"], {}
    return out


def _running(
    out: dict[str, Any],
    spec: Object,
    shown: Container,
    local: Local,
    previous: Mapping[str, Any] | None,
    *,
    init: bool,
) -> None:
    if shown.id in local.hooks_due:
        # As the documentation of postStart says: not running before the hook has completed.
        out["state"] = {"waiting": {"reason": "ContainerCreating"}}
        out["started"] = False
        return
    out["state"] = {"running": {"startedAt": format_time(shown.started_at or shown.created_at)}}
    same = previous is not None and previous.get("containerID") == out["containerID"]
    health = local.health.get(shown.id)
    started = health.started if health is not None else None
    if started is None:
        # Nothing known yet by this process: what was reported of this very container still holds.
        was = bool(same and previous is not None and previous.get("started"))
        started = was or not spec.get("startupProbe")
    out["started"] = started
    ready = health.ready if health is not None else None
    if ready is None:
        was = bool(same and previous is not None and previous.get("ready"))
        ready = was or not spec.get("readinessProbe")
    if init and not podspec.is_sidecar(spec):
        ready = False
    out["ready"] = started and ready and not (health is not None and health.failed)


def _will_restart(pod: Object, spec: Object, last: Container, local: Local, now: datetime, *, init: bool) -> bool:
    if podspec.is_deleting(pod) or podspec.is_terminal(pod) or local.gone or local.rejected:
        return False
    if past_deadline(pod, now):
        return False
    changed = last.annotations.get(podspec.HASH, podspec.spec_hash(spec)) != podspec.spec_hash(spec)
    return changed or podspec.restarts_after(pod, spec, last.exit_code, init=init)


def _waiting_to_restart(
    pod: Object, spec: Object, last: Container, local: Local, now: datetime
) -> dict[str, str] | None:
    """The waiting state of a container between two attempts; None while the end of the last is still the news."""
    failure = _failure(spec, local, now)
    if failure is not None:
        return failure
    due = backoff.restart_at(spec, last)
    if due is None or due <= now or (last.finished_at is not None and now < last.finished_at + FRESH):
        return None
    seconds = max(0, int((due - (last.finished_at or now)).total_seconds()))
    wait = f"{seconds // 60}m{seconds % 60}s" if seconds >= 60 else f"{seconds}s"
    return {
        "reason": "CrashLoopBackOff",
        "message": f"back-off {wait} restarting failed container={spec['name']} pod={podspec.full_name(pod)}",
    }


def waiting(pod: Object, spec: Object, local: Local, now: datetime) -> dict[str, str]:
    """Why a container that never ran does not run."""
    failure = _failure(spec, local, now)
    if failure is not None:
        return failure
    return {"reason": "PodInitializing" if podspec.init_containers(pod) else "ContainerCreating"}


def _failure(spec: Object, local: Local, now: datetime) -> dict[str, str] | None:
    image = local.images.get(spec["name"])
    if image is not None and image.failure is not None and image.image == spec.get("image", ""):
        failed = image.failure
        if failed.reason == "ErrImagePull" and now >= failed.at + FRESH:
            return {
                "reason": "ImagePullBackOff",
                "message": f'Back-off pulling image "{image.image}": ErrImagePull: {failed.message}',
            }
        return {"reason": failed.reason, "message": failed.message}
    other = local.retries.get(f"container/{spec['name']}")
    # A process that would not start is news for a moment; then its back-off is what counts.
    if other is not None and (other.reason != "RunContainerError" or now < other.at + FRESH):
        return {"reason": other.reason, "message": other.message}
    return None


def terminated(one: Container, local: Local, engine: str) -> dict[str, Any]:
    """The terminated state of a container that has ended."""
    out: dict[str, Any] = {"exitCode": one.exit_code}
    if one.started_at is None:
        out["reason"] = "StartError"
    elif one.oom_killed:
        out["reason"] = "OOMKilled"
    else:
        out["reason"] = "Completed" if one.exit_code == 0 else "Error"
    message = local.messages.get(one.id, "") or one.message
    if message:
        out["message"] = message
    if one.started_at is not None:
        out["startedAt"] = format_time(one.started_at)
    else:
        out["startedAt"] = format_time(one.created_at)
    out["finishedAt"] = format_time(one.finished_at or one.created_at)
    out["containerID"] = with_scheme(engine, one.id)
    return out


def _recall_message(ended: dict[str, Any], previous: Mapping[str, Any] | None) -> None:
    """The termination message as it was reported before: its file may be gone."""
    for name in ("state", "lastState"):
        known = ((previous or {}).get(name) or {}).get("terminated") or {}
        if known.get("containerID") == ended["containerID"] and known.get("message"):
            ended["message"] = known["message"]


def with_scheme(engine: str, found: str) -> str:
    """The id of a container or image as a status shows it: `docker://<id>`."""
    return found if "://" in found or not found else f"{engine}://{found}"


def _remembered(
    pod: Object, spec: Object, local: Local, previous: Mapping[str, Any], now: datetime, *, init: bool
) -> dict[str, Any]:
    """The status of a container that the engine has no trace of any more."""
    out: dict[str, Any] = {
        "name": spec["name"],
        "state": dict(previous.get("state") or {}),
        "lastState": dict(previous.get("lastState") or {}),
        "ready": False,
        "restartCount": previous.get("restartCount", 0),
        "image": previous.get("image") or spec.get("image", ""),
        "imageID": previous.get("imageID", ""),
        "started": False,
    }
    if previous.get("containerID"):
        out["containerID"] = previous["containerID"]
    if "terminated" in out["state"]:
        out["ready"] = bool(init and previous.get("ready"))
        return out
    lost = {"reason": "ContainerStatusUnknown", "exitCode": 137, "message": LOST, "startedAt": None, "finishedAt": None}
    if "waiting" not in out["state"]:
        if podspec.is_deleting(pod) or podspec.is_terminal(pod) or local.gone:
            out["state"] = {"terminated": lost}
            return out
        out["lastState"] = {"terminated": lost}
    elif out["lastState"] and (podspec.is_deleting(pod) or local.gone):
        out["state"], out["lastState"] = out["lastState"], {}
        return out
    out["state"] = {"waiting": waiting(pod, spec, local, now)}
    return out
