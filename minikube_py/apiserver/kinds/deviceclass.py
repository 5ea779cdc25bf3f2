"""DeviceClass: a sort of devices that claims ask for by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid
from minikube_py.api.resources import DEVICECLASSES
from minikube_py.apiserver.kinds import _resource as rules
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.resource_v1 import DeviceClass


def default(obj: Object) -> None:
    obj.setdefault("spec", {})


def validate(obj: DeviceClass) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds.podspec.resources import is_extended

    spec = obj.spec
    errs = rules.each(spec.selectors, rules.MAX_SELECTORS, rules.selector, "spec.selectors")
    errs += rules.each(spec.config, rules.MAX_CONFIGS, rules.configuration, "spec.config")
    name = spec.extendedResourceName
    if name is not None and not is_extended(name):
        errs.append(invalid("spec.extendedResourceName", name, "must be a valid extended resource name"))
    return errs


def validate_update(new: DeviceClass, old: DeviceClass) -> Sequence[FieldError]:
    return validate(new)


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=DEVICECLASSES,
    singular="deviceclass",
    generation=True,
    columns=(NAME, AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
)
