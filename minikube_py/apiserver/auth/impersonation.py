"""Acting as somebody else: the Impersonate-* headers (kubectl's --as, --as-group, --as-uid)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from minikube_py.api import errors, names
from minikube_py.apiserver.auth.authorization import Asked, Authorization
from minikube_py.apiserver.auth.user import ANONYMOUS, AUTHENTICATED, SERVICE_ACCOUNT, User

PREFIX = b"impersonate-"
"""What the names of all these headers begin with, in lower case."""

UNAUTHENTICATED = "system:unauthenticated"
_EXTRA = PREFIX + b"extra-"
_GROUP = "authentication.k8s.io"


def impersonated(asker: User, headers: Iterable[tuple[bytes, bytes]], authorization: Authorization) -> User:
    """The user that `asker` wants to act as, as upstream's WithImpersonation.

    The asker needs the verb impersonate on each part: `users` by name, or `serviceaccounts` in their namespace for a
    service account's user name; `groups`; `uids` and `userextras/KEY` (the value is the name) of authentication.k8s.io.
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
    account = service_account(name)
    if account is not None:
        wanted = [Asked("impersonate", resource="serviceaccounts", namespace=account[0], name=account[1])]
    else:
        wanted = [Asked("impersonate", resource="users", name=name)]
    wanted += [Asked("impersonate", resource="groups", name=group) for group in groups]
    wanted += [
        Asked("impersonate", group=_GROUP, version="v1", resource="userextras", subresource=key, name=value)
        for key, values in extra.items()
        for value in values
    ]
    if uid:
        wanted.append(Asked("impersonate", group=_GROUP, version="v1", resource="uids", name=uid))
    for asked in wanted:
        authorization.require(asker, asked)
    if not groups and account is not None:
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}"]
    if AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups.append(UNAUTHENTICATED if name == ANONYMOUS.name else AUTHENTICATED)
    return User(name, tuple(groups), uid, {key: tuple(values) for key, values in extra.items()})


def service_account(username: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name; None for any other."""
    if not username.startswith(SERVICE_ACCOUNT):
        return None
    namespace, _, name = username.removeprefix(SERVICE_ACCOUNT).partition(":")
    if names.dns1123_label(namespace) or names.dns1123_subdomain(name):
        return None
    return namespace, name
