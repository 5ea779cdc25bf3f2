"""The shape of API objects as data: what the patch engines, protobuf, OpenAPI and field validation walk.

A `Struct` is compiled from a generated model (`scheme.struct("core/v1.Pod")`), or built by hand in a test; custom
resources will compile theirs from the schema in their definition. Nothing here knows pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

ScalarName = Literal[
    "string", "bool", "int32", "int64", "float64", "bytes", "any",
    "Quantity", "IntOrString", "Time", "MicroTime", "Duration", "FieldsV1", "RawExtension", "JSON",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scalar:
    """A leaf. FieldsV1, RawExtension, JSON and any hold arbitrary JSON and are treated as one atomic value."""

    name: ScalarName
    enum: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class List:
    """An array. type map: elements are structs identified by the values of `keys`; set: unique scalars."""

    of: Node
    type: Literal["atomic", "set", "map"] = "atomic"
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Map:
    """A JSON object with string keys of the caller's choosing."""

    of: Node
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class PB:
    """Where a field sits in the protobuf form: number and the .proto type ("string", "core/v1.PodSpec", "map<..>").

    `via` has the numbers of the messages to go through first: JSON flattens what Go embeds, protobuf does not.
    """

    number: int
    proto: str
    via: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a Struct, by its JSON name.

    `merge_key` and `strategy` ("merge", "replace", "retainKeys"; several are possible) drive strategic merge patch;
    list and map types live on the node. `default` is the OpenAPI default or None.
    """

    name: str
    node: Node
    required: bool = False
    doc: str = ""
    pb: PB | None = None
    strategy: tuple[str, ...] = ()
    merge_key: str = ""
    default: object = None
    omitempty: bool = True
    pointer: bool = False


@dataclass(frozen=True)
class Struct:
    """An object with known members. `thunk` yields the fields on first use, so that types may be recursive.

    One that is `open` may have others too, of any form (a custom resource's x-kubernetes-preserve-unknown-fields).
    """

    name: str
    thunk: Callable[[], Mapping[str, Field]] = field(repr=False, compare=False)
    atomic: bool = False
    doc: str = ""
    openapi: str = ""
    group_version_kind: tuple[str, str, str] | None = None
    open: bool = False

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """Members by JSON name, in the order of Kubernetes' JSON output."""
        return self.thunk()


Node = Scalar | List | Map | Struct


def struct(name: str, *fields: Field, atomic: bool = False) -> Struct:
    """A Struct written out by hand (tests, small internal schemas)."""
    table = {f.name: f for f in fields}
    return Struct(name, lambda: table, atomic=atomic)
