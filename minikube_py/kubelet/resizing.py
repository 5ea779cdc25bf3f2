"""Brings a Pod's resources from what its spec asks for to what the node grants, and says so in events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from minikube_py.kubelet import podspec, resize
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.steps import Entry

Say = Callable[[Entry, str, str, str], None]
"""An event: of which Pod, its type, reason and message."""


class Resizing:
    """Decides within a pass; what was decided is in the entry. All of it can be found again after a restart."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def heard(self, entry: Entry, pod: Object) -> None:
        """The API server's Pod is this now; what it runs with changes in the next pass at the earliest."""
        entry.asked = pod
        entry.pod = self._as_granted(entry, pod)

    def look(self, entry: Entry, others: Callable[[], Iterable[Object]], allocatable: Mapping[str, str]) -> bool:
        """Grant what the spec asks for, if the node has it; whether something was granted now.

        `others` are the node's other Pods as they were granted.
        """
        pod, local = entry.asked, entry.local
        if pod is None or local.rejected is not None:
            return False
        if entry.allocation is None:
            entry.allocation = resize.remembered(pod)
        before = entry.allocation
        over = podspec.is_deleting(pod) or podspec.is_terminal(pod) or local.gone
        if over or not resize.differs(pod, entry.allocation):
            local.resize_pending = None
        else:
            self._decide(entry, pod, resize.refusal(pod, others(), allocatable))
        local.restarting = frozenset(self._restarting(entry))
        entry.pod = self._as_granted(entry, pod)
        if entry.resizing and not resize.unfinished(entry.pod, entry.view, local.restarting):
            entry.resizing = False
            self._say(entry, "Normal", "ResizeCompleted", f"Pod resize completed: {_told(entry)}")
        return entry.allocation is not before

    def _decide(self, entry: Entry, pod: Object, refused: tuple[str, str] | None) -> None:
        local = entry.local
        before, local.resize_pending = local.resize_pending, refused
        if refused is not None:
            if before is None or before[0] != refused[0]:
                self._say(entry, "Warning", f"Resize{refused[0]}", f"Pod resize {refused[0]}: {refused[1]}")
            return
        entry.allocation = resize.wanted(pod)
        local.resize_generation = pod["metadata"].get("generation") or 0
        entry.resizing = True
        self._say(entry, "Normal", "ResizeStarted", f"Pod resize started: {_told(entry)}")

    @staticmethod
    def _restarting(entry: Entry) -> Iterable[str]:
        for name, stopped in list(entry.stopped_for_resize.items()):
            last = entry.view.latest(name)
            if last is not None and last.id == stopped:
                yield name
            else:
                del entry.stopped_for_resize[name]

    @staticmethod
    def _as_granted(entry: Entry, pod: Object) -> Object:
        if entry.allocation is None:
            return pod
        return resize.granted(pod, entry.allocation, entry.local.restarting)


def _told(entry: Entry) -> str:
    containers = [{"name": name, "resources": given} for name, given in (entry.allocation or {}).items()]
    return json.dumps(
        {"containers": containers, "generation": entry.local.resize_generation}, separators=(",", ":"), sort_keys=True
    )
