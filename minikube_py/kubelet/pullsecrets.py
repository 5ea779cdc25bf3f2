"""The credentials that a Pod's images may be pulled with, read when an image is to be pulled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from minikube_py.api import errors
from minikube_py.client.events import EventRecorder
from minikube_py.daemon import logs
from minikube_py.kubelet import keyring, podspec
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Credentials, ImagePullFailed

log = logs.get("kubelet")


class Objects(Protocol):
    """Where they are read; None where there is no such object, StatusError where nobody answers."""

    async def secret(self, namespace: str, name: str) -> Object | None: ...

    async def service_account(self, namespace: str, name: str) -> Object | None: ...


class PullSecrets:
    """`spec.imagePullSecrets`, and for a Pod that names none those of its ServiceAccount."""

    def __init__(self, objects: Objects, recorder: EventRecorder) -> None:
        self._objects = objects
        self._recorder = recorder

    async def credentials(self, pod: Object, image: str) -> Sequence[Credentials]:
        """What to try for this image, in order.

        As in Kubernetes a Secret that cannot be read is a warning and the pull goes on without it, and one that cannot
        be understood fails the pull. Raises ImagePullFailed, InvalidImageName, ServiceUnavailable (ask again later).
        """
        names = await self._names(pod)
        if not names:
            return ()
        namespace = pod["metadata"]["namespace"]
        found, missing = [], []
        for name in names:
            secret = await self._secret(namespace, name)
            if secret is None:
                missing.append(name)
            else:
                found.append(secret)
        if missing:
            self._recorder.event(
                pod, "Warning", "FailedToRetrieveImagePullSecret",
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed.",
            )  # fmt: skip
        try:
            ring = keyring.keyring(found)
        except keyring.BadSecret as e:
            raise ImagePullFailed(str(e)) from e
        return keyring.lookup(ring, image)

    async def _names(self, pod: Object) -> list[str]:
        """Names in their order; an empty one, which the API lets pass, is no name."""
        own = pod["spec"].get("imagePullSecrets")
        if not own:
            account = pod["spec"].get("serviceAccountName") or "default"
            try:
                found = await self._objects.service_account(pod["metadata"]["namespace"], account)
            except errors.ServiceUnavailable:
                raise
            except errors.StatusError as e:
                log.warning("a service account could not be read", pod=podspec.full_name(pod), name=account, error=e)
                return []
            own = (found or {}).get("imagePullSecrets")
        return [str(one["name"]) for one in own or () if one.get("name")]

    async def _secret(self, namespace: str, name: str) -> Object | None:
        try:
            return await self._objects.secret(namespace, name)
        except errors.ServiceUnavailable:
            raise
        except errors.StatusError as e:
            log.warning("an image pull secret could not be read", secret=f"{namespace}/{name}", error=e)
            return None
