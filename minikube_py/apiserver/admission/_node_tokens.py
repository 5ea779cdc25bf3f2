"""For which audiences a kubelet may ask tokens: those that its Pod's volumes name, or that roles allow it."""

from __future__ import annotations

from collections.abc import Iterator

from minikube_py.apiserver.admission.base import Attributes
from minikube_py.apiserver.auth.authorization import Asked, Authorization
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.storage import Storage

VERB = "request-serviceaccounts-token-audience"


class TokenRules:
    """As upstream's ServiceAccountNodeAudienceRestriction."""

    def __init__(self, storage: Storage, authorization: Authorization) -> None:
        self._storage = storage
        self._authorization = authorization

    def refusal(self, attributes: Attributes, pod: Object) -> str:
        """Why a TokenRequest for the Pod is refused; empty when it is not."""
        audiences = ((attributes.new or {}).get("spec") or {}).get("audiences") or [""]
        if len(audiences) > 1:
            return "node may only request 0 or 1 audiences"
        audience = audiences[0]
        if audience in self._named(pod):
            return ""
        asked = Asked(
            VERB, version="v1", resource=audience, namespace=attributes.namespace, name=attributes.name
        )  # fmt: skip
        if self._authorization.authorize(attributes.user, asked)[0]:
            return ""
        who = attributes.user.name
        return f'audience "{audience}" not found in pod spec volume, {who} is not authorized to request tokens for it'

    def _named(self, pod: Object) -> Iterator[str]:
        """The audiences of the Pod's projected volumes, and of the drivers of its CSI volumes."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        for volume in pod["spec"].get("volumes") or ():
            for source in (volume.get("projected") or {}).get("sources") or ():
                if (token := source.get("serviceAccountToken")) is not None:
                    yield token.get("audience") or ""
            driver = (volume.get("csi") or {}).get("driver", "")
            if volume.get("ephemeral") is not None:
                driver = self._driver_of_claim(namespace, f"{name}-{volume['name']}")
            elif claim := volume.get("persistentVolumeClaim"):
                driver = self._driver_of_claim(namespace, claim["claimName"])
            for request in self._spec("csidrivers.storage.k8s.io", "", driver).get("tokenRequests") or ():
                yield request.get("audience") or ""

    def _driver_of_claim(self, namespace: str, claim: str) -> str:
        volume = self._spec("persistentvolumeclaims", namespace, claim).get("volumeName") or ""
        driver: str = (self._spec("persistentvolumes", "", volume).get("csi") or {}).get("driver") or ""
        return driver

    def _spec(self, qualified: str, namespace: str, name: str) -> Object:
        """The spec of an object of the cache; empty when there is none."""
        cache = self._storage.caches.get(qualified)
        item = cache.items.get(cache.key(namespace, name)) if cache is not None and name else None
        return (loads(item.data).get("spec") or {}) if item is not None else {}
