"""How OpenAPI documents describe a custom resource: its own schema, with what every object has."""

from __future__ import annotations

from typing import Any

from minikube_py.api import scheme
from minikube_py.apiserver.custom.structural import Json
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.openapi_schemas import Schemas

_TEXTS = {
    "apiVersion": "Group and version of the kind, as the server writes it.",
    "kind": "What the object is; with apiVersion it names its type.",
    "metadata": "Name, namespace, labels and the rest that every object has.",
}
# Version 2 knows no such words; what they say of values is left to the server.
_NOT_IN_V2 = ("oneOf", "anyOf", "allOf", "not", "nullable", "default", "x-kubernetes-validations")


def ref(kind: Kind, schemas: Schemas, *, listed: bool) -> Json:
    """A reference to the schema of a custom resource, or of a list of it, which is made if it is not there."""
    assert kind.custom is not None
    resource = kind.resource
    words = ".".join(reversed(resource.group.split(".")))
    name = f"{words}.{resource.version}.{kind.custom.list_kind if listed else resource.kind}"
    prefix = "#/components/schemas/" if schemas.version == 3 else "#/definitions/"
    if name not in schemas.schemas:
        made = _list(kind, schemas) if listed else _object(kind, schemas)
        schemas.schemas[name] = made
    return {"$ref": prefix + name}


def _gvk(kind: Kind, name: str) -> list[Json]:
    return [{"group": kind.resource.group, "kind": name, "version": kind.resource.version}]


def _head(schemas: Schemas, meta: str) -> Json:
    """The members that every object, or list, has."""
    found: Json = {name: {"type": "string", "description": _TEXTS[name]} for name in ("apiVersion", "kind")}
    reference = schemas.ref(scheme.struct(f"meta/v1.{meta}"))
    if schemas.version == 3:
        reference = {"allOf": [reference], "default": {}}
    found["metadata"] = {**reference, "description": _TEXTS["metadata"]}
    return found


def _object(kind: Kind, schemas: Schemas) -> Json:
    assert kind.custom is not None
    props = _convert(kind.custom.props(), schemas)
    props.setdefault("description", f"A {kind.resource.kind} of {kind.resource.api_version}.")
    props["type"] = "object"
    props["properties"] = {**(props.get("properties") or {}), **_head(schemas, "ObjectMeta")}
    props["x-kubernetes-group-version-kind"] = _gvk(kind, kind.resource.kind)
    return props


def _list(kind: Kind, schemas: Schemas) -> Json:
    assert kind.custom is not None
    items = {"type": "array", "items": ref(kind, schemas, listed=False), "description": "The objects."}
    return {
        "description": f"A list of {kind.resource.kind} objects.",
        "type": "object",
        "required": ["items"],
        "properties": {**_head(schemas, "ListMeta"), "items": items},
        "x-kubernetes-group-version-kind": _gvk(kind, kind.custom.list_kind),
    }


def _convert(props: Json, schemas: Schemas) -> Json:
    """A schema in the dialect of the document."""
    old = schemas.version == 2
    out: Json = {}
    vague = old and (props.get("nullable") or props.get("x-kubernetes-preserve-unknown-fields"))
    for name, value in props.items():
        if old and name in _NOT_IN_V2:
            continue
        if vague and name in ("type", "items", "properties", "additionalProperties", "required"):
            continue  # clients of version 2 would take the rest for all that is allowed
        out[name] = _member(name, value, schemas)
    if props.get("x-kubernetes-embedded-resource") and not vague:
        out["properties"] = {**(out.get("properties") or {}), **_head(schemas, "ObjectMeta")}
    return out


def _member(name: str, value: Any, schemas: Schemas) -> Any:
    if name == "properties":
        return {key: _convert(child, schemas) for key, child in value.items()}
    if name in ("items", "additionalProperties", "not") and isinstance(value, dict):
        return _convert(value, schemas)
    if name in ("allOf", "anyOf", "oneOf"):
        return [_convert(child, schemas) for child in value]
    return value
