"""Spread Pods evenly over the values of a Node label, strictly or by preference."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minikube_py.scheduler.node import NodeFacts, NodeInfo
from minikube_py.scheduler.plugins import node_affinity
from minikube_py.scheduler.plugins.base import MAX_SCORE, Check, Cluster, Event, NodeEvent, PodEvent
from minikube_py.scheduler.plugins.taint_toleration import untolerated
from minikube_py.scheduler.pod import PodInfo
from minikube_py.scheduler.terms import SpreadConstraint

SKEWED = ("node(s) didn't match pod topology spread constraints",)
UNLABELLED = ("node(s) didn't match pod topology spread constraints (missing required label)",)


def counts(pod: PodInfo, wanted: Sequence[SpreadConstraint], nodes: Sequence[NodeInfo]) -> list[dict[str, int]]:
    """Matching Pods per domain, for each constraint. Nodes that lack one of the labels are no part of any domain."""
    found: list[dict[str, int]] = [{} for _ in wanted]
    for node in nodes:
        labels = node.facts.labels
        if any(c.topology_key not in labels for c in wanted):
            continue
        for constraint, domains in zip(wanted, found, strict=True):
            if _counts_here(pod, constraint, node.facts):
                value = labels[constraint.topology_key]
                domains[value] = domains.get(value, 0) + _matching(pod, constraint, node)
    return found


def _counts_here(pod: PodInfo, constraint: SpreadConstraint, node: NodeFacts) -> bool:
    if constraint.honor_affinity and not node_affinity.matches(pod, node):
        return False
    return not (constraint.honor_taints and untolerated(node.taints, pod.tolerations))


def _matching(pod: PodInfo, constraint: SpreadConstraint, node: NodeInfo) -> int:
    match = constraint.selector.matches
    return sum(p.namespace == pod.namespace and not p.deleting and match(p.labels) for p in node.pods.values())


class PodTopologySpread:
    name = "PodTopologySpread"
    weight = 2

    def filter(self, pod: PodInfo, cluster: Cluster) -> Check | None:
        """DoNotSchedule constraints: no domain may end more than maxSkew Pods above the emptiest one."""
        hard = [c for c in pod.spread if c.hard]
        if not hard:
            return None
        rules = []
        for constraint, domains in zip(hard, counts(pod, hard, cluster.nodes), strict=True):
            # With fewer domains than asked for the missing ones count as empty.
            lowest = min(domains.values(), default=0) if len(domains) >= constraint.min_domains else 0
            own = 1 if constraint.selector.matches(pod.labels) else 0
            rules.append((constraint.topology_key, domains, lowest + constraint.max_skew - own))

        def check(node: NodeInfo) -> Sequence[str]:
            for key, domains, most in rules:
                value = node.facts.labels.get(key)
                if value is None:
                    return UNLABELLED
                if domains.get(value, 0) > most:
                    return SKEWED
            return ()

        return check

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo], cluster: Cluster) -> list[int] | None:
        """ScheduleAnyway constraints: the fewer matching Pods in the domain, the better; rarer domains weigh less."""
        soft = [c for c in pod.spread if not c.hard]
        if not soft:
            return None
        per_constraint = counts(pod, soft, cluster.nodes)
        raw: list[float | None] = []
        for node in nodes:
            labels = node.facts.labels
            if any(c.topology_key not in labels for c in soft):
                raw.append(None)
                continue
            total = 0.0
            for constraint, domains in zip(soft, per_constraint, strict=True):
                total += domains.get(labels[constraint.topology_key], 0) * math.log(len(domains) + 2)
                total += constraint.max_skew - 1
            raw.append(total)
        known = [n for n in raw if n is not None]
        if not known:
            return None
        low, high = min(known), max(known)
        if high == 0:
            return [0 if n is None else MAX_SCORE for n in raw]
        return [0 if n is None else int(MAX_SCORE * (high + low - n) / high) for n in raw]

    def cured_by(self, pod: PodInfo, event: Event) -> bool:
        """A Pod that is counted came, went or changed its labels; Nodes of a topology came, went or moved."""
        if isinstance(event, PodEvent):
            sides = [p for p in (event.old, event.new) if p is not None and p.namespace == pod.namespace]
            return any(c.selector.matches(p.labels) for p in sides for c in pod.spread)
        return isinstance(event, NodeEvent)
