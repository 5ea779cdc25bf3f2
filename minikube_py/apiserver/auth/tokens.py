"""Bearer tokens: the authenticators in their order, and what they have found out about tokens seen before."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.cache import Item, KindCache
from minikube_py.daemon.clock import Clock

CACHE_SIZE = 4096
"""Tokens that are remembered at once."""


class Refused(Exception):
    """A token that is of an authenticator's sort, but not good. The message says why and never holds the token."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An object as it was when a token was found good because of it."""

    cache: KindCache
    key: str
    item: Item

    def holds(self) -> bool:
        return self.cache.items.get(self.key) is self.item


@dataclass(frozen=True, slots=True)
class Identified:
    """Whose token it is. `audiences` are those asked for that it is good for; None: it says nothing about audiences.

    The answer may be used again until `expires` (seconds since the epoch) while all `evidence` holds.
    """

    user: User
    audiences: tuple[str, ...] | None = None
    expires: float = math.inf
    evidence: tuple[Evidence, ...] = ()


class TokenAuthenticator(Protocol):
    """One sort of bearer tokens."""

    async def identify(self, token: str, audiences: Sequence[str]) -> Identified | None:
        """None when the token is of another sort. Raises Refused."""
        ...


class Tokens:
    """All sorts of bearer tokens. `static` are the tokens of a file, which are compared first."""

    def __init__(
        self,
        authenticators: Sequence[TokenAuthenticator],
        clock: Clock,
        *,
        static: StaticTokens | None = None,
        api_audiences: Sequence[str] = (),
    ) -> None:
        self._authenticators = tuple(authenticators)
        self._clock = clock
        self._static = static
        self._api_audiences = tuple(api_audiences)
        self._cache: dict[bytes, Identified] = {}

    def known(self, token: bytes) -> User | None:
        """The user of a static token, or of one that was found good and still is: cheap, and does not wait."""
        if self._static is not None:
            user = self._static.user(token)
            if user is not None:
                return user
        if not self._cache:
            return None
        digest = hashlib.sha256(token).digest()
        found = self._cache.get(digest)
        if found is None:
            return None
        if found.expires > self._clock.time():
            for evidence in found.evidence:
                if not evidence.holds():
                    break
            else:
                return found.user
        del self._cache[digest]
        return None

    async def user(self, token: bytes) -> User:
        """The user of a token that is good for this API server. Raises Refused."""
        found = await self.identify(token)
        if len(self._cache) >= CACHE_SIZE:
            del self._cache[next(iter(self._cache))]  # the oldest
        self._cache[hashlib.sha256(token).digest()] = found
        return found.user

    async def identify(self, token: bytes, audiences: Sequence[str] = ()) -> Identified:
        """Whose token it is, for one of `audiences` (none: this API server's own). Raises Refused.

        The answer's audiences are never None.
        """
        wanted = tuple(audiences) or self._api_audiences
        own = tuple(a for a in self._api_audiences if a in wanted)
        agnostic = bool(own) or not wanted  # what says nothing about audiences is good for the API server's own
        if self._static is not None and agnostic:
            user = self._static.user(token)
            if user is not None:
                return Identified(user, own)
        try:
            text = token.decode("ascii")
        except UnicodeDecodeError:
            raise Refused("the token is of no known sort") from None
        reasons = []
        for authenticator in self._authenticators:
            try:
                found = await authenticator.identify(text, wanted)
            except Refused as refused:
                reasons.append(str(refused))
                continue
            if found is None:
                continue
            if found.audiences is not None:
                return found
            if agnostic:
                return Identified(found.user, own, found.expires, found.evidence)
        raise Refused("; ".join(reasons) or "the token is of no known sort")


class StaticTokens(Protocol):
    """Tokens that never change."""

    def user(self, token: bytes) -> User | None: ...


def texts(claims: Mapping[str, object], name: str) -> tuple[str, ...]:
    """A claim that is a string or a list of strings, as a tuple; empty when it is neither."""
    value = claims.get(name)
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    return ()


def number(claims: Mapping[str, object], name: str) -> float | None:
    """A claim that is a time in seconds since the epoch. Raises Refused when it is something else."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"the token's claim {name} is no number")
    return float(value)
