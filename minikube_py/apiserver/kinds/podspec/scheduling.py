"""Rules for where a Pod may run: affinity, tolerations, spreading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from minikube_py.apiserver.kinds._objectmeta import qualified, validate_label_selector

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import (
        Affinity,
        NodeSelector,
        NodeSelectorRequirement,
        NodeSelectorTerm,
        PodAffinityTerm,
        Toleration,
        TopologySpreadConstraint,
    )

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def validate_tolerations(tolerations: Sequence[Toleration], path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with `tolerations`."""
    for i, t in enumerate(tolerations):
        where = f"{path}[{i}]"
        if t.key:
            for sentence in qualified(t.key):
                errs.append(invalid(f"{where}.key", t.key, sentence))
        elif t.operator != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errs.append(invalid(f"{where}.operator", t.operator, detail))
        if t.tolerationSeconds is not None and t.effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errs.append(invalid(f"{where}.effect", t.effect, detail))
        match t.operator:
            case "Equal" | "":
                if wrong := names.label_value(t.value):
                    errs.append(invalid(f"{where}.operator", t.value, ";".join(wrong)))
            case "Exists":
                if t.value:
                    detail = "value must be empty when `operator` is 'Exists'"
                    errs.append(invalid(f"{where}.operator", t.value, detail))
            case _:
                errs.append(not_supported(f"{where}.operator", t.operator, ("Equal", "Exists")))
        if t.effect and t.effect not in _EFFECTS:
            errs.append(not_supported(f"{where}.effect", t.effect, _EFFECTS))


