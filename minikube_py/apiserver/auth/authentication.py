"""Who is asking: a verified client certificate, a static bearer token, or nobody."""

from __future__ import annotations

import csv
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minikube_py.api import errors
from minikube_py.apiserver.auth.authorization import Authorization
from minikube_py.apiserver.auth.impersonation import PREFIX, impersonated
from minikube_py.apiserver.auth.user import ANONYMOUS, AUTHENTICATED, User


class TokenFile:
    """Static tokens from a file of lines `token,user,uid[,"group1,group2"]`, as --token-auth-file."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = {token.encode(): user for token, user in users.items()}

    @classmethod
    def load(cls, path: str | Path) -> TokenFile:
        """Raises ValueError naming the line that is wrong."""
        users: dict[str, User] = {}
        with open(path, newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.reader(file), 1):
                if not row:
                    continue
                if len(row) < 3 or not row[0] or not row[1]:
                    raise ValueError(f'{path}, line {number}: expected token,user,uid[,"group1,group2"]')
                groups = tuple(g.strip() for g in row[3].split(",") if g.strip()) if len(row) > 3 else ()
                users[row[0]] = User(row[1], (*groups, AUTHENTICATED), uid=row[2])
        return cls(users)

    def user(self, token: bytes) -> User | None:
        """The token's user; every entry is compared in constant time."""
        found = None
        for known, user in self._users.items():
            if hmac.compare_digest(known, token):
                found = user
        return found


class Authentication:
    """Finds a request's user from what the connection and the headers say."""

    def __init__(self, authorization: Authorization, tokens: TokenFile | None = None) -> None:
        self._authorization = authorization
        self._tokens = tokens

    def authenticate(self, scope: Mapping[str, Any]) -> User:
        """The user of an ASGI scope, or whom it acts as; the verified peer is `scope["state"]["peer"]`.

        Raises Unauthorized; Forbidden and BadRequest for impersonation.
        """
        user = self._identify(scope)
        for name, _ in scope["headers"]:
            if name.startswith(PREFIX):
                return impersonated(user, scope["headers"], self._authorization)
        return user

    def _identify(self, scope: Mapping[str, Any]) -> User:
        peer = scope.get("state", {}).get("peer")
        if peer is not None:
            user = peer.get("_user")
            if user is None:
                user = peer["_user"] = User(peer["user"], (*peer["groups"], AUTHENTICATED))
            return user  # type: ignore[no-any-return]
        for name, value in scope["headers"]:
            if name == b"authorization":
                return self._bearer(value)
        return ANONYMOUS

    def _bearer(self, value: bytes) -> User:
        scheme, _, token = value.partition(b" ")
        if scheme.lower() != b"bearer" or not token.strip():
            return ANONYMOUS  # other schemes and empty tokens say nothing, as upstream
        if self._tokens is not None:
            user = self._tokens.user(token.strip())
            if user is not None:
                return user
        raise errors.Unauthorized("Unauthorized")
