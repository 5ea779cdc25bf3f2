"""OpenAPI schemas of the API types, in the dialects of version 3 and version 2, from `api.schema`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from minikube_py.api.schema import Field, List, Map, Node, Scalar, Struct

Json = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_MOMENT: Json = {"type": "string", "format": "date-time"}
_NAMED: Mapping[str, tuple[str, str, Json]] = {
    "Quantity": (
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        "An exact amount such as 100m, 1.5Gi or 2e3: a number with a decimal (n u m k M G T P E) or binary "
        "(Ki Mi Gi Ti Pi Ei) suffix or an exponent.",
        {"type": "string"},
    ),
    "IntOrString": (
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        "A number, or a text such as a port's name or a percentage.",
        {"type": "string", "format": "int-or-string"},
    ),
    "Time": (f"{_META}.Time", "A moment, as RFC 3339 text in whole seconds.", _MOMENT),
    "MicroTime": (f"{_META}.MicroTime", "A moment, as RFC 3339 text with microseconds.", _MOMENT),
    "Duration": (f"{_META}.Duration", "A span of time such as 1h2m3s.", {"type": "string"}),
    "FieldsV1": (f"{_META}.FieldsV1", "A set of fields: f:name members, k: and v: list items.", {"type": "object"}),
    "RawExtension": ("io.k8s.apimachinery.pkg.runtime.RawExtension", "Any object.", {"type": "object"}),
    "JSON": (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
        "Any valid JSON value: object, array, string, number, boolean or null.",
        {},
    ),
}
_ONE_OF: Mapping[str, Json] = {
    "Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "IntOrString": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
}
_PLAIN: Mapping[str, Json] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "float64": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "any": {"type": "object"},
}
_ZEROS: Mapping[str, Any] = {"string": "", "bool": False, "int32": 0, "int64": 0, "float64": 0}


class Schemas:
    """Collects the schema of every type that is asked for and of all that it refers to."""

    def __init__(self, version: int, everywhere: Iterable[tuple[str, str]] = ()) -> None:
        """`everywhere`: the (group, version) pairs that take DeleteOptions and send WatchEvents."""
        self.version = version
        self.schemas: dict[str, Json] = {}
        self._prefix = "#/components/schemas/" if version == 3 else "#/definitions/"
        self._everywhere = list(everywhere)

    def ref(self, struct: Struct) -> Json:
        """A reference to a struct's schema, which is made now if it is new."""
        if struct.openapi not in self.schemas:
            # Taken first, so that a recursive type ends.
            schema = self.schemas[struct.openapi] = {}
            schema.update(self._struct(struct))
        return {"$ref": self._prefix + struct.openapi}

    def _struct(self, struct: Struct) -> Json:
        schema: Json = {"description": struct.doc} if struct.doc else {}
        schema["type"] = "object"
        required = [field.name for field in struct.fields.values() if field.required]
        if required:
            schema["required"] = required
        if struct.fields:
            schema["properties"] = {name: self._property(field) for name, field in struct.fields.items()}
        kinds = self._kinds(struct)
        if kinds:
            schema["x-kubernetes-group-version-kind"] = kinds
        if struct.atomic:
            schema["x-kubernetes-map-type"] = "atomic"
        return schema

    def _kinds(self, struct: Struct) -> list[Json]:
        if struct.group_version_kind is None:
            return []
        group, version, kind = struct.group_version_kind
        if group == "meta.k8s.io":
            served = self._everywhere if kind in ("DeleteOptions", "WatchEvent") else [("", "v1")]
            return [{"group": g, "kind": kind, "version": v} for g, v in served]
        return [{"group": group, "kind": kind, "version": version}]

    def _property(self, field: Field) -> Json:
        node = field.node
        schema = self._node(node)
        default = self._default(field) if self.version == 3 else field.default
        if self.version == 3 and "$ref" in schema and (field.doc or default is not None):
            schema = {"allOf": [schema]}
        if field.doc:
            schema["description"] = field.doc
        if default is not None:
            schema["default"] = default
        if field.strategy:
            schema["x-kubernetes-patch-strategy"] = ",".join(field.strategy)
        if field.merge_key:
            schema["x-kubernetes-patch-merge-key"] = field.merge_key
        if isinstance(node, Struct) and node.openapi in self.schemas:
            own = self.schemas[node.openapi].get("x-kubernetes-map-type") == "atomic"
            if own != node.atomic:
                schema["x-kubernetes-map-type"] = "atomic" if node.atomic else "granular"
        return schema

    @staticmethod
    def _default(field: Field) -> Any:
        if field.default is not None or field.pointer:
            return field.default
        if isinstance(field.node, Struct):
            return {}
        if isinstance(field.node, Scalar) and not field.omitempty:
            return _ZEROS.get(field.node.name)
        return None

    def _node(self, node: Node) -> Json:
        match node:
            case Struct():
                return self.ref(_as_declared(node))
            case Scalar():
                return self._scalar(node)
            case List():
                schema: Json = {"type": "array", "items": self._item(node.of), "x-kubernetes-list-type": node.type}
                if node.keys:
                    schema["x-kubernetes-list-map-keys"] = list(node.keys)
                return schema
            case Map():
                schema = {"type": "object", "additionalProperties": self._item(node.of)}
                if node.atomic:
                    schema["x-kubernetes-map-type"] = "atomic"
                return schema

    def _item(self, node: Node) -> Json:
        """The schema of a list's or map's elements, which in version 3 carries its zero value."""
        schema = self._node(node)
        if self.version == 3:
            if isinstance(node, Struct):
                return {"allOf": [schema], "default": {}}
            if isinstance(node, Scalar) and node.name in _ZEROS:
                schema["default"] = _ZEROS[node.name]
        return schema

    def _scalar(self, scalar: Scalar) -> Json:
        if scalar.name in _PLAIN:
            schema = dict(_PLAIN[scalar.name])
            if scalar.enum and self.version == 3:
                schema["enum"] = list(scalar.enum)
            return schema
        name, description, plain = _NAMED[scalar.name]
        if name not in self.schemas:
            shape = _ONE_OF.get(scalar.name, plain) if self.version == 3 else plain
            self.schemas[name] = {"description": description, **shape}
        return {"$ref": self._prefix + name}


def _as_declared(struct: Struct) -> Struct:
    """The struct as its type declares it: a field may overrule `atomic`, which is said beside the reference."""
    from minikube_py.api import scheme

    try:
        return scheme.struct(struct.name)
    except KeyError:
        return struct
