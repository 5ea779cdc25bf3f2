"""The conditions that Pods put on Nodes and on each other, compiled once and comparable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minikube_py.api import errors, labels

_NODE_OPERATORS = {
    "In": labels.IN,
    "NotIn": labels.NOT_IN,
    "Exists": labels.EXISTS,
    "DoesNotExist": labels.NOT_EXISTS,
    "Gt": labels.GREATER,
    "Lt": labels.LESS,
}


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """One NodeSelectorTerm: expressions over labels and over fields, all of which must hold."""

    expressions: labels.Selector
    fields: labels.Selector

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> NodeTerm:
        """A term without any condition matches no Node, as upstream has it; so does one with a broken condition."""
        expressions, fields = raw.get("matchExpressions") or (), raw.get("matchFields") or ()
        if not expressions and not fields:
            return cls(labels.NOTHING, labels.NOTHING)
        return cls(_node_selector(expressions), _node_selector(fields))

    def matches(self, node_labels: Mapping[str, str], name: str) -> bool:
        """Whether a Node with these labels and this name satisfies the term."""
        return self.expressions.matches(node_labels) and self.fields.matches({"metadata.name": name})


def _node_selector(expressions: Any) -> labels.Selector:
    found = []
    for raw in expressions:
        operator = _NODE_OPERATORS.get(raw.get("operator", ""))
        values = tuple(raw.get("values") or ())
        if operator is None or (operator in (labels.IN, labels.NOT_IN) and not values):
            return labels.NOTHING
        if operator in (labels.GREATER, labels.LESS) and not (len(values) == 1 and _is_integer(values[0])):
            return labels.NOTHING
        found.append(labels.Requirement(raw.get("key", ""), operator, values))
    return labels.Selector(found)


def _is_integer(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class PodTerm:
    """One PodAffinityTerm: Pods by labels and namespace, within the Nodes that share a label's value."""

    topology_key: str
    selector: labels.Selector
    namespaces: frozenset[str]
    namespace_selector: labels.Selector

    @classmethod
    def of(cls, raw: Mapping[str, Any], own_namespace: str, own_labels: Mapping[str, str]) -> PodTerm:
        """Without namespaces and without a namespace selector the Pod's own namespace is meant."""
        names = frozenset(raw.get("namespaces") or ())
        by_label = raw.get("namespaceSelector")
        if not names and by_label is None:
            names = frozenset((own_namespace,))
        selector = _narrowed(
            raw.get("labelSelector"), own_labels, raw.get("matchLabelKeys") or (), raw.get("mismatchLabelKeys") or ()
        )
        return cls(raw.get("topologyKey", ""), selector, names, _selector(by_label))

    def matches(self, namespace: str, pod_labels: Mapping[str, str], namespace_labels: Mapping[str, str]) -> bool:
        """Whether a Pod with these labels, in a namespace with those, is meant by the term."""
        if namespace not in self.namespaces and not self.namespace_selector.matches(namespace_labels):
            return False
        return self.selector.matches(pod_labels)


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """One topologySpreadConstraint."""

    max_skew: int
    topology_key: str
    hard: bool
    selector: labels.Selector
    min_domains: int
    honor_affinity: bool
    honor_taints: bool

    @classmethod
    def of(cls, raw: Mapping[str, Any], own_labels: Mapping[str, str]) -> SpreadConstraint:
        return cls(
            int(raw.get("maxSkew") or 1),
            raw.get("topologyKey", ""),
            raw.get("whenUnsatisfiable") != "ScheduleAnyway",
            _narrowed(raw.get("labelSelector"), own_labels, raw.get("matchLabelKeys") or (), ()),
            int(raw.get("minDomains") or 1),
            (raw.get("nodeAffinityPolicy") or "Honor") == "Honor",
            raw.get("nodeTaintsPolicy") == "Honor",
        )


def _selector(raw: Mapping[str, Any] | None) -> labels.Selector:
    try:
        return labels.from_label_selector(raw)
    except errors.BadRequest:
        return labels.NOTHING


def _narrowed(raw: Mapping[str, Any] | None, own: Mapping[str, str], same: Any, other: Any) -> labels.Selector:
    """The selector, also asking for the Pod's own values of the labels `same` and for others of the labels `other`."""
    selector = _selector(raw)
    if selector is labels.NOTHING or not (same or other):
        return selector
    more = [labels.Requirement(key, labels.IN, (own[key],)) for key in same if key in own]
    more += [labels.Requirement(key, labels.NOT_IN, (own[key],)) for key in other if key in own]
    return labels.Selector((*selector.requirements, *more))
