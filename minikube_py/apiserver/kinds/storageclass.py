"""StorageClass: how volumes of one sort are made, by whom, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.api.resources import STORAGECLASSES
from minikube_py.apiserver.kinds import _storage
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds.base import Column, Kind, Object
from minikube_py.apiserver.kinds.podspec.warnings import OLD_LABELS

if TYPE_CHECKING:
    from minikube_py.api.types.storage_v1 import StorageClass

DEFAULT_ANNOTATION = "storageclass.kubernetes.io/is-default-class"
"""Says `"true"` on the class of claims that name none."""

_DEFAULT_ANNOTATIONS = (DEFAULT_ANNOTATION, "storageclass.beta.kubernetes.io/is-default-class")
_RECLAIM = ("Delete", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")


def is_default(obj: Object) -> bool:
    """Whether claims that name no class get this one."""
    annotations = obj["metadata"].get("annotations") or {}
    return any(annotations.get(key) == "true" for key in _DEFAULT_ANNOTATIONS)


def default(obj: Object) -> None:
    if obj.get("reclaimPolicy") is None:
        obj["reclaimPolicy"] = "Delete"
    if obj.get("volumeBindingMode") is None:
        obj["volumeBindingMode"] = "Immediate"


def validate(obj: StorageClass) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    _storage.validate_provisioner(obj.provisioner, "provisioner", errs)
    _storage.validate_parameters(obj.parameters, "parameters", errs)
    if obj.reclaimPolicy and obj.reclaimPolicy not in _RECLAIM:
        errs.append(not_supported("reclaimPolicy", obj.reclaimPolicy, _RECLAIM))
    if obj.volumeBindingMode is None:
        errs.append(required("volumeBindingMode"))
    elif obj.volumeBindingMode not in _BINDING:
        errs.append(not_supported("volumeBindingMode", obj.volumeBindingMode, _BINDING))
    _storage.validate_topologies(obj.allowedTopologies, "allowedTopologies", errs)
    return errs


def validate_update(new: StorageClass, old: StorageClass) -> Sequence[FieldError]:
    errs = [*validate(new)]
    for member in ("parameters", "provisioner", "reclaimPolicy"):
        if getattr(new, member) != getattr(old, member):
            errs.append(forbidden(member, f"updates to {member} are forbidden."))
    if new.volumeBindingMode != old.volumeBindingMode:
        errs.append(invalid("volumeBindingMode", new.volumeBindingMode, IMMUTABLE))
    return errs


def warnings(obj: Object) -> Sequence[str]:
    return [
        f"allowedTopologies[{i}].matchLabelExpressions[{j}].key: {key} is {OLD_LABELS[key]}"
        for i, term in enumerate(obj.get("allowedTopologies") or ())
        for j, expression in enumerate(term.get("matchLabelExpressions") or ())
        if (key := expression.get("key")) in OLD_LABELS
    ]


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [
        metadata["name"] + (" (default)" if is_default(obj) else ""),
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy") or "Delete",
        obj.get("volumeBindingMode") or "Immediate",
        bool(obj.get("allowVolumeExpansion")),
        age(metadata.get("creationTimestamp")),
    ]


KIND = Kind(
    resource=STORAGECLASSES,
    singular="storageclass",
    short_names=("sc",),
    columns=(
        NAME,
        Column("Provisioner", description="Who makes the volumes."),
        Column("ReclaimPolicy", description="What becomes of a volume when its claim goes."),
        Column("VolumeBindingMode", description="Whether a volume is made at once or when a Pod needs it."),
        Column("AllowVolumeExpansion", description="Whether claims may grow."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
