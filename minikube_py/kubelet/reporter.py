"""Sends Pod statuses to the API server: the newest only, only when changed, until they have arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minikube_py.api import errors
from minikube_py.api.resources import PODS
from minikube_py.client.controller import Controller
from minikube_py.client.rest import Client
from minikube_py.client.workqueue import WorkQueue
from minikube_py.daemon.clock import Clock
from minikube_py.kubelet import podspec
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.statuspatch import status_patch

MAX_RETRY_SECONDS = 10.0


@dataclass(slots=True)
class _Report:
    pod: Object
    status: dict[str, Any]
    stored: Object | None = None
    """The Pod as the API server answered our last patch."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class StatusReporter:
    """`report` never waits; `run` sends."""

    def __init__(self, client: Client, *, clock: Clock, workers: int = 4) -> None:
        self._client = client
        self._reports: dict[str, _Report] = {}
        queue = WorkQueue(clock, max_delay=MAX_RETRY_SECONDS)
        self._controller = Controller("pod status", self._reconcile, clock=clock, workers=workers, queue=queue)

    async def run(self) -> None:
        await self._controller.run()

    def previous(self, pod: Object) -> Mapping[str, Any]:
        """The status last reported; after a restart of the kubelet, what the API server has."""
        known = self._reports.get(podspec.uid(pod))
        found: Mapping[str, Any] = known.status if known is not None else (pod.get("status") or {})
        return found

    def report(self, pod: Object, status: dict[str, Any]) -> None:
        """This is the Pod's status now; `pod` as the informer has it."""
        uid = podspec.uid(pod)
        known = self._reports.get(uid)
        if known is None:
            known = self._reports[uid] = _Report(pod, status)
        else:
            known.pod, known.status = pod, status
        if status_patch(_base(known), status):
            self._controller.enqueue(uid)

    def forget(self, uid: str) -> None:
        self._reports.pop(uid, None)

    async def flush(self, uid: str) -> None:
        """Send what is unsent of this Pod now, before it is deleted. Raises StatusError."""
        await self._reconcile(uid)

    async def _reconcile(self, uid: str) -> None:
        report = self._reports.get(uid)
        if report is None:
            return
        async with report.lock:
            change = status_patch(_base(report), report.status)
            if not change:
                return
            meta = report.pod["metadata"]
            # With the uid a namesake created meanwhile is not touched.
            patch = {"metadata": {"uid": uid}, "status": change}
            try:
                report.stored = await self._client.patch(
                    PODS, meta["name"], meta["namespace"], patch, type="strategic", subresource="status"
                )
            except (errors.NotFound, errors.Conflict):
                # Gone, or replaced by a namesake: the informer will say so. A mere race is sent with the next report.
                if self._reports.get(uid) is report:
                    report.stored = None


def _base(report: _Report) -> Mapping[str, Any]:
    """What the API server has, by the newer of its last answer and the informer's copy."""
    newest = report.pod
    if report.stored is not None and _revision(report.stored) >= _revision(report.pod):
        newest = report.stored
    found: Mapping[str, Any] = newest.get("status") or {}
    return found


def _revision(pod: Object) -> int:
    text = str(pod["metadata"].get("resourceVersion") or "0")
    return int(text) if text.isdigit() else 0
