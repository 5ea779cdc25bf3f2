"""Issues the certificates of approved requests for the cluster's own signers."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from minikube_py.api.meta import Object
from minikube_py.api.resources import CERTIFICATESIGNINGREQUESTS
from minikube_py.controller_manager import certificates
from minikube_py.controller_manager.certificates import CLIENT, KUBELET_CLIENT, KUBELET_SERVING
from minikube_py.controller_manager.context import Context
from minikube_py.daemon import csr, logs

log = logs.get("csr-signing")

SIGNERS = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING)
BACKDATE = timedelta(minutes=5)
"""How much earlier than now a certificate begins, for machines whose clocks are behind."""
SHORT = timedelta(hours=8)
"""A certificate that is to live shorter is not ended earlier for having begun earlier."""
MIN_DURATION = timedelta(minutes=10)


def wanted(request: Object) -> bool:
    """Whether this controller is to act: approved, for one of its signers, and neither failed nor issued."""
    return (
        certificates.spec_of(request).get("signerName") in SIGNERS
        and certificates.has(request, "Approved")
        and not certificates.has(request, "Failed")
        and not certificates.is_issued(request)
    )


def refusal(request: Object, asked: csr.Request) -> str:
    """Why the signer does not issue what the request asks for; empty when it does."""
    spec = certificates.spec_of(request)
    signer, usages = spec.get("signerName"), spec.get("usages") or ()
    if signer == KUBELET_SERVING:
        return certificates.kubelet_serving_error(asked, usages)
    if signer == KUBELET_CLIENT:
        return certificates.kubelet_client_error(asked, usages)
    return certificates.client_error(usages)


def lifetime(seconds: int | None, longest: timedelta, now: datetime) -> tuple[datetime, datetime]:
    """From when to when a certificate is valid: as long as was asked for, within bounds."""
    duration = longest if seconds is None else min(max(timedelta(seconds=seconds), MIN_DURATION), longest)
    return now - BACKDATE, now + (duration if duration < SHORT else duration - BACKDATE)


class CSRSigning:
    """Off without --cluster-signing-cert-file and --cluster-signing-key-file, which are read once."""

    name = "certificatesigningrequest-signing-controller"

    def __init__(self, context: Context) -> None:
        config = context.config
        self.client, self.clock = context.client, context.clock
        if not (config.cluster_signing_cert_file and config.cluster_signing_key_file):
            log.info("not signing certificates: no certificate and key of a signer were given")
            return
        self.authority = csr.Authority(
            Path(config.cluster_signing_cert_file).read_bytes(), Path(config.cluster_signing_key_file).read_bytes()
        )
        self.longest = timedelta(seconds=config.cluster_signing_duration)
        self.requests = context.informer(CERTIFICATESIGNINGREQUESTS)
        context.controller(self.name, self.reconcile).watch(self.requests)

    async def reconcile(self, key: str) -> float | None:
        request = self.requests.get(key)
        if request is None or not wanted(request):
            return None
        asked, now = certificates.parsed(request), self.clock.now()
        if why := refusal(request, asked):
            failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why}
            changed = certificates.with_status(request, now, condition=failed)
        else:
            spec = certificates.spec_of(request)
            begin, end = lifetime(spec.get("expirationSeconds"), self.longest, now)
            issued = self.authority.issue(asked, spec.get("usages") or (), begin, end)
            changed = certificates.with_status(request, now, certificate=issued)
        await self.client.update(CERTIFICATESIGNINGREQUESTS, changed, subresource="status")
        return None
