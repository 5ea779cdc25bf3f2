"""JSON Merge Patch (RFC 7386) on JSON-form documents."""

from __future__ import annotations

from typing import Any

from minikube_py.api import errors

TOO_DEEP = "error decoding patch: exceeded max depth"


def apply(doc: dict[str, Any], patch: Any) -> dict[str, Any]:
    """`doc` after the merge patch; neither is changed, unchanged parts are shared with the result.

    A null deletes, objects merge, everything else replaces. Raises errors.BadRequest when `patch` is no object.
    """
    if not isinstance(patch, dict):
        raise errors.BadRequest("error decoding patch: a merge patch is an object")
    try:
        return _merge(doc, patch)
    except RecursionError:
        raise errors.BadRequest(TOO_DEEP) from None


def _merge(doc: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    out = dict(doc)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            old = out.get(key)
            out[key] = _merge(old if isinstance(old, dict) else {}, value)
        else:
            out[key] = value
    return out


def diff(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The smallest merge patch that turns `old` into `new` (neither holds nulls); empty when they are equal."""
    out: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            out[key] = value
            continue
        before = old[key]
        if before is value or before == value:
            continue
        if isinstance(before, dict) and isinstance(value, dict):
            out[key] = diff(before, value)
        else:
            out[key] = value
    return out
