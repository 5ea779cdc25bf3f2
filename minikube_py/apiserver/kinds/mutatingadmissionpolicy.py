"""MutatingAdmissionPolicy: expressions that change what is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, not_supported, required
from minikube_py.api.resources import MUTATINGADMISSIONPOLICIES
from minikube_py.apiserver.kinds import _admission_rules as rules
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.admissionregistration_v1 import MutatingAdmissionPolicy, Mutation

_MEMBERS = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
"""Patch types, and where a mutation of that type has its expression."""


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    rules.default_match(spec.get("matchConstraints"))


def validate(obj: MutatingAdmissionPolicy) -> Sequence[FieldError]:
    spec = obj.spec
    errs: list[FieldError] = []
    rules.one_of("spec.failurePolicy", spec.failurePolicy, rules.FAILURE_POLICIES, errs)
    errs += rules.validate_param_kind(spec.paramKind, "spec.paramKind")
    errs += rules.validate_match(
        spec.matchConstraints, "spec.matchConstraints", constraints=True, operations=rules.MUTATING_OPERATIONS
    )
    errs += rules.validate_conditions(spec.matchConditions, "spec.matchConditions")
    errs += rules.validate_variables(spec.variables, "spec.variables")
    if not spec.mutations:
        errs.append(required("spec.mutations", "mutations must contain at least one item"))
    for i, mutation in enumerate(spec.mutations):
        errs += _mutation(mutation, f"spec.mutations[{i}]")
    rules.one_of("spec.reinvocationPolicy", spec.reinvocationPolicy, rules.REINVOCATION_POLICIES, errs)
    return errs


def _mutation(mutation: Mutation, path: str) -> list[FieldError]:
    type_ = mutation.patchType
    if not type_:
        return [required(f"{path}.patchType")]
    if type_ not in _MEMBERS:
        return [not_supported(f"{path}.patchType", type_, _MEMBERS)]
    errs: list[FieldError] = []
    for other, member in _MEMBERS.items():
        value = getattr(mutation, member)
        if other != type_:
            if value is not None:
                detail = f"must not be specified when patchType is {type_}"
                errs.append(invalid(f"{path}.{member}", f"{{{member}}}", detail))
        elif value is None:
            errs.append(required(f"{path}.{member}", f"must be specified when patchType is {type_}"))
        elif not value.expression.strip():
            errs.append(required(f"{path}.{member}.expression"))
    return errs


def validate_update(new: MutatingAdmissionPolicy, old: MutatingAdmissionPolicy) -> Sequence[FieldError]:
    return validate(new)


def warnings(obj: Object) -> Sequence[str]:
    """The truth about what a stored policy does here."""
    return (rules.NO_POLICIES,)


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    return [
        metadata["name"],
        len(spec.get("mutations") or ()),
        rules.param_kind_cell(spec),
        age(metadata.get("creationTimestamp")),
    ]


KIND = Kind(
    resource=MUTATINGADMISSIONPOLICIES,
    singular="mutatingadmissionpolicy",
    categories=("api-extensions",),
    generation=True,
    columns=(
        NAME,
        Column("Mutations", "integer", description="How many changes the policy makes."),
        Column("ParamKind", description="What objects carry the policy's parameters."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
