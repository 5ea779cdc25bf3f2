"""Managed fields of every write, and server-side apply: who set which field, and what happens when two disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from minikube_py.api import errors
from minikube_py.api.patch import fieldset, shapes
from minikube_py.api.patch.fieldset import LEAF, Trie
from minikube_py.api.patch.managers import APPLY, UPDATE, Entry, Managers, decode, encode, is_reset
from minikube_py.api.patch.maps import StructShape
from minikube_py.api.patch.merge import TOO_DEEP
from minikube_py.api.schema import Struct

Object = dict[str, Any]
Paths = Sequence[tuple[str, ...]]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

# What nobody owns: the server sets it, or it is the object's name.
_SERVER_OWNED = frozenset(
    {
        "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink",
        "clusterName", "deletionTimestamp", "deletionGracePeriodSeconds",
    }
)  # fmt: skip
_STRIPPED: Trie = {
    "f:apiVersion": LEAF,
    "f:kind": LEAF,
    "f:metadata": {".": LEAF, **{"f:" + name: LEAF for name in sorted(_SERVER_OWNED)}},
}
# An update never changes these on its own, whatever the client sent.
_NEVER_COMPARED = (("metadata", "managedFields"), ("metadata", "resourceVersion"))


def track(
    new: Object,
    old: Object | None,
    struct: Struct,
    *,
    manager: str,
    operation: str = UPDATE,
    api_version: str,
    time: str,
    subresource: str = "",
    ignore: Paths = (),
) -> list[dict[str, Any]]:
    """The managedFields that `new` gets when `manager` creates it (`old` None) or changes `old` into it.

    `new` and `old` are as stored, without nulls; `new` may carry managedFields that the client sent, which count
    as upstream has it: `[]` and `[{}]` reset, malformed ones are ignored, and with a sub-resource they never count.
    `time` is RFC 3339. `ignore` are the paths of members that this endpoint does not write. An object that is updated
    and has no managedFields stays without. When nothing changed, `old`'s own list is returned. The result shares its
    parts with other results: read only. See upstream's managedfields.FieldManager.Update.
    """
    shape = shapes.of(struct)
    sent = new["metadata"].get("managedFields")
    if old is None:
        fields = _created(new, shape, tuple(ignore))
        if sent is not None and not is_reset(sent) and (claimed := _decoded(sent)):
            claimed.disown(fields)
            _grant(claimed, Entry(manager, operation, api_version, subresource, fields, time))
            return claimed.to_list()
        return [encode(manager, operation, api_version, time, fields, subresource)] if fields else []

    stored: list[dict[str, Any]] = old["metadata"].get("managedFields") or []
    managers: Managers | None = None
    if not subresource and sent is not None and sent is not stored and sent != stored:
        if is_reset(sent):
            return []
        managers = _decoded(sent)
    if managers is None and not stored:
        return []

    change = shape.differences(old, new)
    unwritten = _trie_of((*ignore, *_NEVER_COMPARED))
    taken = fieldset.recursive_difference(fieldset.union(change.added, change.modified), unwritten)
    removed = fieldset.recursive_difference(change.removed, unwritten)
    if managers is None:
        if not taken and not removed:
            return stored
        managers = decode(stored, trusted=True)
    managers.disown(taken)
    managers.disown(removed)
    taken = fieldset.difference(taken, _STRIPPED)
    if taken:
        _grant(managers, Entry(manager, operation, api_version, subresource, taken, time))
    managers.cap()
    return managers.to_list()


def _grant(managers: Managers, entry: Entry) -> None:
    """Add the fields to the manager's entry, at this time."""
    before = managers.get(entry.identity)
    managers.put(entry if before is None else entry.owning(fieldset.union(entry.fields, before.fields)))


def _decoded(sent: Any) -> Managers | None:
    """The table that a client sent; None when it is empty or malformed."""
    try:
        return decode(sent, trusted=False) or None
    except (ValueError, KeyError, RecursionError):
        return None


def _without_managed(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = obj.get("metadata")
    if not metadata or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}


