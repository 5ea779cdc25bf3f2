"""May they: until RBAC is there, everyone who is identified may do everything, and nobody else more than look."""

from __future__ import annotations

from dataclasses import dataclass

from minikube_py.api import errors
from minikube_py.apiserver.auth.user import ANONYMOUS, User

PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version", "/version/"})
"""What anyone may read, as the role system:public-info-viewer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done: to a resource, or (with `path`) to a URL that is none."""

    verb: str
    path: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


def authorize(user: User, asked: Asked) -> tuple[bool, str]:
    """(allowed, reason), as the authorization mode AlwaysAllow with anonymous users kept to the public paths."""
    if user is not ANONYMOUS and user.name != ANONYMOUS.name:
        return True, ""
    if (
        asked.path
        and asked.verb == "get"
        and (asked.path in PUBLIC_PATHS or asked.path.startswith(("/livez/", "/readyz/")))
    ):
        return True, ""
    return False, ""


def require(user: User, asked: Asked) -> None:
    """Raises Forbidden in Kubernetes' words when the user may not."""
    allowed, reason = authorize(user, asked)
    if allowed:
        return
    if asked.path:
        message = f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"'
        raise errors.Forbidden(message, details={})
    what = asked.resource + (f"/{asked.subresource}" if asked.subresource else "")
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    target = f"{asked.resource}{'.' + asked.group if asked.group else ''}"
    named = f'{target} "{asked.name}" is forbidden' if asked.name else f"{target} is forbidden"
    message = f'{named}: User "{user.name}" cannot {asked.verb} resource "{what}" in API group "{asked.group}"{where}'
    details = {"kind": asked.resource}
    if asked.name:
        details["name"] = asked.name
    if asked.group:
        details["group"] = asked.group
    raise errors.Forbidden(message + (f": {reason}" if reason else ""), details=details)
