"""The OpenAPI documents, derived from the kinds and their schemas: version 3 per group-version, version 2 whole.

Pure functions; the caller keeps the bytes. kubectl reads version 3 for explain, apply and validation, and version 2, as
protobuf, to validate files of `kind: List`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import orjson

from minikube_py import KUBERNETES_VERSION
from minikube_py.api import scheme
from minikube_py.api.schema import Scalar
from minikube_py.apiserver import openapi_protobuf
from minikube_py.apiserver.custom import openapi as custom
from minikube_py.apiserver.kinds.base import Kind, Subresource
from minikube_py.apiserver.openapi_schemas import Json, Schemas

TITLE = "Kubernetes"

_READ = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_ANSWER = ("application/json", "application/yaml")
_WATCH = ("application/json;stream=watch",)
_STRATEGIC = "application/strategic-merge-patch+json"
_PATCH = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    _STRATEGIC,
)
_OPTIONS = {
    "list": ("ListOptions", ()),
    "create": ("CreateOptions", ()),
    "update": ("UpdateOptions", ()),
    "patch": ("PatchOptions", ()),
    "delete": ("DeleteOptions", ("preconditions",)),
}
_CONNECT = {"exec", "attach", "portforward", "proxy"}
_PATCH_NAME = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch"
_PATCH_SCHEMA = {
    "description": "A change to an object, in the form that the request's content type names.",
    "type": "object",
}


def digest(data: bytes) -> str:
    """The hash by which a document's URL changes with its content."""
    return hashlib.sha512(data).hexdigest().upper()


def v3_index(kinds: Sequence[Kind], hashed: Callable[[str, str], str] | None = None) -> Json:
    """The answer to `/openapi/v3`: where each group-version's document is, with a hash of its content.

    `hashed` knows the hash of a group-version's document. Where all kinds are custom resources, their definitions'
    tokens are hashed instead: a thousand documents are not made only to say that they are there.
    """
    by_place: dict[tuple[str, str], list[Kind]] = {}
    for kind in kinds:
        by_place.setdefault((kind.resource.group, kind.resource.version), []).append(kind)
    paths = {}
    for (group, version), mine in by_place.items():
        place = f"apis/{group}/{version}" if group else f"api/{version}"
        tokens = [k.custom.token for k in mine if k.custom is not None]
        if len(tokens) == len(mine):
            found = digest("\n".join(sorted(tokens)).encode())
        else:
            found = hashed(group, version) if hashed is not None else digest(v3_document(group, version, kinds))
        paths[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={found}"}
    return {"paths": paths}


def v3_document(group: str, version: str, kinds: Sequence[Kind]) -> bytes:
    """The OpenAPI 3 document of one group-version. Raises KeyError when no kind belongs to it."""
    mine = [k for k in kinds if (k.resource.group, k.resource.version) == (group, version)]
    if not mine:
        raise KeyError(f"{group}/{version}" if group else version)
    schemas = Schemas(3, _everywhere(kinds))
    paths: Json = {}
    for kind in mine:
        paths.update(_Paths(kind, schemas).paths())
    document = {
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": KUBERNETES_VERSION},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.schemas.items())), "securitySchemes": _SECURITY},
    }
    return orjson.dumps(document)


def v2_document(kinds: Sequence[Kind]) -> bytes:
    """The OpenAPI 2 (swagger) document of all group-versions, as JSON."""
    return orjson.dumps(_v2(kinds))


def v2_protobuf(kinds: Sequence[Kind]) -> bytes:
    """The OpenAPI 2 document as protobuf."""
    return openapi_protobuf.encode(_v2(kinds))


def _v2(kinds: Sequence[Kind]) -> Json:
    schemas = Schemas(2, _everywhere(kinds))
    paths: Json = {}
    for kind in kinds:
        paths.update(_Paths(kind, schemas).paths())
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "version": KUBERNETES_VERSION},
        "paths": dict(sorted(paths.items())),
        "definitions": dict(sorted(schemas.schemas.items())),
        "securityDefinitions": _SECURITY,
        "security": [{"BearerToken": []}],
    }


_SECURITY = {
    "BearerToken": {
        "description": "A bearer token in the authorization header.",
        "type": "apiKey",
        "name": "authorization",
        "in": "header",
    }
}


def _everywhere(kinds: Iterable[Kind]) -> list[tuple[str, str]]:
    """The group-versions that name the types of meta/v1 as their own: the built-in ones."""
    return list(dict.fromkeys((k.resource.group, k.resource.version) for k in kinds if k.custom is None))


