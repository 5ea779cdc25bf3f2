"""CertificateSigning: who issues a certificate or fails a request must be allowed to `sign` for its signer."""

from __future__ import annotations

from minikube_py.apiserver.admission._signers import CSRS, may, refusal, signer_of
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.auth.authorization import Authorization
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind


class CertificateSigning(Plugin):
    """As the admission plugin of that name: of the status, the certificate and the conditions are a signer's."""

    name = "CertificateSigning"

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation == "UPDATE" and subresource == "status" and kind.resource.qualified == CSRS

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden."""
        if _signed(attributes.old) == _signed(attributes.new):
            return
        signer = signer_of(attributes.old)
        if not may(self._authorization, attributes.user, "sign", signer):
            raise refusal(attributes, f'user not permitted to sign requests with signerName "{signer}"')


def _signed(obj: Object | None) -> tuple[object, object]:
    status = (obj or {}).get("status") or {}
    return status.get("certificate") or "", status.get("conditions") or []
