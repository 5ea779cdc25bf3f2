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


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
"""Who a request without credentials is made by."""

AUTHENTICATED = "system:authenticated"
"""The group that every identified user is in."""
