"""The generic REST resources: one raw ASGI application for everything below /api and /apis that is a resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from minikube_py.api import errors, fields
from minikube_py.api.names import path_segment
from minikube_py.apiserver import body, negotiate, options, patching, present
from minikube_py.apiserver.auth.authorization import Asked, Authorization
from minikube_py.apiserver.cache import Filter
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.encoding import Object, dumps, loads
from minikube_py.apiserver.http import Exchange, Headers, warning_headers
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.reading import list_body, list_items
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.storage import Storage
from minikube_py.apiserver.table import partial, partial_list_bytes, table, table_from_data
from minikube_py.apiserver.watch import Watcher, bookmark_object, event_line
from minikube_py.apiserver.writes import Request, Result
from minikube_py.daemon.clock import Clock

SubresourceHandler = Callable[[Exchange, Registry, Target], Awaitable[None]]
"""Serves a sub-resource that is no plain view of its object."""

NAMED = ("update", "patch")
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True)
class Resources:
    """Serves the verbs of every kind. `special` maps (qualified plural, sub-resource) to its handler."""

    catalog: Catalog
    storage: Storage
    clock: Clock
    authorization: Authorization
    special: Mapping[tuple[str, str], SubresourceHandler]

    def verb(self, exchange: Exchange, target: Target) -> str:
        """The Kubernetes verb of the request. Raises MethodNotAllowed."""
        method = exchange.method
        if method in ("GET", "HEAD"):
            if target.subresource or (target.name and not _watching(exchange)):
                return "get"
            if not _watching(exchange):
                return "list"
            if method == "HEAD":
                raise errors.MethodNotAllowed("a watch has no end, and an answer to HEAD has nothing else", details={})
            return "watch"
        if target.watching:
            raise _not_allowed(exchange)
        if method == "DELETE":
            return "delete" if target.name else "deletecollection"
        verb = VERBS.get(method)
        if verb is None and method == "OPTIONS" and target.subresource == "proxy":
            return ""  # upstream has no verb for it, either: only who may do everything may do this
        if verb is None:
            raise errors.MethodNotAllowed(
                f"the server does not allow the method {method[:16]} on the requested resource"
            )
        return verb

    async def serve(self, exchange: Exchange, target: Target) -> None:
        """Answer a request for a resource. Raises api.errors classes for whatever is wrong with it."""
        verb = self.verb(exchange, target)
        name = target.name
        chosen: tuple[tuple[str, str, str], ...] = ()
        if exchange.scope["query_string"] and verb in _NARROWED:
            name, chosen = narrowed(exchange, verb)
        namespace = target.namespace
        if target.plural == "namespaces" and not target.group:
            namespace = target.name  # a Namespace is in itself: what a role in it allows counts for it
        asked = Asked(
            verb, "", target.group, target.version, target.plural, target.subresource, namespace, name, chosen
        )
        self.authorization.require(exchange.user, asked)
        registry = self.catalog.get(target.group, target.version, target.plural)
        if registry is None or (target.namespace and not registry.kind.resource.namespaced):
            raise errors.NotFound("the server could not find the requested resource", details={})
        kind = registry.kind
        if kind.resource.namespaced and not target.namespace and (target.name or verb == "create"):
            raise errors.BadRequest("an empty namespace may not be set during creation or when an object is named")
        if target.subresource:
            await self._subresource(exchange, registry, target, verb)
            return
        if verb not in kind.verbs or (bool(target.name) if verb == "create" else verb in NAMED and not target.name):
            raise _not_allowed(exchange)
        await _VERBS[verb](self, exchange, registry, target)

    async def _subresource(self, exchange: Exchange, registry: Registry, target: Target, verb: str) -> None:
        kind = registry.kind
        known = next((s for s in kind.subresources if s.name == target.subresource), None)
        handler = self.special.get((kind.resource.qualified, target.subresource))
        if (known is None and handler is None) or not target.name:
            raise errors.NotFound("the server could not find the requested resource", details={})
        if verb == "get" and kind.resource.qualified == "pods" and target.subresource in _INTERACTIVE:
            also = Asked("create", "", "", "v1", "pods", target.subresource, target.namespace, target.name)
            self.authorization.require(exchange.user, also)
        if handler is not None:
            await handler(exchange, registry, target)
            return
        if known is None or verb not in known.verbs or verb not in ("get", "update", "patch"):
            raise _not_allowed(exchange)
        if target.subresource == "scale" and kind.scale is not None:
            from minikube_py.apiserver.subresources.scale import ScaleRegistry  # that package imports this module

            registry = ScaleRegistry(registry)
        await _VERBS[verb](self, exchange, registry, target)

    # -- reading ------------------------------------------------------------------------------------------------

    async def get(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        version = exchange.query.get("resourceVersion") if exchange.scope["query_string"] else None
        data = await registry.get(target.namespace, target.name, options.revision(version) if version else None)
        await self._show(exchange, registry, Result(data), _form(exchange))

    async def list(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        kind = registry.kind
        form = negotiate.form(exchange.header(b"accept"), yaml=True)
        asked = options.list_options(exchange.query, kind, target.name, watching=False)
        result = await list_items(self.storage, registry.cache, target.namespace, asked)
        if not form.shape:
            pieces = list_body(kind.list_kind, kind.resource.api_version, result)
            await present.answer_pieces(exchange, 200, *pieces, form, _deprecation(kind))
            return
        version = f"meta.k8s.io/{form.version}"
        rows = [(item.row(kind), item.data) for item in result.items]
        if form.shape == "Table":
            shown = table_from_data(
                kind, rows, now=self.clock.now(), list_meta=result.meta(), include_object=include_object(exchange),
                group_version=version,
            )  # fmt: skip
        elif form.shape == "PartialObjectMetadataList":
            shown = partial_list_bytes(rows, list_meta=result.meta(), group_version=version)
        else:
            raise errors.NotAcceptable("a list has no form PartialObjectMetadata")
        await present.answer(exchange, 200, shown, form, _deprecation(kind))

    async def watch(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        kind = registry.kind
        form = negotiate.form(exchange.header(b"accept"))
        asked = options.list_options(exchange.query, kind, target.name, watching=True)
        chosen = Filter(target.namespace, asked.name, asked.labels, asked.fields)
        codec = registry.codec
        resource = kind.resource

        def mark(rev: int, initial: bool) -> bytes:
            if form.shape == "Table":
                shown = bookmark_object("Table", f"meta.k8s.io/{form.version}", rev, initial)
                shown |= {"columnDefinitions": [], "rows": []}
                return event_line("BOOKMARK", shown)
            return event_line("BOOKMARK", bookmark_object(resource.kind, resource.api_version, rev, initial))

        watcher = Watcher(self.storage, registry.cache, chosen, asked, self.clock)
        if not form.shape:
            await watcher.serve(
                exchange,
                lambda event, type_: event.frame(type_, codec),
                lambda item: b'{"type":"ADDED","object":%b}\n' % item.data,
                mark,
            )
            return
        include = include_object(exchange)
        first = True

        def shape(obj: Object) -> Object:
            nonlocal first
            version = f"meta.k8s.io/{form.version}"
            if form.shape == "Table":
                shown = table(
                    kind, [obj], now=self.clock.now(), include_object=include, group_version=version, columns=first,
                    list_meta={"resourceVersion": obj["metadata"]["resourceVersion"]},
                )  # fmt: skip
                first = False
                return shown
            return partial(obj, group_version=version)

        await watcher.serve(
            exchange,
            lambda event, type_: event_line(type_, shape(codec.decode(*event.shown(type_)))),
            lambda item: event_line("ADDED", shape(codec.decode(item.value, item.rev))),
            mark,
            direct=False,
        )

    # -- writing ------------------------------------------------------------------------------------------------

    async def create(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        form = _form(exchange)
        wanted = options.write_options(exchange.query, exchange.header(b"user-agent"))
        request = _request(exchange, wanted, target)
        obj = await self._read(exchange, registry, request)
        await self._show(exchange, registry, await registry.create(obj, request), form)

    async def update(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        form = _form(exchange)
        wanted = options.write_options(exchange.query, exchange.header(b"user-agent"))
        request = _request(exchange, wanted, target)
        obj = await self._read(exchange, registry, request)
        await self._show(exchange, registry, await registry.update(obj, request), form)

    async def patch(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        form = _form(exchange)
        content_type = exchange.header(b"content-type")
        applying = body.media_type(content_type) == patching.APPLY_PATCH
        wanted = options.write_options(exchange.query, exchange.header(b"user-agent"), applying=applying)
        request = _request(exchange, wanted, target)
        raw = await exchange.body()
        result = await patching.patch(registry, raw, content_type, request, self.clock)
        await self._show(exchange, registry, result, form)

    async def delete(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        form = _form(exchange)
        asked = await self._delete_options(exchange)
        data, gone = await registry.delete(target.namespace, target.name, asked, exchange.user)
        if not gone or registry.kind.resource.plural in RETURN_DELETED:
            await self._show(exchange, registry, Result(data), form)
            return
        resource = registry.kind.resource
        details = {"name": target.name, "kind": resource.plural, "uid": loads(data)["metadata"]["uid"]}
        if resource.group:
            details["group"] = resource.group
        await exchange.answer(200, dumps({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
        }))  # fmt: skip

    async def delete_collection(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        asked = options.list_options(exchange.query, registry.kind, watching=False)
        how = await self._delete_options(exchange)
        found = await list_items(self.storage, registry.cache, target.namespace, asked)
        shown: list[bytes] = []
        for item in found.items:
            try:
                shown.append((await registry.delete(item.namespace, item.name, how, exchange.user))[0])
            except errors.NotFound:
                continue  # somebody else was faster
        resource = registry.kind.resource
        head = {"kind": registry.kind.list_kind, "apiVersion": resource.api_version, "metadata": found.meta()}
        await exchange.answer(200, dumps(head)[:-1] + b',"items":[' + b",".join(shown) + b"]}")

    # -- the steps ----------------------------------------------------------------------------------------------

    async def _read(self, exchange: Exchange, registry: Registry, request: Request) -> Object:
        if registry.kind.custom is not None and body.media_type(exchange.header(b"content-type")) == body.PROTOBUF:
            raise errors.UnsupportedMediaType(
                "the body of the request was in an unknown format - accepted media types include: application/json, "
                "application/yaml"
            )
        obj, duplicates = await body.read_object(exchange, duplicates=request.options.field_validation != "Ignore")
        request.duplicates.extend(f'duplicate field "{path}"' for path in duplicates)
        body.require_object(obj, registry.kind)
        return obj

    async def _delete_options(self, exchange: Exchange) -> options.DeleteOptions:
        raw = await exchange.body()
        said: Object | None = None
        if raw.strip():
            said, _ = body.parse(raw, exchange.header(b"content-type"), duplicates=False)
            said = body.check_options(said, "meta/v1.DeleteOptions", "DeleteOptions")
        return options.delete_options(exchange.query, said)

    async def _show(self, exchange: Exchange, registry: Registry, result: Result, form: negotiate.Form) -> None:
        headers = _deprecation(registry.kind, result.warnings) if result.warnings or registry.kind.deprecated else ()
        if not form.shape:
            await present.answer(exchange, result.code, result.data, form, headers)
            return
        obj = loads(result.data)
        version = f"meta.k8s.io/{form.version}"
        if form.shape == "Table":
            shown: object = table(
                registry.kind, [obj], now=self.clock.now(),
                list_meta={"resourceVersion": obj["metadata"].get("resourceVersion", "")},
                include_object=include_object(exchange), group_version=version,
            )  # fmt: skip
        else:
            shown = partial(obj, group_version=version)
        await present.answer(exchange, result.code, dumps(shown), form, headers)


RETURN_DELETED = frozenset({"pods", "services", "serviceaccounts"})
"""Kinds whose deletion answers the deleted object rather than a Status, as upstream's ReturnDeletedObject."""