def validate_affinity(affinity: Affinity, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with `affinity`."""
    node = affinity.nodeAffinity
    if node is not None:
        where = f"{path}.nodeAffinity"
        must = node.requiredDuringSchedulingIgnoredDuringExecution
        if must is not None:
            validate_node_selector(must, f"{where}.{_REQUIRED}", errs)
        for i, choice in enumerate(node.preferredDuringSchedulingIgnoredDuringExecution):
            at = f"{where}.{_PREFERRED}[{i}]"
            if not 1 <= choice.weight <= 100:
                errs.append(invalid(f"{at}.weight", choice.weight, "must be in the range 1-100"))
            _node_term(choice.preference, f"{at}.preference", errs)
    for member in ("podAffinity", "podAntiAffinity"):
        block: Any = getattr(affinity, member)
        if block is None:
            continue
        for i, pod_term in enumerate(block.requiredDuringSchedulingIgnoredDuringExecution):
            _pod_term(pod_term, f"{path}.{member}.{_REQUIRED}[{i}]", errs)
        for i, weighted in enumerate(block.preferredDuringSchedulingIgnoredDuringExecution):
            at = f"{path}.{member}.{_PREFERRED}[{i}]"
            if not 1 <= weighted.weight <= 100:
                errs.append(invalid(f"{at}.weight", weighted.weight, "must be in the range 1-100"))
            _pod_term(weighted.podAffinityTerm, f"{at}.podAffinityTerm", errs)


def validate_node_selector(selector: NodeSelector, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a NodeSelector, the hard kind of choice among Nodes."""
    if not selector.nodeSelectorTerms:
        errs.append(required(f"{path}.nodeSelectorTerms", "must have at least one node selector term"))
    for i, term in enumerate(selector.nodeSelectorTerms):
        _node_term(term, f"{path}.nodeSelectorTerms[{i}]", errs)


def _node_term(term: NodeSelectorTerm, path: str, errs: list[FieldError]) -> None:
    for i, expression in enumerate(term.matchExpressions):
        _node_requirement(expression, f"{path}.matchExpressions[{i}]", errs)
    for i, expression in enumerate(term.matchFields):
        where = f"{path}.matchFields[{i}]"
        if expression.operator not in ("In", "NotIn"):
            errs.append(invalid(f"{where}.operator", expression.operator, "not a valid selector operator"))
        elif len(expression.values) != 1:
            detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            errs.append(required(f"{where}.values", detail))
        if expression.key != "metadata.name":
            errs.append(invalid(f"{where}.key", expression.key, "not a valid field selector key"))
        else:
            for j, value in enumerate(expression.values):
                for sentence in names.dns1123_subdomain(value):
                    errs.append(invalid(f"{where}.values[{j}]", value, sentence))


def _node_requirement(expression: NodeSelectorRequirement, path: str, errs: list[FieldError]) -> None:
    values = expression.values
    match expression.operator:
        case "In" | "NotIn":
            if not values:
                errs.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        case "Exists" | "DoesNotExist":
            if values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errs.append(forbidden(f"{path}.values", detail))
        case "Gt" | "Lt":
            if len(values) != 1:
                detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                errs.append(required(f"{path}.values", detail))
        case _:
            errs.append(invalid(f"{path}.operator", expression.operator, "not a valid selector operator"))
    for sentence in qualified(expression.key):
        errs.append(invalid(f"{path}.key", expression.key, sentence))
    for j, value in enumerate(values):
        for sentence in names.label_value(value):
            errs.append(invalid(f"{path}.values[{j}]", value, sentence))


def _pod_term(term: PodAffinityTerm, path: str, errs: list[FieldError]) -> None:
    if term.labelSelector is not None:
        validate_label_selector(term.labelSelector, f"{path}.labelSelector", errs)
    if term.namespaceSelector is not None:
        validate_label_selector(term.namespaceSelector, f"{path}.namespaceSelector", errs)
    for name in term.namespaces:
        for sentence in names.dns1123_label(name):
            errs.append(invalid(f"{path}.namespace", name, sentence))
    for member in ("matchLabelKeys", "mismatchLabelKeys"):
        _label_keys(getattr(term, member), term.labelSelector, f"{path}.{member}", errs)
    for i, key in enumerate(term.matchLabelKeys):
        if key in term.mismatchLabelKeys:
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            errs.append(invalid(f"{path}.matchLabelKeys[{i}]", key, detail))
    if not term.topologyKey:
        errs.append(required(f"{path}.topologyKey", "can not be empty"))
    for sentence in qualified(term.topologyKey):
        errs.append(invalid(f"{path}.topologyKey", term.topologyKey, sentence))


def _label_keys(keys: Sequence[str], selector: Any, path: str, errs: list[FieldError]) -> None:
    if keys and selector is None:
        errs.append(forbidden(path, "must not be specified when labelSelector is not set"))
    for i, key in enumerate(keys):
        for sentence in qualified(key):
            errs.append(invalid(f"{path}[{i}]", key, sentence))


def validate_spread(constraints: Sequence[TopologySpreadConstraint], path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with `topologySpreadConstraints`."""
    seen: set[tuple[str, str]] = set()
    for i, c in enumerate(constraints):
        where = f"{path}[{i}]"
        if c.maxSkew <= 0:
            errs.append(invalid(f"{where}.maxSkew", c.maxSkew, "must be greater than zero"))
        if not c.topologyKey:
            errs.append(required(f"{where}.topologyKey", "can not be empty"))
        else:
            for sentence in qualified(c.topologyKey):
                errs.append(invalid(f"{where}.topologyKey", c.topologyKey, sentence))
        actions = ("DoNotSchedule", "ScheduleAnyway")
        if c.whenUnsatisfiable not in actions:
            errs.append(not_supported(f"{where}.whenUnsatisfiable", c.whenUnsatisfiable, actions))
        if c.minDomains is not None:
            if c.minDomains <= 0:
                errs.append(invalid(f"{where}.minDomains", c.minDomains, "must be greater than zero"))
            if c.whenUnsatisfiable != "DoNotSchedule":
                detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {c.whenUnsatisfiable}"
                errs.append(invalid(f"{where}.minDomains", c.minDomains, detail))
        for member in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            value = getattr(c, member)
            if value is not None and value not in ("Honor", "Ignore"):
                errs.append(not_supported(f"{where}.{member}", value, ("Honor", "Ignore")))
        if c.labelSelector is not None:
            validate_label_selector(c.labelSelector, f"{where}.labelSelector", errs)
        _label_keys(c.matchLabelKeys, c.labelSelector, f"{where}.matchLabelKeys", errs)
        pair = (c.topologyKey, c.whenUnsatisfiable)
        if pair in seen:
            errs.append(duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", f"{{{pair[0]}, {pair[1]}}}"))
        seen.add(pair)
