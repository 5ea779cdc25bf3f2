"""May they act for a signer: what the plugins for certificate requests ask the authorizers."""

from __future__ import annotations

from minikube_py.api import errors
from minikube_py.apiserver.admission.base import Attributes
from minikube_py.apiserver.auth.authorization import Asked, Authorization
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.encoding import Object

CSRS = "certificatesigningrequests.certificates.k8s.io"
GROUP = "certificates.k8s.io"


def signer_of(obj: Object | None) -> str:
    """The name of the signer that a request is for."""
    return str(((obj or {}).get("spec") or {}).get("signerName") or "")


def may(authorization: Authorization, user: User, verb: str, signer: str) -> bool:
    """Whether `user` may `verb` (approve, sign) for this signer, or for all signers of its domain (`domain/*`)."""
    every = signer.partition("/")[0] + "/*"
    return any(
        authorization.authorize(user, Asked(verb, group=GROUP, version="*", resource="signers", name=name))[0]
        for name in (signer, every)
    )


def refusal(attributes: Attributes, why: str) -> errors.Forbidden:
    """The Status of a write that one of these plugins refuses."""
    details = {"name": attributes.name, "group": GROUP, "kind": attributes.kind.resource.plural}
    return errors.Forbidden(f'{CSRS} "{attributes.name}" is forbidden: {why}', details=details)