_VERBS: Mapping[str, Callable[[Resources, Exchange, Registry, Target], Awaitable[None]]] = {
    "get": Resources.get,
    "list": Resources.list,
    "watch": Resources.watch,
    "create": Resources.create,
    "update": Resources.update,
    "patch": Resources.patch,
    "delete": Resources.delete,
    "deletecollection": Resources.delete_collection,
}


_NARROWED = frozenset({"list", "watch", "deletecollection"})
_INTERACTIVE = frozenset({"exec", "attach", "portforward"})
"""WebSockets begin with a GET; who may only read must not get a shell by one, so they take the verb create as well."""


def narrowed(exchange: Exchange, verb: str) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    """What a collection's field selector says to authorizers: the one name that is read, if any, and all of it.

    A selector that cannot be read says nothing here; the request is refused for it once it is allowed.
    """
    text = exchange.query.get("fieldSelector", "")
    if not text:
        return "", ()
    try:
        requirements = fields.parse(text).requirements
    except errors.BadRequest:
        return "", ()
    names = [] if verb == "deletecollection" else [v for f, op, v in requirements if (f, op) == ("metadata.name", "=")]
    return names[0] if names and not path_segment(names[0]) else "", tuple(requirements)


def _request(exchange: Exchange, wanted: options.WriteOptions, target: Target) -> Request:
    """A write as the registry wants it; what plugins say to the audit log goes into its record where there is one."""
    request = Request(exchange.user, wanted, target.namespace, target.name, target.subresource)
    if exchange.audit is not None:
        exchange.audit.annotations = request.annotations
    return request


