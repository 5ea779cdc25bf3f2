"""Request bodies to objects: JSON and YAML, with the paths of members that were given twice.

Whatever the body is, the answer is an object or BadRequest: deep nesting, alias bombs, broken UTF-8 and documents that
are no object are refused here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import orjson

from minikube_py.api.errors import BadRequest

Object = dict[str, Any]

MAX_DEPTH = 200
"""Levels of nesting that a YAML document may have; for JSON the encoder's own limit (254) counts."""
MAX_NODES = 1_000_000
"""Values that a YAML document may have once its aliases are written out."""


def decode_json(body: bytes, *, duplicates: bool = True) -> tuple[Object, list[str]]:
    """The object in `body` and the paths of members given more than once (the last one counts).

    `duplicates=False` saves the search for those. Raises BadRequest.
    """
    try:
        obj = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the object provided is unrecognized (must be of type Object): {error}") from None
    if type(obj) is not dict:
        raise BadRequest(
            "the object provided is unrecognized (must be of type Object): "
            f"json: cannot unmarshal {_json_name(obj)} into Go value of type map[string]interface {{}}"
        )
    if not duplicates and len(body) < 500:
        return obj, []  # 250 levels cannot be opened and closed in so few bytes.
    try:
        again = orjson.dumps(obj)
    except orjson.JSONEncodeError:
        raise BadRequest("the object provided is nested too deeply") from None
    # Every member has a colon after its name. The object has lost some iff members were dropped - unless a text wrote
    # its own colons as \\u003a, in which case the counts say nothing.
    if not duplicates or (body.count(b":") == again.count(b":") and b"\\u003" not in body):
        return obj, []
    return obj, _duplicates(body)


def _duplicates(body: bytes) -> list[str]:
    """The paths of repeated members, found by parsing again with a hook that sees them."""
    repeated: dict[int, list[str]] = {}
    alive: list[Object] = []  # ids are unique only among living objects

    def collect(pairs: list[tuple[str, Any]]) -> Object:
        obj = dict(pairs)
        if len(obj) != len(pairs):
            seen: set[str] = set()
            twice: dict[str, None] = {}
            for name, _ in pairs:
                if name in seen:
                    twice[name] = None
                seen.add(name)
            repeated[id(obj)] = list(twice)
            alive.append(obj)
        return obj

    # The values do not matter, and turning a number of thousands of digits into an int is refused by Python.
    root = json.loads(body, object_pairs_hook=collect, parse_int=str, parse_float=str)
    return list(_paths(root, "", repeated)) if repeated else []


def _paths(value: Any, path: str, repeated: dict[int, list[str]]) -> Iterator[str]:
    if type(value) is dict:
        for name in repeated.get(id(value), ()):
            yield f"{path}.{name}" if path else name
        for name, member in value.items():
            yield from _paths(member, f"{path}.{name}" if path else name, repeated)
    elif type(value) is list:
        for index, item in enumerate(value):
            yield from _paths(item, f"{path}[{index}]", repeated)


