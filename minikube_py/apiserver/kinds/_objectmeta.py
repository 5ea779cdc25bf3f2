"""The rules for metadata that all kinds share, on its JSON form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, required, too_long

IMMUTABLE = "field is immutable"
ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes that all annotations of an object may have together, keys and values."""

Meta = Mapping[str, Any]

_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_UPDATE_KEEPS = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")

# Label and annotation keys come from a small vocabulary: the answer for each is worth keeping.
_qualified = lru_cache(maxsize=4096)(names.qualified_name)
_label_value = lru_cache(maxsize=4096)(names.label_value)


def validate_object_meta(meta: Meta, namespaced: bool, validate_name: Callable[[str], list[str]]) -> list[FieldError]:
    """What is wrong with the metadata of a new object, whose name has been generated already (ValidateObjectMeta)."""
    errs: list[FieldError] = []
    if prefix := meta.get("generateName"):
        # A generated suffix makes a trailing dash harmless.
        for sentence in validate_name(prefix[:-1] + "a" if prefix.endswith("-") else prefix):
            errs.append(invalid("metadata.generateName", prefix, sentence))
    if name := meta.get("name"):
        for sentence in validate_name(name):
            errs.append(invalid("metadata.name", name, sentence))
    else:
        errs.append(required("metadata.name", "name or generateName is required"))
    namespace = meta.get("namespace")
    if not namespaced:
        if namespace:
            errs.append(forbidden("metadata.namespace", "not allowed on this type"))
    elif not namespace:
        errs.append(required("metadata.namespace"))
    else:
        for sentence in names.dns1123_label(namespace):
            errs.append(invalid("metadata.namespace", namespace, sentence))
    if (meta.get("generation") or 0) < 0:
        errs.append(invalid("metadata.generation", meta["generation"], "must be greater than or equal to 0"))
    _common(meta, errs)
    return errs


def validate_object_meta_update(new: Meta, old: Meta) -> list[FieldError]:
    """What is wrong with the metadata of a changed object (ValidateObjectMetaUpdate).

    Server-owned members that the request left out must have been copied from the old object before.
    """
    errs: list[FieldError] = []
    if old.get("deletionTimestamp"):
        added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            shown = "[]string{" + ", ".join(f'"{f}"' for f in added) + "}"
            detail = f"no new finalizers can be added if the object is being deleted, found new finalizers {shown}"
            errs.append(forbidden("metadata.finalizers", detail))
    if not new.get("resourceVersion"):
        errs.append(invalid("metadata.resourceVersion", "", "must be specified for an update"))
    if (new.get("generation") or 0) < (old.get("generation") or 0):
        errs.append(invalid("metadata.generation", new.get("generation") or 0, "must not be decremented"))
    for member in _UPDATE_KEEPS:
        if new.get(member) != old.get(member) and (new.get(member) or old.get(member)):
            errs.append(invalid(f"metadata.{member}", new.get(member) or "", IMMUTABLE))
    _common(new, errs)
    return errs


def _common(meta: Meta, errs: list[FieldError]) -> None:
    if labels := meta.get("labels"):
        validate_labels(labels, "metadata.labels", errs)
    if annotations := meta.get("annotations"):
        validate_annotations(annotations, "metadata.annotations", errs)
    if owners := meta.get("ownerReferences"):
        _owners(owners, "metadata.ownerReferences", errs)
    if finalizers := meta.get("finalizers"):
        _finalizers(finalizers, "metadata.finalizers", errs)
    if managed := meta.get("managedFields"):
        _managed_fields(managed, "metadata.managedFields", errs)


