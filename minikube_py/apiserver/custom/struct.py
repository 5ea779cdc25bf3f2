"""A structural schema in the form that managed fields and server-side apply walk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from minikube_py.api.schema import Field, List, Map, Node, Scalar, Struct
from minikube_py.apiserver.custom.resource_meta import TYPE_META, metadata_field
from minikube_py.apiserver.custom.structural import Schema

_SCALARS = {
    "string": Scalar("string"),
    "integer": Scalar("int64"),
    "number": Scalar("float64"),
    "boolean": Scalar("bool"),
}
FREE = Struct("", dict, open=True)


def struct(name: str, schema: Callable[[], Schema], preserve: bool = False) -> Struct:
    """The shape of a whole custom resource; `schema` is asked for when it is first looked at.

    `preserve` says that the schema keeps unknown members at its root.
    """

    def fields() -> Mapping[str, Field]:
        return {**TYPE_META, "metadata": metadata_field(), **_fields(schema(), but=("apiVersion", "kind", "metadata"))}

    return Struct(name, fields, open=preserve)


def _fields(schema: Schema, but: tuple[str, ...] = ()) -> dict[str, Field]:
    # Nothing in a custom resource is there unless somebody wrote it: every member is like a pointer in Go.
    return {
        name: Field(name, _node(child), pointer=True, default=child.default)
        for name, child in schema.properties.items()
        if name not in but
    }


def _node(schema: Schema) -> Node:
    if schema.int_or_string:
        return Scalar("IntOrString")
    kind = schema.types[0] if schema.types else ""
    if kind == "array":
        of = _node(schema.items) if schema.items is not None else FREE
        if schema.list_type == "map":
            return List(of, "map", schema.keys)
        return List(of, "set" if schema.list_type == "set" else "atomic")
    if kind != "object":
        return _SCALARS.get(kind, FREE)
    if schema.embedded:
        head = {**TYPE_META, "metadata": replace(metadata_field(), pointer=True)}
        table = {**head, **_fields(schema, but=tuple(head))}
        return Struct("", lambda: table, atomic=schema.map_atomic, open=schema.preserve)
    if schema.additional is not None:
        return Map(_node(schema.additional), schema.map_atomic)
    if not schema.properties:
        return Map(FREE, schema.map_atomic)
    members = _fields(schema)
    return Struct("", lambda: members, atomic=schema.map_atomic, open=schema.preserve)
