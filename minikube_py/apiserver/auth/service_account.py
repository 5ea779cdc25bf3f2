"""ServiceAccount tokens: issued by this API server and bound to objects, or kept in Secrets (the older sort)."""

from __future__ import annotations

import hmac
import uuid
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from minikube_py.api.times import parse_time
from minikube_py.apiserver.auth.tokens import Evidence, Identified, Refused, number, texts
from minikube_py.apiserver.auth.user import AUTHENTICATED, User
from minikube_py.apiserver.cache import KindCache
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.storage import Storage
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.jwt import JWTError, Parsed, SigningKey, VerifyingKey, parse

LEGACY_ISSUER = "kubernetes/serviceaccount"
DELETED_SECONDS = 60.0
"""How long after the time at which a bound object was to be gone its tokens are still good."""
EXTRA = "authentication.kubernetes.io/"
_LEGACY = "kubernetes.io/serviceaccount/"
_INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"


class Issuer:
    """Makes the claims of bound tokens and signs them."""

    def __init__(self, issuer: str, key: SigningKey, clock: Clock) -> None:
        self._issuer = issuer
        self._key = key
        self._clock = clock

    def issue(
        self, account: Object, audiences: Sequence[str], seconds: int, bound: Mapping[str, Object], *, warn: int = 0
    ) -> str:
        """A token for a ServiceAccount. `bound` are the objects that it names, as `pod`, `node` and `secret`.

        `warn` are the seconds after which its use is to be noticed, 0 for never.
        """
        metadata = account["metadata"]
        now = int(self._clock.time())
        private: dict[str, Any] = {
            "namespace": metadata["namespace"],
            "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
        }
        for name, obj in bound.items():
            uid = obj["metadata"].get("uid")
            private[name] = {"name": obj["metadata"]["name"], **({"uid": uid} if uid else {})}
        if warn:
            private["warnafter"] = now + warn
        return self._key.sign({
            "aud": list(audiences), "exp": now + seconds, "iat": now, "iss": self._issuer, "jti": str(uuid.uuid4()),
            "kubernetes.io": private, "nbf": now,
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        })  # fmt: skip


