"""ResourceClaimTemplate: what the claims look like that are made for each Pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid
from minikube_py.api.resources import RESOURCECLAIMTEMPLATES
from minikube_py.apiserver.kinds import _resource_claims
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import validate_annotations, validate_labels
from minikube_py.apiserver.kinds.base import Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.resource_v1 import ResourceClaimTemplate


def default(obj: Object) -> None:
    _resource_claims.default_claim(obj.setdefault("spec", {}).setdefault("spec", {}))


def validate(obj: ResourceClaimTemplate) -> Sequence[FieldError]:
    metadata = obj.spec.metadata
    errs: list[FieldError] = []
    validate_labels(metadata.labels, "spec.metadata.labels", errs)
    validate_annotations(metadata.annotations, "spec.metadata.annotations", errs)
    return errs + _resource_claims.validate_claim(obj.spec.spec.devices, "spec.spec.devices")


def validate_update(new: ResourceClaimTemplate, old: ResourceClaimTemplate) -> Sequence[FieldError]:
    return () if new.spec == old.spec else (invalid("spec", new.spec.to_dict(), "field is immutable"),)


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=RESOURCECLAIMTEMPLATES,
    singular="resourceclaimtemplate",
    columns=(NAME, AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
)
