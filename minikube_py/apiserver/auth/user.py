"""The user that a request is made as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """A name, groups and, where known, uid and extra attributes, as in authentication.k8s.io UserInfo."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
"""The extra attribute that says which credential it was: a certificate's hash, a token's id."""

ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
"""Who a request without credentials is made by."""

AUTHENTICATED = "system:authenticated"
"""The group that every identified user is in."""

SERVICE_ACCOUNT = "system:serviceaccount:"
"""What the user name of a service account begins with; its namespace, a colon and its name follow."""

MASTERS = "system:masters"
"""The group whose members may do everything, whatever the authorizers say."""

ACTING = "minikube_py.acting"
"""A scope's key for the user who asks in the name of another."""
