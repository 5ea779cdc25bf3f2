"""hypothesis strategies that make objects of any struct from its schema."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from minikube_py.api import goform, times
from minikube_py.api.schema import Field, List, Map, Node, Scalar, Struct

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))
FREE = st.dictionaries(TEXT, st.one_of(st.none(), st.booleans(), st.integers(-9, 9), TEXT, st.lists(TEXT)), max_size=2)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT,
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "bytes": st.binary(max_size=5).map(lambda b: base64.b64encode(b).decode()),
    "Quantity": st.sampled_from(["0", "1", "100m", "1500m", "1Gi", "5e3", "12k", "64Mi", "-3"]),
    "IntOrString": st.one_of(st.integers(-(2**31), 2**31 - 1), TEXT),
    "Time": MOMENTS.map(times.format_time),
    "MicroTime": MOMENTS.map(times.format_micro),
    "Duration": st.integers(-(2**63), 2**63 - 1).map(times.format_duration),
    "FieldsV1": FREE,
    "RawExtension": FREE,
    "JSON": st.one_of(st.booleans(), st.integers(-9, 9), TEXT.filter(bool), FREE),
    "any": TEXT,
}


def objects(struct: Struct, depth: int = 4) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that are already in normal form, with some of the members."""
    return _objects(struct, depth)


@st.composite
def _objects(draw: st.DrawFn, struct: Struct, depth: int) -> dict[str, Any]:
    obj: dict[str, Any] = {}
    # What a kind is called is in the envelope of the whole, not in nested objects.
    names = [n for n in struct.fields if n not in ("kind", "apiVersion") or struct.group_version_kind is None]
    chosen = draw(st.sets(st.sampled_from(names), max_size=5)) if names and depth > 0 else set()
    for name in names:
        field = struct.fields[name]
        if name in chosen:
            value = draw(values(field.node, depth - 1, field))
            if value or goform.keeps_zero(field):
                obj[name] = value
        make = goform.filler(field)
        if make is not None and name not in obj:
            obj[name] = make()
    return obj


def values(node: Node, depth: int, field: Field | None = None) -> st.SearchStrategy[Any]:
    """Normal values of a node."""
    match node:
        case Struct():
            return _objects(node, depth)
        case List():
            # An embedded list in a map has no way to say "absent" on the wire; neither has an empty one.
            return st.lists(values(node.of, depth), min_size=1, max_size=2)
        case Map():
            # One key: other implementations of protobuf have their own idea of the order.
            return st.dictionaries(TEXT, values(node.of, depth), min_size=1, max_size=1)
        case Scalar():
            if field is not None and field.pb is not None and "JSONSchemaPropsOr" in field.pb.proto:
                return st.just({"type": "string"})
            return SCALARS[node.name]
