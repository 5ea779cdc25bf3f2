"""Sub-resources of Pods that the kubelet could not act on: they are refused, and not in discovery."""

from __future__ import annotations

from minikube_py.api import errors
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.registry import Registry

WHY = {
    "ephemeralcontainers": "ephemeral containers are not supported: no kubelet of this cluster runs them",
    "resize": "resizing a Pod in place is not supported: no kubelet of this cluster changes running containers",
}


async def serve(exchange: Exchange, registry: Registry, target: Target) -> None:
    """Raises NotFound, whose text says more than that: nothing may be stored that is then ignored."""
    raise errors.NotFound(WHY[target.subresource], details={})
