"""The columns of `kubectl get` for a custom resource, and the values of its selectable fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minikube_py.api.times import parse_time
from minikube_py.apiserver.custom import jsonpath
from minikube_py.apiserver.kinds._cells import Age
from minikube_py.apiserver.kinds._columns import NAME
from minikube_py.apiserver.kinds.base import Column, Object

_AGE: Object = {
    "name": "Age",
    "type": "date",
    "description": "How long ago the server stored the object for the first time.",
    "jsonPath": ".metadata.creationTimestamp",
}


def columns(defined: Sequence[Object]) -> tuple[tuple[Column, ...], Callable[[Object], list[Any]]]:
    """(the columns, what makes a row) of additionalPrinterColumns; without any there is the age."""
    chosen = defined or (_AGE,)
    shown = [
        Column(c["name"], c["type"], c.get("format") or "", c.get("priority") or 0, c.get("description") or "")
        for c in chosen
    ]
    cells = [(c["jsonPath"], c["type"]) for c in chosen]

    def row(obj: Object) -> list[Any]:
        return [obj["metadata"]["name"], *(cell(jsonpath.parse(path)(obj), kind) for path, kind in cells)]

    return (NAME, *shown), row


def cell(values: list[Any], kind: str) -> Any:
    """A cell of the column's type, None for a value that is not there or of another type."""
    if not values:
        return None
    value = values[0]
    if kind == "string":
        return None if value is None and len(values) == 1 else jsonpath.text_of(values)
    if kind == "date":
        if not isinstance(value, str):
            return None
        try:
            return Age(parse_time(value).timestamp())
        except ValueError:
            return "<invalid>"
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if kind == "integer" else value


def field_path(text: str) -> tuple[str, ...]:
    """The members that a path in dot notation leads through (`.spec.replicas`)."""
    return tuple(text.removeprefix(".").split("."))


def field_text(obj: Any, path: Sequence[str]) -> str:
    """The value of a selectable field as selectors compare it; empty where it is not there."""
    for name in path:
        obj = obj.get(name) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return "true" if obj else "false"
    return "" if obj is None or isinstance(obj, dict | list) else str(obj)
