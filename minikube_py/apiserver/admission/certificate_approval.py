"""CertificateApproval: who approves or denies a request must be allowed to `approve` for its signer."""

from __future__ import annotations

from minikube_py.apiserver.admission._signers import CSRS, may, refusal, signer_of
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.auth.authorization import Authorization
from minikube_py.apiserver.kinds.base import Kind


class CertificateApproval(Plugin):
    """As the admission plugin of that name. The signer is the stored request's, whatever the write says."""

    name = "CertificateApproval"

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation == "UPDATE" and subresource == "approval" and kind.resource.qualified == CSRS

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden."""
        signer = signer_of(attributes.old)
        if not may(self._authorization, attributes.user, "approve", signer):
            raise refusal(attributes, f'user not permitted to approve requests with signerName "{signer}"')
