"""ControllerRevision: a former state of a workload's template, for going back to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, required
from minikube_py.api.resources import CONTROLLERREVISIONS
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds._cells import NONE, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.apps_v1 import ControllerRevision


def validate(obj: ControllerRevision) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    if obj.data is None:
        errs.append(required("data", "data is mandatory"))
    if obj.revision < 0:
        errs.append(invalid("revision", obj.revision, rules.NEGATIVE))
    return errs


def validate_update(new: ControllerRevision, old: ControllerRevision) -> Sequence[FieldError]:
    """The state never changes; its number may, when an old state becomes the newest again."""
    errs = list(validate(new))
    rules.immutable(new.data, old.data, "data", errs)
    return errs


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    controller = NONE
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            kind = f"{owner['kind']}.{group}" if group else owner["kind"]
            controller = f"{kind.lower()}/{owner['name']}"
            break
    return [metadata["name"], controller, obj.get("revision") or 0, age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=CONTROLLERREVISIONS,
    singular="controllerrevision",
    columns=(
        NAME,
        Column("Controller", description="Whose template it was."),
        Column("Revision", description="Its number; the highest is the newest."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    validate=validate,
    validate_update=validate_update,
)
