"""Sets of fields in the form of managedFields (fieldsV1): what a manager owns, what a write changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from minikube_py.api.schema import Struct

# A set is the fieldsV1 trie itself. A node's keys are path elements:
#   f:<name>  a member of a struct or map        k:{"<key>":<value>,...}  an element of a list by its keys, sorted
#   v:<json>  an element of a list of scalars    i:<index>                an element of an atomic list
# A node is in the set when it has no children or has the key "."; every other node is only the way to its children.
# Tries are never changed once made, so they share their parts, and every leaf is the same object.
Trie = dict[str, Any]
LEAF: Trie = {}
SELF = "."


def is_member(node: Trie) -> bool:
    """Whether this node itself is in the set."""
    return not node or SELF in node


def union(a: Trie, b: Trie) -> Trie:
    """What is in either of two whole sets; `a` itself when `b` adds nothing."""
    if not b or a is b:
        return a
    return _union_children(a, b) if a else b


def _union(x: Trie, y: Trie) -> Trie:
    if x is y:
        return x
    if not x:
        if not y:
            return x
        return y if SELF in y else {SELF: LEAF, **y}
    if not y:
        return x if SELF in x else {SELF: LEAF, **x}
    return _union_children(x, y)


def _union_children(x: Trie, y: Trie) -> Trie:
    out: Trie | None = None
    for key, theirs in y.items():
        ours = x.get(key)
        both = theirs if ours is None else _union(ours, theirs)
        if both is not ours:
            if out is None:
                out = dict(x)
            out[key] = both
    return x if out is None else out


def _remaining(x: Trie, children: Trie, keep: bool) -> Trie | None:
    """Node `x` with only these children, in the set or not; None when nothing is left of it."""
    if children:
        if keep:
            return x if len(children) == len(x) - 1 and _same(x, children) else {SELF: LEAF, **children}
        return x if len(children) == len(x) and _same(x, children) else children
    return LEAF if keep else None


def _same(x: Trie, children: Trie) -> bool:
    return all(x[key] is child for key, child in children.items())


def difference(a: Trie, b: Trie) -> Trie:
    """What is in set `a` and not in set `b`, field by field: removing a parent keeps its children."""
    return _difference_children(a, b, _difference) or {}


def recursive_difference(a: Trie, b: Trie) -> Trie:
    """`a` without the fields of `b` and all below them."""
    return _difference_children(a, b, _recursive_difference) or {}


def _difference_children(x: Trie, y: Trie, one: Callable[[Trie, Trie], Trie | None]) -> Trie:
    out: Trie | None = None
    for key, theirs in y.items():
        ours = x.get(key)
        if ours is None or key == SELF:
            continue
        left = one(ours, theirs)
        if left is not ours:
            if out is None:
                out = dict(x)
            if left is None:
                del out[key]
            else:
                out[key] = left
    return x if out is None else out


def _without_self(x: Trie) -> Trie:
    return {key: child for key, child in x.items() if key != SELF}


def _difference(x: Trie, y: Trie) -> Trie | None:
    keep = is_member(x) and not is_member(y)
    left = _difference_children(x, y, _difference)
    if left is x and (keep or SELF not in x):
        return x if x or keep else None
    return _remaining(x, _without_self(left), keep)


def _recursive_difference(x: Trie, y: Trie) -> Trie | None:
    if is_member(y):
        return None
    left = _difference_children(x, y, _recursive_difference)
    return x if left is x else _remaining(x, _without_self(left), is_member(x))


def intersection(a: Trie, b: Trie) -> Trie:
    """What is in both of two whole sets."""
    out: Trie = {}
    for key, ours in a.items():
        theirs = b.get(key)
        if theirs is None or key == SELF:
            continue
        keep = is_member(ours) and is_member(theirs)
        both = _remaining(ours, intersection(ours, theirs), keep)
        if both is not None:
            out[key] = both
    return out


def is_subset(a: Trie, b: Trie) -> bool:
    """Whether everything in `a` is in `b`."""
    return not difference(a, b)


def _rank(element: str) -> tuple[int, Any]:
    """Upstream's order of path elements: names, keys, values, indexes."""
    kind, text = element[0], element[2:]
    if kind == "k":
        fields = orjson.loads(text)
        return 1, [(name, *_value_rank(value)) for name, value in fields.items()]
    if kind == "v":
        return 2, _value_rank(orjson.loads(text))
    return (0, text) if kind == "f" else (3, int(text))


