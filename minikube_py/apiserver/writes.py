"""What a write is made of: who asks for what, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from minikube_py.api import errors
from minikube_py.api.resources import Resource
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.options import WriteOptions


@dataclass(slots=True)
class Result:
    """What a verb answers: the object's served bytes, whether it was created, and warnings for the client."""

    data: bytes
    code: int = 200
    warnings: Sequence[str] = ()


@dataclass(slots=True)
class Request:
    """Who asks for what: the parts of a write that every verb needs."""

    user: User
    options: WriteOptions
    namespace: str
    name: str
    subresource: str = ""
    warnings: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    """Sentences about members that the body has twice, told together with the unknown ones."""
    annotations: dict[str, str] = field(default_factory=dict)
    """What plugins have to say to the audit log."""


Change = Callable[[Object], Object]
"""From the current object (a copy of its own) to the wanted one."""


def report_unknown(sentences: Sequence[str], request: Request, resource: Resource | None = None) -> None:
    """Unknown or duplicate fields: an error when Strict (of a body: naming its kind), warnings when Warn."""
    if request.options.field_validation == "Ignore":
        return
    if request.options.field_validation == "Strict":
        where = ""
        if resource is not None:
            where = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        raise errors.BadRequest(where + "strict decoding error: " + ", ".join(sentences))
    request.warnings.extend(sentences)
