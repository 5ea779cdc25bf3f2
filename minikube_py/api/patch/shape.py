"""What managed fields ask of a typed value: what it names, how two differ, merging, taking fields away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from minikube_py.api.patch.fieldset import LEAF, SELF, Trie


@dataclass(slots=True)
class Change:
    """How one object differs from another: three tries, none of which shares a member with another."""

    added: Trie
    modified: Trie
    removed: Trie

    def below(self, key: str, inner: Change) -> None:
        """Put the changes within a member or element in their place."""
        if inner.added:
            self.added[key] = inner.added
        if inner.modified:
            self.modified[key] = inner.modified
        if inner.removed:
            self.removed[key] = inner.removed


class Shape:
    """A leaf: a scalar, or a list, map or struct that is owned as a whole. The other shapes are below."""

    def fields_of(self, value: Any) -> Trie | None:
        """The node of what `value` names (an applied configuration), None for nothing.

        Leaves, map members, list elements and empty maps are in the set; structs, lists and maps that hold others are
        only the way to these.
        """
        return LEAF

    def fresh(self, value: Any) -> Trie:
        """The node of `value` where there was nothing before: everything is in it, containers too."""
        return LEAF

    def from_null(self, value: Any) -> Trie:
        """The node of `value` where there was a null before: the same, except for itself."""
        return LEAF

    def diff(self, key: str, old: Any, new: Any, change: Change) -> None:
        """Add to `change` how `new` differs from `old`; they are not equal. `key` is their path element."""
        change.modified[key] = LEAF

    def merge(self, old: Any, new: Any) -> Any:
        """`old` with what `new` says on top."""
        return new

    def remove(self, value: Any, gone: Trie) -> Any:
        """`value` without the fields in `gone`; None when nothing is left of a container."""
        return value

    def named(self, node: Trie) -> Trie:
        """`node` with every struct member on the way to a field in the set too."""
        return node

    def check(self, value: Any, path: str, wrong: list[str]) -> None:
        """Append to `wrong` why `value` cannot be applied."""


ATOM: Final = Shape()


def within(node: Trie | None) -> Trie:
    """The node, itself in the set: how maps and lists name what they hold."""
    return {SELF: LEAF, **node} if node and SELF not in node else node or LEAF