def _value_rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, (int, float)):
        return 0, value
    if isinstance(value, str):
        return 1, value
    return 3, str(value)


def paths(trie: Trie, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The members as tuples of path elements, in upstream's order: a node's members before what is below them."""
    elements = sorted((key for key in trie if key != SELF), key=_rank)
    for key in elements:
        if is_member(trie[key]):
            yield (*prefix, key)
    for key in elements:
        if trie[key]:
            yield from paths(trie[key], (*prefix, key))


def show(path: tuple[str, ...]) -> str:
    """A path as messages write it: `.spec.containers[name="web"].image`."""
    return "".join(map(show_element, path))


def show_element(element: str) -> str:
    """One element of a path as messages write it."""
    kind, text = element[0], element[2:]
    if kind == "f":
        return "." + text
    if kind == "k":
        pairs = orjson.loads(text).items()
        return "[" + ",".join(f"{name}={orjson.dumps(value).decode()}" for name, value in pairs) + "]"
    return f"[={text}]" if kind == "v" else f"[{text}]"


@lru_cache(maxsize=4096)
def canonical(element: str) -> str | None:
    """A path element as this package writes it; None for a sort that it does not know. ValueError when malformed."""
    if len(element) < 2 or element[1] != ":":
        raise ValueError(f"missing colon: {element}")
    kind, text = element[0], element[2:]
    if kind == "f":
        return element
    if kind == "k":
        fields = orjson.loads(text)
        if not isinstance(fields, dict):
            raise ValueError(f"keys are not an object: {element}")
        return "k:" + orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode()
    if kind == "v":
        return "v:" + orjson.dumps(orjson.loads(text)).decode()
    return f"i:{int(text)}" if kind == "i" else None


def decode(data: Any) -> Trie:
    """The trie of a fieldsV1 from outside. Elements of unknown sorts are dropped; ValueError when malformed."""
    if not isinstance(data, dict):
        raise ValueError("fieldsV1 is not an object")
    out: Trie = {}
    for key, below in data.items():
        if key == SELF:
            continue
        element = canonical(key)
        if element is None:
            continue
        if not isinstance(below, dict):
            raise ValueError(f"not an object below {key}")
        node: Trie = decode(below) or LEAF
        if SELF in below and node:
            node = {SELF: LEAF, **node}
        out[element] = _union(out[element], node) if element in out else node
    return out


class FieldSet:
    """A set of fields of one object. Immutable."""

    __slots__ = ("trie",)

    def __init__(self, trie: Trie | None = None) -> None:
        self.trie: Trie = trie if trie is not None else {}

    @classmethod
    def from_fields_v1(cls, data: Mapping[str, Any]) -> FieldSet:
        """Read a fieldsV1. Elements of unknown sorts are dropped as upstream does; ValueError when malformed."""
        return cls(decode(data))

    def to_fields_v1(self) -> Trie:
        """The fieldsV1. Its parts are shared: read only."""
        return self.trie

    @classmethod
    def of(cls, obj: Mapping[str, Any], struct: Struct) -> FieldSet:
        """The fields that `obj` names: its leaves, its list elements and map members."""
        from minikube_py.api.patch import shapes

        return cls(shapes.of(struct).fields_of(obj) if obj else {})

    def union(self, other: FieldSet) -> FieldSet:
        """What is in either set."""
        return FieldSet(union(self.trie, other.trie))

    def intersection(self, other: FieldSet) -> FieldSet:
        """What is in both sets."""
        return FieldSet(intersection(self.trie, other.trie))

    def difference(self, other: FieldSet) -> FieldSet:
        """What is in this set and not in the other, field by field: removing a parent keeps its children."""
        return FieldSet(difference(self.trie, other.trie))

    def recursive_difference(self, other: FieldSet) -> FieldSet:
        """This set without the fields of the other and all below them."""
        return FieldSet(recursive_difference(self.trie, other.trie))

    def paths(self) -> list[str]:
        """The members as messages write them, in upstream's order."""
        return [show(path) for path in paths(self.trie)]

    def __contains__(self, path: tuple[str, ...]) -> bool:
        node = self.trie
        for element in path:
            found = node.get(element)
            if found is None:
                return False
            node = found
        return bool(path) and is_member(node)

    def __bool__(self) -> bool:
        return bool(self.trie)

    def __len__(self) -> int:
        return sum(1 for _ in paths(self.trie))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSet) and self.trie == other.trie

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"FieldSet({', '.join(self.paths())})"
