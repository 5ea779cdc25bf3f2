"""May they: the authorizers in their order, each of which allows or has no opinion, and the words of a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from minikube_py.api import errors
from minikube_py.apiserver.auth.user import ANONYMOUS, MASTERS, User

MODES = ("Node", "RBAC", "AlwaysAllow")
"""What --authorization-mode may name."""

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
    fields: tuple[tuple[str, str, str], ...] = ()
    """What a list, watch or deletecollection is narrowed down to: (field, = or !=, value)."""


@dataclass(slots=True)
class Rules:
    """What a user may do in a namespace, as authorization.k8s.io SubjectRulesReviewStatus lists it."""

    resources: list[dict[str, Any]] = field(default_factory=list)
    paths: list[dict[str, Any]] = field(default_factory=list)
    incomplete: bool = False
    error: str = ""


class Authorizer(Protocol):
    """One mode of --authorization-mode."""

    def authorize(self, user: User, asked: Asked) -> tuple[bool, str]:
        """(allowed, reason). Not allowed means no opinion: the next authorizer is asked; its reason is told."""
        ...

    def rules(self, user: User, namespace: str) -> Rules:
        """What the user may do in a namespace, as far as it can be listed."""
        ...


def check_modes(modes: Sequence[str]) -> None:
    """Raises ValueError saying what is wrong with the value of --authorization-mode."""
    if not modes:
        raise ValueError(f"at least one authorization mode is needed: {', '.join(MODES)}")
    for mode in modes:
        if mode not in MODES:
            raise ValueError(f"the authorization mode {mode!r} is not supported: choose of {', '.join(MODES)}")
        if list(modes).count(mode) > 1:
            raise ValueError(f"the authorization mode {mode} is named more than once")


class AlwaysAllow:
    """Whoever is identified may do everything; anonymous users get the public paths only."""

    def authorize(self, user: User, asked: Asked) -> tuple[bool, str]:
        if user is not ANONYMOUS and user.name != ANONYMOUS.name:
            return True, ""
        if (
            asked.path
            and asked.verb == "get"
            and (asked.path in PUBLIC_PATHS or asked.path.startswith(("/livez/", "/readyz/")))
        ):
            return True, ""
        return False, ""

    def rules(self, user: User, namespace: str) -> Rules:
        if user.name == ANONYMOUS.name:
            paths = sorted(PUBLIC_PATHS)
            return Rules(paths=[{"verbs": ["get"], "nonResourceURLs": paths}], incomplete=True)
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        return Rules([everything], [{"verbs": ["*"], "nonResourceURLs": ["*"]}])


class AlwaysAllowPaths:
    """URLs that anyone may do anything to, as --authorization-always-allow-paths: exact, or with a trailing *."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Raises ValueError for a `*` that is not the last character."""
        wanted = [path.lstrip("/") for path in paths]
        for path in wanted:
            if "*" in path[:-1]:
                raise ValueError(f"only trailing * is allowed in a path that is always allowed: {path!r}")
        self._prefixes = tuple(path[:-1] for path in wanted if path.endswith("*"))
        self._exact = frozenset(path for path in wanted if not path.endswith("*"))

    def authorize(self, user: User, asked: Asked) -> tuple[bool, str]:
        if not asked.path:
            return False, ""
        path = asked.path.lstrip("/")
        return path in self._exact or (bool(self._prefixes) and path.startswith(self._prefixes)), ""

    def rules(self, user: User, namespace: str) -> Rules:
        return Rules()


class Authorization:
    """The authorizers, asked in order; the first that allows decides. Members of system:masters may do everything."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def authorize(self, user: User, asked: Asked) -> tuple[bool, str]:
        """(allowed, reason)."""
        if MASTERS in user.groups:
            return True, ""
        reasons = []
        for authorizer in self._authorizers:
            allowed, reason = authorizer.authorize(user, asked)
            if allowed:
                return True, reason
            if reason:
                reasons.append(reason)
        return False, "\n".join(reasons)

    def require(self, user: User, asked: Asked) -> None:
        """Raises Forbidden in Kubernetes' words when the user may not."""
        allowed, reason = self.authorize(user, asked)
        if not allowed:
            raise refusal(user, asked, reason)

    def rules(self, user: User, namespace: str) -> Rules:
        """What all authorizers together allow the user in a namespace, as far as they can list it."""
        found = Rules()
        errors_: list[str] = []
        for authorizer in self._authorizers:
            one = authorizer.rules(user, namespace)
            found.resources += one.resources
            found.paths += one.paths
            found.incomplete = found.incomplete or one.incomplete
            errors_ += [one.error] if one.error else []
        found.error = ", ".join(errors_)
        return found


class Denied(errors.Forbidden):
    """Refused by authorization (and not by admission), which the audit log tells apart."""


def refusal(user: User, asked: Asked, reason: str = "") -> Denied:
    """The Status of a refused request."""
    if asked.path:
        message = f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"'
        return Denied(message + (f": {reason}" if reason else ""), details={})
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
    return Denied(message + (f": {reason}" if reason else ""), details=details)