class _Paths:
    """The paths of one kind with their operations."""

    def __init__(self, kind: Kind, schemas: Schemas) -> None:
        self.kind = kind
        self.resource = kind.resource
        self.schemas = schemas
        words = self.resource.group.removesuffix(".k8s.io").split(".") if self.resource.group else ["core"]
        first, *rest = words
        self.group = first + "".join(w.capitalize() for w in rest)
        self.title = self.group[0].upper() + self.group[1:] + self.resource.version.capitalize()
        self.scope = "Namespaced" if self.resource.namespaced else ""

    def paths(self) -> Json:
        resource, name = self.resource, self.resource.kind
        namespace = "{namespace}" if resource.namespaced else ""
        collection, item = resource.path(namespace), resource.path(namespace, "{name}")
        found: Json = {}
        shared = [self._namespace()] if namespace else []
        found[collection] = {
            "get": self._list(f"list{self.title}{self.scope}{name}"),
            "post": self._write("create", "post", f"create{self.title}{self.scope}{name}"),
            "delete": self._delete_collection(),
            "parameters": [*shared, _pretty(self.schemas.version)],
        }
        if resource.namespaced:
            found[resource.path()] = {
                "get": self._list(f"list{self.title}{name}ForAllNamespaces"),
                "parameters": [_pretty(self.schemas.version)],
            }
        shared = [self._name(), *shared]
        found[item] = {
            "get": self._get(f"read{self.title}{self.scope}{name}"),
            "put": self._write("update", "put", f"replace{self.title}{self.scope}{name}"),
            "patch": self._patch(f"patch{self.title}{self.scope}{name}"),
            "delete": self._delete(),
            "parameters": [*shared, _pretty(self.schemas.version)],
        }
        for sub in self.kind.subresources:
            found[f"{item}/{sub.name}"] = {
                **self._subresource(sub),
                "parameters": [*shared, *self._sub_parameters(sub), _pretty(self.schemas.version)],
            }
        kept = {path: {k: v for k, v in entry.items() if v is not None} for path, entry in found.items()}
        return {path: entry for path, entry in kept.items() if set(entry) - {"parameters"}}

    # operations on the collection and on one object ------------------------------------------------------------------

    def _list(self, operation: str) -> Json | None:
        if "list" not in self.kind.verbs:
            return None
        answers = {"200": self._answer(self.resource.type + "List", _ANSWER + _WATCH)}
        what = f"list or watch objects of kind {self.resource.kind}"
        return self._operation(operation, what, "list", self._options("list"), answers)

    def _get(self, operation: str) -> Json | None:
        if "get" not in self.kind.verbs:
            return None
        answers = {"200": self._answer(self.resource.type)}
        return self._operation(operation, f"read the specified {self.resource.kind}", "get", [], answers)

    def _write(self, verb: str, method: str, operation: str) -> Json | None:
        if verb not in self.kind.verbs:
            return None
        ok = self._answer(self.resource.type)
        answers = {"200": ok, "201": ok, **({"202": ok} if verb == "create" else {})}
        what = f"create a {self.resource.kind}" if verb == "create" else f"replace the specified {self.resource.kind}"
        body = self._body(self.resource.type)
        return self._operation(operation, what, method, self._options(verb), answers, body=body)

    def _patch(self, operation: str) -> Json | None:
        if "patch" not in self.kind.verbs:
            return None
        ok = self._answer(self.resource.type)
        what = f"partially update the specified {self.resource.kind}"
        return self._operation(
            operation, what, "patch", self._options("patch"), {"200": ok, "201": ok}, body=self._patch_body()
        )

    def _delete(self) -> Json | None:
        if "delete" not in self.kind.verbs:
            return None
        ok = self._answer("meta/v1.Status")
        operation = f"delete{self.title}{self.scope}{self.resource.kind}"
        body = self._body("meta/v1.DeleteOptions", required=False)
        answers = {"200": ok, "202": ok}
        what = f"delete a {self.resource.kind}"
        return self._operation(operation, what, "delete", self._options("delete"), answers, body=body)

    def _delete_collection(self) -> Json | None:
        if "deletecollection" not in self.kind.verbs:
            return None
        known = {"watch", "allowWatchBookmarks"}
        parameters = {p["name"]: p for p in self._options("list") + self._options("delete") if p["name"] not in known}
        operation = f"delete{self.title}Collection{self.scope}{self.resource.kind}"
        return self._operation(
            operation,
            f"delete collection of {self.resource.kind}",
            "deletecollection",
            list(parameters.values()),
            {"200": self._answer("meta/v1.Status")},
            body=self._body("meta/v1.DeleteOptions", required=False),
        )

    # sub-resources ---------------------------------------------------------------------------------------------------

    def _subresource(self, sub: Subresource) -> Json:
        found: Json = {}
        suffix = self.scope + self.resource.kind + sub.name[0].upper() + sub.name[1:]
        gvk = (sub.group or self.resource.group, sub.version or self.resource.version, sub.kind)
        for verb in sub.verbs:
            method = {"create": "post", "get": "get", "update": "put", "patch": "patch", "delete": "delete"}[verb]
            what = f"{sub.name} of the specified {self.resource.kind}"
            if sub.name in _CONNECT:
                operation = f"connect{self.title}{method.capitalize()}{suffix}"
                answers = {"200": self._text("*/*")}
                found[method] = self._operation(
                    operation, f"connect {method.upper()} requests to {what}", "connect", [], answers, gvk=gvk
                )
                continue
            action = {"get": "read", "update": "replace"}.get(verb, verb)
            answer = self._text("text/plain") if sub.name == "log" else self._answer(sub.type)
            options = [] if verb == "get" else self._options(verb)
            body = None if verb == "get" else self._patch_body() if verb == "patch" else self._body(sub.type)
            answers = {"200": answer} if verb == "get" else {"200": answer, "201": answer}
            found[method] = self._operation(
                f"{action}{self.title}{suffix}", f"{action} {what}", method, options, answers, body=body, gvk=gvk
            )
        return found

    def _sub_parameters(self, sub: Subresource) -> list[Json]:
        """Connecting sub-resources and log take their options from the query."""
        options = "core/v1.PodLogOptions" if sub.name == "log" else sub.type if sub.name in _CONNECT else ""
        return self._query(options, ()) if options else []

    # pieces ----------------------------------------------------------------------------------------------------------

    def _operation(
        self, operation: str, description: str, action: str, parameters: list[Json], answers: Json, *,
        body: Json | None = None, gvk: tuple[str, str, str] | None = None,
    ) -> Json:  # fmt: skip
        group, version, kind = gvk or (self.resource.group, self.resource.version, self.resource.kind)
        entry: Json = {
            "tags": [f"{self.group}_{self.resource.version}"],
            "description": description,
            "operationId": operation,
        }
        answers = {**answers, "401": {"description": "Unauthorized"}}
        if self.schemas.version == 3:
            if parameters:
                entry["parameters"] = parameters
            if body is not None:
                entry["requestBody"] = body
        else:
            entry["consumes"] = self._patches() if action == "patch" else ["*/*"]
            entry["produces"] = list(_ANSWER)
            entry["schemes"] = ["https"]
            entry["parameters"] = ([body] if body is not None else []) + parameters
        entry["responses"] = answers
        entry["x-kubernetes-action"] = action
        entry["x-kubernetes-group-version-kind"] = {"group": group, "kind": kind, "version": version}
        return entry

    def _ref(self, type_name: str) -> Json:
        if self.kind.custom is not None and type_name in (self.resource.type, f"{self.resource.type}List"):
            return custom.ref(self.kind, self.schemas, listed=type_name != self.resource.type)
        return self.schemas.ref(scheme.struct(type_name))

    def _answer(self, type_name: str, media: tuple[str, ...] = _ANSWER) -> Json:
        schema = self._ref(type_name)
        if self.schemas.version == 2:
            return {"description": "OK", "schema": schema}
        return {"description": "OK", "content": {m: {"schema": schema} for m in media}}

    def _text(self, media: str) -> Json:
        if self.schemas.version == 2:
            return {"description": "OK", "schema": {"type": "string"}}
        return {"description": "OK", "content": {media: {"schema": {"type": "string"}}}}

    def _body(self, type_name: str, *, required: bool = True) -> Json:
        schema = self._ref(type_name)
        if self.schemas.version == 2:
            return {"in": "body", "name": "body", "schema": schema, **({"required": True} if required else {})}
        body: Json = {"content": {m: {"schema": schema} for m in _READ}}
        return {**body, "required": True} if required else body

    def _patch_body(self) -> Json:
        self.schemas.schemas.setdefault(_PATCH_NAME, _PATCH_SCHEMA)
        if self.schemas.version == 2:
            return {"in": "body", "name": "body", "required": True, "schema": {"$ref": f"#/definitions/{_PATCH_NAME}"}}
        schema = {"$ref": f"#/components/schemas/{_PATCH_NAME}"}
        return {"content": {m: {"schema": schema} for m in self._patches()}, "required": True}

    def _patches(self) -> list[str]:
        return [m for m in _PATCH if self.kind.custom is None or m != _STRATEGIC]

    def _options(self, verb: str) -> list[Json]:
        options, without = _OPTIONS[verb]
        return self._query(f"meta/v1.{options}", without)

    def _query(self, type_name: str, without: tuple[str, ...]) -> list[Json]:
        """The members of an options struct as query parameters."""
        found = []
        for name, field in sorted(scheme.struct(type_name).fields.items()):
            if name in ("kind", "apiVersion", *without):
                continue
            node = field.node if isinstance(field.node, Scalar) else getattr(field.node, "of", None)
            kind = {"bool": "boolean", "int32": "integer", "int64": "integer"}.get(getattr(node, "name", ""), "string")
            found.append(_parameter(name, "query", kind, field.doc, self.schemas.version))
        return found

    def _name(self) -> Json:
        return _parameter("name", "path", "string", f"name of the {self.resource.kind}", self.schemas.version)

    def _namespace(self) -> Json:
        text = "object name and auth scope, such as for teams and projects"
        return _parameter("namespace", "path", "string", text, self.schemas.version)


def _pretty(version: int) -> Json:
    return _parameter("pretty", "query", "string", "Indent the answer if 'true'.", version)


def _parameter(name: str, where: str, kind: str, description: str, version: int) -> Json:
    parameter: Json = {"name": name, "in": where}
    if description:
        parameter["description"] = description
    if where == "path":
        parameter["required"] = True
    if version == 2:
        return {**parameter, "type": kind, "uniqueItems": True}
    return {**parameter, "schema": {"type": kind, "uniqueItems": True}}
