"""Strategic merge patch: a merge patch that knows which lists merge by a key, with `$` directives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from minikube_py.api import errors
from minikube_py.api.patch.merge import TOO_DEEP
from minikube_py.api.schema import Field, List, Map, Node, Struct

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
ORDER = "$setElementOrder/"
DELETE_FROM = "$deleteFromPrimitiveList/"

Doc = dict[str, Any]

_BAD_ORDER = "invalid patch format of setElementOrder list"
_BAD_PRIMITIVES = "invalid patch format of primitive list"
_BAD_RETAIN = "invalid patch format of retainKeys"


def apply(doc: Doc, patch: Any, struct: Struct) -> Doc:
    """`doc` after the strategic merge patch; neither is changed, unchanged parts are shared with the result.

    Lists whose field has the strategy `merge` merge by `Field.merge_key` (or as sets of scalars), others are replaced;
    maps and structs merge; null deletes; `$patch: replace|delete`, `$setElementOrder/<list>`,
    `$deleteFromPrimitiveList/<list>` and `$retainKeys` do what upstream does, and no directive is left in the result.
    Raises errors.BadRequest for malformed directives, elements without their merge key and lists of mixed types.
    """
    if not isinstance(patch, dict):
        raise errors.BadRequest("invalid JSON document")
    try:
        return _merge(doc, patch, struct)
    except RecursionError:
        raise errors.BadRequest(TOO_DEEP) from None


def _field(node: Node | None, key: str) -> tuple[Node | None, Field | None]:
    """What the member `key` of a value of type `node` is; (None, None) when the schema does not know it."""
    if isinstance(node, Struct):
        field = node.fields.get(key)
        return (field.node, field) if field is not None else (None, None)
    if isinstance(node, Map):
        return node.of, None
    return None, None


def _merge(old: Doc, patch: Doc, node: Node | None) -> Doc:
    if DIRECTIVE in patch:
        directive = patch[DIRECTIVE]
        if directive == "replace":
            return _cleaned_map(patch)
        if directive == "delete":
            return {}
        raise _unknown(directive, patch)

    out = dict(old)
    if RETAIN_KEYS in patch:
        _retain(out, patch)
    done: set[str] = set()
    for key, value in patch.items():
        if key.startswith(ORDER):
            done.add(_ordered(out, patch, key, value, node))
    for key, value in patch.items():
        if key in done or key == RETAIN_KEYS or key.startswith(ORDER):
            continue
        if key.startswith(DELETE_FROM):
            _delete_from(out, patch, key, value)
        elif value is None:
            out.pop(key, None)
        else:
            before = out.get(key)
            if isinstance(value, dict) and isinstance(before, dict):
                child, field = _field(node, key)
                if field is not None and "replace" in field.strategy:
                    out[key] = _cleaned_map(value)
                else:
                    out[key] = _merge(before, value, child)
            elif isinstance(value, list) and isinstance(before, list):
                child, field = _field(node, key)
                out[key] = _merge_field_list(before, value, child, field)
            else:
                keep, clean = _cleaned(value)
                if keep:
                    out[key] = clean
                else:
                    out.pop(key, None)
    return out


def _retain(out: Doc, patch: Doc) -> None:
    """`$retainKeys: [a, b]`: only these members stay; the patch itself may name no others."""
    keep = patch[RETAIN_KEYS]
    if not isinstance(keep, list) or not all(isinstance(k, str) for k in keep):
        raise errors.BadRequest(_BAD_RETAIN)
    for key, value in patch.items():
        if value is not None and key not in keep and not key.startswith("$"):
            raise errors.BadRequest(_BAD_RETAIN)
    for key in [k for k in out if k not in keep]:
        del out[key]


def _delete_from(out: Doc, patch: Doc, directive: str, gone: Any) -> None:
    key = directive[len(DELETE_FROM) :]
    if not key or not isinstance(gone, list) or any(isinstance(v, (dict, list)) for v in gone):
        raise errors.BadRequest(_BAD_PRIMITIVES)
    now = out.get(key)
    # After a list was replaced or ordered by the same patch the deletion still applies: members are looked at in any
    # order upstream, and `key` itself never carries what it also deletes.
    if isinstance(now, list):
        out[key] = [v for v in now if isinstance(v, (dict, list)) or not _among(v, gone)]


def _among(value: Any, values: Sequence[Any]) -> bool:
    return any(v == value and type(v) is type(value) for v in values)


def _unknown(directive: Any, item: Doc) -> errors.BadRequest:
    shown = directive if isinstance(directive, str) else _show(directive)
    return errors.BadRequest(f"unknown patch type [{shown}] in map [{_show(item)}]")


def _show(value: Any) -> str:
    return orjson.dumps(value).decode()


def _no_key(item: Any, key: str) -> errors.BadRequest:
    return errors.BadRequest(f"map: {_show(item)} does not contain declared merge key: {key}")


def _cleaned(value: Any) -> tuple[bool, Any]:
    """(whether it stays, `value` without nulls and directives) where there is nothing to merge into.

    An element that only says `$patch: delete` does not stay.
    """
    if isinstance(value, dict):
        if DIRECTIVE in value:
            if value[DIRECTIVE] == "delete":
                return False, None
            if value[DIRECTIVE] != "replace":
                raise _unknown(value[DIRECTIVE], value)
        return True, _cleaned_map(value)
    if isinstance(value, list):
        return True, _cleaned_list(value)
    return True, value


def _cleaned_map(value: Doc) -> Doc:
    out: Doc = {}
    for key, member in value.items():
        if member is None or key in (DIRECTIVE, RETAIN_KEYS) or key.startswith((ORDER, DELETE_FROM)):
            continue
        keep, clean = _cleaned(member)
        if keep:
            out[key] = clean
    return out


def _cleaned_list(items: list[Any]) -> list[Any]:
    out = []
    for item in items:
        if isinstance(item, dict) and item.keys() == {DIRECTIVE}:
            continue  # a bare `$patch: replace` among the elements speaks of the list
        keep, clean = _cleaned(item)
        if keep:
            out.append(clean)
    return out


def _merge_field_list(old: list[Any], patch: list[Any], node: Node | None, field: Field | None) -> list[Any]:
    if field is None or "merge" not in field.strategy or not isinstance(node, List):
        return _cleaned_list(patch)
    return _merge_list(old, patch, node.of, field.merge_key)


def _merge_list(old: list[Any], patch: list[Any], of: Node, key: str) -> list[Any]:
    if not old and not patch:
        return old
    if not _maps(old, patch):
        merged: list[Any] = []
        for value in (*old, *patch):
            if not _among(value, merged):
                merged.append(value)
        return _order(merged, patch, old, "")
    if not key:
        raise errors.BadRequest("cannot merge lists without merge key for type " + _kind_name(of))
    old, patch = _special(old, patch, key)
    merged = list(old)
    at = {_hashable(item[key]): i for i, item in reversed(list(enumerate(merged))) if key in item}
    for item in patch:
        if key not in item:
            raise _no_key(item, key)
        name = _hashable(item[key])
        found = at.get(name)
        if found is not None:
            merged[found] = _merge(merged[found], item, of)
        else:
            at[name] = len(merged)
            merged.append(_cleaned_map(item))
    return _order(merged, patch, old, key)


def _maps(*lists: list[Any]) -> bool:
    """Whether the elements are objects (True) or scalars (False); they must all be the same."""
    kinds = {type(v) for items in lists for v in items}
    if list in kinds:
        raise errors.BadRequest("lists of lists are not supported")
    if len(kinds) > 1:
        raise errors.BadRequest(f"list element types are not identical: {' '.join(map(_show, lists))}")
    return dict in kinds


def _kind_name(node: Node) -> str:
    return "struct" if isinstance(node, Struct) else "map"


def _special(old: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Carry out the elements with `$patch`: (old elements that stay, the patch's elements that are to be merged)."""
    if not any(DIRECTIVE in item for item in patch):
        return old, patch
    plain: list[Any] = []
    replace = False
    for item in patch:
        if DIRECTIVE not in item:
            plain.append(item)
            continue
        directive = item[DIRECTIVE]
        if directive == "delete":
            if key not in item:
                raise _no_key(item, key)
            old = [o for o in old if o.get(key) != item[key]]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise errors.BadRequest("merging lists cannot yet be specified in the patch")
        else:
            raise _unknown(directive, item)
    return ([], plain) if replace else (old, plain)


