"""Sub-resources that are not a plain view of their object, and the one table of who serves which."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from minikube_py.api.resources import NODES
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.resources import SubresourceHandler
from minikube_py.daemon.clock import Clock

if TYPE_CHECKING:
    from minikube_py.apiserver.subresources.binding import Binding
    from minikube_py.apiserver.subresources.kubelets import Kubelets


def handlers(
    catalog: Catalog, clock: Clock, binding: Binding, kubelets: Kubelets
) -> Mapping[tuple[str, str], SubresourceHandler]:
    """The handlers by qualified plural and sub-resource; `catalog` has the built-in kinds already."""
    from minikube_py.apiserver.subresources import finalize, locate
    from minikube_py.apiserver.subresources.eviction import Eviction
    from minikube_py.apiserver.subresources.log import LogProxy
    from minikube_py.apiserver.subresources.node_bound import NodeBound
    from minikube_py.apiserver.subresources.proxy import Proxy
    from minikube_py.apiserver.subresources.streaming import StreamProxy

    nodes = catalog.of(NODES)
    return {
        ("pods", "attach"): NodeBound(nodes, StreamProxy(kubelets, "attach"), ("GET", "POST")).serve,
        ("pods", "binding"): binding.serve,
        ("pods", "eviction"): Eviction(catalog, clock).serve,
        ("pods", "exec"): NodeBound(nodes, StreamProxy(kubelets, "exec"), ("GET", "POST")).serve,
        ("pods", "log"): NodeBound(nodes, LogProxy(kubelets), ("GET",)).serve,
        ("pods", "portforward"): NodeBound(nodes, StreamProxy(kubelets, "portForward"), ("GET", "POST")).serve,
        ("pods", "proxy"): Proxy(kubelets, locate.pod).serve,
        ("services", "proxy"): Proxy(kubelets, partial(locate.service, catalog)).serve,
        ("nodes", "proxy"): Proxy(kubelets, partial(locate.node, kubelets)).serve,
        ("namespaces", "finalize"): finalize.serve,
    }
