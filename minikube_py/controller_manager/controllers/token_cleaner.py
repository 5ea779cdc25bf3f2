"""Bootstrap tokens that have expired are deleted."""

from __future__ import annotations

from base64 import b64decode

from minikube_py.api import errors
from minikube_py.api.meta import Object
from minikube_py.api.resources import SECRETS
from minikube_py.api.times import parse_time
from minikube_py.controller_manager.context import Context
from minikube_py.daemon import logs

log = logs.get("token-cleaner")

NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"


def remaining(secret: Object, now: float) -> float | None:
    """Seconds until a token's end, 0 when it has passed or cannot be read; None for a token without one."""
    text = (secret.get("data") or {}).get("expiration")
    if not text:
        return None
    try:
        return max(0.0, parse_time(b64decode(text).decode()).timestamp() - now)
    except ValueError:
        return 0.0


class TokenCleaner:
    name = "token-cleaner-controller"

    def __init__(self, context: Context) -> None:
        self.client = context.client
        self.clock = context.clock
        self.secrets = context.informer(SECRETS, NAMESPACE, field_selector=f"type={TYPE}")
        context.controller(self.name, self.reconcile).watch(self.secrets)

    async def reconcile(self, key: str) -> float | None:
        """`key` is a Secret; looked at again when its token ends."""
        secret = self.secrets.get(key)
        if secret is None:
            return None
        left = remaining(secret, self.clock.time())
        if left is None or left > 0:
            return left
        metadata = secret["metadata"]
        try:
            await self.client.delete(SECRETS, metadata["name"], NAMESPACE, uid=metadata["uid"])
            log.info("deleted an expired bootstrap token", secret=key)
        except (errors.NotFound, errors.Conflict):
            pass  # gone, or another one by now
        return None
