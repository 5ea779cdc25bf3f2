"""FlowSchema: sorts requests, by who makes them and what they want, into priority levels and flows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.api.resources import FLOWSCHEMAS
from minikube_py.apiserver.kinds import _flowcontrol
from minikube_py.apiserver.kinds._cells import NONE, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Kind, Object, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.flowcontrol_v1 import (
        FlowSchema,
        FlowSchemaSpec,
        NonResourcePolicyRule,
        PolicyRulesWithSubjects,
        ResourcePolicyRule,
        Subject,
    )

DEFAULT_PRECEDENCE, MAX_PRECEDENCE = 1000, 10000
_METHODS = ("ByNamespace", "ByUser")
_VERBS = ("*", "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
"""The kinds of subjects, and the member that says which one is meant."""


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = DEFAULT_PRECEDENCE


def validate(obj: FlowSchema) -> Sequence[FieldError]:
    errs = _spec(obj.spec, obj.metadata.name)
    fixed = _flowcontrol.FIXED_SCHEMAS.get(obj.metadata.name)
    if fixed is not None and obj.spec != type(obj.spec).model_validate(fixed):
        errs.append(invalid("spec", obj.spec.to_dict(), f"spec of '{obj.metadata.name}' must equal the fixed value"))
    return [*errs, *_flowcontrol.validate_conditions(obj.status.conditions)]


def _spec(spec: FlowSchemaSpec, name: str) -> list[FieldError]:
    errs: list[FieldError] = []
    path, precedence = "spec.matchingPrecedence", spec.matchingPrecedence
    if precedence <= 0:
        errs.append(invalid(path, precedence, "must be a positive value"))
    if precedence > MAX_PRECEDENCE:
        errs.append(invalid(path, precedence, f"must not be greater than {MAX_PRECEDENCE}"))
    if precedence == 1 and name != _flowcontrol.EXEMPT:
        errs.append(invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1"))
    if spec.distinguisherMethod is not None and spec.distinguisherMethod.type not in _METHODS:
        errs.append(not_supported("spec.distinguisherMethod.type", spec.distinguisherMethod.type, _METHODS))
    path, level = "spec.priorityLevelConfiguration.name", spec.priorityLevelConfiguration.name
    if not level:
        errs.append(required(path, "must reference a priority level"))
    else:
        errs += [invalid(path, level, sentence) for sentence in names.dns1123_subdomain(level)]
    for i, rule in enumerate(spec.rules):
        errs += _rule(rule, f"spec.rules[{i}]")
    return errs


def _rule(rule: PolicyRulesWithSubjects, path: str) -> list[FieldError]:
    errs: list[FieldError] = []
    if not rule.subjects:
        errs.append(required(f"{path}.subjects", "subjects must contain at least one value"))
    for i, subject in enumerate(rule.subjects):
        errs += _subject(subject, f"{path}.subjects[{i}]")
    if not rule.resourceRules and not rule.nonResourceRules:
        errs.append(required(path, "at least one of resourceRules and nonResourceRules has to be non-empty"))
    for i, one in enumerate(rule.resourceRules):
        errs += _resource_rule(one, f"{path}.resourceRules[{i}]")
    for i, other in enumerate(rule.nonResourceRules):
        errs += _path_rule(other, f"{path}.nonResourceRules[{i}]")
    return errs


def _subject(subject: Subject, path: str) -> list[FieldError]:
    if subject.kind not in _SUBJECTS:
        return [not_supported(f"{path}.kind", subject.kind, _SUBJECTS)]
    errs: list[FieldError] = []
    for kind, member in _SUBJECTS.items():
        value = getattr(subject, member)
        if kind != subject.kind:
            if value is not None:
                errs.append(forbidden(f"{path}.{member}", f"{member} is forbidden when subject kind is not '{kind}'"))
        elif value is None:
            errs.append(required(f"{path}.{member}", f"{member} is required when subject kind is '{kind}'"))
        elif not value.name:
            errs.append(required(f"{path}.{member}.name"))
    account = subject.serviceAccount
    if subject.kind == "ServiceAccount" and account is not None:
        where = f"{path}.serviceAccount"
        if account.name and account.name != "*":
            wrong = names.dns1123_subdomain(account.name)
            errs += [invalid(f"{where}.name", account.name, sentence) for sentence in wrong]
        if not account.namespace:
            errs.append(required(f"{where}.namespace", "must specify namespace for service account"))
        else:
            wrong = names.dns1123_label(account.namespace)
            errs += [invalid(f"{where}.namespace", account.namespace, sentence) for sentence in wrong]
    return errs


def _verbs(verbs: Sequence[str], path: str) -> list[FieldError]:
    if not verbs:
        return [required(path, "verbs must contain at least one value")]
    if "*" in verbs:
        return _alone(verbs, path, "verbs")
    return [] if set(verbs) <= set(_VERBS) else [not_supported(path, list(verbs), _VERBS)]


def _alone(values: Sequence[str], path: str, what: str) -> list[FieldError]:
    if len(values) > 1 and "*" in values:
        return [invalid(path, list(values), f"if '*' is present, must not specify other {what}")]
    return []


def _resource_rule(rule: ResourcePolicyRule, path: str) -> list[FieldError]:
    errs = _verbs(rule.verbs, f"{path}.verbs")
    if not rule.apiGroups:
        errs.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.resources:
        errs.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    errs += _alone(rule.apiGroups, f"{path}.apiGroups", "api groups")
    errs += _alone(rule.resources, f"{path}.resources", "resources")
    where = f"{path}.namespaces"
    if not rule.namespaces and not rule.clusterScope:
        detail = "resource rules that are not cluster scoped must supply at least one namespace"
        errs.append(required(where, detail))
    if "*" in rule.namespaces:
        return errs + _alone(rule.namespaces, where, "namespaces")
    intro = "each member of this list must be '*' or a DNS-1123 label; "
    for i, namespace in enumerate(rule.namespaces):
        errs += [invalid(f"{where}[{i}]", namespace, intro + s) for s in names.dns1123_label(namespace)]
    return errs


def _path_rule(rule: NonResourcePolicyRule, path: str) -> list[FieldError]:
    errs = _verbs(rule.verbs, f"{path}.verbs")
    where = f"{path}.nonResourceURLs"
    if not rule.nonResourceURLs:
        errs.append(required(where, "nonResourceURLs must contain at least one value"))
    if "*" in rule.nonResourceURLs:
        return errs + _alone(rule.nonResourceURLs, where, "non-resource URLs")
    for i, url in enumerate(rule.nonResourceURLs):
        if wrong := _wrong_url(url):
            errs.append(invalid(f"{where}[{i}]", url, wrong))
    return errs


def _wrong_url(url: str) -> str:
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if "*" in url and (url.count("*") > 1 or not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


def validate_update(new: FlowSchema, old: FlowSchema) -> Sequence[FieldError]:
    return validate(new)


def validate_status(new: FlowSchema, old: FlowSchema) -> Sequence[FieldError]:
    return _flowcontrol.validate_conditions(new.status.conditions)


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    dangling = [c for c in (obj.get("status") or {}).get("conditions") or () if c.get("type") == "Dangling"]
    return [
        metadata["name"],
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        spec.get("matchingPrecedence", 0),
        (spec.get("distinguisherMethod") or {}).get("type") or NONE,
        age(metadata.get("creationTimestamp")),
        dangling[0].get("status", "") if dangling else "?",
    ]


KIND = Kind(
    resource=FLOWSCHEMAS,
    singular="flowschema",
    subresources=(Subresource("status", "FlowSchema", ("get", "patch", "update"), "flowcontrol/v1.FlowSchema"),),
    status=True,
    generation=True,
    columns=(
        NAME,
        Column("PriorityLevel", description="The level that matching requests belong to."),
        Column("MatchingPrecedence", description="Of the schemas that match, the lowest number counts."),
        Column("DistinguisherMethod", description="What makes a flow within the schema."),
        AGE,
        Column("MissingPL", description="Whether the priority level does not exist."),
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=_flowcontrol.prepare_create,
    prepare_update=_flowcontrol.prepare_update,
    prepare_status=_flowcontrol.prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=_flowcontrol.warnings,
)
