"""Rules that the kinds of admissionregistration.k8s.io share: which requests are meant, conditions, parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from minikube_py.apiserver.kinds._objectmeta import validate_label_selector
from minikube_py.apiserver.kinds.base import Object

if TYPE_CHECKING:
    from minikube_py.api.types.admissionregistration_v1 import (
        MatchCondition,
        MatchResources,
        ParamKind,
        ParamRef,
        RuleWithOperations,
        Variable,
    )

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
MUTATING_OPERATIONS = ("*", "CONNECT", "CREATE", "UPDATE")
FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
REINVOCATION_POLICIES = ("IfNeeded", "Never")
UNSET = "<unset>"
NO_POLICIES = "this server does not evaluate admission policies yet: the object is stored and has no effect"
MAX_CONDITIONS = 64

_SCOPES = ("*", "Cluster", "Namespaced")
_RESERVED = frozenset({
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
    "loop", "package", "namespace", "return", "var", "void", "while",
})  # fmt: skip
_is_identifier = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*").fullmatch


def default_rules(rules: Sequence[Object]) -> None:
    for rule in rules:
        rule.setdefault("scope", "*")


def default_match(match: Object | None) -> None:
    """Equivalent versions count, and no selector means everything."""
    if match is None:
        return
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    default_rules(match.get("resourceRules") or ())
    default_rules(match.get("excludeResourceRules") or ())


def one_of(path: str, value: str | None, values: Sequence[str], errs: list[FieldError]) -> None:
    """Append an error unless a value is there and is one of `values`."""
    if not value:
        errs.append(required(path))
    elif value not in values:
        errs.append(not_supported(path, value, values))


def validate_rule(rule: RuleWithOperations, path: str) -> list[FieldError]:
    """What is wrong with a rule that says which requests are meant."""
    errs: list[FieldError] = []
    _wildcards(rule.operations, f"{path}.operations", "operations", errs)
    for i, operation in enumerate(rule.operations):
        if operation not in OPERATIONS:
            errs.append(not_supported(f"{path}.operations[{i}]", operation, OPERATIONS))
    _wildcards(rule.apiGroups, f"{path}.apiGroups", "API groups", errs)
    _wildcards(rule.apiVersions, f"{path}.apiVersions", "API versions", errs)
    errs += [required(f"{path}.apiVersions[{i}]") for i, version in enumerate(rule.apiVersions) if not version]
    errs += _resources(list(rule.resources), f"{path}.resources")
    if rule.scope is not None and rule.scope not in _SCOPES:
        errs.append(not_supported(f"{path}.scope", rule.scope, _SCOPES))
    return errs


def _wildcards(values: Sequence[str], path: str, what: str, errs: list[FieldError]) -> None:
    if not values:
        errs.append(required(path))
    elif len(values) > 1 and "*" in values:
        errs.append(invalid(path, list(values), f"if '*' is present, must not specify other {what}"))


def _resources(resources: list[str], path: str) -> list[FieldError]:
    errs = [] if resources else [required(path)]
    all_parts: set[str] = set()
    of_all: set[str] = set()
    plain = False
    for i, text in enumerate(resources):
        where = f"{path}[{i}]"
        if not text:
            errs.append(required(where))
            continue
        resource, slash, part = text.partition("/")
        if not slash:
            plain = plain or text != "*"
            continue
        if resource in all_parts:
            errs.append(invalid(where, text, f"if '{resource}/*' is present, must not specify {text}"))
        if part in of_all:
            errs.append(invalid(where, text, f"if '*/{part}' is present, must not specify {text}"))
        if part == "*":
            all_parts.add(resource)
        if resource == "*":
            of_all.add(part)
    if len(resources) > 1 and "*/*" in resources:
        errs.append(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
    if "*" in resources and plain:
        detail = "if '*' is present, must not specify other resources without subresources"
        errs.append(invalid(path, resources, detail))
    return errs


def validate_match(
    match: MatchResources | None, path: str, *, constraints: bool = False, operations: Sequence[str] = OPERATIONS
) -> list[FieldError]:
    """What is wrong with a policy's or binding's MatchResources; a policy's (`constraints`) needs a rule at least."""
    if match is None:
        return [required(path)] if constraints else []
    errs: list[FieldError] = []
    one_of(f"{path}.matchPolicy", match.matchPolicy, MATCH_POLICIES, errs)
    for member, selector in (("namespaceSelector", match.namespaceSelector), ("objectSelector", match.objectSelector)):
        if selector is None:
            errs.append(required(f"{path}.{member}"))
        else:
            validate_label_selector(selector, f"{path}.{member}", errs)
    for member, rules in (("resourceRules", match.resourceRules), ("excludeResourceRules", match.excludeResourceRules)):
        for i, rule in enumerate(rules):
            where = f"{path}.{member}[{i}]"
            for j, name in enumerate(rule.resourceNames):
                errs += [invalid(f"{where}.resourceNames[{j}]", name, s) for s in names.path_segment(name)]
                if name in rule.resourceNames[:j]:
                    errs.append(duplicate(f"{where}.resourceNames[{j}]", name))
            errs += validate_rule(rule, where)
    if constraints and not match.resourceRules:
        errs.append(required(f"{path}.resourceRules"))
    errs += [
        not_supported(f"{path}.resourceRules.operations", operation, operations)
        for rule in match.resourceRules
        for operation in rule.operations
        if operation in OPERATIONS and operation not in operations
    ]
    return errs