def validate_labels(labels: Mapping[str, str], path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a map of labels."""
    for key, value in labels.items():
        for sentence in _qualified(key):
            errs.append(invalid(path, key, sentence))
        for sentence in _label_value(value):
            errs.append(invalid(path, value, sentence))


def validate_annotations(annotations: Mapping[str, str], path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a map of annotations; upper case is allowed anywhere in their keys."""
    size = 0
    for key, value in annotations.items():
        for sentence in _qualified(key.lower()):
            errs.append(invalid(path, key, sentence))
        size += len(key) + (len(value) if value.isascii() else len(value.encode()))
    if size > ANNOTATIONS_LIMIT:
        errs.append(too_long(path, ANNOTATIONS_LIMIT))


def _owners(owners: Sequence[Meta], path: str, errs: list[FieldError]) -> None:
    # Upstream's paths have no index here.
    controller = ""
    for owner in owners:
        api_version, kind = owner.get("apiVersion") or "", owner.get("kind") or ""
        if not api_version.rpartition("/")[2] or api_version.count("/") > 1:
            errs.append(invalid(f"{path}.apiVersion", api_version, "version must not be empty"))
        for member in ("kind", "name", "uid"):
            if not owner.get(member):
                errs.append(invalid(f"{path}.{member}", "", "must not be empty"))
        if api_version == "v1" and kind == "Event":
            detail = "/v1, Kind=Event is disallowed from being an owner"
            errs.append(invalid(path, dict(owner), detail))
        if owner.get("controller"):
            this = f"{kind}/{owner.get('name') or ''}"
            if controller:
                detail = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {this}"
                )
                errs.append(invalid(path, [dict(o) for o in owners], detail))
            else:
                controller = this


def _finalizers(finalizers: Sequence[str], path: str, errs: list[FieldError]) -> None:
    for name in finalizers:
        for sentence in _qualified(name):
            errs.append(invalid(path, name, sentence))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errs.append(invalid(path, list(finalizers), detail))
    for i, name in enumerate(finalizers):
        errs.extend(_bare_finalizer(name, f"{path}[{i}]"))


def _bare_finalizer(name: str, path: str) -> list[FieldError]:
    if "/" in name or name in _STANDARD_FINALIZERS:
        return []
    return [invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")]


def validate_finalizer(name: str, path: str) -> list[FieldError]:
    """What is wrong with one finalizer of a core object: a name with a domain, or one of the standard ones."""
    return [invalid(path, name, sentence) for sentence in _qualified(name)] + _bare_finalizer(name, path)


def _managed_fields(entries: Sequence[Meta], path: str, errs: list[FieldError]) -> None:
    for i, entry in enumerate(entries):
        where = f"{path}[{i}]"
        operation = entry.get("operation") or ""
        if operation not in ("Apply", "Update"):
            errs.append(invalid(f"{where}.operation", operation, "must be `Apply` or `Update`"))
        fields_type = entry.get("fieldsType") or ""
        if fields_type and fields_type != "FieldsV1":
            errs.append(invalid(f"{where}.fieldsType", fields_type, "must be `FieldsV1`"))
        manager = entry.get("manager") or ""
        if len(manager) > 128:
            errs.append(too_long(f"{where}.fieldManager", 128))
        elif not manager.isprintable():
            errs.append(invalid(f"{where}.fieldManager", manager, "should only contain printable characters"))
        subresource = entry.get("subresource") or ""
        if len(subresource) > 256:
            errs.append(too_long(f"{where}.subresource", 256))


def validate_label_selector(selector: Any, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a meta/v1 LabelSelector (a typed one)."""
    if selector.matchLabels:
        for key, value in selector.matchLabels.items():
            for sentence in _qualified(key):
                errs.append(invalid(f"{path}.matchLabels", key, sentence))
            for sentence in _label_value(value):
                errs.append(invalid(f"{path}.matchLabels", value, sentence))
    for i, term in enumerate(selector.matchExpressions or ()):
        where = f"{path}.matchExpressions[{i}]"
        if term.operator in ("In", "NotIn"):
            if not term.values:
                errs.append(required(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif term.operator in ("Exists", "DoesNotExist"):
            if term.values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errs.append(forbidden(f"{where}.values", detail))
        else:
            errs.append(invalid(f"{where}.operator", term.operator or "", "not a valid selector operator"))
        for sentence in _qualified(term.key or ""):
            errs.append(invalid(f"{where}.key", term.key or "", sentence))
        for j, value in enumerate(term.values or ()):
            for sentence in _label_value(value):
                errs.append(invalid(f"{where}.values[{j}]", value, sentence))


def qualified(name: str) -> list[str]:
    """`names.qualified_name`, remembered: for keys that come from a small vocabulary."""
    return _qualified(name)
