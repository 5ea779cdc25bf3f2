"""Takes from an object what its schema does not know."""

from __future__ import annotations

from typing import Any

from minikube_py.apiserver.custom.structural import META, Schema


def prune(value: Any, schema: Schema, unknown: list[str], path: str = "", root: bool = False) -> None:
    """Remove undeclared members in place and append their paths to `unknown`.

    Below `x-kubernetes-preserve-unknown-fields` unknown members stay, but what is declared there is pruned by its own
    schema. An embedded resource (and the `root`) always has apiVersion, kind and metadata.
    """
    if type(value) is dict:
        properties, additional = schema.properties, schema.additional
        resource = root or schema.embedded
        gone = None
        for name, inner in value.items():
            child = properties.get(name)
            if resource and name in META:
                continue
            if child is not None:
                if type(inner) in _DEEP:
                    prune(inner, child, unknown, f"{path}.{name}" if path else name)
            elif additional is not None:
                if type(inner) in _DEEP:
                    prune(inner, additional, unknown, f"{path}.{name}" if path else name)
            elif not schema.preserve:
                gone = [name] if gone is None else [*gone, name]
        if gone is not None:
            for name in gone:
                unknown.append(f"{path}.{name}" if path else name)
                del value[name]
    elif type(value) is list and schema.items is not None:
        items = schema.items
        for i, inner in enumerate(value):
            if type(inner) in _DEEP:
                prune(inner, items, unknown, f"{path}[{i}]")


_DEEP = frozenset({dict, list})
