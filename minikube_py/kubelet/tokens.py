"""ServiceAccount tokens for Pods: asked for with the kubelet's own rights, bound to the Pod, kept until nearly old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from minikube_py.api import errors
from minikube_py.api.resources import SERVICEACCOUNTS
from minikube_py.api.times import parse_time
from minikube_py.client.rest import Client
from minikube_py.daemon import logs
from minikube_py.kubelet import podspec
from minikube_py.kubelet.podspec import Object

log = logs.get("kubelet.tokens")

MAX_AGE = timedelta(hours=24)
"""After this a new token is asked for however long the old one is good."""
FRESH_SHARE = 0.8
"""The part of its life after which a token is replaced."""


@dataclass(frozen=True, slots=True, repr=False)
class _Token:
    text: str
    issued: datetime
    expires: datetime

    def is_old(self, now: datetime) -> bool:
        return now > self.issued + MAX_AGE or now >= self.issued + (self.expires - self.issued) * FRESH_SHARE


class PodTokens:
    """The tokens of this node's Pods, by Pod, audience and asked lifetime."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tokens: dict[tuple[str, str, int], _Token] = {}

    async def get(self, pod: Object, audience: str, seconds: int) -> str:
        """A token that is not old; an old one that is still good where no new one can be had. Raises StatusError."""
        key = (podspec.uid(pod), audience, seconds)
        known, now = self._tokens.get(key), self._client.clock.now()
        if known is not None and not known.is_old(now):
            return known.text
        try:
            made = self._tokens[key] = await self._ask(pod, audience, seconds)
        except errors.StatusError as error:
            if known is None or known.expires <= now:
                raise
            log.warning("a pod's token could not be renewed", pod=podspec.full_name(pod), error=error)
            return known.text
        return made.text

    def forget(self, uid: str) -> None:
        """A Pod is gone: drop its tokens."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]

    async def _ask(self, pod: Object, audience: str, seconds: int) -> _Token:
        metadata, account = pod["metadata"], pod["spec"].get("serviceAccountName") or "default"
        reference = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        request = {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [], "expirationSeconds": seconds, "boundObjectRef": reference,
            },
        }  # fmt: skip
        namespace = metadata["namespace"]
        answer = await self._client.create_subresource(SERVICEACCOUNTS, account, namespace, "token", request)
        try:
            text = str(answer["status"]["token"])
            expires = parse_time(answer["status"]["expirationTimestamp"])
            granted = timedelta(seconds=int(answer["spec"]["expirationSeconds"]))
        except (KeyError, TypeError, ValueError):
            raise errors.InternalError("the answer to a TokenRequest has no token") from None
        return _Token(text, expires - granted, expires)