def _ordered(out: Doc, patch: Doc, directive: str, order: Any, node: Node | None) -> str:
    """Merge the list of a `$setElementOrder/<list>` directive and put it in that order; returns the list's name."""
    key = directive[len(ORDER) :]
    if not key or not isinstance(order, list):
        raise errors.BadRequest(_BAD_ORDER)
    child, field = _field(node, key)
    merge_key = field.merge_key if field is not None else ""
    old, new = out.get(key), patch.get(key)
    if (old is not None and not isinstance(old, list)) or (new is not None and not isinstance(new, list)):
        raise errors.BadRequest(_BAD_ORDER)
    if key in patch and new is None:
        out.pop(key, None)
        return key
    names = [_identity(item, merge_key) for item in order]
    if new:
        _check_order(new, names, order, merge_key)
    if old is None and new is None:
        return key
    if old is None:
        merged = _cleaned_list(new or [])
    elif new is None:
        merged = old
    else:
        merged = _merge_field_list(old, new, child, field)
    if merged:
        out[key] = _order(merged, order, old or [], merge_key)
    else:
        out[key] = []
    return key


def _check_order(patch: list[Any], names: list[Any], order: list[Any], key: str) -> None:
    """The patch's elements (deletions aside) must appear in the order list, in the same relative order."""
    at = 0
    for item in patch:
        if isinstance(item, dict) and DIRECTIVE in item:
            continue
        name = _identity(item, key)
        while at < len(names) and names[at] != name:
            at += 1
        if at == len(names):
            raise errors.BadRequest(
                f"The order in patch list:\n{_show(patch)}\n doesn't match $setElementOrder list:\n{_show(order)}\n"
            )
        at += 1


