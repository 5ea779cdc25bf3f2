"""From protobuf messages to objects in JSON form, by the schema alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from minikube_py.api import scheme
from minikube_py.api.goform import keeps_zero, zero
from minikube_py.api.protobuf import wire
from minikube_py.api.schema import Field, List, Map, Scalar, Struct

Object = dict[str, Any]
Set = Callable[[Object, int, bytes, int, int], None]
"""Puts the value of one field, `data[at:end]` of a wire type, into the object. Raises ValueError."""

_INTEGERS: dict[str, Callable[[int], Any]] = {"int32": wire.signed32, "int64": wire.signed64, "bool": bool}


def read_struct(struct: Struct, data: bytes) -> Object:
    """The object in a message. Raises ValueError for a malformed one."""
    obj: Object = {}
    _read_into(obj, _table(struct), data, 0, len(data))
    return obj


def _read_into(obj: Object, table: dict[int, Set], data: bytes, at: int, end: int) -> None:
    while at < end:
        tag = data[at]
        if tag < 0x80:  # numbers up to 15, which is nearly all
            at += 1
        else:
            tag, at = wire.read_varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("illegal tag 0")
        if kind == wire.BYTES:
            size, start = wire.read_varint(data, at, end)
            at = start + size
            if at > end:
                raise ValueError("unexpected EOF")
        else:
            start, at = at, wire.skip(data, at, end, kind)
        put = table.get(number)
        if put is not None:
            put(obj, kind, data, start, at)


def _table(struct: Struct) -> dict[int, Set]:
    """Field number to setter, compiled on first use and kept with the struct."""
    table: dict[int, Set] | None = struct.__dict__.get("_protobuf_table")
    if table is None:
        table = struct.__dict__["_protobuf_table"] = _compile(list(struct.fields.values()), 0)
    return table


def _compile(fields: list[Field], depth: int) -> dict[int, Set]:
    table: dict[int, Set] = {}
    embedded: dict[int, list[Field]] = {}
    for field in fields:
        if field.pb is None:
            continue
        if len(field.pb.via) > depth:
            embedded.setdefault(field.pb.via[depth], []).append(field)
        else:
            table[field.pb.number] = _setter(field)
    for number, members in embedded.items():
        table[number] = _embedded_setter(_compile(members, depth + 1))
    return table


def _embedded_setter(table: dict[int, Set]) -> Set:
    def put(obj: Object, kind: int, data: bytes, at: int, end: int) -> None:
        _expect(kind, wire.BYTES)
        _read_into(obj, table, data, at, end)

    return put


def _expect(kind: int, wanted: int) -> None:
    if kind != wanted:
        raise ValueError(f"wrong wireType = {kind}")


def _setter(field: Field) -> Set:
    name, node = field.name, field.node
    assert field.pb is not None
    match node:
        case Struct():
            return _struct_setter(name, node)
        case List():
            if not field.pb.proto.startswith("repeated "):
                return _wrapped_setter(name, node)
            return _list_setter(name, node)
        case Map():
            return _map_setter(name, node, field.pb.proto)
        case Scalar():
            return _scalar_setter(name, reader(node, field.pb.proto), keeps_zero(field))


def _struct_setter(name: str, struct: Struct) -> Set:
    def put(obj: Object, kind: int, data: bytes, at: int, end: int) -> None:
        _expect(kind, wire.BYTES)
        # A message that comes twice is merged.
        _read_into(obj.setdefault(name, {}), _table(struct), data, at, end)

    return put


def _scalar_setter(name: str, read: Callable[[int, bytes, int, int], Any], keep_zero: bool) -> Set:
    def put(obj: Object, kind: int, data: bytes, at: int, end: int) -> None:
        value = read(kind, data, at, end)
        if value is None or (not value and not keep_zero):
            obj.pop(name, None)
        else:
            obj[name] = value

    return put


def _list_setter(name: str, node: List) -> Set:
    of = node.of
    if isinstance(of, Struct):
        item = of

        def put_struct(obj: Object, kind: int, data: bytes, at: int, end: int) -> None:
            _expect(kind, wire.BYTES)
            value: Object = {}
            obj.setdefault(name, []).append(value)
            _read_into(value, _table(item), data, at, end)

        return put_struct
    assert isinstance(of, Scalar)
    read = reader(of, "")
    number = of.name in _INTEGERS

    def put(obj: Object, kind: int, data: bytes, at: int, end: int) -> None:
        values = obj.setdefault(name, [])
        if number and kind == wire.BYTES:
            while at < end:
                start = at
                at = wire.read_varint(data, at, end)[1]
                values.append(read(wire.VARINT, data, start, at))
        else:
            values.append(read(kind, data, at, end))

    return put


def _wrapped_setter(name: str, node: List) -> Set:
    """A list type with a message of its own, whose field 1 has the items."""
    table = {1: _list_setter(name, node)}

    def put(obj: Object, kind: int, data: bytes, at: int, end: int) -> None:
        _expect(kind, wire.BYTES)
        obj.setdefault(name, [])
        _read_into(obj, table, data, at, end)

    return put


def _map_setter(name: str, node: Map, proto: str) -> Set:
    """A map is a repeated message of key (1) and value (2)."""
    of = node.of
    value_proto = proto.partition(", ")[2].rstrip(">")
    if isinstance(of, Struct):
        put_value = _struct_setter("value", of)
    elif isinstance(of, List):
        put_value = _wrapped_setter("value", of)
    else:
        assert isinstance(of, Scalar)
        put_value = _scalar_setter("value", reader(of, value_proto), True)
    table = {1: _scalar_setter("key", reader(Scalar("string"), ""), True), 2: put_value}

    def put(obj: Object, kind: int, data: bytes, at: int, end: int) -> None:
        _expect(kind, wire.BYTES)
        entry: Object = {}
        _read_into(entry, table, data, at, end)
        if "value" not in entry:
            entry["value"] = zero(of)
        obj.setdefault(name, {})[entry.get("key", "")] = entry["value"]

    return put


def reader(node: Scalar, proto: str) -> Callable[[int, bytes, int, int], Any]:
    """The function from a field's wire type and place to the JSON value of a scalar."""
    name = node.name
    if name in _INTEGERS:
        convert = _INTEGERS[name]

        def read_number(kind: int, data: bytes, at: int, end: int) -> Any:
            _expect(kind, wire.VARINT)
            return convert(wire.read_varint(data, at, end)[0])

        return read_number
    if name == "float64":

        def read_float(kind: int, data: bytes, at: int, end: int) -> Any:
            _expect(kind, wire.FIXED64)
            return wire.read_double(data[at:end])

        return read_float
    read = _SCHEMA_UNIONS.get(proto) or (_read_raw_extension if name == "RawExtension" else wire.READ[name])

    def read_bytes(kind: int, data: bytes, at: int, end: int) -> Any:
        _expect(kind, wire.BYTES)
        return read(data[at:end])

    return read_bytes


