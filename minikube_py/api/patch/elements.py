"""How the elements of a list are told apart: the path element of each, by its keys or by its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from minikube_py.api.schema import Node, Struct

_dumps = orjson.dumps


class MissingKey(Exception):
    """An element of a list that cannot be told apart from others: it lacks a key that has no default."""


def to_json(value: Any) -> str:
    """The compact JSON text of a value, for path elements and messages."""
    return _dumps(value, default=str).decode()


def by_value(item: Any) -> str:
    """The path element of an element of a set. Raises MissingKey for what is no scalar."""
    if isinstance(item, dict):
        raise MissingKey("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise MissingKey("not supported: associative list with lists as elements")
    if item is None:
        raise MissingKey("associative list without keys has an element that's an explicit null")
    return "v:" + _dumps(item).decode()


def by_keys(keys: tuple[str, ...], of: Node) -> Callable[[Any], str]:
    """What names an element by the values of its keys, in the order of the keys' names; defaults fill in.

    It raises MissingKey for an element that is no object or lacks a key without default.
    """
    fields = of.fields if isinstance(of, Struct) else {}
    parts = [
        (key, ("k:{" if i == 0 else ",") + to_json(key) + ":", fields[key].default if key in fields else None)
        for i, key in enumerate(sorted(keys))
    ]

    def slow(item: Any) -> str:
        if item is None:
            raise MissingKey("associative list with keys may not have a null element")
        if not isinstance(item, dict):
            raise MissingKey("associative list with keys may not have non-map elements")
        text = ""
        for key, prefix, default in parts:
            value = item.get(key, default)
            if value is None:
                raise MissingKey(
                    f'associative list with keys has an element that omits key field "{key}" '
                    "(and doesn't have default value)"
                )
            text += prefix + _dumps(value).decode()
        return text + "}"

    if len(parts) > 1:
        return slow
    ((only, prefix, _),) = parts

    def by_one_key(item: Any) -> str:
        try:
            return prefix + _dumps(item[only]).decode() + "}"
        except (KeyError, TypeError):
            return slow(item)

    return by_one_key
