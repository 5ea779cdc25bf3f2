"""Who is asking: a verified client certificate, a bearer token, or nobody."""

from __future__ import annotations

import csv
import hmac
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from minikube_py.api import errors
from minikube_py.apiserver.auth.authorization import Authorization
from minikube_py.apiserver.auth.impersonation import PREFIX, impersonated
from minikube_py.apiserver.auth.tokens import Refused, Tokens
from minikube_py.apiserver.auth.user import ACTING, ANONYMOUS, AUTHENTICATED, User
from minikube_py.daemon import logs
from minikube_py.store.base import Unavailable

log = logs.get("apiserver.authentication")


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

    def __init__(self, authorization: Authorization, tokens: Tokens, *, anonymous: bool = True) -> None:
        self._authorization = authorization
        self._tokens = tokens
        self._anonymous = anonymous

    def known(self, scope: MutableMapping[str, Any]) -> User | None:
        """The user of an ASGI scope, or whom it acts as; the verified peer is `scope["state"]["peer"]`.

        None when that takes time to find out: ask `authenticate` then. Raises Unauthorized; Forbidden and BadRequest
        for impersonation.
        """
        peer = scope.get("state", {}).get("peer")
        if peer is not None:
            user = peer.get("_user")
            if user is None:
                user = peer["_user"] = User(peer["user"], (*peer["groups"], AUTHENTICATED), extra=peer.get("extra", {}))
            return self._acting(scope, user)
        token = _bearer(scope)
        if token is None:
            if not self._anonymous:
                raise errors.Unauthorized("Unauthorized")
            return self._acting(scope, ANONYMOUS)
        user = self._tokens.known(token)
        return None if user is None else self._acting(scope, user)

    async def authenticate(self, scope: MutableMapping[str, Any]) -> User:
        """The user whose bearer token a scope has that is not known yet; raises as `known`, and ServiceUnavailable."""
        token = _bearer(scope)
        try:
            user = await self._tokens.user(token or b"")
        except Refused as refused:
            log.info("a bearer token was refused", reason=refused)
            raise errors.Unauthorized("Unauthorized") from None
        except Unavailable as error:
            raise errors.ServiceUnavailable(f"the store is not available: {error}") from None
        return self._acting(scope, user)

    def _acting(self, scope: MutableMapping[str, Any], user: User) -> User:
        for name, _ in scope["headers"]:
            if name.startswith(PREFIX):
                scope[ACTING] = user
                return impersonated(user, scope["headers"], self._authorization)
        return user


def _bearer(scope: Mapping[str, Any]) -> bytes | None:
    """The request's bearer token. Other schemes and empty tokens say nothing, as upstream."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            return token.strip() or None if scheme.lower() == b"bearer" else None
    return None