class ServiceAccountTokens:
    """Verifies both sorts. What a token is bound to must be there as it was when the token was made."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        keys: Sequence[VerifyingKey],
        *,
        issuers: Sequence[str],
        api_audiences: Sequence[str],
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._keys = tuple(keys)
        self._issuers = frozenset(issuers)
        self._api_audiences = tuple(api_audiences)

    async def identify(self, token: str, audiences: Sequence[str]) -> Identified | None:
        """See TokenAuthenticator."""
        try:
            parsed = parse(token)
        except JWTError:
            return None
        issuer = parsed.claims.get("iss")
        if not isinstance(issuer, str) or (issuer != LEGACY_ISSUER and issuer not in self._issuers):
            return None
        if not self._verified(parsed):
            raise Refused("the token's signature is not of a known key")
        meant = texts(parsed.claims, "aud") or self._api_audiences  # the older sort names none
        good = tuple(a for a in audiences if a in meant)
        if audiences and not good:
            raise Refused(f"token audiences {_quoted(meant)} is invalid for the target audiences {_quoted(audiences)}")
        if issuer == LEGACY_ISSUER:
            return await self._legacy(token, parsed.claims, good)
        return await self._bound(parsed.claims, good)

    def _verified(self, parsed: Parsed) -> bool:
        kid = parsed.header.get("kid")
        named = [key for key in self._keys if key.key_id == kid]
        return any(key.verifies(parsed) for key in named or self._keys)

    async def _bound(self, claims: Mapping[str, Any], audiences: tuple[str, ...]) -> Identified:
        now = self._clock.time()
        expires, begins = number(claims, "exp"), number(claims, "nbf")
        if expires is None or expires <= now:
            raise Refused("service account token has expired")
        if begins is not None and begins > now:
            raise Refused("service account token is not valid yet")
        private = claims.get("kubernetes.io")
        if not isinstance(private, dict) or not isinstance(private.get("namespace"), str):
            raise Refused("the token's private claims are missing")
        namespace = private["namespace"]
        account = _reference(private, "serviceaccount")
        if account is None or claims.get("sub") != f"system:serviceaccount:{namespace}:{account[0]}":
            raise Refused("the token's subject is not the service account that it names")
        evidence: list[Evidence] = []
        extra: dict[str, tuple[str, ...]] = {}
        deadline = min(expires, await self._alive("serviceaccounts", namespace, account, evidence))
        secret, pod, node = (_reference(private, name) for name in ("secret", "pod", "node"))
        if secret is not None:
            deadline = min(deadline, await self._alive("secrets", namespace, secret, evidence))
        if pod is not None:
            deadline = min(deadline, await self._alive("pods", namespace, pod, evidence))
            extra |= {f"{EXTRA}pod-name": (pod[0],), f"{EXTRA}pod-uid": (pod[1],)}
        elif node is not None:  # a Pod's token goes on when its Node's object is made anew
            deadline = min(deadline, await self._alive("nodes", "", node, evidence))
        if node is not None:
            extra[f"{EXTRA}node-name"] = (node[0],)
            if node[1]:
                extra[f"{EXTRA}node-uid"] = (node[1],)
        if isinstance(claims.get("jti"), str) and claims["jti"]:
            extra[f"{EXTRA}credential-id"] = (f"JTI={claims['jti']}",)
        return Identified(user_of(namespace, *account, extra), audiences, deadline, tuple(evidence))

    async def _legacy(self, token: str, claims: Mapping[str, Any], audiences: tuple[str, ...]) -> Identified:
        said = {
            name: claims.get(_LEGACY + name)
            for name in ("namespace", "secret.name", "service-account.name", "service-account.uid")
        }
        if not all(isinstance(value, str) and value for value in said.values()):
            raise Refused("the token's claims are missing")
        namespace, secret, name, uid = (str(value) for value in said.values())
        if claims.get("sub") != f"system:serviceaccount:{namespace}:{name}":
            raise Refused("the token's subject is not the service account that it names")
        evidence: list[Evidence] = []
        kept = await self._find("secrets", namespace, (secret, ""), evidence)
        if kept["metadata"].get("deletionTimestamp"):
            raise Refused("Token has been invalidated")
        if kept["metadata"].get("labels", {}).get(_INVALID_SINCE):
            raise Refused(f"the token in secret {namespace}/{secret} is marked as invalid")
        if not hmac.compare_digest(b64decode((kept.get("data") or {}).get("token") or ""), token.encode()):
            raise Refused("Token does not match server's copy")
        account = await self._find("serviceaccounts", namespace, (name, uid), evidence)
        if account["metadata"].get("deletionTimestamp"):
            raise Refused(f"ServiceAccount {namespace}/{name} has been deleted")
        return Identified(user_of(namespace, name, uid), audiences, evidence=tuple(evidence))

    async def _alive(self, plural: str, namespace: str, reference: tuple[str, str], evidence: list[Evidence]) -> float:
        """Until when a bound object may be taken for being there. Raises Refused when it is not any more."""
        deleted = (await self._find(plural, namespace, reference, evidence))["metadata"].get("deletionTimestamp")
        if not deleted:
            return float("inf")
        until: datetime = parse_time(deleted) + timedelta(seconds=DELETED_SECONDS)
        if until < self._clock.now():
            raise Refused(f"{plural} {_named(namespace, reference[0])} has been deleted")
        return until.timestamp()

    async def _find(self, plural: str, namespace: str, reference: tuple[str, str], evidence: list[Evidence]) -> Object:
        """An object by name and (where one is given) uid; read again before it is said to be missing."""
        cache: KindCache = self._storage.caches[plural]
        name, uid = reference
        key = cache.key(namespace, name)
        for fresh in (False, True):
            if fresh:
                await self._storage.fresh()
            item = cache.items.get(key)
            if item is None:
                continue
            obj: Object = loads(item.data)
            if not uid or obj["metadata"]["uid"] == uid:
                evidence.append(Evidence(cache, key, item))
                return obj
        raise Refused(f"{plural} {_named(namespace, name)} is not the one that the token is bound to, or is gone")


def user_of(namespace: str, name: str, uid: str, extra: Mapping[str, tuple[str, ...]] | None = None) -> User:
    """The user that a ServiceAccount is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra or {})


def _reference(private: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    found = private.get(name)
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        return None
    uid = found.get("uid")
    return found["name"], uid if isinstance(uid, str) else ""


def _named(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _quoted(values: Sequence[str]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"