def _created(obj: Object, shape: StructShape, ignore: tuple[tuple[str, ...], ...]) -> Trie:
    """The fields that the creator of a fresh object owns. The hot path of every create: one walk, no set operations."""
    skipped, deeper = _split(ignore)
    out: Trie = {}
    for name, value in obj.items():
        if name == "metadata":
            metadata = shape.members["metadata"][1]
            assert isinstance(metadata, StructShape)
            inner: Trie = {}
            for key, member in value.items():
                if key not in _SERVER_OWNED:
                    metadata.add_born(key, member, inner)
            if inner:
                out["f:metadata"] = inner
        elif name not in skipped:
            shape.add_born(name, value, out)
    return fieldset.recursive_difference(out, deeper) if deeper else out


@lru_cache(maxsize=256)
def _split(ignore: tuple[tuple[str, ...], ...]) -> tuple[frozenset[str], Trie]:
    """The top-level names to pass over, and what is ignored deeper down."""
    top = {path[0] for path in ignore if len(path) == 1}
    return frozenset({"apiVersion", "kind", *top}), _trie_of(tuple(p for p in ignore if len(p) > 1))


@lru_cache(maxsize=256)
def _trie_of(ignore: tuple[tuple[str, ...], ...]) -> Trie:
    out: Trie = {}
    for path in ignore:
        node: Trie = LEAF
        for name in reversed(path):
            node = {"f:" + name: node}
        out = fieldset.union(out, node)
    return out