def _identity(item: Any, key: str) -> Any:
    if not key:
        return _hashable(item)
    if not isinstance(item, dict):
        raise errors.BadRequest(_BAD_ORDER)
    if key not in item:
        raise _no_key(item, key)
    return _hashable(item[key])


def _hashable(value: Any) -> Any:
    """A value to compare elements by: JSON equality, so that true is not 1."""
    if isinstance(value, (dict, list, bool)):
        return (type(value).__name__, _show(value))
    return value


def _order(merged: list[Any], wanted: list[Any], server: list[Any], key: str) -> list[Any]:
    """`merged` with the elements of `wanted` in that order, the others in the server's order, interleaved.

    An element that only the server has goes before the first wanted element that it preceded on the server.
    """
    wanted_at: dict[Any, int] = {}
    for i, item in enumerate(wanted):
        wanted_at.setdefault(_identity(item, key), i)
    server_at: dict[Any, int] = {}
    for i, item in enumerate(server):
        server_at.setdefault(_identity(item, key), i)
    ours: list[tuple[Any, Any]] = []
    theirs: list[tuple[Any, Any]] = []
    for item in merged:
        name = _identity(item, key)
        (ours if name in wanted_at else theirs).append((name, item))
    ours.sort(key=lambda pair: wanted_at[pair[0]])
    theirs.sort(key=lambda pair: server_at.get(pair[0], len(server)))
    out: list[Any] = []
    i = j = 0
    while i < len(theirs) and j < len(ours):
        left, right = server_at.get(theirs[i][0]), server_at.get(ours[j][0])
        if left is not None and right is not None and left < right:
            out.append(theirs[i][1])
            i += 1
        else:
            out.append(ours[j][1])
            j += 1
    out += [item for _, item in ours[j:]]
    out += [item for _, item in theirs[i:]]
    return out
