"""The decision, as a pure function: which Node takes a Pod, or why none can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minikube_py.scheduler.node import NodeInfo
from minikube_py.scheduler.plugins.base import Bind, Check, Cluster, Filter, Gate, Plugin, Rejected, Score
from minikube_py.scheduler.pod import PodInfo

TieBreak = Callable[[Sequence[NodeInfo]], NodeInfo]
"""Picks one of the Nodes that scored equally high."""

MIN_FEASIBLE = 100
MIN_PERCENTAGE = 5


class Profile:
    """A list of plugins, sorted by what each of them can do; the order within each part is the list's."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.gates = [p for p in plugins if isinstance(p, Gate)]
        self.filters = [p for p in plugins if isinstance(p, Filter)]
        self.scores = [p for p in plugins if isinstance(p, Score)]
        binders = [p for p in plugins if isinstance(p, Bind)]
        if len(binders) != 1:
            raise ValueError(f"a profile needs exactly one plugin that binds, not {len(binders)}")
        self.binder = binders[0]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The Node for the Pod. `seen` is how many Nodes were looked at before enough could take it."""

    node: str
    seen: int


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """Why no Node can take the Pod, for people; and the plugins that said so."""

    message: str
    failed_by: frozenset[str]


def decide(
    pod: PodInfo,
    cluster: Cluster,
    profile: Profile,
    tie_break: TieBreak,
    *,
    start: int = 0,
    percentage: int = 0,
) -> Chosen | Unschedulable:
    """Filter all Nodes, score those that are left, take the best.

    In a big cluster the search begins at the Node number `start` and ends when `percentage` of the Nodes (0: upstream's
    adaptive share), but at least 100, can take the Pod.
    """
    nodes = cluster.nodes
    if not nodes:
        # Any filter might have been cured by a first Node, so all of them are named.
        return Unschedulable("no nodes available to schedule pods", frozenset(f.name for f in profile.filters))
    checks: list[tuple[Check, str]] = []
    for plugin in profile.filters:
        try:
            check = plugin.filter(pod, cluster)
        except Rejected as reason:
            return Unschedulable(_sentence(len(nodes), str(reason)), frozenset((plugin.name,)))
        if check is not None:
            checks.append((check, plugin.name))
    enough = feasible_enough(len(nodes), percentage)
    feasible: list[NodeInfo] = []
    refusals: Counter[str] = Counter()
    failed_by: set[str] = set()
    seen = 0
    begin = start % len(nodes)
    for node in [*nodes[begin:], *nodes[:begin]] if begin and enough < len(nodes) else nodes:
        seen += 1
        for check, name in checks:
            if reasons := check(node):
                refusals.update(reasons)
                failed_by.add(name)
                break
        else:
            feasible.append(node)
            if len(feasible) >= enough:
                break
    if not feasible:
        return Unschedulable(fit_error(len(nodes), refusals), frozenset(failed_by))
    return Chosen(best(pod, feasible, cluster, profile, tie_break).name, seen)


def best(pod: PodInfo, nodes: Sequence[NodeInfo], cluster: Cluster, profile: Profile, tie_break: TieBreak) -> NodeInfo:
    """The Node with the highest weighted sum of scores."""
    if len(nodes) == 1:
        return nodes[0]
    totals = [0] * len(nodes)
    for plugin in profile.scores:
        scores = plugin.score(pod, nodes, cluster)
        if scores is not None:
            weight = plugin.weight
            totals = [t + weight * s for t, s in zip(totals, scores, strict=True)]
    top = max(totals)
    ties = [node for node, total in zip(nodes, totals, strict=True) if total == top]
    return ties[0] if len(ties) == 1 else tie_break(ties)


def feasible_enough(nodes: int, percentage: int = 0) -> int:
    """How many Nodes that can take a Pod are enough to choose from, by upstream's rule."""
    if nodes < MIN_FEASIBLE or percentage >= 100:
        return nodes
    if percentage <= 0:
        percentage = max(50 - nodes // 125, MIN_PERCENTAGE)
    return max(nodes * percentage // 100, MIN_FEASIBLE)


def fit_error(nodes: int, refusals: Counter[str]) -> str:
    """The message of FailedScheduling: each reason with the number of Nodes that gave it, sorted as text."""
    return _sentence(nodes, ", ".join(sorted(f"{count} {reason}" for reason, count in refusals.items())))


def _sentence(nodes: int, why: str) -> str:
    return f"0/{nodes} nodes are available: {why}. preemption: not supported."
