"""apiVersion, kind and metadata of a custom resource and of resources embedded in it: types, unknown fields, rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from minikube_py.api import errors, names, scheme
from minikube_py.api.errors import FieldError, invalid, required
from minikube_py.api.normalize import normalize
from minikube_py.api.schema import Field, Scalar, Struct
from minikube_py.apiserver.custom.structural import Schema
from minikube_py.apiserver.kinds._objectmeta import validate_object_meta

Json = dict[str, Any]

TYPE_META = {name: Field(name, Scalar("string")) for name in ("apiVersion", "kind")}


@cache
def metadata_field() -> Field:
    """The member `metadata`, made when first asked for: a server without custom resources needs no types for it."""
    return Field("metadata", scheme.struct("meta/v1.ObjectMeta"), omitempty=False)


_HEAD = Struct("Object", lambda: {**TYPE_META, "metadata": metadata_field()})
_EMBEDDED = Struct("Object", lambda: {**TYPE_META, "metadata": replace(metadata_field(), pointer=True)})


def coerce_root(obj: Json, partial: bool) -> list[str]:
    """Bring the object's own head into its normal form; the paths of unknown metadata. Raises BadRequest for types."""
    head: Json = {name: obj[name] for name in ("kind", "apiVersion", "metadata") if name in obj}
    unknown = normalize(head, _HEAD, partial=partial)
    for name in ("kind", "apiVersion", "metadata"):
        if name in head:
            obj[name] = head[name]
        else:
            obj.pop(name, None)
    return unknown


def has_embedded(schema: Schema) -> bool:
    """Whether a resource is embedded anywhere below."""
    children = (*schema.properties.values(), schema.additional, schema.items)
    return any(c is not None and (c.embedded or has_embedded(c)) for c in children)


def embedded(value: Any, schema: Schema, path: str) -> Iterator[tuple[Json, str]]:
    """The resources embedded below `value`, with their paths."""
    if type(value) is dict:
        for name, inner in value.items():
            child = schema.properties.get(name) or schema.additional
            if child is not None:
                where = f"{path}.{name}" if path else name
                if child.embedded and type(inner) is dict:
                    yield inner, where
                yield from embedded(inner, child, where)
    elif type(value) is list and schema.items is not None:
        for i, inner in enumerate(value):
            where = f"{path}[{i}]"
            if schema.items.embedded and type(inner) is dict:
                yield inner, where
            yield from embedded(inner, schema.items, where)


def coerce_embedded(obj: Json, schema: Schema) -> list[str]:
    """Drop unknown metadata of the embedded resources; their paths. Metadata of a wrong type raises BadRequest."""
    unknown: list[str] = []
    for inner, path in embedded(obj, schema, ""):
        metadata = inner.get("metadata")
        if metadata is None:
            continue
        head = {"metadata": metadata}
        try:
            found = normalize(head, _EMBEDDED, partial=True)
        except errors.BadRequest as error:
            raise errors.BadRequest(f"{path}: {error.message}") from None
        unknown += [f"{path}.{name}" for name in found]
        inner["metadata"] = head["metadata"]
    return unknown


def validate_embedded(obj: Json, schema: Schema, path: str = "") -> list[FieldError]:
    """What is wrong with the heads of the embedded resources; names of objects may be anything that fits a URL."""
    errs: list[FieldError] = []
    for inner, where in embedded(obj, schema, path):
        errs += head_errors(inner, where)
    return errs


def head_errors(inner: Json, where: str) -> list[FieldError]:
    """What is wrong with the apiVersion, kind and metadata of one embedded resource."""
    errs: list[FieldError] = []
    for member in ("apiVersion", "kind"):
        place = f"{where}.{member}"
        if member not in inner:
            errs.append(required(place, "must not be empty"))
            continue
        said = inner[member]
        if not isinstance(said, str):
            errs.append(invalid(place, said, "must be a string"))
        elif not said:
            errs.append(invalid(place, said, "must not be empty"))
        elif member == "apiVersion" and said.count("/") > 1:
            errs.append(invalid(place, said, f"unexpected GroupVersion string: {said}"))
        elif member == "kind" and (wrong := names.dns1035_label(said.lower())):
            detail = "may have mixed case, but should otherwise match: " + ",".join(wrong)
            errs.append(invalid(place, said, detail))
    metadata = inner.get("metadata")
    if isinstance(metadata, dict):
        meta = {**metadata, "name": metadata.get("name") or "fakename"}
        found = validate_object_meta(meta, bool(meta.get("namespace")), names.path_segment)
        errs += [replace(e, field=f"{where}.{e.field}") for e in found]
    return errs
