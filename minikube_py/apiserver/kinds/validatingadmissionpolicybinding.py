"""ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy holds, and with which parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, invalid, not_supported, required
from minikube_py.api.resources import VALIDATINGADMISSIONPOLICYBINDINGS
from minikube_py.apiserver.kinds import _admission_rules as rules
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.admissionregistration_v1 import ValidatingAdmissionPolicyBinding

_ACTIONS = ("Audit", "Deny", "Warn")


def default(obj: Object) -> None:
    rules.default_match(obj.setdefault("spec", {}).get("matchResources"))


def validate(obj: ValidatingAdmissionPolicyBinding) -> Sequence[FieldError]:
    spec = obj.spec
    errs = rules.validate_binding(spec.policyName, spec.paramRef)
    errs += rules.validate_match(spec.matchResources, "spec.matchResources")
    return [*errs, *_actions(spec.validationActions)]


def _actions(actions: Sequence[str]) -> list[FieldError]:
    path = "spec.validationActions"
    errs: list[FieldError] = []
    for i, action in enumerate(actions):
        if action not in _ACTIONS:
            errs.append(not_supported(f"{path}[{i}]", action, _ACTIONS))
        if action in actions[:i]:
            errs.append(duplicate(f"{path}[{i}]", action))
    if "Deny" in actions and "Warn" in actions:
        detail = "must not contain both Deny and Warn: the same failure would be told twice"
        errs.append(invalid(path, list(actions), detail))
    if not actions:
        errs.append(required(path, "at least one validation action is required"))
    return errs


def validate_update(
    new: ValidatingAdmissionPolicyBinding, old: ValidatingAdmissionPolicyBinding
) -> Sequence[FieldError]:
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
    resource=VALIDATINGADMISSIONPOLICYBINDINGS,
    singular="validatingadmissionpolicybinding",
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
