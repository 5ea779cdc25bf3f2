"""From objects in JSON form to protobuf messages, byte for byte as Kubernetes writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minikube_py.api import scheme
from minikube_py.api.protobuf import wire
from minikube_py.api.schema import Field, List, Map, Scalar, Struct


def write_struct(struct: Struct, obj: dict[str, Any]) -> bytes:
    """The message of an object: fields in number order; what is no pointer in Go is written also when it is absent."""
    return _write(struct.fields.values(), obj, 0)


def _write(fields: Iterable[Field], obj: dict[str, Any], depth: int) -> bytes:
    plain: dict[int, Field] = {}
    embedded: dict[int, list[Field]] = {}
    for field in fields:
        if field.pb is None:
            continue
        if len(field.pb.via) > depth:
            embedded.setdefault(field.pb.via[depth], []).append(field)
        else:
            plain[field.pb.number] = field
    parts = []
    for number in sorted(plain.keys() | embedded.keys()):
        if number in plain:
            parts.append(_field(number, plain[number], obj.get(plain[number].name)))
        else:
            parts.append(wire.tagged(number, _write(embedded[number], obj, depth + 1)))
    return b"".join(parts)


def _field(number: int, field: Field, value: Any) -> bytes:
    node = field.node
    assert field.pb is not None
    proto = field.pb.proto
    if value is None:
        return b"" if field.pointer else _absent(number, node)
    match node:
        case Struct():
            return wire.tagged(number, write_struct(node, value))
        case List():
            if not proto.startswith("repeated "):
                return wire.tagged(number, _items(1, node, value))
            return _items(number, node, value)
        case Map():
            return _map(number, node, proto, value)
        case Scalar():
            return _scalar(number, node, proto, value)


def _absent(number: int, node: Any) -> bytes:
    match node:
        case Struct():
            return wire.tagged(number, write_struct(node, {}))
        case Scalar("bool" | "int32" | "int64"):
            return wire.tagged_int(number, 0)
        case Scalar("float64"):
            return wire.tagged_double(number, 0.0)
        case Scalar(name) if name in wire.ABSENT:
            return wire.tagged(number, wire.ABSENT[name])
    return b""


def _items(number: int, node: List, values: list[Any]) -> bytes:
    if isinstance(node.of, Struct):
        return b"".join(wire.tagged(number, write_struct(node.of, value)) for value in values)
    assert isinstance(node.of, Scalar)
    return b"".join(_scalar(number, node.of, "", value) for value in values)


def _map(number: int, node: Map, proto: str, values: dict[str, Any]) -> bytes:
    of = node.of
    value_proto = proto.partition(", ")[2].rstrip(">")
    parts = []
    for key in sorted(values, key=str.encode):
        value = values[key]
        if isinstance(of, Struct):
            content = wire.tagged(2, write_struct(of, value))
        elif isinstance(of, List):
            content = wire.tagged(2, _items(1, of, value))
        else:
            assert isinstance(of, Scalar)
            content = _scalar(2, of, value_proto, value)
        parts.append(wire.tagged(number, wire.tagged(1, key.encode()) + content))
    return b"".join(parts)


def _scalar(number: int, node: Scalar, proto: str, value: Any) -> bytes:
    if proto in _SCHEMA_UNIONS:
        return wire.tagged(number, _schema_union(proto, value))
    match node.name:
        case "bool" | "int32" | "int64":
            return wire.tagged_int(number, int(value))
        case "float64":
            return wire.tagged_double(number, value)
    return wire.tagged(number, wire.WRITE[node.name](value))


_SCHEMA_UNIONS = {
    "apiextensions/v1.JSONSchemaPropsOrArray": (1, 2),
    "apiextensions/v1.JSONSchemaPropsOrBool": (2, 1),
    "apiextensions/v1.JSONSchemaPropsOrStringArray": (1, 2),
}
"""Number of the schema and of the other form."""


def _schema_union(proto: str, value: Any) -> bytes:
    schema_number, other_number = _SCHEMA_UNIONS[proto]
    schema = scheme.struct("apiextensions/v1.JSONSchemaProps")
    if isinstance(value, bool):
        return wire.tagged_int(other_number, value)
    if isinstance(value, list):
        of = Scalar("string") if proto.endswith("StringArray") else schema
        return _items(other_number, List(of), value)
    content = wire.tagged(schema_number, write_struct(schema, value))
    # Allows is a plain bool, true beside a schema; Go writes it first.
    return wire.tagged_int(other_number, 1) + content if proto.endswith("OrBool") else content
