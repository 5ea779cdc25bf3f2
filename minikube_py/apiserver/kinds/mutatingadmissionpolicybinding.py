"""MutatingAdmissionPolicyBinding: where a MutatingAdmissionPolicy holds, and with which parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import MUTATINGADMISSIONPOLICYBINDINGS
from minikube_py.apiserver.kinds import _admission_rules as rules
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.admissionregistration_v1 import MutatingAdmissionPolicyBinding


def default(obj: Object) -> None:
    rules.default_match(obj.setdefault("spec", {}).get("matchResources"))


def validate(obj: MutatingAdmissionPolicyBinding) -> Sequence[FieldError]:
    spec = obj.spec
    errs = rules.validate_binding(spec.policyName, spec.paramRef)
    errs += rules.validate_match(spec.matchResources, "spec.matchResources", operations=rules.MUTATING_OPERATIONS)
    return errs


def validate_update(new: MutatingAdmissionPolicyBinding, old: MutatingAdmissionPolicyBinding) -> Sequence[FieldError]:
    return validate(new)


def warnings(obj: Object) -> Sequence[str]:
    """The truth about what a stored binding does here."""
    return (rules.NO_POLICIES,)


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    return [
        metadata["name"],
        spec.get("policyName", ""),
        rules.param_ref_cell(spec),
        age(metadata.get("creationTimestamp")),
    ]


KIND = Kind(
    resource=MUTATINGADMISSIONPOLICYBINDINGS,
    singular="mutatingadmissionpolicybinding",
    categories=("api-extensions",),
    generation=True,
    columns=(
        NAME,
        Column("PolicyName", description="The policy that is to hold."),
        Column("ParamRef", description="The object that carries its parameters."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
