"""metrics.k8s.io/v1beta1: what Nodes and Pods use, asked of the kubelets at every request; nothing is stored.

Elsewhere metrics-server serves this. As there: only Pods in phase Running have metrics, and none until every container
was measured twice; whose kubelet does not answer is left out of lists and not found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minikube_py.api import names, quantity
from minikube_py.api.errors import MethodNotAllowed, NotAcceptable, NotFound, not_found
from minikube_py.api.resources import NODES, PODS, Resource
from minikube_py.api.times import format_time, parse_time
from minikube_py.apiserver import negotiate, options, present
from minikube_py.apiserver.auth.authorization import Asked, Authorization
from minikube_py.apiserver.cache import Filter, Item
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.encoding import Object, dumps, loads
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.kinds._columns import NAME
from minikube_py.apiserver.kinds.base import Column, Kind
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.resources import VERBS, include_object, narrowed, require_verbs
from minikube_py.apiserver.subresources.kubelets import Kubelets
from minikube_py.apiserver.subresources.summaries import Measured, Summaries
from minikube_py.apiserver.table import partial, partial_list, table
from minikube_py.daemon.clock import Clock

GROUP, VERSION = "metrics.k8s.io", "v1beta1"


def node_row(obj: Object) -> list[Any]:
    return [obj["metadata"]["name"], obj["usage"]["cpu"], obj["usage"]["memory"], obj["window"]]


def pod_row(obj: Object) -> list[Any]:
    parts = [container["usage"] for container in obj["containers"]]
    sums = [sum((quantity.parse(p[name]) for p in parts), quantity.Quantity()).canonical() for name in _RESOURCES]
    return [obj["metadata"]["name"], *sums, obj["window"]]


_RESOURCES = ("cpu", "memory")
_COLUMNS = (
    NAME,
    Column("cpu", format="quantity", description="The CPU time used per second, averaged over the window."),
    Column("memory", format="quantity", description="The working set in bytes."),
    Column("Window", format="duration", description="How long the average goes back."),
)

NODE_METRICS = Kind(
    resource=Resource(GROUP, VERSION, "nodes", "NodeMetrics", False, "metrics/v1beta1.NodeMetrics"),
    singular="",
    verbs=("get", "list"),
    columns=_COLUMNS,
    row=node_row,
    validate_name=names.dns1123_subdomain,
)
POD_METRICS = Kind(
    resource=Resource(GROUP, VERSION, "pods", "PodMetrics", True, "metrics/v1beta1.PodMetrics"),
    singular="",
    verbs=("get", "list"),
    columns=_COLUMNS,
    row=pod_row,
    validate_name=names.dns1123_subdomain,
)
KINDS = {kind.resource.plural: kind for kind in (NODE_METRICS, POD_METRICS)}


class MetricsApi:
    """Serves /apis/metrics.k8s.io/v1beta1."""

    def __init__(self, catalog: Catalog, clock: Clock, kubelets: Kubelets, authorization: Authorization) -> None:
        self._nodes = catalog.of(NODES).cache
        self._pods = catalog.of(PODS).cache
        self._clock = clock
        self._summaries = Summaries(kubelets, clock)
        self._authorization = authorization

    def finds(self, target: Target) -> bool:
        """Whether the path is one of this group's resources."""
        return (target.group, target.version) == (GROUP, VERSION) and target.plural in KINDS

    async def serve(self, exchange: Exchange, target: Target) -> None:
        """Raises Forbidden, NotFound, MethodNotAllowed, NotAcceptable, BadRequest, Invalid."""
        kind, verb = KINDS[target.plural], _verb(exchange, target)
        name, selected = (target.name, ()) if target.name else narrowed(exchange, verb)
        self._authorization.require(
            exchange.user,
            Asked(verb, "", GROUP, VERSION, target.plural, target.subresource, target.namespace, name, selected),
        )
        namespaced = kind.resource.namespaced
        misplaced = not namespaced if target.namespace else namespaced and target.name
        if target.subresource or misplaced:
            raise NotFound("the server could not find the requested resource", details={})
        require_verbs(exchange, ("GET", "HEAD"))
        if verb == "watch":
            raise MethodNotAllowed("metrics are not kept, so that there is nothing to watch", details={})
        form = negotiate.form(exchange.header(b"accept"), yaml=True)
        include = include_object(exchange) if form.shape == "Table" else ""
        wanted = options.list_options(exchange.query, kind, target.name, watching=False)
        chosen = Filter(target.namespace, wanted.name, wanted.labels, wanted.fields)
        found = await (self._pod_metrics if namespaced else self._node_metrics)(chosen, target.name)
        shown = self._shown(kind, found, form, include, bool(target.name))
        await present.answer(exchange, 200, dumps(shown), form)

    # -- what is measured ---------------------------------------------------------------------------------------

    async def _node_metrics(self, chosen: Filter, name: str) -> list[Object]:
        """Of the Nodes that are chosen; of the one called `name` where that is not empty. Raises NotFound."""
        items = sorted((i for i in self._nodes.items.values() if chosen.matches(i)), key=lambda i: i.name)
        if name and not items:
            raise not_found(NODES.group, NODES.plural, name)
        summaries = await self._summaries.of(loads(item.data) for item in items)
        found = []
        for item in items:
            summary = summaries.get(item.name)
            if summary is not None and summary.node is not None:
                found.append({**self._head(NODE_METRICS, item, summary.node), "usage": summary.node.usage})
        if name and not found:
            raise not_found(GROUP, "nodemetrics", name)
        return found

    async def _pod_metrics(self, chosen: Filter, name: str) -> list[Object]:
        """The same of Pods."""
        items = [i for i in self._pods.items.values() if i.fields["status.phase"] == "Running" and chosen.matches(i)]
        if name and not items:
            raise not_found(PODS.group, PODS.plural, name)
        items.sort(key=lambda i: (i.namespace, i.name))
        summaries = await self._summaries.of(self._nodes_of(items))
        found = []
        for item in items:
            summary = summaries.get(item.fields["spec.nodeName"])
            containers = summary.pods.get((item.namespace, item.name)) if summary is not None else None
            if containers:
                oldest = min(containers.values(), key=lambda measured: parse_time(measured.timestamp))
                parts = [{"name": one, "usage": measured.usage} for one, measured in containers.items()]
                found.append({**self._head(POD_METRICS, item, oldest), "containers": parts})
        if name and not found:
            raise not_found(GROUP, "podmetrics", f"{chosen.namespace}/{name}")
        return found

    def _nodes_of(self, pods: Iterable[Item]) -> list[Object]:
        keys = (self._nodes.key("", node) for node in {pod.fields["spec.nodeName"] for pod in pods})
        return [loads(item.data) for item in (self._nodes.items.get(key) for key in keys) if item is not None]

    def _head(self, kind: Kind, item: Item, measured: Measured) -> Object:
        metadata: Object = {"name": item.name}
        if item.namespace:
            metadata["namespace"] = item.namespace
        metadata["creationTimestamp"] = format_time(self._clock.now())
        if item.labels:
            metadata["labels"] = dict(item.labels)
        return {
            "kind": kind.resource.kind, "apiVersion": kind.resource.api_version, "metadata": metadata,
            "timestamp": measured.timestamp, "window": measured.window,
        }  # fmt: skip

    # -- how it is shown ----------------------------------------------------------------------------------------

    def _shown(self, kind: Kind, found: list[Object], form: negotiate.Form, include: str, one: bool) -> Object:
        version = f"meta.k8s.io/{form.version}"
        if form.shape == "Table":
            return table(
                kind, found, now=self._clock.now(), list_meta={}, include_object=include, group_version=version
            )  # fmt: skip
        if not form.shape:
            resource = kind.resource
            head = {"kind": kind.list_kind, "apiVersion": resource.api_version, "metadata": {}}
            return found[0] if one else {**head, "items": found}
        if (form.shape == "PartialObjectMetadata") != one:
            raise NotAcceptable(f"this has no form {form.shape}")
        return partial(found[0], version) if one else partial_list(found, {}, version)


def _verb(exchange: Exchange, target: Target) -> str:
    if exchange.method in ("GET", "HEAD"):
        if target.watching or options.flag(exchange.query, "watch"):
            return "watch"
        return "get" if target.name else "list"
    if exchange.method == "DELETE":
        return "delete" if target.name else "deletecollection"
    return VERBS.get(exchange.method, "")
