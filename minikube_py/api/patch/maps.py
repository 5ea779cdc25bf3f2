"""The shapes of JSON objects: structs with known members, maps whose keys are data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal

from minikube_py.api.patch.elements import to_json
from minikube_py.api.patch.fieldset import LEAF, SELF, Trie, is_member
from minikube_py.api.patch.shape import ATOM, Change, Shape, within
from minikube_py.api.schema import Field, Node, Scalar, Struct

# How a member looks in an object that says nothing, as upstream's typed objects are compared:
#   absent  not there at all        struct  there, an empty struct
#   null    there, and null         zero    there, with the zero of its type
Unset = Literal["absent", "struct", "null", "zero"]


class StructShape(Shape):
    """An object with known members."""

    def __init__(self, struct: Struct, shape: Callable[[Node], Shape]) -> None:
        self.struct = struct
        self.shape = shape

    @cached_property
    def members(self) -> dict[str, tuple[str, Shape, Unset, object]]:
        """By name: path element, shape, how it looks unset, its zero."""
        return {name: ("f:" + name, self.shape(f.node), *_unset(f)) for name, f in self.struct.fields.items()}

    @cached_property
    def fresh_table(self) -> dict[str, tuple[str, Callable[[Any], Trie] | None]]:
        """By name: path element, and how to make the node of a value where there was nothing (None: a leaf)."""
        return {name: (key, None if s is ATOM else s.fresh) for name, (key, s, _, _) in self.members.items()}

    def fields_of(self, value: Any) -> Trie | None:
        if not isinstance(value, dict) or not value:
            return LEAF
        out: Trie = {}
        for name, inner in value.items():
            member = self.members.get(name)
            if member is None:
                out["f:" + name] = LEAF
            elif (node := member[1].fields_of(inner)) is not None:
                out[member[0]] = node
        return out or None

    def fresh(self, value: Any) -> Trie:
        if not value or type(value) is not dict:
            return LEAF
        table = self.fresh_table
        out: Trie = {SELF: LEAF}
        for name, inner in value.items():
            try:
                key, make = table[name]
            except KeyError:
                out["f:" + name] = LEAF
            else:
                out[key] = LEAF if make is None else make(inner)
        return out

    def from_null(self, value: Any) -> Trie:
        node = self.fresh(value)
        return {k: v for k, v in node.items() if k != SELF} if node else LEAF

    def born(self, value: Any) -> Trie:
        """The children of `value` where there was an object that said nothing; empty when it says nothing either."""
        out: Trie = {}
        if isinstance(value, dict):
            for name, inner in value.items():
                self.add_born(name, inner, out)
        return out

    def add_born(self, name: str, value: Any, out: Trie) -> None:
        """Put the node of one member into `out`, if it says anything that an unset one does not."""
        member = self.members.get(name)
        if member is None:
            out["f:" + name] = LEAF
            return
        key, s, unset, zero = member
        if unset == "absent":
            out[key] = s.fresh(value)
        elif unset == "struct":
            if node := s.born(value):  # type: ignore[attr-defined]
                out[key] = node
        elif unset == "null":
            out[key] = s.from_null(value)
        elif value != zero:
            out[key] = LEAF

    def diff(self, key: str, old: Any, new: Any, change: Change) -> None:
        if not isinstance(old, dict) or not isinstance(new, dict):
            change.modified[key] = LEAF
            return
        change.below(key, self.differences(old, new))

    def differences(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
        """How `new` differs from `old`, from here on down."""
        change = Change({}, {}, {})
        members = self.members
        for name, value in new.items():
            if name in old:
                before = old[name]
                if before is value or before == value:
                    continue
                member = members.get(name)
                if member is None:
                    change.modified["f:" + name] = LEAF
                else:
                    member[1].diff(member[0], before, value, change)
            else:
                self.add_born(name, value, change.added)
        for name, before in old.items():
            if name not in new:
                member = members.get(name)
                change.removed["f:" + name] = LEAF if member is None else member[1].fresh(before)
        return change

    def merge(self, old: Any, new: Any) -> Any:
        if not isinstance(old, dict):
            old = {}
        if not isinstance(new, dict):
            return old  # null: says nothing about the members
        out = dict(old)
        for name, value in new.items():
            member = self.members.get(name)
            merged = value if member is None else member[1].merge(out.get(name), value)
            if merged is None:
                out.pop(name, None)
            else:
                out[name] = merged
        return out

    def remove(self, value: Any, gone: Trie) -> Any:
        if not isinstance(value, dict):
            return value
        out: dict[str, Any] = {}
        for name, inner in value.items():
            node = gone.get("f:" + name)
            if node is None:
                out[name] = inner
            elif not is_member(node):
                member = self.members.get(name)
                left = inner if member is None else member[1].remove(inner, node)
                if left is not None:
                    out[name] = left
        return out or None

    def named(self, node: Trie) -> Trie:
        out: Trie = {}
        for key, below in node.items():
            member = self.members.get(key[2:]) if key[0] == "f" else None
            if member is not None and below:
                below = member[1].named(below)
                if SELF not in below:
                    below = {SELF: LEAF, **below}
            out[key] = below
        return out

    def check(self, value: Any, path: str, wrong: list[str]) -> None:
        if value is None:
            return
        if not isinstance(value, dict):
            wrong.append(f"{path}: expected map, got {to_json(value)}")
            return
        for name, inner in value.items():
            member = self.members.get(name)
            if member is None:
                wrong.append(f"{path}.{name}: field not declared in schema")
            else:
                member[1].check(inner, f"{path}.{name}", wrong)


class MapShape(Shape):
    """An object whose keys are data."""

    def __init__(self, of: Shape) -> None:
        self.of = of

    def fields_of(self, value: Any) -> Trie | None:
        if not isinstance(value, dict):
            return LEAF
        return {"f:" + key: within(self.of.fields_of(inner)) for key, inner in value.items()}

    def fresh(self, value: Any) -> Trie:
        if not value or type(value) is not dict:
            return LEAF
        out: Trie = {SELF: LEAF}
        if self.of is ATOM:
            for key in value:
                out["f:" + key] = LEAF
        else:
            for key, inner in value.items():
                out["f:" + key] = self.of.fresh(inner)
        return out

    def from_null(self, value: Any) -> Trie:
        node = self.fresh(value)
        return {k: v for k, v in node.items() if k != SELF} if node else LEAF

    def diff(self, key: str, old: Any, new: Any, change: Change) -> None:
        if not isinstance(old, dict) or not isinstance(new, dict):
            change.modified[key] = LEAF
            return
        inner = Change({}, {}, {})
        for name, value in new.items():
            if name not in old:
                inner.added["f:" + name] = self.of.fresh(value)
            elif old[name] != value:
                self.of.diff("f:" + name, old[name], value, inner)
        for name, before in old.items():
            if name not in new:
                inner.removed["f:" + name] = self.of.fresh(before)
        change.below(key, inner)

    def merge(self, old: Any, new: Any) -> Any:
        if not isinstance(old, dict):
            old = {}
        if not isinstance(new, dict):
            return old
        out = dict(old)
        for name, value in new.items():
            merged = self.of.merge(out.get(name), value)
            if merged is None:
                out.pop(name, None)
            else:
                out[name] = merged
        return out

    def remove(self, value: Any, gone: Trie) -> Any:
        if not isinstance(value, dict):
            return value
        out: dict[str, Any] = {}
        for name, inner in value.items():
            node = gone.get("f:" + name)
            if node is None:
                out[name] = inner
            elif not is_member(node) and (left := self.of.remove(inner, node)) is not None:
                out[name] = left
        return out or None

    def named(self, node: Trie) -> Trie:
        return {key: self.of.named(below) if below and key != SELF else below for key, below in node.items()}

    def check(self, value: Any, path: str, wrong: list[str]) -> None:
        if value is None:
            return
        if not isinstance(value, dict):
            wrong.append(f"{path}: expected map, got {to_json(value)}")
            return
        if self.of is not ATOM:
            for name, inner in value.items():
                self.of.check(inner, f"{path}.{name}", wrong)


def _unset(field: Field) -> tuple[Unset, object]:
    node = field.node
    if isinstance(node, Struct) and not field.pointer:
        if node.atomic:
            return "zero", {}
        return "struct", None
    if field.omitempty:
        return "absent", None
    if isinstance(node, Scalar) and not field.pointer:
        match node.name:
            case "string":
                return "zero", ""
            case "bool":
                return "zero", False
            case "int32" | "int64" | "float64" | "IntOrString":
                return "zero", 0
            case "Quantity":
                return "zero", "0"
    return "null", None
