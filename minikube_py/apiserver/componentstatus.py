"""ComponentStatus: how the parts of the control plane are, as far as the API server can tell; nothing is stored.

The store is asked. The scheduler's and the controller manager's own health pages are not reachable from here: one that
takes part in leader election is judged by its Lease, of another nothing is known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from minikube_py.api import names
from minikube_py.api.errors import NotAcceptable, not_found
from minikube_py.api.meta import Object
from minikube_py.api.resources import LEASES, Resource
from minikube_py.api.times import parse_time
from minikube_py.apiserver import negotiate, options
from minikube_py.apiserver.auth.authorization import Asked, Authorization
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.encoding import dumps, loads
from minikube_py.apiserver.http import JSON, Exchange, warning_headers
from minikube_py.apiserver.kinds._columns import NAME
from minikube_py.apiserver.kinds.base import Column, Kind
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.resources import include_object, require_verbs
from minikube_py.apiserver.table import partial, partial_list, table
from minikube_py.daemon.clock import Clock

DEPRECATED = "v1 ComponentStatus is deprecated in v1.19+"
STORE = "etcd-0"
DAEMONS = {"controller-manager": "kube-controller-manager", "scheduler": "kube-scheduler"}
"""The components that may hold a Lease in kube-system, and its name."""


def row(obj: Object) -> list[Any]:
    for condition in obj.get("conditions") or ():
        if condition.get("type") == "Healthy":
            state = "Healthy" if condition.get("status") == "True" else "Unhealthy"
            return [obj["metadata"]["name"], state, condition.get("message", ""), condition.get("error", "")]
    return [obj["metadata"]["name"], "Unknown", "", ""]


KIND = Kind(
    resource=Resource("", "v1", "componentstatuses", "ComponentStatus", False, "core/v1.ComponentStatus"),
    singular="componentstatus",
    short_names=("cs",),
    verbs=("get", "list"),
    columns=(
        NAME,
        Column("Status", description="Healthy, Unhealthy, or Unknown when nothing can be said."),
        Column("Message", description="What the component says."),
        Column("Error", description="What is wrong with it."),
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
)


def component(name: str, healthy: bool | None, error: str = "") -> Object:
    """The object that is shown; None says that nothing is known."""
    obj: Object = {"kind": KIND.resource.kind, "apiVersion": "v1", "metadata": {"name": name}}
    if healthy is not None:
        condition = {"type": "Healthy", "status": "True" if healthy else "False"}
        obj["conditions"] = [{**condition, "message": "ok"} if healthy else {**condition, "error": error}]
    return obj


def by_lease(name: str, lease: Object | None, now: datetime) -> Object:
    """The component that would hold this Lease, if it takes part in leader election at all."""
    spec = (lease or {}).get("spec") or {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return component(name, None)
    ended = parse_time(spec["renewTime"]) + timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
    return component(name, now <= ended, f"its Lease was last renewed at {spec['renewTime']}")


class ComponentStatuses:
    """Serves /api/v1/componentstatuses."""

    def __init__(
        self, catalog: Catalog, clock: Clock, check: Callable[[], Awaitable[str | None]], authorization: Authorization
    ) -> None:
        self._leases = catalog.of(LEASES).cache
        self._clock = clock
        self._check = check
        self._authorization = authorization

    async def components(self) -> list[Object]:
        """All of them, by name."""
        now = self._clock.now()
        found = []
        for name, holder in DAEMONS.items():
            item = self._leases.items.get(self._leases.key("kube-system", holder))
            found.append(by_lease(name, loads(item.data) if item is not None else None, now))
        wrong = await self._check()
        found.append(component(STORE, not wrong, wrong or ""))
        return sorted(found, key=lambda c: str(c["metadata"]["name"]))

    async def serve(self, exchange: Exchange, target: Target) -> None:
        """Raises Forbidden, NotFound, MethodNotAllowed, NotAcceptable, BadRequest."""
        verb = "get" if target.name else "list"
        asked = Asked(verb, "", "", "v1", KIND.resource.plural, target.subresource, "", target.name)
        self._authorization.require(exchange.user, asked)
        require_verbs(exchange, ("GET", "HEAD"))
        form = negotiate.form(exchange.header(b"accept"))
        wanted = options.list_options(exchange.query, KIND, target.name)
        found = [
            c
            for c in await self.components()
            if (not wanted.name or c["metadata"]["name"] == wanted.name)
            and (wanted.labels is None or wanted.labels.matches({}))
            and (wanted.fields is None or wanted.fields.matches({"metadata.name": c["metadata"]["name"]}))
        ]
        if target.name and (not found or target.subresource):
            raise not_found("", KIND.resource.plural, target.name)
        await exchange.answer(
            200, dumps(self._shown(found, form, exchange, target)), JSON, warning_headers([DEPRECATED])
        )

    def _shown(self, found: list[Object], form: negotiate.Form, exchange: Exchange, target: Target) -> Object:
        version = f"meta.k8s.io/{form.version}"
        if form.shape == "Table":
            include = include_object(exchange)
            return table(
                KIND, found, now=self._clock.now(), list_meta={}, include_object=include, group_version=version
            )  # fmt: skip
        if not form.shape:
            head = {"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}}
            return found[0] if target.name else {**head, "items": found}
        if (form.shape == "PartialObjectMetadata") != bool(target.name):
            raise NotAcceptable(f"this has no form {form.shape}")
        if target.name:
            return partial(found[0], group_version=version)
        return partial_list(found, list_meta={}, group_version=version)