def _form(exchange: Exchange) -> negotiate.Form:
    """How to show one object, settled before anything is written. Raises NotAcceptable, BadRequest."""
    accept = exchange.header(b"accept")
    form = negotiate.form(accept, yaml=True) if accept else negotiate.PLAIN
    if form.shape == "Table":
        include_object(exchange)
    elif form.shape == "PartialObjectMetadataList":
        raise errors.NotAcceptable("an object has no form PartialObjectMetadataList")
    return form


def _deprecation(kind: Kind, warnings: Sequence[str] = ()) -> Headers:
    """The headers of what there is to warn of: of the kind itself, and of this request."""
    return warning_headers([kind.deprecated, *warnings] if kind.deprecated else warnings)


def _watching(exchange: Exchange) -> bool:
    target = exchange.target
    if target is not None and target.watching:
        return True
    return bool(exchange.scope["query_string"]) and options.flag(exchange.query, "watch")


def include_object(exchange: Exchange) -> str:
    """How much of the object a Table's rows carry. Raises BadRequest."""
    said = exchange.query.get("includeObject", "") or "Metadata"
    if said not in ("None", "Metadata", "Object"):
        raise errors.BadRequest(f'unrecognized includeObject value: "{said}"')
    return said


def _not_allowed(exchange: Exchange) -> errors.MethodNotAllowed:
    return errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})


def require_verbs(exchange: Exchange, allowed: Sequence[str]) -> None:
    """For special handlers: raises MethodNotAllowed unless the HTTP method is one of `allowed`."""
    if exchange.method not in allowed:
        raise _not_allowed(exchange)
