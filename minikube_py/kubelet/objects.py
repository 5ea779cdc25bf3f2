"""ConfigMaps, Secrets, ServiceAccounts and their tokens, from the API server at the moment when they are needed."""

from __future__ import annotations

from minikube_py.api import errors
from minikube_py.api.resources import CONFIGMAPS, SECRETS, SERVICEACCOUNTS
from minikube_py.client.rest import Client
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.tokens import PodTokens


class ApiObjects:
    """Always the newest; None where there is no such object. Raises StatusError where nobody answers."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.tokens = PodTokens(client)

    async def configmap(self, namespace: str, name: str) -> Object | None:
        try:
            return await self._client.get(CONFIGMAPS, name, namespace)
        except errors.NotFound:
            return None

    async def service_account(self, namespace: str, name: str) -> Object | None:
        try:
            return await self._client.get(SERVICEACCOUNTS, name, namespace)
        except errors.NotFound:
            return None

    async def secret(self, namespace: str, name: str) -> Object | None:
        try:
            return await self._client.get(SECRETS, name, namespace)
        except errors.NotFound:
            return None
