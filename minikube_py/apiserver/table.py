"""Answers in forms other than the object itself: Table (what `kubectl get` prints) and PartialObjectMetadata.

A `Row` is computed once per revision of an object; only ages are filled in when it is sent. With the bytes of the
served object at hand a whole Table is made by joining bytes (`table_bytes`); `table` is the same as a dict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Literal

import orjson

from minikube_py.apiserver.kinds._cells import Age, human_duration
from minikube_py.apiserver.kinds.base import Kind, Object

__all__ = [
    "Include", "Row", "column_definitions", "human_duration", "partial", "partial_list", "partial_list_bytes",
    "row_bytes", "table", "table_bytes", "table_from_data",
]  # fmt: skip

Include = Literal["Metadata", "Object", "None"]
"""The values of a Table request's `includeObject`; the empty text means Metadata."""

META_V1 = "meta.k8s.io/v1"

_dumps = orjson.dumps


class Row:
    """The row of one object at one revision, without its ages.

    `data`, where a method takes it, is the JSON of the same object at the same revision, starting with
    `{"kind":..,"apiVersion":..,"metadata":{` as `encoding.Codec.served` makes it.
    """

    __slots__ = ("_cells", "_conditions", "_head", "_metadata_end", "_parts")

    def __init__(self, kind: Kind, obj: Object) -> None:
        self._cells = kind.row(obj)
        self._conditions = kind.row_conditions(obj) if kind.row_conditions is not None else []
        self._head = _head_size(kind)
        # A dict's JSON is equally long in any order of its members.
        self._metadata_end = self._head + len(_dumps(obj["metadata"]))
        self._parts = self._encode()

    def _encode(self) -> tuple[bytes | Age, ...]:
        """Bytes and ages in turn; joined they are the row up to where its object goes."""
        parts: list[bytes | Age] = []
        text = b'{"cells":['
        for i, cell in enumerate(self._cells):
            if i:
                text += b","
            if isinstance(cell, Age):
                parts += [text + b'"', cell]
                text = b'"'
            else:
                text += _dumps(cell)
        text += b"]"
        if self._conditions:
            text += b',"conditions":' + _dumps(self._conditions)
        return (*parts, text + b',"object":')

    def cells(self, now: float) -> list[Any]:
        """The cells when it is `now` (seconds since the epoch)."""
        return [cell.text(now) if isinstance(cell, Age) else cell for cell in self._cells]

    @property
    def conditions(self) -> list[dict[str, str]]:
        """The row's conditions, mostly none."""
        return self._conditions

    def metadata(self, data: bytes) -> bytes:
        """The JSON of the object's metadata, cut out of the object's."""
        return data[self._head : self._metadata_end]

    def render(self, now: float, obj: bytes) -> bytes:
        """The row as JSON, with `obj` as its object."""
        parts = [part if isinstance(part, bytes) else part.text(now).encode() for part in self._parts]
        parts += (obj, b"}")
        return b"".join(parts)


@cache
def _head(api_version: str, kind: str) -> int:
    return len(b'{"kind":%b,"apiVersion":%b,"metadata":' % (_dumps(kind), _dumps(api_version)))


def _head_size(kind: Kind) -> int:
    return _head(kind.resource.api_version, kind.resource.kind)


def column_definitions(kind: Kind) -> list[dict[str, Any]]:
    """The columns in the form that a Table carries."""
    return [
        {"name": c.name, "type": c.type, "format": c.format, "description": c.description, "priority": c.priority}
        for c in kind.columns
    ]


def table(
    kind: Kind,
    items: Iterable[Object],
    *,
    now: datetime,
    list_meta: Mapping[str, Any],
    include_object: str = "Metadata",
    group_version: str = META_V1,
    columns: bool = True,
) -> dict[str, Any]:
    """A meta/v1 Table of `items`, whose dicts it shares.

    `columns=False` leaves the definitions out, as later events of a watch do. Raises ValueError for an `include_object`
    that is none.
    """
    include, epoch = _include(include_object), now.timestamp()
    rows = []
    for obj in items:
        cells = [c.text(epoch) if isinstance(c, Age) else c for c in kind.row(obj)]
        row: dict[str, Any] = {"cells": cells}
        if kind.row_conditions is not None and (conditions := kind.row_conditions(obj)):
            row["conditions"] = conditions
        row["object"] = None if include == "None" else obj if include == "Object" else partial(obj, group_version)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": group_version,
        "metadata": dict(list_meta),
        "columnDefinitions": column_definitions(kind) if columns else [],
        "rows": rows,
    }


