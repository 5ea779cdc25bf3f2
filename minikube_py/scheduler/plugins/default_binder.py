"""Binding by the Pod's `binding` sub-resource, where the API server lets the first one win."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minikube_py.api.resources import PODS
from minikube_py.scheduler.pod import PodInfo

if TYPE_CHECKING:
    from minikube_py.client.rest import Client


class DefaultBinder:
    name = "DefaultBinder"

    async def bind(self, client: Client, pod: PodInfo, node: str) -> None:
        """Names the uid, so that a Pod made anew under the same name is not bound. Raises Conflict when it is bound."""
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await client.create_subresource(PODS, pod.name, pod.namespace, "binding", binding)
