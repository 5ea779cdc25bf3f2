"""Events about what a pass found out of a Pod and that is heard once: back-offs, and that its time is up."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from minikube_py.kubelet import podspec
from minikube_py.kubelet.ends import DEADLINE_EXCEEDED, past_deadline
from minikube_py.kubelet.plan import FRESH, Plan
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.steps import Entry


class Say(Protocol):
    """Records an event about a Pod, or one of its containers."""

    def __call__(self, entry: Entry, kind: str, reason: str, message: str, container: str = "") -> None: ...


def backoffs(say: Say, entry: Entry, pod: Object, found: Plan, now: datetime) -> None:
    """That a container waits for its restart, or for its image; once for each time."""
    for name in found.backing_off:
        last = entry.view.latest(name)
        if last is not None and f"BackOff {last.id}" not in entry.said:
            entry.said.add(f"BackOff {last.id}")
            message = f"Back-off restarting failed container {name} in pod {podspec.full_name(pod)}"
            say(entry, "Warning", "BackOff", message, name)
    for name, image in entry.local.images.items():
        failed = image.failure
        if failed is None or failed.reason != "ErrImagePull" or now < failed.at + FRESH:
            continue
        once = f"ImagePullBackOff {name} {failed.at}"
        if once not in entry.said:
            entry.said.add(once)
            say(entry, "Normal", "BackOff", f'Back-off pulling image "{image.image}"', name)
            say(entry, "Warning", "Failed", "Error: ImagePullBackOff", name)


def deadline(say: Say, entry: Entry, pod: Object, now: datetime) -> None:
    """That the Pod's activeDeadlineSeconds are over, once and while it is this that ends it."""
    if "DeadlineExceeded" in entry.said or not past_deadline(pod, now):
        return
    entry.said.add("DeadlineExceeded")
    if not (podspec.is_deleting(pod) or podspec.is_terminal(pod) or entry.local.rejected):
        say(entry, "Normal", *DEADLINE_EXCEEDED)
