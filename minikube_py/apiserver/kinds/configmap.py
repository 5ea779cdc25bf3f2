"""ConfigMap: configuration as keys and values, text or bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid
from minikube_py.api.resources import CONFIGMAPS
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._data import MAX_BYTES, config_key, size_error
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import ConfigMap


def default(obj: Object) -> None:
    """Empty maps are not kept."""
    for member in ("data", "binaryData"):
        if member in obj and not obj[member]:
            del obj[member]


def validate(obj: ConfigMap) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    total = 0
    binary = obj.binaryData
    for key, text in obj.data.items():
        for sentence in config_key(key):
            errs.append(invalid(f"data[{key}]", key, sentence))
        if key in binary:
            errs.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        total += len(text) if text.isascii() else len(text.encode())
    for key, blob in binary.items():
        for sentence in config_key(key):
            errs.append(invalid(f"binaryData[{key}]", key, sentence))
        total += len(blob)
    if total > MAX_BYTES:
        errs.append(size_error("[]"))  # upstream's way to write a path without a name
    return errs


def validate_update(new: ConfigMap, old: ConfigMap) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    if old.immutable:
        if not new.immutable:
            errs.append(forbidden("immutable", "field is immutable when `immutable` is set"))
        if new.data != old.data:
            errs.append(forbidden("data", "field is immutable when `immutable` is set"))
        if new.binaryData != old.binaryData:
            errs.append(forbidden("binaryData", "field is immutable when `immutable` is set"))
    return [*errs, *validate(new)]


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    count = len(obj.get("data") or ()) + len(obj.get("binaryData") or ())
    return [metadata["name"], count, age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=CONFIGMAPS,
    singular="configmap",
    short_names=("cm",),
    columns=(NAME, Column("Data", description="How many keys there are, text and binary together."), AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
)
