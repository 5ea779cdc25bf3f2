"""Bootstrap tokens: Secrets of kube-system by which a machine that is no Node yet may ask for its certificate."""

from __future__ import annotations

import hmac
import math
import re
from base64 import b64decode
from collections.abc import Sequence

from minikube_py.api.times import parse_time
from minikube_py.apiserver.auth.tokens import Evidence, Identified, Refused
from minikube_py.apiserver.auth.user import AUTHENTICATED, User
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.storage import Storage
from minikube_py.daemon.clock import Clock

NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})\Z")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\Z")


class BootstrapTokens:
    """Verifies tokens of the form `abcdef.0123456789abcdef` (id and secret) against their Secrets."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def identify(self, token: str, audiences: Sequence[str]) -> Identified | None:
        """See TokenAuthenticator. Whatever a Secret lacks makes its token a bad one, and it is not said what."""
        match = _TOKEN.match(token)
        if match is None:
            return None
        cache = self._storage.caches["secrets"]
        key = cache.key(NAMESPACE, f"bootstrap-token-{match[1]}")
        item = cache.items.get(key)
        if item is None:
            await self._storage.fresh()
            item = cache.items.get(key)
            if item is None:
                raise Refused("the bootstrap token is not known")
        secret: Object = loads(item.data)
        user, expires = self._checked(secret, match[1], match[2])
        return Identified(user, None, expires, (Evidence(cache, key, item),))

    def _checked(self, secret: Object, token_id: str, token_secret: str) -> tuple[User, float]:
        data = {name: b64decode(text).decode("utf-8", "replace") for name, text in (secret.get("data") or {}).items()}
        good = (
            not secret["metadata"].get("deletionTimestamp")
            and secret.get("type") == TYPE
            and hmac.compare_digest(data.get("token-secret", "").encode(), token_secret.encode())
            and data.get("token-id") == token_id
            and data.get("usage-bootstrap-authentication") == "true"
        )
        expires = expiration(data.get("expiration", ""))
        if not good or expires <= self._clock.time():
            raise Refused("the bootstrap token is not valid")
        groups = [g for g in data.get("auth-extra-groups", "").split(",") if g]
        if not all(_EXTRA_GROUP.match(group) for group in groups):
            raise Refused("the bootstrap token's extra groups are not allowed")
        groups = sorted({GROUP, *groups})
        return User(f"system:bootstrap:{token_id}", (*groups, AUTHENTICATED)), expires


def expiration(text: str) -> float:
    """When a token ends, in seconds since the epoch: never without a time, long ago with one that cannot be read."""
    if not text:
        return math.inf
    try:
        return parse_time(text).timestamp()
    except ValueError:
        return -math.inf
