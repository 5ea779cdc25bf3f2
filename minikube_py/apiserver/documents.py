"""The documents that describe the server (version, discovery, OpenAPI, metrics), as a FastAPI application.

FastAPI takes 0.3 s to import: the server loads this module once it answers, not before (see `app.Shell`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from minikube_py.api import errors
from minikube_py.apiserver import discovery, openapi, openapi_protobuf
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.encoding import dumps
from minikube_py.apiserver.http import App
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.daemon.metrics import Registry as Metrics


class Shelf:
    """Documents that are made on first request and kept until what is served changes."""

    def __init__(self, catalog: Catalog, virtuals: Sequence[discovery.Virtual]) -> None:
        self._catalog, self._virtuals = catalog, virtuals
        self._generation = -1
        self._documents: dict[tuple[str, ...], bytes] = {}
        self._discovery: discovery.Discovery | None = None
        self._rendered: discovery.Kept = {}
        self._openapi: dict[tuple[str, str], tuple[Sequence[Kind], bytes, str]] = {}

    def _refresh(self) -> None:
        if self._generation != self._catalog.generation:
            self._generation = self._catalog.generation
            self._documents.clear()
            self._discovery = None

    @property
    def discovery(self) -> discovery.Discovery:
        self._refresh()
        if self._discovery is None:
            self._discovery = discovery.Discovery(self._catalog.kinds, self._virtuals)
        return self._discovery

    def aggregated(self, path: str, version: str) -> bytes:
        """Aggregated discovery: when something changes, only what is new has to be described."""

        def make() -> bytes:
            kinds = self._catalog.kinds
            if len(self._rendered) > 2 * len(kinds):  # most of it is of kinds that are no more
                self._rendered.clear()
            return self.discovery.aggregated_bytes(path, version, self._rendered)

        return self.once(("discovery", path, version), make)

    def openapi_v3(self, group: str, version: str) -> bytes:
        """The OpenAPI document of a group-version, kept while its kinds are the same. Raises KeyError."""
        return self._v3(group, version)[1]

    def openapi_index(self) -> bytes:
        """The answer to `/openapi/v3`."""
        kinds = self._catalog.kinds
        return self.once(("v3",), lambda: dumps(openapi.v3_index(kinds, lambda group, v: self._v3(group, v)[2])))

    def _v3(self, group: str, version: str) -> tuple[Sequence[Kind], bytes, str]:
        kinds = self._catalog.kinds
        mine = [k for k in kinds if (k.resource.group, k.resource.version) == (group, version)]
        found = self._openapi.get((group, version))
        if found is None or len(found[0]) != len(mine) or any(a is not b for a, b in zip(found[0], mine, strict=True)):
            data = openapi.v3_document(group, version, kinds)
            found = (mine, data, openapi.digest(data))
            if all(k.custom is None for k in mine):  # those of custom resources may be many and are quickly made
                self._openapi[group, version] = found
        return found

    def once(self, key: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
        """The document of that key."""
        self._refresh()
        found = self._documents.get(key)
        if found is None:
            found = self._documents[key] = make()
        return found


def build(
    catalog: Catalog,
    virtuals: Sequence[discovery.Virtual],
    metrics: Metrics,
    version: Mapping[str, str],
    issuer: Mapping[str, tuple[bytes, str]],
) -> App:
    """The application. Who may read it has been settled before.

    `issuer` are the documents of the ServiceAccount tokens' issuer by path, with their content types.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, title="minikube_py API server")

    async def on_status_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.StatusError)
        return Response(dumps(error.to_status()), status_code=error.code, media_type="application/json")

    async def on_no_route(request: Request, error: Exception) -> Response:
        return await on_status_error(request, _no_such_path())

    app.add_exception_handler(errors.StatusError, on_status_error)
    app.add_exception_handler(HTTPException, on_no_route)  # a path that not even `{endpoint:path}` takes
    shelf = Shelf(catalog, virtuals)
    once = shelf.once

    def json(data: bytes, media: str = "application/json") -> Response:
        return Response(data, media_type=media, headers={"vary": "Accept"})

    @app.get("/version")
    @app.get("/version/")
    async def get_version(request: Request) -> Response:
        return json(once(("version",), lambda: dumps(dict(version))))

    @app.get("/metrics")
    async def get_metrics(request: Request) -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/{endpoint:path}", include_in_schema=False)
    async def get_rest(request: Request, endpoint: str) -> Response:
        """Discovery and OpenAPI: small documents that do not deserve a route each."""
        path = "/" + endpoint.rstrip("/")
        parts = path.split("/")[1:]
        if parts[0] in ("api", "apis"):
            return _discovery(request, parts)
        if parts[0] == "openapi":
            return _openapi(request, parts)
        if path in issuer:
            content, media = issuer[path]
            return Response(content, media_type=media, headers={"cache-control": "public, max-age=3600"})
        if path == "/":
            listed = [
                *issuer,
                "/api",
                "/apis",
                "/healthz",
                "/livez",
                "/metrics",
                "/openapi/v2",
                "/openapi/v3",
                "/readyz",
                "/version",
            ]
            for group, versions in shelf.discovery.groups.items():
                root = f"/apis/{group}" if group else "/api"
                listed += [*([root] if group else []), *(f"{root}/{version}" for version in versions)]
            return json(dumps({"paths": sorted(listed)}))
        raise _no_such_path()

    def _discovery(request: Request, parts: list[str]) -> Response:
        accept = request.headers.get("accept", "").replace(" ", "")
        if len(parts) == 1:
            for version in ("v2", "v2beta1"):
                media = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                if media.removeprefix("application/json;") in accept:
                    path = f"/{parts[0]}"
                    return json(shelf.aggregated(path, version), media)
        match parts:
            case ["api"]:
                found: object = shelf.discovery.api(request.headers.get("host", ""))
            case ["apis"]:
                found = shelf.discovery.apis
            case ["api", version]:
                found = shelf.discovery.resources("", version)
            case ["apis", group]:
                found = shelf.discovery.group(group)
            case ["apis", group, version]:
                found = shelf.discovery.resources(group, version)
            case _:
                found = None
        if found is None:
            raise _no_such_path()
        return json(dumps(found))

    def _openapi(request: Request, parts: list[str]) -> Response:
        kinds = catalog.kinds
        if parts[1:] == ["v2"]:
            accept = request.headers.get("accept", "")
            if "proto-openapi" in accept and not accept.startswith("application/json"):
                body = once(("v2", "protobuf"), lambda: openapi.v2_protobuf(kinds))
                return Response(body, media_type=openapi_protobuf.MEDIA_TYPE)
            return json(once(("v2",), lambda: openapi.v2_document(kinds)))
        if parts[1:] == ["v3"]:
            return json(shelf.openapi_index())
        groups = {(k.resource.group, k.resource.version) for k in kinds}
        match parts[2:]:
            case ["api", version]:
                wanted = ("", version)
            case ["apis", group, version]:
                wanted = (group, version)
            case _:
                wanted = ("", "")
        if parts[1:2] != ["v3"] or wanted not in groups:
            raise _no_such_path()
        return json(once(("v3", *wanted), lambda: shelf.openapi_v3(*wanted)))

    return app


def _no_such_path() -> errors.NotFound:
    return errors.NotFound("the server could not find the requested resource", details={})
