"""The scheduler's cache: what placed and assumed Pods take, and how assumptions end."""

from __future__ import annotations

from dataclasses import replace

from minikube_py.daemon.clock import VirtualClock
from minikube_py.scheduler.cache import Cache
from minikube_py.scheduler.node import NodeFacts
from minikube_py.scheduler.pod import PodInfo
from minikube_py.scheduler.terms import PodTerm


def pod(name: str, *, uid: str = "", cpu: int = 100, node: str = "") -> PodInfo:
    return PodInfo(
        key=f"default/{name}",
        namespace="default",
        name=name,
        uid=uid or name,
        node_name=node,
        requests={"cpu": cpu},
        scoring=(cpu, 1),
        ports=(("0.0.0.0", "TCP", cpu),),
    )


def cpu(cache: Cache, node: str) -> int:
    return next(n.requested.get("cpu", 0) for n in cache.nodes if n.name == node)


def cluster() -> tuple[VirtualClock, Cache]:
    clock = VirtualClock()
    cache = Cache(clock)
    cache.set_node(NodeFacts("n1"))
    cache.set_node(NodeFacts("n2"))
    return clock, cache


def test_sums_follow_pods_in_and_out() -> None:
    _, cache = cluster()
    cache.set_pod(pod("a", node="n1"))
    cache.set_pod(pod("b", cpu=50, node="n1"))
    (n1,) = [n for n in cache.nodes if n.name == "n1"]
    assert (n1.requested, n1.scoring_cpu, n1.scoring_memory, len(n1.pods)) == ({"cpu": 150}, 150, 2, 2)
    cache.set_pod(pod("b", cpu=70, node="n1"))
    assert n1.requested == {"cpu": 170}
    cache.remove_pod("default/a")
    cache.remove_pod("default/a")
    assert (n1.requested, n1.scoring_cpu, list(n1.ports)) == ({"cpu": 70}, 70, [("0.0.0.0", "TCP", 70)])


def test_an_assumption_is_confirmed_or_corrected() -> None:
    _, cache = cluster()
    cache.assume(pod("a"), "n1")
    assert cache.is_assumed("default/a")
    assert cpu(cache, "n1") == 100
    cache.set_pod(pod("a", node="n2"))
    assert not cache.is_assumed("default/a")
    assert (cpu(cache, "n1"), cpu(cache, "n2")) == (0, 100)
    cache.forget(pod("a"))
    assert cpu(cache, "n2") == 100, "what is confirmed is not forgotten"


def test_forgetting_frees_and_knows_the_uid() -> None:
    _, cache = cluster()
    cache.assume(pod("a", uid="new"), "n1")
    cache.forget(pod("a", uid="old"))
    assert cpu(cache, "n1") == 100
    cache.forget(pod("a", uid="new"))
    assert cpu(cache, "n1") == 0


async def test_a_binding_that_nobody_confirms_is_reported_and_still_counts() -> None:
    clock, cache = cluster()
    reported: list[str] = []
    cache.expired = lambda info: reported.append(info.name)
    for name in "abc":
        cache.assume(pod(name), "n1")
    cache.expected(pod("a"))
    cache.expected(pod("b"))
    cache.set_pod(pod("b", node="n1"))
    await clock.advance(29)
    assert reported == []
    await clock.advance(1)
    assert reported == ["a"]
    assert cpu(cache, "n1") == 300
    cache.expected(pod("a"))
    await clock.advance(30)
    assert reported == ["a", "a"]


def test_pods_may_come_before_their_node_and_outlive_it() -> None:
    _, cache = cluster()
    cache.set_pod(pod("a", node="n3"))
    assert [n.name for n in cache.nodes] == ["n1", "n2"]
    cache.set_node(NodeFacts("n3", labels={"x": "y"}))
    assert cpu(cache, "n3") == 100
    cache.remove_node("n3")
    assert [n.name for n in cache.nodes] == ["n1", "n2"]
    cache.set_node(NodeFacts("n3"))
    assert cpu(cache, "n3") == 100
    cache.remove_node("n3")
    cache.remove_pod("default/a")
    cache.set_node(NodeFacts("n3"))
    assert cpu(cache, "n3") == 0


def test_pods_with_affinity_are_found_without_a_search() -> None:
    _, cache = cluster()
    term = PodTerm.of({"topologyKey": "zone", "labelSelector": {}}, "default", {})
    cache.set_pod(replace(pod("hermit", node="n1"), anti_affinity=(term,)))
    cache.set_pod(replace(pod("fan", node="n2"), affinity=(term,)))
    assert {k: n.name for k, n in cache.repelling.items()} == {"default/hermit": "n1"}
    assert {k: n.name for k, n in cache.social.items()} == {"default/fan": "n2"}
    cache.remove_pod("default/hermit")
    cache.remove_pod("default/fan")
    assert not cache.repelling
    assert not cache.social


def test_namespaces() -> None:
    _, cache = cluster()
    cache.set_namespace("a", {"x": "y"})
    assert cache.namespace_labels("a") == {"x": "y"}
    cache.set_namespace("a", None)
    assert cache.namespace_labels("a") == {}


def test_a_pod_that_is_resized_takes_the_most_of_what_it_wants_and_holds() -> None:
    def cpu_of(wants: str, granted: str, there: str, reason: str = "") -> int:
        holds = {"name": "c", "allocatedResources": {"cpu": granted}, "resources": {"requests": {"cpu": there}}}
        conditions = [{"type": "PodResizePending", "status": "True", "reason": reason}] if reason else []
        made = PodInfo.of({
            "metadata": {"namespace": "default", "name": "p"},
            "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": wants}}}]},
            "status": {"containerStatuses": [holds], "conditions": conditions},
        })  # fmt: skip
        assert made.scoring[0] == made.requests["cpu"]
        return made.requests["cpu"]

    assert cpu_of("100m", "100m", "100m") == 100
    assert cpu_of("300m", "100m", "100m", "Deferred") == 300
    assert cpu_of("300m", "100m", "100m", "Infeasible") == 100
    assert cpu_of("100m", "100m", "200m") == 200
    assert cpu_of("100m", "0.2", "100m") == 200
