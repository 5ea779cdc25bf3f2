"""Acting as somebody else: the Impersonate-* headers (kubectl's --as, --as-group, --as-uid)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from minikube_py.api import errors
from minikube_py.apiserver.auth.authorization import Asked, Authorization
from minikube_py.apiserver.auth.user import ANONYMOUS, AUTHENTICATED, User

PREFIX = b"impersonate-"
"""What the names of all these headers begin with, in lower case."""

UNAUTHENTICATED = "system:unauthenticated"
SERVICE_ACCOUNT = "system:serviceaccount:"
_EXTRA = PREFIX + b"extra-"


def impersonated(asker: User, headers: Iterable[tuple[bytes, bytes]], authorization: Authorization) -> User:
    """The user that `asker` wants to act as, as upstream's WithImpersonation.

    Raises Forbidden when the asker may not, BadRequest when the headers name no user or are unknown (upstream: 500,
    and unknown ones are ignored, which would run the request with the asker's own rights).
    """
    name, uid = "", ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for header, raw in headers:
        if not header.startswith(PREFIX):
            continue
        value = raw.decode("utf-8", "replace")
        if header == b"impersonate-user":
            name = name or value
        elif header == b"impersonate-group":
            groups.append(value)
        elif header == b"impersonate-uid":
            uid = uid or value
        elif header.startswith(_EXTRA) and len(header) > len(_EXTRA):
            extra.setdefault(unquote(header[len(_EXTRA) :].decode("latin-1")).lower(), []).append(value)
        else:
            raise errors.BadRequest(f"the header {header.decode('latin-1')} is unknown")
    if not name:
        raise errors.BadRequest("Impersonate-User is missing: groups, uid and extra values need a user to go with")
    for resource, group, wanted in (
        ("users", "", [name]),
        ("groups", "", groups),
        ("uids", "authentication.k8s.io", [uid] if uid else []),
        ("userextras", "authentication.k8s.io", [v for values in extra.values() for v in values]),
    ):
        for one in wanted:
            authorization.require(asker, Asked("impersonate", group=group, resource=resource, name=one))
    return User(name, _groups(name, groups), uid, {key: tuple(values) for key, values in extra.items()})


def _groups(name: str, named: list[str]) -> tuple[str, ...]:
    """The groups named, or a service account's own; and the one of all who are (or are not) identified."""
    groups = list(named)
    if not groups and name.startswith(SERVICE_ACCOUNT):
        namespace = name.removeprefix(SERVICE_ACCOUNT).partition(":")[0]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    if AUTHENTICATED in groups or UNAUTHENTICATED in groups:
        return tuple(groups)
    return (*groups, UNAUTHENTICATED if name == ANONYMOUS.name else AUTHENTICATED)