def _json_name(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "null"


def decode_yaml(body: bytes) -> tuple[Object, list[str]]:
    """The object in a YAML document and the paths of keys given more than once (the last one counts).

    Plain scalars are read as Kubernetes' YAML 1.1 reader does: yes/no/on/off are booleans, timestamps stay strings,
    keys that are numbers or booleans become their text. One document only. Raises BadRequest.
    """
    import yaml

    try:
        body.decode()
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        builder = _YamlBuilder()
        builder.build(yaml.parse(body, Loader=loader))
    except UnicodeDecodeError as error:
        raise _bad_yaml(f"the document is not UTF-8: {error}") from None
    except yaml.YAMLError as error:
        raise _bad_yaml(f"yaml: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise _bad_yaml("the document is nested too deeply") from None
    obj = builder.document
    if type(obj) is not dict:
        raise BadRequest(
            "error unmarshaling JSON: while decoding JSON: "
            f"json: cannot unmarshal {_json_name(obj)} into Go value of type map[string]interface {{}}"
        )
    try:
        orjson.dumps(obj)  # aliases may have put deep things below deep things
    except orjson.JSONEncodeError as error:
        raise _bad_yaml(str(error)) from None
    return obj, builder.duplicates


def _bad_yaml(why: str) -> BadRequest:
    return BadRequest(f"error converting YAML to JSON: {why}")


class _Collection:
    """A mapping or sequence under construction."""

    __slots__ = ("anchor", "key", "merges", "path", "size", "value")

    def __init__(self, value: Any, path: str, anchor: str | None) -> None:
        self.value = value
        self.path = path
        self.anchor = anchor
        self.key: str | None = None
        self.merges: list[Any] = []
        self.size = 1


class _YamlBuilder:
    """Builds the document from parser events with a stack of its own: no nesting can exhaust the interpreter's."""

    def __init__(self) -> None:
        self.document: Any = None
        self.duplicates: list[str] = []
        self._stack: list[_Collection] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._documents = 0
        self._nodes = 0

    def build(self, events: Iterator[Any]) -> None:
        from yaml import events as kinds

        for event in events:
            match event:
                case kinds.ScalarEvent():
                    self._add(_scalar(event), 1, event.anchor)
                case kinds.MappingStartEvent():
                    self._open({}, event, "tag:yaml.org,2002:map")
                case kinds.SequenceStartEvent():
                    self._open([], event, "tag:yaml.org,2002:seq")
                case kinds.MappingEndEvent() | kinds.SequenceEndEvent():
                    self._close()
                case kinds.AliasEvent():
                    # An alias inside what it names is unknown too: an anchor counts once its value is complete.
                    if event.anchor not in self._anchors:
                        raise _bad_yaml(f"yaml: unknown anchor '{event.anchor}' referenced")
                    value, size = self._anchors[event.anchor]
                    self._add(_copy(value) if self._count(size) else value, size, None, counted=True)
                case kinds.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        raise _bad_yaml("the body has more than one YAML document")

    def _count(self, size: int) -> bool:
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise _bad_yaml("yaml: document contains excessive aliasing")
        return True

    def _open(self, value: Any, event: Any, tag: str) -> None:
        if event.tag not in (None, "!", tag):
            raise _bad_yaml(f"the tag {event.tag} has no meaning in JSON")
        if len(self._stack) >= MAX_DEPTH:
            raise _bad_yaml("yaml: exceeded max depth")
        self._stack.append(_Collection(value, self._next_path(), event.anchor))

    def _next_path(self) -> str:
        if not self._stack:
            return ""
        parent = self._stack[-1]
        if type(parent.value) is list:
            return f"{parent.path}[{len(parent.value)}]"
        if parent.key is None:
            raise _bad_yaml("a mapping or sequence cannot be a key in JSON")
        return f"{parent.path}.{parent.key}" if parent.path else parent.key

    def _close(self) -> None:
        done = self._stack.pop()
        for merged in done.merges:
            for name, member in merged.items():
                done.value.setdefault(name, member)
        self._add(done.value, done.size, done.anchor, counted=True)

    def _add(self, value: Any, size: int, anchor: str | None, *, counted: bool = False) -> None:
        """Put a finished value where it belongs; `size` is the number of values in it."""
        if not counted:
            self._count(size)
        if anchor is not None:
            self._anchors[anchor] = (value, size)
        if not self._stack:
            self.document = None if type(value) is _Merge else value
            return
        parent = self._stack[-1]
        parent.size += size
        if type(parent.value) is list:
            parent.value.append("<<" if type(value) is _Merge else value)
        elif parent.key is None:
            parent.key = "<<" if type(value) is _Merge else _key(value)
            if type(value) is _Merge:
                parent.merges.append(None)
        else:
            self._member(parent, parent.key, "<<" if type(value) is _Merge else value)
            parent.key = None

    def _member(self, parent: _Collection, key: str, value: Any) -> None:
        if parent.merges and parent.merges[-1] is None:
            parent.merges.pop()
            many = value if type(value) is list else [value]
            if not all(type(one) is dict for one in many):
                raise _bad_yaml("yaml: map merge requires map or sequence of maps as the value")
            self._count(sum(map(len, many)))
            parent.merges += [_copy(one) for one in many]
            return
        if key in parent.value:
            path = f"{parent.path}.{key}" if parent.path else key
            if path not in self.duplicates:
                self.duplicates.append(path)
        parent.value[key] = value


class _Merge:
    """Stands for a plain `<<` until it is known whether it is a key."""


_BOOLS = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "y", "Y", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "n", "N", "off", "Off", "OFF"), False),
}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_INT = re.compile(r"([-+]?)(?:0b([01_]+)|0x([0-9a-fA-F_]+)|0o?([0-7_]+)|(0|[1-9][0-9_]*))\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_CORE = "tag:yaml.org,2002:"


def _scalar(event: Any) -> Any:
    tag, text = event.tag, event.value
    if tag in (None, "!"):
        plain = event.implicit[0] and tag is None
        return _plain(text) if plain else text
    if tag in (_CORE + "str", _CORE + "timestamp"):
        return text
    if tag in (_CORE + "int", _CORE + "float", _CORE + "bool", _CORE + "null"):
        value = _plain(text)
        wanted = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}[tag[len(_CORE) :]]
        if type(value) in wanted:
            return value
        raise _bad_yaml(f"yaml: cannot decode {text!r} as {tag}")
    raise _bad_yaml(f"the tag {tag} has no meaning in JSON")


def _plain(text: str) -> Any:
    """The value of a scalar without quotes and tag."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if text == "<<":
        return _Merge()
    if text[0] not in "+-.0123456789":
        return text
    match = _INT.match(text)
    if match and len(text) < 400:
        sign, binary, hexadecimal, octal, decimal = match.groups()
        digits = (binary or hexadecimal or octal or decimal).replace("_", "")
        if not digits:
            return text
        value = int(digits, 2 if binary else 16 if hexadecimal else 8 if octal else 10)
        value = -value if sign == "-" else value
        # Beyond 64 bits it is a float to Go, whose JSON text is no integer any more.
        return value if -(2**63) <= value < 2**64 else float(value)
    if _NO_NUMBER.match(text):
        raise _bad_yaml(f"json: unsupported value: {text}")
    if _FLOAT.match(text):
        number = float(text.replace("_", ""))
        if not math.isfinite(number):
            raise _bad_yaml(f"json: unsupported value: {text}")
        # Go writes a whole float without fraction or exponent, so that `1.0` fits an integer member of 64 bits at most.
        return int(number) if number.is_integer() and -(2**63) <= number < 2**64 else number
    return text


def _key(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
    raise _bad_yaml("a key must be a string, a number or a boolean")


def _copy(value: Any) -> Any:
    """A copy that shares nothing, since objects are changed in place."""
    if type(value) is dict:
        return {name: _copy(member) for name, member in value.items()}
    if type(value) is list:
        return [_copy(item) for item in value]
    return value
