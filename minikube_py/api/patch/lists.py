"""The shape of lists whose elements are told apart; atomic lists are plain leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minikube_py.api.patch.elements import MissingKey, to_json
from minikube_py.api.patch.fieldset import LEAF, SELF, Trie, is_member, show_element
from minikube_py.api.patch.shape import Change, Shape, within


class ListShape(Shape):
    """A list whose elements are told apart: by their keys (`of` is their shape) or, in a set, by their value."""

    def __init__(self, of: Shape, name: Callable[[Any], str]) -> None:
        self.of = of
        self.name = name

    def _name(self, item: Any) -> str:
        """The path element; where a stored element lacks a key (it was valid once) the key counts as null."""
        try:
            return self.name(item)
        except MissingKey:
            return "k:" + to_json({"": item})

    def _nodes(self, value: list[Any], make: Callable[[Any], Trie], out: Trie) -> Trie:
        """Add the elements to `out`. Of an element that is there twice only the element, not what is in it."""
        name = self.name
        for item in value:
            try:
                key = name(item)
            except MissingKey:
                key = self._name(item)
            out[key] = LEAF if key in out else make(item)
        return out

    def fields_of(self, value: Any) -> Trie | None:
        if not isinstance(value, list):
            return LEAF
        return self._nodes(value, lambda item: within(self.of.fields_of(item)), {}) or None

    def fresh(self, value: Any) -> Trie:
        if not value or type(value) is not list:
            return LEAF
        return self._nodes(value, self.of.fresh, {SELF: LEAF})

    def from_null(self, value: Any) -> Trie:
        if not value or type(value) is not list:
            return LEAF
        return self._nodes(value, self.of.fresh, {})

    def diff(self, key: str, old: Any, new: Any, change: Change) -> None:
        if not isinstance(old, list) or not isinstance(new, list):
            change.modified[key] = LEAF
            return
        before, after = self._groups(old), self._groups(new)
        inner = Change({}, {}, {})
        for name, items in after.items():
            olds = before.get(name, ())
            if len(items) == 1 and len(olds) == 1:
                if items[0] != olds[0]:
                    self.of.diff(name, olds[0], items[0], inner)
            elif len(items) == 1:
                inner.added[name] = self.of.fresh(items[0])
                if olds:
                    inner.removed[name] = LEAF
            elif len(olds) > 1:
                if items != olds:
                    inner.modified[name] = LEAF
            else:
                inner.added[name] = LEAF
                if olds:
                    inner.removed[name] = self.of.fresh(olds[0])
        for name, items in before.items():
            if name not in after:
                inner.removed[name] = self.of.fresh(items[0]) if len(items) == 1 else LEAF
        change.below(key, inner)

    def _groups(self, items: list[Any]) -> dict[str, list[Any]]:
        out: dict[str, list[Any]] = {}
        for item in items:
            out.setdefault(self._name(item), []).append(item)
        return out

    def merge(self, old: Any, new: Any) -> Any:
        if not isinstance(new, list):
            return old
        if not isinstance(old, list):
            old = []
        mine = [(self._name(item), item) for item in old]
        wanted = {self._name(item): item for item in new}
        groups = self._groups(old)
        out: list[Any] = []
        done: set[str] = set()

        def put(name: str) -> None:
            done.add(name)
            olds = groups.get(name, ())
            # An element that is there twice is not merged but replaced: nobody can say which of them was meant.
            out.append(self.of.merge(olds[0] if len(olds) == 1 else None, wanted[name]))

        # The wanted order holds among the wanted, the old order among the others, which keep the place before the
        # wanted element that they preceded. `turn` is the shared element whose place is being looked for.
        names = list(wanted)
        shared = iter([name for name in names if name in groups])
        turn = next(shared, None)
        i = j = 0
        while i < len(mine) or j < len(names):
            if i < len(mine) and j < len(names):
                name = mine[i][0]
                if name == names[j]:
                    put(name)
                    i, j = i + 1, j + 1
                    turn = next(shared, None)
                    continue
                if name in wanted and turn is not None and turn != name:
                    i += 1
                    continue
            if i < len(mine):
                name, item = mine[i]
                if name not in wanted:
                    out.append(item)
                    i += 1
                    continue
                if name in done:
                    i += 1
            if j < len(names):
                put(names[j])
                if turn == names[j]:
                    turn = next(shared, None)
                j += 1
        return out

    def remove(self, value: Any, gone: Trie) -> Any:
        if not isinstance(value, list):
            return value
        out: list[Any] = []
        for item in value:
            node = gone.get(self._name(item))
            if node is None:
                out.append(item)
            elif not is_member(node):
                out.append(self.of.remove(item, node))
        return out or None

    def named(self, node: Trie) -> Trie:
        return {key: self.of.named(below) if below and key != SELF else below for key, below in node.items()}

    def check(self, value: Any, path: str, wrong: list[str]) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            wrong.append(f"{path}: expected list, got {to_json(value)}")
            return
        seen: set[str] = set()
        for i, item in enumerate(value):
            try:
                name = self.name(item)
            except MissingKey as e:
                wrong.append(f"{path}: element {i}: {e}")
                continue
            if name in seen:
                wrong.append(f"{path}: duplicate entries for key {show_element(name)}")
            seen.add(name)
            self.of.check(item, path + show_element(name), wrong)
