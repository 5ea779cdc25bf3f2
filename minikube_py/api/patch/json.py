"""JSON Patch (RFC 6902) on JSON-form documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import orjson

from minikube_py.api import errors
from minikube_py.api.patch.merge import TOO_DEEP

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 3 * 1024 * 1024

_ABSENT: Any = object()


def apply(doc: dict[str, Any], ops: Any) -> dict[str, Any]:
    """`doc` after the operations `ops`; neither is changed, unchanged parts are shared with the result.

    Raises errors.BadRequest when `ops` is no list of objects, errors.RequestEntityTooLarge beyond MAX_OPERATIONS or
    when `copy` operations add up to more than MAX_COPIED_BYTES, and errors.Invalid when an operation cannot be done
    or its `test` fails: with upstream's general message; the cause names the operation's path.
    """
    if not isinstance(ops, list):
        raise errors.BadRequest("error decoding patch: a JSON patch is a list of operations")
    if len(ops) > MAX_OPERATIONS:
        raise errors.RequestEntityTooLarge(
            "Request entity is too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(ops)}"
        )
    for op in ops:
        if not isinstance(op, dict):
            raise errors.BadRequest("error decoding patch: every operation of a JSON patch is an object")
    work = _Work(doc)
    try:
        for op in ops:
            work.do(op)
    except RecursionError:
        raise errors.BadRequest(TOO_DEEP) from None
    if not isinstance(work.root, dict):
        _fail("", "the result is not an object")
    return work.root


class _Work:
    """The document while it is being changed: containers are copied once, before their first change."""

    def __init__(self, root: Any) -> None:
        self.root: Any = root
        # ids of the containers that belong to this run and may be changed in place. What is not ours existed before
        # the run and lives as long as its input, so an id cannot come to mean something else.
        self.ours: set[int] = set()
        self.copied = 0

    def do(self, op: dict[str, Any]) -> None:
        kind, path = op.get("op"), op.get("path")
        if not isinstance(path, str):
            _fail("", "operation lacks a path")
        parts = _pointer(path)
        match kind:
            case "add":
                self._add(parts, _value(op, path), path)
            case "remove":
                self._remove(parts, path)
            case "replace":
                value = _value(op, path)
                self._find(parts, path)
                self._put(parts, value, path)
            case "test":
                found = self._find(parts, path, missing=None)
                if not _equal(found, _value(op, path)):
                    _fail(path, "testing value failed")
            case "move" | "copy":
                source = op.get("from")
                if not isinstance(source, str):
                    _fail(path, "operation lacks a from path")
                start = _pointer(source)
                value = self._find(start, source)
                if kind == "move":
                    if len(parts) > len(start) and parts[: len(start)] == start:
                        _fail(path, "a value cannot be moved into itself")
                    self._remove(start, source)
                elif isinstance(value, (dict, list)):
                    text = orjson.dumps(value)
                    self._count(len(text))
                    value = orjson.loads(text)
                else:
                    self._count(len(value) if isinstance(value, str) else 8)
                self._add(parts, value, path)
            case _:
                _fail(path, f"unexpected kind of operation: {kind}")

    def _count(self, size: int) -> None:
        self.copied += size
        if self.copied > MAX_COPIED_BYTES:
            raise errors.RequestEntityTooLarge(
                f"Request entity is too large: the copy operations of the patch exceed {MAX_COPIED_BYTES} bytes"
            )

    def _find(self, parts: Sequence[str], path: str, missing: Any = _ABSENT) -> Any:
        here = self.root
        for part in parts:
            if isinstance(here, dict) and part in here:
                here = here[part]
            elif isinstance(here, list) and (at := _index(part, len(here))) is not None and at < len(here):
                here = here[at]
            elif missing is not _ABSENT:
                return missing
            else:
                _fail(path, "no such member")
        return here

    def _own(self, container: Any) -> Any:
        if id(container) in self.ours:
            return container
        mine = dict(container) if isinstance(container, dict) else list(container)
        self.ours.add(id(mine))
        return mine

    def _parent(self, parts: Sequence[str], path: str) -> Any:
        """The container of the last part, made ours together with all above it."""
        if not isinstance(self.root, (dict, list)):
            _fail(path, "no such member")
        here = self.root = self._own(self.root)
        for part in parts[:-1]:
            at: Any = part
            if isinstance(here, list):
                at = _index(part, len(here))
                if at is None or at >= len(here):
                    _fail(path, "no such element")
            elif part not in here:
                _fail(path, "no such member")
            child = here[at]
            if not isinstance(child, (dict, list)):
                _fail(path, "not an object or a list")
            mine = self._own(child)
            here[at] = mine
            here = mine
        return here

    def _add(self, parts: Sequence[str], value: Any, path: str) -> None:
        if not parts:
            self.root = value
            return
        parent = self._parent(parts, path)
        last = parts[-1]
        if isinstance(parent, dict):
            parent[last] = value
            return
        at = len(parent) if last == "-" else _index(last, len(parent))
        if at is None or at > len(parent):
            _fail(path, "index out of bounds")
        parent.insert(at, value)

    def _put(self, parts: Sequence[str], value: Any, path: str) -> None:
        if not parts:
            self.root = value
            return
        parent = self._parent(parts, path)
        parent[parts[-1] if isinstance(parent, dict) else int(parts[-1])] = value

    def _remove(self, parts: Sequence[str], path: str) -> None:
        if not parts:
            _fail(path, "the whole document cannot be removed")
        parent = self._parent(parts, path)
        last: Any = parts[-1]
        if isinstance(parent, list):
            last = _index(last, len(parent))
            if last is None or last >= len(parent):
                _fail(path, "no such element")
        elif last not in parent:
            _fail(path, "no such member")
        del parent[last]


def _pointer(path: str) -> list[str]:
    """The parts of a JSON pointer (RFC 6901)."""
    if not path:
        return []
    if path[0] != "/":
        _fail(path, "a path starts with a slash")
    parts = path[1:].split("/")
    if "~" in path:
        parts = [p.replace("~1", "/").replace("~0", "~") for p in parts]
    return parts


def _index(part: str, length: int) -> int | None:
    """The list index that `part` spells, None when it spells none. No signs, no leading zeros."""
    if not (part.isascii() and part.isdigit()) or (part[0] == "0" and part != "0") or len(part) > 9:
        return None
    return int(part)


def _value(op: dict[str, Any], path: str) -> Any:
    if "value" not in op:
        _fail(path, f"{op['op']} operation lacks a value")
    return op["value"]


def _equal(left: Any, right: Any) -> bool:
    """JSON equality: numbers by value, but true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(v, right[k]) for k, v in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)


def _fail(path: str, why: str) -> NoReturn:
    cause = errors.Cause("FieldValueInvalid", why, path).to_dict()
    raise errors.Invalid("the server rejected our request due to an error in our request", details={"causes": [cause]})