def _include(value: str) -> Include:
    match value:
        case "" | "Metadata":
            return "Metadata"
        case "Object":
            return "Object"
        case "None":
            return "None"
    raise ValueError(f"unrecognized includeObject value: {value!r}")


def table_bytes(
    kind: Kind,
    rows: Iterable[bytes],
    *,
    list_meta: Mapping[str, Any],
    group_version: str = META_V1,
    columns: bool = True,
) -> bytes:
    """A Table as JSON, from rows that are JSON already (`Row.render`, `row_bytes`)."""
    head = b'{"kind":"Table","apiVersion":%b,"metadata":%b,"columnDefinitions":%b,"rows":[' % (
        _dumps(group_version),
        _dumps(dict(list_meta)),
        _dumps(column_definitions(kind)) if columns else b"[]",
    )
    return head + b",".join(rows) + b"]}"


def table_from_data(
    kind: Kind,
    items: Iterable[tuple[Row, bytes]],
    *,
    now: datetime,
    list_meta: Mapping[str, Any],
    include_object: str = "Metadata",
    group_version: str = META_V1,
    columns: bool = True,
) -> bytes:
    """A Table as JSON from (row, served bytes) of each object: the quick way for long lists."""
    include = _include(include_object)
    rows = _render(items, now.timestamp(), include, group_version)
    return table_bytes(kind, rows, list_meta=list_meta, group_version=group_version, columns=columns)


def _render(items: Iterable[tuple[Row, bytes]], now: float, include: Include, group_version: str) -> Iterator[bytes]:
    head = _partial_head(group_version)
    for row, data in items:
        if include == "Metadata":
            yield row.render(now, head + row.metadata(data) + b"}")
        else:
            yield row.render(now, data if include == "Object" else b"null")


def row_bytes(
    kind: Kind, obj: Object, now: datetime, *, include_object: str = "Metadata", group_version: str = META_V1
) -> bytes:
    """One row as JSON straight from an object's dict."""
    include = _include(include_object)
    if include == "Metadata":
        body = _partial_head(group_version) + _dumps(obj["metadata"]) + b"}"
    else:
        body = _dumps(obj) if include == "Object" else b"null"
    return Row(kind, obj).render(now.timestamp(), body)


def partial(obj: Object, group_version: str = META_V1) -> dict[str, Any]:
    """The object's PartialObjectMetadata; the metadata is shared, not copied."""
    return {"kind": "PartialObjectMetadata", "apiVersion": group_version, "metadata": obj["metadata"]}


def partial_list(items: Iterable[Object], list_meta: Mapping[str, Any], group_version: str = META_V1) -> dict[str, Any]:
    """A PartialObjectMetadataList of objects."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": group_version,
        "metadata": dict(list_meta),
        "items": [partial(obj, group_version) for obj in items],
    }


def partial_list_bytes(
    items: Iterable[tuple[Row, bytes]], list_meta: Mapping[str, Any], group_version: str = META_V1
) -> bytes:
    """A PartialObjectMetadataList as JSON from (row, served bytes) of each object."""
    head = _partial_head(group_version)
    return b'{"kind":"PartialObjectMetadataList","apiVersion":%b,"metadata":%b,"items":[%b]}' % (
        _dumps(group_version),
        _dumps(dict(list_meta)),
        b",".join(head + row.metadata(data) + b"}" for row, data in items),
    )


@cache
def _partial_head(group_version: str) -> bytes:
    return b'{"kind":"PartialObjectMetadata","apiVersion":%b,"metadata":' % _dumps(group_version)
