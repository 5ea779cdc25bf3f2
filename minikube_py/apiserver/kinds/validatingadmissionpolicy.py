"""ValidatingAdmissionPolicy: expressions that decide what may be written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, invalid, not_supported, required
from minikube_py.api.resources import VALIDATINGADMISSIONPOLICIES
from minikube_py.apiserver.kinds import _admission_rules as rules
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.admissionregistration_v1 import AuditAnnotation, ValidatingAdmissionPolicy, Validation

MAX_ANNOTATIONS = 20
MAX_ANNOTATION_BYTES = 5 * 1024
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_NEWLINE = re.compile(r"[\n\r]").search


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    rules.default_match(spec.get("matchConstraints"))


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {}


def prepare_update(new: Object, old: Object, context: Context) -> None:
    new["status"] = old.get("status", {})


def prepare_status(new: Object, old: Object, context: Context) -> None:
    new["spec"] = old["spec"]


def validate(obj: ValidatingAdmissionPolicy) -> Sequence[FieldError]:
    spec = obj.spec
    errs: list[FieldError] = []
    rules.one_of("spec.failurePolicy", spec.failurePolicy, rules.FAILURE_POLICIES, errs)
    errs += rules.validate_param_kind(spec.paramKind, "spec.paramKind")
    errs += rules.validate_match(spec.matchConstraints, "spec.matchConstraints", constraints=True)
    errs += rules.validate_conditions(spec.matchConditions, "spec.matchConditions")
    errs += rules.validate_variables(spec.variables, "spec.variables")
    if not spec.validations and not spec.auditAnnotations:
        detail = "validations or auditAnnotations must contain at least one item"
        errs += [required("spec.validations", detail), required("spec.auditAnnotations", detail)]
    for i, validation in enumerate(spec.validations):
        errs += _validation(validation, f"spec.validations[{i}]")
    return [*errs, *_annotations(spec.auditAnnotations, obj.metadata.name)]


def _validation(validation: Validation, path: str) -> list[FieldError]:
    errs: list[FieldError] = []
    if not validation.expression.strip():
        errs.append(required(f"{path}.expression", "expression is not specified"))
    if validation.messageExpression and not validation.messageExpression.strip():
        detail = "must be non-empty if specified"
        errs.append(invalid(f"{path}.messageExpression", validation.messageExpression, detail))
    message = validation.message.strip()
    if validation.message and not message:
        errs.append(invalid(f"{path}.message", validation.message, "must be non-empty if specified"))
    elif _NEWLINE(message):
        errs.append(invalid(f"{path}.message", validation.message, "must not contain line breaks"))
    elif _NEWLINE(validation.expression.strip()) and not message and not validation.messageExpression.strip():
        detail = "message must be specified if expression contains line breaks"
        errs.append(required(f"{path}.message", detail))
    if validation.reason is not None and validation.reason not in _REASONS:
        errs.append(not_supported(f"{path}.reason", validation.reason, _REASONS))
    return errs


def _annotations(annotations: Sequence[AuditAnnotation], name: str) -> list[FieldError]:
    path = "spec.auditAnnotations"
    errs: list[FieldError] = []
    if len(annotations) > MAX_ANNOTATIONS:
        detail = f"must not have more than {MAX_ANNOTATIONS} auditAnnotations"
        errs.append(invalid(path, [a.to_dict() for a in annotations], detail))
    seen: set[str] = set()
    for i, annotation in enumerate(annotations):
        full = f"{name}/{annotation.key}"
        errs += [invalid(f"{path}[{i}].key", full, sentence) for sentence in names.qualified_name(full)]
        expression = annotation.valueExpression.strip()
        if not expression:
            errs.append(required(f"{path}[{i}].valueExpression", "valueExpression is not specified"))
        elif len(expression.encode()) > MAX_ANNOTATION_BYTES:
            detail = f"must not exceed {MAX_ANNOTATION_BYTES} bytes in length"
            errs.append(required(f"{path}[{i}].valueExpression", detail))
        if annotation.key in seen:
            errs.append(duplicate(f"{path}[{i}].key", annotation.key))
        seen.add(annotation.key)
    return errs


def validate_update(new: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy) -> Sequence[FieldError]:
    return validate(new)


def warnings(obj: Object) -> Sequence[str]:
    """The truth about what a stored policy does here."""
    return (rules.NO_POLICIES,)


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    return [
        metadata["name"],
        len(spec.get("validations") or ()),
        rules.param_kind_cell(spec),
        age(metadata.get("creationTimestamp")),
    ]


KIND = Kind(
    resource=VALIDATINGADMISSIONPOLICIES,
    singular="validatingadmissionpolicy",
    categories=("api-extensions",),
    subresources=(
        Subresource(
            "status",
            "ValidatingAdmissionPolicy",
            ("get", "patch", "update"),
            "admissionregistration/v1.ValidatingAdmissionPolicy",
        ),
    ),
    status=True,
    generation=True,
    columns=(
        NAME,
        Column("Validations", "integer", description="How many expressions must be true."),
        Column("ParamKind", description="What objects carry the policy's parameters."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_update,
    warnings=warnings,
)
