"""Approves the requests of kubelets for their client certificates, when they may make them."""

from __future__ import annotations

from minikube_py.api.meta import Object
from minikube_py.api.resources import CERTIFICATESIGNINGREQUESTS, Resource
from minikube_py.controller_manager import certificates
from minikube_py.controller_manager.context import Context
from minikube_py.daemon import csr, logs

log = logs.get("csr-approving")

REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", False,
    "authorization/v1.SubjectAccessReview",
)  # fmt: skip
MESSAGES = {
    "selfnodeclient": "Auto approving self kubelet client certificate after SubjectAccessReview.",
    "nodeclient": "Auto approving kubelet client certificate after SubjectAccessReview.",
}
"""The sub-resource of certificatesigningrequests that one must be allowed to create, and what is said then."""


def permissions(request: Object, asked: csr.Request) -> list[str]:
    """The permissions each of which is enough, the narrower one first; none when the request is no kubelet's."""
    spec = certificates.spec_of(request)
    if spec.get("signerName") != certificates.KUBELET_CLIENT:
        return []
    if certificates.kubelet_client_error(asked, spec.get("usages") or ()):
        return []
    return ["selfnodeclient", "nodeclient"] if spec.get("username") == asked.common_name else ["nodeclient"]


def review(request: Object, permission: str) -> Object:
    """The question whether who made the request has the permission."""
    spec = certificates.spec_of(request)
    subject = {"user": spec.get("username", "")}
    subject |= {member: spec[member] for member in ("uid", "groups", "extra") if spec.get(member)}
    attributes = {
        "group": CERTIFICATESIGNINGREQUESTS.group, "version": "*", "resource": CERTIFICATESIGNINGREQUESTS.plural,
        "verb": "create", "subresource": permission,
    }  # fmt: skip
    return {
        "apiVersion": REVIEWS.api_version, "kind": REVIEWS.kind, "metadata": {},
        "spec": {**subject, "resourceAttributes": attributes},
    }  # fmt: skip


class CSRApproving:
    """Serving certificates are approved by people: a kubelet may not say itself which names are its own."""

    name = "certificatesigningrequest-approving-controller"

    def __init__(self, context: Context) -> None:
        self.client, self.clock = context.client, context.clock
        self.requests = context.informer(CERTIFICATESIGNINGREQUESTS)
        context.controller(self.name, self.reconcile).watch(self.requests)

    async def reconcile(self, key: str) -> float | None:
        request = self.requests.get(key)
        if request is None or certificates.is_issued(request):
            return None
        if any(c.get("type") in ("Approved", "Denied") for c in certificates.conditions_of(request)):
            return None
        tried = permissions(request, certificates.parsed(request))
        for permission in tried:
            answer = await self.client.create(REVIEWS, review(request, permission))
            if (answer.get("status") or {}).get("allowed"):
                condition = {
                    "type": "Approved", "status": "True", "reason": "AutoApproved", "message": MESSAGES[permission],
                }  # fmt: skip
                changed = certificates.with_status(request, self.clock.now(), condition=condition)
                await self.client.update(CERTIFICATESIGNINGREQUESTS, changed, subresource="approval")
                return None
        if tried:
            log.info("recognized a request, but who made it lacks the permission", request=key, tried=",".join(tried))
        return None
