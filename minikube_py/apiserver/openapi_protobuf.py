"""The OpenAPI 2 document in the protobuf form that kubectl asks for; it validates `kind: List` files by it.

The messages are those of the public `openapi.v2` protobuf package. Each table maps a JSON member to its field number
and how it is written; a member in no table is a mistake of the document's maker and raises KeyError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from minikube_py.api.protobuf.wire import tagged, tagged_double, tagged_int

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""What is asked for is called `...v2@v1.0+protobuf`; Go does not read an at sign in the type of an answer."""

Write = Callable[[int, Any], bytes]
Table = dict[str, tuple[int, Write]]


def encode(document: dict[str, Any]) -> bytes:
    """The protobuf `openapi.v2.Document` of a JSON document. Raises KeyError naming a member without a field number."""
    return _message(_DOCUMENT, document)


def _message(table: Table, value: dict[str, Any]) -> bytes:
    parts = []
    for name, member in value.items():
        if name.startswith("x-"):
            number, write = table["x-"]
            parts.append(write(number, (name, member)))
        else:
            number, write = table[name]
            parts.append(write(number, member))
    return b"".join(parts)


def _text(number: int, value: str) -> bytes:
    return tagged(number, value.encode())


def _texts(number: int, values: list[str]) -> bytes:
    return b"".join(_text(number, value) for value in values)


def _flag(number: int, value: bool) -> bytes:
    return tagged_int(number, 1) if value else b""


def _any(number: int, value: Any) -> bytes:
    """Message Any holds YAML; JSON is YAML."""
    return tagged(number, tagged(2, orjson.dumps(value)))


def _extension(number: int, value: tuple[str, Any]) -> bytes:
    return tagged(number, _text(1, value[0]) + _any(2, value[1]))


def _one(table: Callable[[], Table]) -> Write:
    return lambda number, value: tagged(number, _message(table(), value))


def _each(write: Write) -> Write:
    return lambda number, values: b"".join(write(number, value) for value in values)


def _named(entry: int, write: Write) -> Write:
    """A message that is a list of (name, value) pairs in field `entry`."""
    return lambda number, values: tagged(
        number, b"".join(tagged(entry, _text(1, name) + write(2, value)) for name, value in values.items())
    )


def _inside(entry: int, write: Write) -> Write:
    """A message with one field, `entry`, of which the value is written."""
    return lambda number, value: tagged(number, write(entry, value))


def _additional(number: int, value: Any) -> bytes:
    return tagged(number, _flag(2, value) if isinstance(value, bool) else _schema(1, value))


def _types(number: int, value: str | list[str]) -> bytes:
    return tagged(number, _texts(1, [value] if isinstance(value, str) else value))


_schema = _one(lambda: _SCHEMA)

_SCHEMA: Table = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, _any),
    "multipleOf": (6, tagged_double),
    "maximum": (7, tagged_double),
    "exclusiveMaximum": (8, _flag),
    "minimum": (9, tagged_double),
    "exclusiveMinimum": (10, _flag),
    "maxLength": (11, tagged_int),
    "minLength": (12, tagged_int),
    "pattern": (13, _text),
    "maxItems": (14, tagged_int),
    "minItems": (15, tagged_int),
    "uniqueItems": (16, _flag),
    "maxProperties": (17, tagged_int),
    "minProperties": (18, tagged_int),
    "required": (19, _texts),
    "enum": (20, _each(_any)),
    "additionalProperties": (21, _additional),
    "type": (22, _types),
    "items": (23, _inside(1, _schema)),
    "allOf": (24, _each(_schema)),
    "properties": (25, _named(1, _schema)),
    "externalDocs": (29, _one(lambda: {"description": (1, _text), "url": (2, _text), "x-": (3, _extension)})),
    "example": (30, _any),
    "x-": (31, _extension),
}

_BODY: Table = {
    "description": (1, _text),
    "name": (2, _text),
    "in": (3, _text),
    "required": (4, _flag),
    "schema": (5, _schema),
}

_PLAIN: Table = {"required": (1, _flag), "in": (2, _text), "description": (3, _text), "name": (4, _text)}
_PATH_PARAMETER: Table = {**_PLAIN, "type": (5, _text), "format": (6, _text), "uniqueItems": (20, _flag)}
_QUERY_PARAMETER: Table = {**_PLAIN, "type": (6, _text), "format": (7, _text), "uniqueItems": (21, _flag)}


def _parameter(number: int, value: dict[str, Any]) -> bytes:
    match value["in"]:
        case "body":
            chosen = tagged(1, _message(_BODY, value))
        case "query":
            chosen = tagged(2, tagged(3, _message(_QUERY_PARAMETER, value)))
        case "path":
            chosen = tagged(2, tagged(4, _message(_PATH_PARAMETER, value)))
        case other:
            raise KeyError(f"no field for a parameter in {other!r}")
    return tagged(number, tagged(1, chosen))


_RESPONSE: Table = {"description": (1, _text), "schema": (2, _inside(1, _schema))}

_OPERATION: Table = {
    "tags": (1, _texts),
    "summary": (2, _text),
    "description": (3, _text),
    "operationId": (5, _text),
    "produces": (6, _texts),
    "consumes": (7, _texts),
    "parameters": (8, _each(_parameter)),
    "responses": (9, _named(1, _inside(1, _one(lambda: _RESPONSE)))),
    "schemes": (10, _texts),
    "deprecated": (11, _flag),
    "x-": (13, _extension),
}
_operation = _one(lambda: _OPERATION)

_PATH: Table = {
    "get": (2, _operation),
    "put": (3, _operation),
    "post": (4, _operation),
    "delete": (5, _operation),
    "options": (6, _operation),
    "head": (7, _operation),
    "patch": (8, _operation),
    "parameters": (9, _each(_parameter)),
    "x-": (10, _extension),
}

_API_KEY: Table = {"type": (1, _text), "name": (2, _text), "in": (3, _text), "description": (4, _text)}

_DOCUMENT: Table = {
    "swagger": (1, _text),
    "info": (2, _one(lambda: {"title": (1, _text), "version": (2, _text), "description": (3, _text)})),
    "paths": (8, _named(2, _one(lambda: _PATH))),
    "definitions": (9, _named(1, _schema)),
    "security": (12, _each(_named(1, _inside(1, _texts)))),
    "securityDefinitions": (13, _named(1, _inside(2, _one(lambda: _API_KEY)))),
    "x-": (16, _extension),
}
