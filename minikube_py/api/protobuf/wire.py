"""The protobuf wire format: varints, tags and the scalars that Kubernetes keeps in messages of their own."""

from __future__ import annotations

import base64
import struct as _struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from minikube_py.api import quantity, times

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The unsigned number at `at` and where it ends. Raises ValueError."""
    if at < end and data[at] < 0x80:
        return data[at], at + 1
    number = shift = 0
    while True:
        if at >= end:
            raise ValueError("unexpected EOF")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift >= 70:
            raise ValueError("integer overflow")


def skip(data: bytes, at: int, end: int, wire: int) -> int:
    """Where the value of a field that nobody knows ends. Raises ValueError."""
    if wire == VARINT:
        return read_varint(data, at, end)[1]
    if wire == BYTES:
        size, at = read_varint(data, at, end)
        at += size
    elif wire in (FIXED64, FIXED32):
        at += 8 if wire == FIXED64 else 4
    else:
        raise ValueError(f"illegal wireType {wire}")
    if at > end:
        raise ValueError("unexpected EOF")
    return at


def small_fields(data: bytes) -> dict[int, Any]:
    """Number to value of a message without repeated fields; length-delimited values as bytes. Raises ValueError."""
    found: dict[int, Any] = {}
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("illegal tag 0")
        if wire == VARINT:
            found[number], at = read_varint(data, at, end)
            continue
        start, at = at, skip(data, at, end, wire)
        found[number] = data[read_varint(data, start, end)[1] : at] if wire == BYTES else data[start:at]
    return found


def signed64(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def signed32(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


def read_double(data: bytes) -> float:
    value = float(_struct.unpack("<d", data)[0])
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f"{value} has no form in JSON")
    return value


def _number(fields: dict[int, Any], number: int) -> int:
    value = fields.get(number, 0)
    if not isinstance(value, int):
        raise ValueError(f"wrong wireType for field {number}")
    return value


def _bytes(fields: dict[int, Any], number: int) -> bytes:
    value = fields.get(number, b"")
    if not isinstance(value, bytes):
        raise ValueError(f"wrong wireType for field {number}")
    return value


def _read_quantity(data: bytes) -> str:
    text = _bytes(small_fields(data), 1).decode()
    return quantity.canonical(text) if text else "0"


def _read_int_or_string(data: bytes) -> int | str:
    fields = small_fields(data)
    return _bytes(fields, 3).decode() if _number(fields, 1) else signed32(_number(fields, 2))


def _read_moment(data: bytes, micro: bool) -> str | None:
    if not data:
        return None
    fields = small_fields(data)
    seconds = signed64(_number(fields, 1))
    nanos = signed32(_number(fields, 2))
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000 if micro else 0)
    except OverflowError:
        raise ValueError(f"a time {seconds} s from 1970 is out of range") from None
    text = times.format_micro(moment) if micro else times.format_time(moment)
    return times.canonical_micro(text) if micro else times.canonical_time(text)


def _read_json(data: bytes) -> Any:
    raw = _bytes(small_fields(data), 1)
    return orjson.loads(raw) if raw else None


def _read_json_object(data: bytes) -> Any:
    value = _read_json(data)
    if value is not None and type(value) is not dict:
        raise ValueError("the raw JSON is no object")
    return value


READ: dict[str, Callable[[bytes], Any]] = {
    "string": bytes.decode,
    "bytes": lambda data: base64.b64encode(data).decode(),
    "Quantity": _read_quantity,
    "IntOrString": _read_int_or_string,
    "Time": lambda data: _read_moment(data, False),
    "MicroTime": lambda data: _read_moment(data, True),
    "Duration": lambda data: times.format_duration(signed64(_number(small_fields(data), 1))),
    "FieldsV1": _read_json_object,
    "JSON": _read_json,
}
"""From the bytes of a length-delimited field to its JSON value; None where Go's JSON says null. Raise ValueError."""


def varint(number: int) -> bytes:
    """A number as varint; negative ones take ten bytes, as for int32 and int64."""
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tagged(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def tagged_int(number: int, value: int) -> bytes:
    """A varint field."""
    return varint(number << 3 | VARINT) + varint(value)


def tagged_double(number: int, value: float) -> bytes:
    """A 64-bit floating point field."""
    return varint(number << 3 | FIXED64) + _struct.pack("<d", value)


def _write_int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return tagged_int(1, 1) + tagged_int(2, 0) + tagged(3, value.encode())
    return tagged_int(1, 0) + tagged_int(2, value) + tagged(3, b"")


def _write_moment(text: str, micro: bool) -> bytes:
    moment = times.parse_time(text) - _EPOCH
    nanos = moment.microseconds * 1000 if micro else 0
    return tagged_int(1, moment.days * 86400 + moment.seconds) + tagged_int(2, nanos)


WRITE: dict[str, Callable[[Any], bytes]] = {
    "string": str.encode,
    "bytes": base64.b64decode,
    "Quantity": lambda value: tagged(1, str(value).encode()),
    "IntOrString": _write_int_or_string,
    "Time": lambda text: _write_moment(text, False),
    "MicroTime": lambda text: _write_moment(text, True),
    "Duration": lambda text: tagged_int(1, times.parse_duration(text)),
    "FieldsV1": lambda value: tagged(1, orjson.dumps(value)),
    "RawExtension": lambda value: tagged(1, orjson.dumps(value)),
    "JSON": lambda value: tagged(1, orjson.dumps(value)),
}
"""From a JSON value to the content of its length-delimited field."""

ABSENT: dict[str, bytes] = {
    "string": b"", "Quantity": tagged(1, b"0"), "IntOrString": _write_int_or_string(0), "Time": b"", "MicroTime": b"",
    "Duration": tagged_int(1, 0), "RawExtension": b"",
}  # fmt: skip
"""What is written for an absent member that is no pointer in Go."""
