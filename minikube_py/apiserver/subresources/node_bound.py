"""`pods/log`, `exec` and `attach`: finds the Pod and its Node, and hands the request to the proxy to its kubelet."""

from __future__ import annotations

import ssl
from typing import Protocol

from minikube_py.apiserver.config import Config
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.resources import require_verbs


class Proxy(Protocol):
    """Serves one request for a Pod on a Node (None: the Node is not known)."""

    async def serve(self, exchange: Exchange, pod: Object, node: Object | None) -> None: ...


class NodeBound:
    """A sub-resource of Pods that the kubelet of the Pod's Node serves."""

    def __init__(self, nodes: Registry, proxy: Proxy, methods: tuple[str, ...]) -> None:
        self._nodes = nodes
        self._proxy = proxy
        self._methods = methods

    async def serve(self, exchange: Exchange, pods: Registry, target: Target) -> None:
        """Raises NotFound for an unknown Pod, and what the proxy raises."""
        require_verbs(exchange, self._methods)
        pod = await pods.read(target.namespace, target.name)
        item = self._nodes.cache.items.get(self._nodes.cache.key("", pod["spec"].get("nodeName", "")))
        node = self._nodes.codec.decode(item.value, item.rev) if item is not None else None
        await self._proxy.serve(exchange, pod, node)


def kubelet_tls(config: Config) -> ssl.SSLContext | None:
    """How the API server talks to kubelets: their CA, its own client certificate; None without either (plain HTTP)."""
    if not config.kubelet_client_certificate:
        return None
    context = ssl.create_default_context(cafile=config.kubelet_certificate_authority or None)
    context.load_cert_chain(config.kubelet_client_certificate, config.kubelet_client_key)
    return context