def _read_raw_extension(data: bytes) -> Any:
    """The raw bytes are JSON, or an object in protobuf's own envelope."""
    raw = wire.small_fields(data).get(1, b"")
    if not isinstance(raw, bytes):
        raise ValueError("wrong wireType for field 1")
    if not raw:
        return None
    if raw.startswith(b"k8s\0"):
        from minikube_py.api.protobuf import open_envelope

        return open_envelope(raw, None)
    value = orjson.loads(raw)
    if value is not None and type(value) is not dict:
        raise ValueError("the raw JSON is no object")
    return value


def _union_reader(schema_number: int, other_number: int, other: str) -> Callable[[bytes], Any]:
    """JSONSchemaPropsOr...: an object when the schema is there, else the other form."""

    def read(data: bytes) -> Any:
        schema = scheme.struct("apiextensions/v1.JSONSchemaProps")
        found: Object = {}
        table: dict[int, Set] = {schema_number: _struct_setter("schema", schema)}
        if other == "schemas":
            table[other_number] = _list_setter("other", List(schema))
        elif other == "strings":
            table[other_number] = _list_setter("other", List(Scalar("string")))
        else:
            table[other_number] = _scalar_setter("other", reader(Scalar("bool"), ""), True)
        _read_into(found, table, data, 0, len(data))
        return found["schema"] if "schema" in found else found.get("other")

    return read


_SCHEMA_UNIONS: dict[str, Callable[[bytes], Any]] = {
    "apiextensions/v1.JSONSchemaPropsOrArray": _union_reader(1, 2, "schemas"),
    "apiextensions/v1.JSONSchemaPropsOrBool": _union_reader(2, 1, "bool"),
    "apiextensions/v1.JSONSchemaPropsOrStringArray": _union_reader(1, 2, "strings"),
}