def server_side_apply(
    live: Object | None,
    config: Object,
    struct: Struct,
    *,
    manager: str,
    force: bool,
    api_version: str,
    time: str,
    subresource: str = "",
    ignore: Paths = (),
) -> Object:
    """The object after `manager` applied `config` to `live` (None: it is created), with its managedFields.

    What the manager applied before and leaves out now goes, unless someone else owns it too. A field that another
    manager owns and that would change is a conflict; `force` takes it over. Equal values are owned together. When
    nothing changes, neither in the object nor in what the manager owns, `live` itself is returned. Neither argument
    is changed; unchanged parts are shared with the result.

    Raises errors.BadRequest for a configuration with managedFields, of another version, with unknown members,
    elements without their keys or there twice; errors.Conflict with one cause per field. See upstream's
    structured-merge-diff Updater.Apply.
    """
    if (config.get("metadata") or {}).get("managedFields") is not None:
        raise errors.BadRequest("metadata.managedFields must be nil")
    if config.get("apiVersion") != api_version:
        raise errors.BadRequest(
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {config.get('apiVersion', '')}, expected: {api_version}"
        )
    shape = shapes.of(struct)
    try:
        _check(config, shape)
    except RecursionError:
        raise errors.BadRequest(TOO_DEEP) from None
    unwritten = _trie_of(tuple(ignore))

    before: Mapping[str, Any] = _without_managed(live) if live is not None else {}
    stored = live["metadata"].get("managedFields") or [] if live is not None else []
    managers = decode(stored, trusted=True)
    if live is not None and not managers:
        fields = _created(live, shape, tuple(ignore))
        managers.put(Entry("before-first-apply", UPDATE, api_version, subresource, fields, time))

    named = fieldset.recursive_difference(shape.fields_of(config) or {}, unwritten)
    fields = fieldset.difference(named, _STRIPPED)
    mine = Entry(manager, APPLY, api_version, subresource, fields, time)
    last = managers.get(mine.identity)
    others = managers.copy()
    if last is not None:
        others.put(last.owning({}))

    merged: Object = shape.merge(before, config)
    if last is not None and not fieldset.is_subset(last.fields, named):
        # An emptied map goes with what was in it, also where it is applied as an empty one: hence the second merge.
        merged = shape.merge(_prune(merged, shape, last.fields, named, others), config)

    change = shape.differences(before, merged)
    taken = fieldset.recursive_difference(fieldset.union(change.added, change.modified), unwritten)
    removed = fieldset.recursive_difference(change.removed, unwritten)
    if not force:
        _refuse_conflicts(others, taken, shape, live, manager, api_version)
    others.disown(taken)
    others.disown(removed)
    same = before == merged
    if last is not None and same and last.api_version == api_version and last.fields == fields:
        mine = last
    others.put(mine)

    if manager == "kubectl" and ((merged.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED):
        merged = _with_last_applied(merged, config)
        same = before == merged
    entries = others.to_list()
    if live is not None and same and entries == stored:
        return live
    metadata = dict(merged.get("metadata") or {})
    if entries:
        metadata["managedFields"] = entries
    return {**merged, "metadata": metadata}


def _check(config: Object, shape: StructShape) -> None:
    wrong: list[str] = []
    shape.check(config, "", wrong)
    if wrong:
        metadata = config.get("metadata") or {}
        name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        kind = f"{config.get('apiVersion', '')}, Kind={config.get('kind', '')}"
        text = wrong[0] if len(wrong) == 1 else "\n".join(["errors:", *("  " + w for w in wrong)])
        raise errors.BadRequest(f"failed to create typed patch object ({name}; {kind}): {text}")


def _prune(merged: Object, shape: StructShape, last: Trie, now: Trie, others: Managers) -> Object:
    """`merged` without what was applied last time, is not applied now and nobody else owns."""
    owned = now
    for entry in others:
        owned = fieldset.union(owned, entry.fields)
    last, owned = shape.named(last), shape.named(owned)
    pruned = shape.remove(merged, last) or {}
    # Taking away a list element or map takes all that is in it. Whatever of this someone owns comes back with its
    # surroundings; and so does what nobody is known to own, since only what was applied last time may go.
    everything = shape.named(shape.fields_of(merged) or {})
    left = shape.named(shape.fields_of(pruned) or {})
    pruned = shape.remove(merged, fieldset.difference(everything, fieldset.union(left, owned))) or {}
    left = shape.named(shape.fields_of(pruned) or {})
    gone = fieldset.intersection(fieldset.difference(everything, left), last)
    return shape.remove(merged, gone) or {}


def _refuse_conflicts(
    others: Managers, taken: Trie, shape: StructShape, live: Object | None, manager: str, api_version: str
) -> None:
    """Raise the Conflict that names every field in `taken` that another manager owns."""
    conflicts: list[tuple[Entry, Trie]] = []
    for entry in others:
        if fields := fieldset.intersection(entry.fields, taken):
            conflicts.append((entry, fields))
    if conflicts and manager == "kubectl" and live is not None:
        allowed = _last_applied_fields(live, shape, api_version)
        conflicts = [(e, left) for e, fields in conflicts if (left := fieldset.difference(fields, allowed))]
    if not conflicts:
        return
    conflicts.sort(key=lambda pair: pair[0].identity)
    found = [(entry.show(), fieldset.show(path)) for entry, fields in conflicts for path in fieldset.paths(fields)]
    causes = [errors.Cause("FieldManagerConflict", f"conflict with {who}", field).to_dict() for who, field in found]
    if len(found) == 1:
        text = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines: list[str] = []
        for who in dict.fromkeys(who for who, _ in found):
            lines.append(f"conflicts with {who}:")
            lines += [f"- {field}" for other, field in found if other == who]
        text = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    raise errors.Conflict(text, details={"causes": causes})


def _last_applied_fields(live: Object, shape: StructShape, api_version: str) -> Trie:
    """The fields that client-side apply set and that are still as it set them: `kubectl` may take these over."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if not text:
        return {}
    try:
        applied = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(applied, dict) or applied.get("apiVersion") != api_version:
        return {}
    change = shape.differences(applied, live)
    fields = shape.fields_of(applied) or {}
    for part in (change.modified, change.added, change.removed):
        fields = fieldset.difference(fields, part)
    return fields


def _with_last_applied(obj: Object, config: Object) -> Object:
    """`obj` with the annotation of client-side apply brought up to `config`, so that both ways can be mixed."""
    metadata = dict(config.get("metadata") or {})
    if LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != LAST_APPLIED}
    text = orjson.dumps({**config, "metadata": metadata}, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    annotations = {**obj["metadata"]["annotations"], LAST_APPLIED: text}
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}
