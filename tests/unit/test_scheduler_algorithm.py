"""The decision: which Node, and what people are told when there is none."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.daemon.clock import VirtualClock
from minikube_py.scheduler.algorithm import Chosen, Profile, Unschedulable, decide, feasible_enough
from minikube_py.scheduler.cache import Cache
from minikube_py.scheduler.node import NodeFacts, NodeInfo
from minikube_py.scheduler.plugins import PLUGINS
from minikube_py.scheduler.pod import PodInfo

PROFILE = Profile(PLUGINS)


def first(nodes: Any) -> NodeInfo:
    found: NodeInfo = nodes[0]
    return found


def pod(name: str = "p", cpu: str = "", **spec: Any) -> PodInfo:
    container = {"name": "c", "image": "web:1", "resources": {"requests": {"cpu": cpu} if cpu else {}}}
    metadata = {"namespace": "default", "name": name, "uid": name}
    return PodInfo.of({"metadata": metadata, "spec": {"containers": [container], **spec}})


def node(name: str, cpu: str = "4", **spec: Any) -> NodeFacts:
    status = {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}}
    return NodeFacts.of({"metadata": {"name": name}, "spec": spec, "status": status})


def cache_of(*nodes: NodeFacts) -> Cache:
    cache = Cache(VirtualClock())
    for one in nodes:
        cache.set_node(one)
    return cache


def test_reasons_are_counted_per_node_and_sorted() -> None:
    taint = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    cache = cache_of(
        node("a", cpu="1"), node("b", taints=[taint]), node("c", taints=[taint]), node("d", unschedulable=True)
    )
    found = decide(pod(cpu="2"), cache, PROFILE, first)
    assert found == Unschedulable(
        "0/4 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable, "
        "2 node(s) had untolerated taint {dedicated: db}. preemption: not supported.",
        frozenset(("NodeResourcesFit", "NodeUnschedulable", "TaintToleration")),
    )


def test_no_nodes_at_all() -> None:
    found = decide(pod(), cache_of(), PROFILE, first)
    assert isinstance(found, Unschedulable)
    assert found.message == "no nodes available to schedule pods"
    assert "NodeUnschedulable" in found.failed_by


def test_what_no_node_can_give_is_said_once() -> None:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    found = decide(pod(volumes=volumes), cache_of(node("a"), node("b")), PROFILE, first)
    assert found == Unschedulable(
        "0/2 nodes are available: persistent volume claims are not supported by this scheduler. "
        "preemption: not supported.",
        frozenset(("Supported",)),
    )


def test_the_emptier_node_wins_and_ties_are_broken_by_the_injected_choice() -> None:
    cache = cache_of(node("a"), node("b"), node("c"))
    cache.assume(pod("other", cpu="2"), "a")
    offered: list[list[str]] = []

    def last(nodes: Any) -> NodeInfo:
        offered.append([n.name for n in nodes])
        found: NodeInfo = nodes[-1]
        return found

    assert decide(pod(cpu="1"), cache, PROFILE, last) == Chosen("c", 3)
    assert offered == [["b", "c"]]


def test_the_same_seed_gives_the_same_placement() -> None:
    def placement(seed: int) -> list[str]:
        cache, rng, out = cache_of(*(node(f"n{i}") for i in range(10))), random.Random(seed), []
        for i in range(20):
            found = decide(pod(f"p{i}", cpu="100m"), cache, PROFILE, rng.choice)
            assert isinstance(found, Chosen)
            cache.assume(pod(f"p{i}", cpu="100m"), found.node)
            out.append(found.node)
        return out

    assert placement(7) == placement(7)
    assert placement(7) != placement(8)


@pytest.mark.parametrize(
    ("nodes", "percentage", "wanted"),
    [
        (10, 0, 10),
        (99, 0, 99),
        (100, 0, 100),
        (1000, 0, 420),
        (5000, 0, 500),
        (10000, 0, 500),
        (1000, 5, 100),
        (1000, 100, 1000),
    ],
)
def test_how_many_nodes_are_enough(nodes: int, percentage: int, wanted: int) -> None:
    assert feasible_enough(nodes, percentage) == wanted


def test_a_big_cluster_is_searched_in_turns() -> None:
    cache = cache_of(*(node(f"n{i:04}") for i in range(200)))
    for start in (0, 150):
        found = decide(pod(), cache, PROFILE, first, start=start, percentage=50)
        assert found == Chosen(f"n{start:04}", 100)


@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=6),
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
    st.integers(0, 10),
)
def test_no_node_is_ever_overcommitted(capacities: list[int], wanted: list[int], seed: int) -> None:
    cache, rng = cache_of(*(node(f"n{i}", cpu=str(c)) for i, c in enumerate(capacities))), random.Random(seed)
    for i, tenths in enumerate(wanted):
        one = pod(f"p{i}", cpu=f"{tenths * 100}m")
        found = decide(one, cache, PROFILE, rng.choice)
        if isinstance(found, Chosen):
            cache.assume(one, found.node)
        else:
            room = [n.facts.allocatable["cpu"] - n.requested.get("cpu", 0) for n in cache.nodes]
            assert max(room) < tenths * 100
    assert all(n.requested.get("cpu", 0) <= n.facts.allocatable["cpu"] for n in cache.nodes)
