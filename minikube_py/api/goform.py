"""How Go's JSON treats the members of a typed struct: zero values, what is left out, and how scalars are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from minikube_py.api import quantity, times
from minikube_py.api.schema import Field, List, Node, Scalar, Struct

INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)

ZEROS: dict[str, Any] = {
    "string": "", "bool": False, "int32": 0, "int64": 0, "float64": 0.0, "bytes": "", "Quantity": "0", "IntOrString": 0,
    "Duration": "0s",
}  # fmt: skip
"""What an absent scalar is to Go; those that are not here have null for their zero."""

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")
# Quantity and IntOrString are structs to Go: omitempty does not drop their zero. Free-form JSON is kept as it came.
_OPAQUE = frozenset(("Quantity", "IntOrString", "FieldsV1", "RawExtension", "JSON", "any"))
# orjson encodes 254 levels; a free-form member sits fewer than this many levels below its object.
_ROOM = 40


def keeps_zero(field: Field) -> bool:
    """Whether Go's JSON writes this member when its value is zero."""
    node = field.node
    return (
        field.pointer
        or not field.omitempty
        or isinstance(node, Struct)
        or (isinstance(node, Scalar) and node.name in _OPAQUE)
    )


def filler(field: Field) -> Callable[[], Any] | None:
    """What makes the value that Go's JSON shows for an absent member, None where it shows nothing or null."""
    if field.pointer:
        return None
    node = field.node
    if isinstance(node, Struct):
        struct = node
        return lambda: filled(struct)
    if isinstance(node, Scalar) and (not field.omitempty or node.name in _OPAQUE) and node.name in ZEROS:
        zero = ZEROS[node.name]
        return lambda: zero
    return None


def filled(struct: Struct) -> dict[str, Any]:
    """An empty struct as Go's JSON shows it. It ends, since a struct in Go contains itself only through a pointer."""
    makers = struct.__dict__.get("_fillers")
    if makers is None:
        found = ((name, filler(field)) for name, field in struct.fields.items())
        makers = struct.__dict__["_fillers"] = [(name, make) for name, make in found if make is not None]
    return {name: make() for name, make in makers}


def zero(node: Node) -> Any:
    """The value that Go puts where a list's or map's element is null."""
    if isinstance(node, Struct):
        return filled(node)
    if isinstance(node, Scalar):
        return ZEROS.get(node.name)
    return [] if isinstance(node, List) else {}


def too_deep(value: Any) -> bool:
    """Whether free-form JSON is nested so deeply that an object with it could not be encoded again."""
    nest: Any = value
    for _ in range(_ROOM):
        nest = [nest]
    try:
        orjson.dumps(nest)
    except orjson.JSONEncodeError:
        return True
    return False


def read_bytes(text: str) -> str:
    """`text` if it is standard base64 with padding. Raises ValueError."""
    if _BASE64.match(text) is None:
        raise ValueError("illegal base64 data")
    return text


def read_duration(text: str) -> str:
    """A Go duration as Go writes it. Raises ValueError."""
    return times.format_duration(times.parse_duration(text))


READ: dict[str, Callable[[str], str | None]] = {
    "bytes": read_bytes,
    "Duration": read_duration,
    "MicroTime": times.canonical_micro,
    "Quantity": quantity.canonical,
    "Time": times.canonical_time,
}
"""Canonical text of the scalars that are strings with a syntax; None for the zero time. Raise ValueError."""
