"""Fills in the defaults of a schema."""

from __future__ import annotations

from typing import Any

import orjson

from minikube_py.apiserver.custom.structural import Schema


def apply(value: Any, schema: Schema) -> bool:
    """Fill absent members that have a default, in place and all the way down; true when anything changed.

    A null goes before, where the schema has a default and is not nullable; a nullable member keeps its null.
    """
    if not schema.has_defaults:
        return False
    changed = False
    if type(value) is dict:
        additional = schema.additional
        for name, child in schema.properties.items():
            if not child.has_defaults:
                continue
            inner = value.get(name)
            if inner is None and child.has_default and not (child.nullable and name in value):
                inner = value[name] = copy(child.default)
                changed = True
            if inner is not None:
                changed = apply(inner, child) or changed
        if additional is not None and additional.has_defaults:
            for name, inner in value.items():
                if inner is None and additional.has_default and not additional.nullable:
                    value[name] = copy(additional.default)
                    changed = True
                changed = apply(value[name], additional) or changed
    elif type(value) is list and schema.items is not None:
        items = schema.items
        for i, inner in enumerate(value):
            if inner is None and items.has_default and not items.nullable:
                value[i] = copy(items.default)
                changed = True
            changed = apply(value[i], items) or changed
    return changed


def copy(value: Any) -> Any:
    """A JSON value of one's own."""
    return orjson.loads(orjson.dumps(value)) if type(value) in (dict, list) else value
