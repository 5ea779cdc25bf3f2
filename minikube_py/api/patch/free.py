"""The shape of objects that may have members beside the declared ones: what these are is seen from their values."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from minikube_py.api.patch.fieldset import LEAF, SELF, Trie
from minikube_py.api.patch.maps import StructShape, Unset
from minikube_py.api.patch.shape import Shape, within
from minikube_py.api.schema import Node, Struct

Member = tuple[str, Shape, Unset, object]


class OpenShape(StructShape):
    """Declared members as in any struct. Of the others an object is a map of such, anything else is owned as a whole.

    Without any declared member it is the shape of free JSON, which upstream calls deduced.
    """

    @cached_property
    def members(self) -> dict[str, Member]:
        return _Members(super().members)

    @cached_property
    def declared(self) -> frozenset[str]:
        """The names of the declared members."""
        return frozenset(self.struct.fields)

    @cached_property
    def fresh_table(self) -> dict[str, tuple[str, Callable[[Any], Trie] | None]]:
        return _Fresh(super().fresh_table)

    def fields_of(self, value: Any) -> Trie | None:
        if not isinstance(value, dict) or not value:
            return LEAF
        out: Trie = {}
        for name, inner in value.items():
            key, shape, _, _ = self.members[name]
            node = shape.fields_of(inner)
            if name not in self.declared:
                out[key] = within(node)
            elif node is not None:
                out[key] = node
        return out or None

    def merge(self, old: Any, new: Any) -> Any:
        return super().merge(old, new) if isinstance(new, dict) else new

    def named(self, node: Trie) -> Trie:
        out: Trie = {}
        for key, below in node.items():
            name = key[2:] if key[0] == "f" else ""
            if name and below:
                below = self.members[name][1].named(below)
                if name in self.declared and SELF not in below:
                    below = {SELF: LEAF, **below}
            out[key] = below
        return out

    def check(self, value: Any, path: str, wrong: list[str]) -> None:
        if isinstance(value, dict):
            for name in self.declared & value.keys():
                self.members[name][1].check(value[name], f"{path}.{name}", wrong)


class _Members(dict[str, Member]):
    """Every name is a member."""

    def __missing__(self, name: str) -> Member:
        return ("f:" + name, FREE, "absent", None)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]


class _Fresh(dict[str, tuple[str, Callable[[Any], Trie] | None]]):
    def __missing__(self, name: str) -> tuple[str, Callable[[Any], Trie] | None]:
        return ("f:" + name, FREE.fresh)


def _no_members(node: Node) -> Shape:
    raise TypeError("free JSON has no declared members")


FREE = OpenShape(Struct("", dict, open=True), _no_members)
"""The shape of JSON that no schema speaks of."""
