"""How a Pod comes to its end, pure: its containers are done, an init container failed for good, its time is up."""

from __future__ import annotations

from datetime import datetime, timedelta

from minikube_py.api.times import parse_time
from minikube_py.kubelet import podspec
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Container
from minikube_py.kubelet.state import View

DEADLINE_EXCEEDED = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
"""Reason and message of a Pod whose time is up."""


def past_deadline(pod: Object, now: datetime) -> bool:
    """Whether the Pod has been active for longer than its activeDeadlineSeconds."""
    due = deadline(pod)
    return due is not None and now >= due


def ended(pod: Object, view: View) -> bool:
    """Whether the Pod has run to its end: no application container runs or would be started again.

    A regular init container that failed for good ends the Pod too.
    """
    for spec in podspec.init_containers(pod):
        last = view.latest(spec["name"])
        if failed_for_good(pod, spec, last) and not any(view.latest(c["name"]) for c in podspec.containers(pod)):
            return True
    return all(done(pod, spec, view.latest(spec["name"])) for spec in podspec.containers(pod))


def failed_for_good(pod: Object, spec: Object, last: Container | None) -> bool:
    """Whether a regular init container ended in failure and the policy leaves it so."""
    if last is None or last.state != "exited" or podspec.is_sidecar(spec) or last.exit_code == 0:
        return False
    return not podspec.restarts_after(pod, spec, last.exit_code, init=True)


def done(pod: Object, spec: Object, last: Container | None) -> bool:
    """Whether an application container has ended and is not started again."""
    if last is None or last.state != "exited":
        return False
    if last.annotations.get(podspec.HASH, "") not in ("", podspec.spec_hash(spec)):
        return False
    return not podspec.restarts_after(pod, spec, last.exit_code)


def deadline(pod: Object) -> datetime | None:
    """When the Pod's activeDeadlineSeconds are over, or None."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    started = (pod.get("status") or {}).get("startTime")
    if seconds is None or not started:
        return None
    return parse_time(started) + timedelta(seconds=int(seconds))
