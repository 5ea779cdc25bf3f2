"""Removes certificate requests that nobody will look at again."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from minikube_py.api import errors
from minikube_py.api.meta import Object
from minikube_py.api.resources import CERTIFICATESIGNINGREQUESTS
from minikube_py.api.times import parse_time
from minikube_py.controller_manager import certificates
from minikube_py.controller_manager.context import Context, no_keys
from minikube_py.daemon import csr, logs
from minikube_py.daemon.certs import PkiError

log = logs.get("csr-cleaner")

PERIOD = 3600.0
DECIDED = timedelta(hours=1)
"""How long a request stays after its verdict, whether a certificate came of it or not."""
PENDING = timedelta(hours=24)
SWEEP = "sweep"


def why_old(request: Object, now: datetime) -> str:
    """Why the request may go; empty when it stays."""
    conditions = certificates.conditions_of(request)
    if not conditions and _older(request["metadata"].get("creationTimestamp"), PENDING, now):
        return "nobody decided"
    if certificates.is_issued(request) and certificates.has(request, "Approved") and _ended(request, now):
        return "the certificate has ended"
    for condition in conditions:
        if condition.get("type") in ("Approved", "Denied", "Failed") and _older(
            condition.get("lastUpdateTime"), DECIDED, now
        ):
            return f"it was {condition['type']}"
    return ""


def _older(stamp: str | None, age: timedelta, now: datetime) -> bool:
    return bool(stamp) and now - parse_time(str(stamp)) > age


def _ended(request: Object, now: datetime) -> bool:
    try:
        return csr.expires(base64.b64decode(request["status"]["certificate"])) < now
    except PkiError as error:
        log.warning("cannot read a certificate", request=request["metadata"]["name"], error=error)
        return False


class CSRCleaner:
    """One key, swept every hour."""

    name = "certificatesigningrequest-cleaner-controller"

    def __init__(self, context: Context) -> None:
        self.client, self.clock = context.client, context.clock
        self.requests = context.informer(CERTIFICATESIGNINGREQUESTS)
        controller = context.controller(self.name, self.reconcile)
        controller.watch(self.requests, no_keys)
        controller.enqueue(SWEEP)

    async def reconcile(self, key: str) -> float | None:
        """Everything that may go now; what fails is tried again at the next sweep."""
        for name, request in self.requests.items().items():
            why = why_old(request, self.clock.now())
            if not why:
                continue
            log.info("removing a certificate request", request=name, why=why)
            try:
                await self.client.delete(CERTIFICATESIGNINGREQUESTS, name)
            except errors.NotFound:
                pass  # somebody else was faster
            except errors.StatusError as error:
                log.warning("cannot remove a certificate request", request=name, error=error)
        return PERIOD
