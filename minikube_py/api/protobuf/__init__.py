"""Kubernetes' protobuf: the `k8s\\0` envelope around any built-in type, to and from JSON form.

Field numbers and types come from the schema (`api.scheme`); there is no generated code. Custom resources have no
protobuf form, as in Kubernetes.
"""

from __future__ import annotations

from typing import Any

import orjson

from minikube_py.api import scheme
from minikube_py.api.errors import BadRequest
from minikube_py.api.protobuf import wire
from minikube_py.api.protobuf.reader import read_struct
from minikube_py.api.protobuf.writer import write_struct
from minikube_py.api.schema import Struct

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"

Object = dict[str, Any]


def decode(body: bytes, default_gvk: tuple[str, str, str] | None = None) -> Object:
    """The object in an enveloped body, as Go's JSON would show it; still to be normalised like any other body.

    `default_gvk` (group, version, kind) counts where the envelope names no type. Raises BadRequest for whatever is
    malformed and for kinds that are not built in.
    """
    try:
        obj = open_envelope(body, default_gvk)
        orjson.dumps(obj)  # says no to nesting that could not be encoded again
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the object provided is not valid protobuf: proto: {error}") from None
    except orjson.JSONEncodeError:
        raise BadRequest("the object provided is nested too deeply") from None
    return obj


def open_envelope(body: bytes, default_gvk: tuple[str, str, str] | None) -> Object:
    """As `decode`, but malformed content raises ValueError."""
    if not body.startswith(MAGIC):
        raise ValueError("the body does not start with k8s\\0")
    unknown = wire.small_fields(body[len(MAGIC) :])
    parts = {number: unknown.get(number, b"") for number in (1, 2, 3, 4)}
    if not all(isinstance(part, bytes) for part in parts.values()):
        raise ValueError("wrong wireType in the envelope")
    if parts[3] or parts[4] not in (b"", CONTENT_TYPE.encode()):
        raise BadRequest("an enveloped object with a content encoding or type of its own is not supported")
    type_meta = wire.small_fields(parts[1])
    api_version, kind = (_text(type_meta.get(number, b"")) for number in (1, 2))
    if not kind and default_gvk is not None:
        group, version, kind = default_gvk
        api_version = f"{group}/{version}" if group else version
    name = scheme.type_for(api_version, kind)
    if name is None:
        raise BadRequest(f'no kind "{kind}" is registered for version "{api_version}"')
    return {"kind": kind, "apiVersion": api_version, **read_struct(scheme.struct(name), parts[2])}


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise ValueError("wrong wireType in typeMeta")
    return value.decode()


def encode(obj: Object, struct: Struct) -> bytes:
    """The enveloped protobuf form of a normalised object; `apiVersion` and `kind` go into the envelope."""
    type_meta = wire.tagged(1, str(obj.get("apiVersion", "")).encode())
    type_meta += wire.tagged(2, str(obj.get("kind", "")).encode())
    unknown = wire.tagged(1, type_meta) + wire.tagged(2, write_struct(struct, obj))
    return MAGIC + unknown + wire.tagged(3, b"") + wire.tagged(4, b"")
