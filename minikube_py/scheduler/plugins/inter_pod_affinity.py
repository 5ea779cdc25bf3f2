"""Pods go near to, or keep away from, other Pods."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.scheduler.node import NodeInfo
from minikube_py.scheduler.plugins.base import MAX_SCORE, Check, Cluster, Event, NodeEvent, PodEvent
from minikube_py.scheduler.pod import PodInfo
from minikube_py.scheduler.terms import PodTerm

Domain = tuple[str, str]
"""A Node label and its value."""

NOT_NEAR = ("node(s) didn't match pod affinity rules",)
TOO_NEAR = ("node(s) didn't match pod anti-affinity rules",)
UNWELCOME = ("node(s) didn't satisfy existing pods anti-affinity rules",)

REQUIRED_WEIGHT = 1
"""How much a placed Pod's required affinity to the new one counts in the score (hardPodAffinityWeight)."""


def means(term: PodTerm, pod: PodInfo, cluster: Cluster) -> bool:
    """Whether the term is about `pod`."""
    return term.matches(pod.namespace, pod.labels, cluster.namespace_labels(pod.namespace))


class InterPodAffinity:
    name = "InterPodAffinity"
    weight = 2

    def filter(self, pod: PodInfo, cluster: Cluster) -> Check | None:
        """The required terms of the Pod, and the required anti-affinity of those that are there already."""
        if not pod.affinity and not pod.anti_affinity and not cluster.repelling:
            return None
        forbidden = self._forbidden(pod, cluster)
        near, away = self._around(pod, cluster)
        # The first Pod of a group that wants to be together finds no other: it is its own company.
        alone = not near and all(means(t, pod, cluster) for t in pod.affinity)

        def check(node: NodeInfo) -> Sequence[str]:
            labels = node.facts.labels
            for term in pod.affinity:
                value = labels.get(term.topology_key)
                if value is None or not (alone or (term.topology_key, value) in near):
                    return NOT_NEAR
            for term in pod.anti_affinity:
                value = labels.get(term.topology_key)
                if value is not None and (term, value) in away:
                    return TOO_NEAR
            if forbidden and not forbidden.isdisjoint(labels.items()):
                return UNWELCOME
            return ()

        return check

    @staticmethod
    def _forbidden(pod: PodInfo, cluster: Cluster) -> set[Domain]:
        found = set()
        for key, node in cluster.repelling.items():
            for term in node.pods[key].anti_affinity:
                value = node.facts.labels.get(term.topology_key)
                if value is not None and means(term, pod, cluster):
                    found.add((term.topology_key, value))
        return found

    @staticmethod
    def _around(pod: PodInfo, cluster: Cluster) -> tuple[set[Domain], set[tuple[PodTerm, str]]]:
        """Domains with a Pod that all affinity terms mean; and for each anti-affinity term the values it excludes."""
        near: set[Domain] = set()
        away: set[tuple[PodTerm, str]] = set()
        if not pod.affinity and not pod.anti_affinity:
            return near, away
        for node in cluster.nodes:
            labels = node.facts.labels
            for other in node.pods.values():
                if pod.affinity and all(means(t, other, cluster) for t in pod.affinity):
                    near |= {(t.topology_key, labels[t.topology_key]) for t in pod.affinity if t.topology_key in labels}
                for term in pod.anti_affinity:
                    value = labels.get(term.topology_key)
                    if value is not None and means(term, other, cluster):
                        away.add((term, value))
        return near, away

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo], cluster: Cluster) -> list[int] | None:
        """The Pod's own preferences, and those of the Pods that are there about the new one."""
        if not pod.preferred_pods and not cluster.social:
            return None
        weights: dict[Domain, int] = {}

        def count(term: PodTerm, weight: int, node: NodeInfo, subject: PodInfo) -> None:
            value = node.facts.labels.get(term.topology_key)
            if value is not None and means(term, subject, cluster):
                domain = (term.topology_key, value)
                weights[domain] = weights.get(domain, 0) + weight

        if pod.preferred_pods:
            for node in cluster.nodes:
                for other in node.pods.values():
                    for weight, term in pod.preferred_pods:
                        count(term, weight, node, other)
        for key, node in cluster.social.items():
            other = node.pods[key]
            for term in other.affinity:
                count(term, REQUIRED_WEIGHT, node, pod)
            for weight, term in other.preferred_pods:
                count(term, weight, node, pod)
        if not weights:
            return None
        raw = [sum(weights.get(d, 0) for d in node.facts.labels.items()) for node in nodes]
        low, high = min(raw), max(raw)
        return [MAX_SCORE * (n - low) // (high - low) for n in raw] if high > low else None

    def cured_by(self, pod: PodInfo, event: Event) -> bool:
        """Pods that a term means or that kept it away; Nodes with a topology; labels of namespaces."""
        if isinstance(event, NodeEvent):
            return event.new is not None
        if not isinstance(event, PodEvent):
            return True
        if event.new is not None and event.old is None:
            return bool(pod.affinity)
        return True