def validate_conditions(conditions: Sequence[MatchCondition], path: str) -> list[FieldError]:
    """What is wrong with matchConditions, apart from what only a compiler of their expressions can tell."""
    errs: list[FieldError] = []
    if len(conditions) > MAX_CONDITIONS:
        detail = f"must have at most {MAX_CONDITIONS} items"
        errs.append(FieldError("FieldValueTooMany", path, detail, len(conditions)))
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        where = f"{path}[{i}]"
        if not condition.expression.strip():
            errs.append(required(f"{where}.expression"))
        if not condition.name:
            errs.append(required(f"{where}.name"))
            continue
        errs += [invalid(f"{where}.name", condition.name, s) for s in names.qualified_name(condition.name)]
        if condition.name in seen:
            errs.append(duplicate(f"{where}.name", condition.name))
        seen.add(condition.name)
    return errs


def validate_variables(variables: Sequence[Variable], path: str) -> list[FieldError]:
    errs: list[FieldError] = []
    for i, variable in enumerate(variables):
        if not variable.name.strip():
            errs.append(required(f"{path}[{i}].name", "name is not specified"))
        elif not _is_identifier(variable.name) or variable.name in _RESERVED:
            errs.append(invalid(f"{path}[{i}].name", variable.name, "name is not a valid CEL identifier"))
        if not variable.expression.strip():
            errs.append(required(f"{path}[{i}].expression", "expression is not specified"))
    return errs


def validate_param_kind(kind: ParamKind | None, path: str) -> list[FieldError]:
    if kind is None:
        return []
    errs: list[FieldError] = []
    where, text = f"{path}.apiVersion", kind.apiVersion
    group, _, version = text.rpartition("/")
    if not text:
        errs.append(required(where))
    elif text.count("/") > 1:
        errs.append(invalid(where, text, f"unexpected GroupVersion string: {text}"))
    else:
        if group and (wrong := names.dns1123_subdomain(group)):
            errs.append(invalid(where, group, ",".join(wrong)))
        if not version:
            errs.append(invalid(where, text, "version must be specified"))
        elif wrong := names.dns1035_label(version):
            errs.append(invalid(where, version, ",".join(wrong)))
    if not kind.kind:
        errs.append(required(f"{path}.kind"))
    elif wrong := names.dns1035_label(kind.kind.lower()):
        detail = "may have mixed case, but should otherwise match: " + ",".join(wrong)
        errs.append(invalid(f"{path}.kind", kind.kind, detail))
    return errs


def validate_binding(policy: str, ref: ParamRef | None) -> list[FieldError]:
    """What is wrong with spec.policyName and spec.paramRef of a binding."""
    errs: list[FieldError] = []
    if not policy:
        errs.append(required("spec.policyName"))
    else:
        errs += [invalid("spec.policyName", policy, sentence) for sentence in names.dns1123_subdomain(policy)]
    if ref is None:
        return errs
    path, exclusive = "spec.paramRef", "name and selector are mutually exclusive"
    errs += [invalid(f"{path}.name", ref.name, sentence) for sentence in names.path_segment(ref.name)]
    if ref.selector is not None:
        validate_label_selector(ref.selector, f"{path}.selector", errs)
        if ref.name:
            errs += [forbidden(f"{path}.name", exclusive), forbidden(f"{path}.selector", exclusive)]
    elif not ref.name:
        errs.append(required(path, "one of name or selector must be specified"))
    one_of(f"{path}.parameterNotFoundAction", ref.parameterNotFoundAction, ("Deny", "Allow"), errs)
    return errs


def param_kind_cell(spec: Object) -> str:
    kind = spec.get("paramKind")
    return UNSET if kind is None else f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}"


def param_ref_cell(spec: Object) -> str:
    """The parameter's name with its namespace, or a selector in the form in which Go prints one."""
    ref = spec.get("paramRef")
    if ref is None:
        return UNSET
    if ref.get("name"):
        return f"{ref.get('namespace') or '*'}/{ref['name']}"
    selector = ref.get("selector")
    if selector is None:
        return UNSET
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    terms = "".join(
        f"LabelSelectorRequirement{{Key:{t.get('key', '')},Operator:{t.get('operator', '')},"
        f"Values:[{' '.join(t.get('values') or ())}],}},"
        for t in selector.get("matchExpressions") or ()
    )
    body = f"MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{terms}}},"
    return f"&LabelSelector{{{body}}}"
