"""CertificateSubjectRestriction: nobody becomes a member of system:masters by a client certificate."""

from __future__ import annotations

import base64

from minikube_py.apiserver.admission._signers import CSRS, refusal, signer_of
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.daemon import csr

SIGNER = "kubernetes.io/kube-apiserver-client"
MASTERS = "system:masters"


class CertificateSubjectRestriction(Plugin):
    """As the admission plugin of that name."""

    name = "CertificateSubjectRestriction"

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation == "CREATE" and not subresource and kind.resource.qualified == CSRS

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden."""
        if attributes.new is None or signer_of(attributes.new) != SIGNER:
            return
        # The kind's own validation has read and verified it before.
        request = csr.parse(base64.b64decode(attributes.new["spec"]["request"]))
        if MASTERS in request.organizations:
            raise refusal(attributes, f"use of {SIGNER} signer with {MASTERS} group is not allowed")
