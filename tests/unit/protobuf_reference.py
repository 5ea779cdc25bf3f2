"""A second, independent protobuf codec for tests: google.protobuf with descriptors built from the fact tables."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TYPES = json.loads((Path(__file__).parents[2] / "tools" / "facts" / "types.json").read_text())
F = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "string": F.TYPE_STRING,
    "bool": F.TYPE_BOOL,
    "int32": F.TYPE_INT32,
    "int64": F.TYPE_INT64,
    "double": F.TYPE_DOUBLE,
    "bytes": F.TYPE_BYTES,
}
SPECIAL: dict[str, list[tuple[str, int, str]]] = {
    "Quantity": [("string", 1, "string")],
    "IntOrString": [("type", 1, "int64"), ("intVal", 2, "int32"), ("strVal", 3, "string")],
    "meta/v1.Time": [("seconds", 1, "int64"), ("nanos", 2, "int32")],
    "meta/v1.MicroTime": [("seconds", 1, "int64"), ("nanos", 2, "int32")],
    "meta/v1.Duration": [("duration", 1, "int64")],
    "meta/v1.FieldsV1": [("Raw", 1, "bytes")],
    "runtime.RawExtension": [("raw", 1, "bytes")],
    "apiextensions/v1.JSON": [("raw", 1, "bytes")],
}


def _message_name(name: str) -> str:
    return "m_" + "".join(c if c.isalnum() else "_" for c in name)


def _add(message: Any, name: str, number: int, proto: str) -> None:
    field = message.field.add(name=name, number=number, label=F.LABEL_OPTIONAL)
    if proto.startswith("repeated "):
        field.label, proto = F.LABEL_REPEATED, proto[len("repeated ") :]
    if proto.startswith("map<"):
        value = proto[4:-1].partition(", ")[2]
        # protobuf finds a map's entry type by its name: the field's name in camel case, then Entry.
        entry_name = "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        _add(entry, "key", 1, "string")
        _add(entry, "value", 2, value)
        field.label, field.type = F.LABEL_REPEATED, F.TYPE_MESSAGE
        field.type_name = f".k8s.{message.name}.{entry_name}"
    elif proto in SCALARS:
        field.type = SCALARS[proto]
    else:
        field.type, field.type_name = F.TYPE_MESSAGE, ".k8s." + _message_name(proto)


@cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="k8s.proto", package="k8s", syntax="proto2")
    for name, fields in SPECIAL.items():
        message = file.message_type.add(name=_message_name(name))
        for field_name, number, proto in fields:
            _add(message, field_name, number, proto)
    for name, entry in TYPES["types"].items():
        message = file.message_type.add(name=_message_name(name))
        if "alias" in entry:
            wrapper = entry.get("pbMessage")
            for field_name, number, proto in wrapper if isinstance(wrapper, list) else ():
                _add(message, field_name, number, proto)
            continue
        for f in entry["fields"]:
            if "pb" in f:
                _add(message, f"f{f['pb']['num']}", f["pb"]["num"], f["pb"]["proto"])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def message(type_name: str) -> Any:
    """A new message of a type; its fields are called f1, f2, ... by number."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName("k8s." + _message_name(type_name)))()
