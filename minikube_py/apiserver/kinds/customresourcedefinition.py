"""CustomResourceDefinition: adds a kind to the API.

What makes kinds of definitions (`apiserver/custom`) stands upon this package, so its rules are imported when they are
asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from minikube_py.api import names, scheme
from minikube_py.api.errors import FieldError
from minikube_py.api.normalize import normalize as normalize_by
from minikube_py.api.resources import CUSTOMRESOURCEDEFINITIONS
from minikube_py.api.times import format_time
from minikube_py.apiserver.kinds._columns import NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource

TYPE = CUSTOMRESOURCEDEFINITIONS.type


def normalize(obj: Object, partial: bool) -> Sequence[str]:
    """The schemas that stand where Go has a type of its own (a schema or a bool, or a list) are looked at, too.

    Returns the paths of unknown members. Raises BadRequest.
    """
    unknown = list(normalize_by(obj, scheme.struct(TYPE), partial=partial))
    for i, version in enumerate((obj.get("spec") or {}).get("versions") or ()):
        props = (version.get("schema") or {}).get("openAPIV3Schema")
        if props is not None:
            unknown += _normalize_schema(props, f"spec.versions[{i}].schema.openAPIV3Schema", partial)
    return unknown


def _normalize_schema(props: Object, path: str, partial: bool) -> Iterator[str]:
    for inner, where, fresh in _inner(props, path):
        if fresh:
            struct = scheme.struct("apiextensions/v1.JSONSchemaProps")
            for name in normalize_by(inner, struct, partial=partial):
                yield f"{where}.{name}"
        yield from _normalize_schema(inner, where, partial)


def _inner(props: Object, path: str) -> Iterator[tuple[Object, str, bool]]:
    """The schemas right below one: (schema, path, whether the generated types do not reach it)."""
    for word in ("items", "additionalProperties", "additionalItems"):
        value = props.get(word)
        if isinstance(value, dict):
            yield value, f"{path}.{word}", True
        elif isinstance(value, list):
            yield from ((v, f"{path}.{word}[{i}]", True) for i, v in enumerate(value) if isinstance(v, dict))
    for word in ("properties", "patternProperties", "definitions"):
        yield from ((v, f"{path}.{word}[{name}]", False) for name, v in (props.get(word) or {}).items())
    for word in ("allOf", "anyOf", "oneOf"):
        yield from ((v, f"{path}.{word}[{i}]", False) for i, v in enumerate(props.get(word) or ()))
    if props.get("not") is not None:
        yield props["not"], f"{path}.not", False


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    chosen = spec.setdefault("names", {})
    kind = chosen.get("kind") or ""
    if not chosen.get("singular") and kind:
        chosen["singular"] = kind.lower()
    if not chosen.get("listKind") and kind:
        chosen["listKind"] = f"{kind}List"
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}
    status = obj.setdefault("status", {})
    if not status.get("storedVersions"):
        status["storedVersions"] = _storage(obj)[:1]


def _storage(obj: Object) -> list[str]:
    return [v.get("name") or "" for v in obj["spec"].get("versions") or () if v.get("storage")]


def prepare_create(obj: Object, context: Context) -> None:
    """Nothing is accepted yet; what is stored will be stored as the storage version."""
    obj["status"] = {
        "conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": _storage(obj)[:1],
    }  # fmt: skip


def prepare_update(new: Object, old: Object, context: Context) -> None:
    """Status stays, but for a storage version that is new."""
    status = dict(old.get("status") or {})
    stored = list(status.get("storedVersions") or ())
    status["storedVersions"] = stored + [v for v in _storage(new) if v not in stored]
    new["status"] = status


def prepare_status(new: Object, old: Object, context: Context) -> None:
    new["spec"] = old["spec"]
    for kept in ("labels", "annotations", "finalizers", "ownerReferences"):
        if kept in old["metadata"]:
            new["metadata"][kept] = old["metadata"][kept]
        else:
            new["metadata"].pop(kept, None)


def validate(obj: Object) -> Sequence[FieldError]:
    from minikube_py.apiserver.custom import definition

    return definition.errors_of_create(obj)


def validate_update(new: Object, old: Object) -> Sequence[FieldError]:
    from minikube_py.apiserver.custom import definition

    return definition.errors_of_update(new, old)


def validate_status(new: Object, old: Object) -> Sequence[FieldError]:
    from minikube_py.apiserver.custom import definition

    return definition.errors_of_status(new)


def warnings(obj: Object) -> Sequence[str]:
    """What a schema says that this server keeps but does not act upon."""
    from minikube_py.apiserver.custom.schema_rules import schema_warnings

    return [
        text
        for i, version in enumerate(obj["spec"].get("versions") or ())
        if (props := (version.get("schema") or {}).get("openAPIV3Schema")) is not None
        for text in schema_warnings(props, f"spec.versions[{i}].schema.openAPIV3Schema")
    ]


def held(obj: Object) -> bool:
    """A definition is never removed at once: its objects go first, behind the finalizer that its deletion adds."""
    return not obj["metadata"].get("deletionTimestamp")


def prepare_delete(obj: Object, now: datetime) -> bool:
    """Mark the definition as Terminating and add the finalizer of the clean-up."""
    from minikube_py.apiserver.custom.names import FINALIZER, terminating

    metadata = obj["metadata"]
    finalizers = metadata.setdefault("finalizers", [])
    added = FINALIZER not in finalizers
    if added:
        finalizers.append(FINALIZER)
        terminating(
            obj,
            "True",
            "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            format_time(now),
        )
    return added


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], metadata.get("creationTimestamp")]


KIND = Kind(
    resource=CUSTOMRESOURCEDEFINITIONS,
    singular="customresourcedefinition",
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    columns=(NAME, Column("Created At", "date", description="When the server stored the object for the first time.")),
    row=row,
    subresources=(Subresource("status", "CustomResourceDefinition", ("get", "patch", "update"), TYPE),),
    status=True,
    generation=True,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=warnings,
    held=held,
    prepare_delete=prepare_delete,
    untyped=True,
    normalize=normalize,
)
