"""Every scheduler plugin as tables: Pod and Node in, reasons and scores out; and which events cure which failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.daemon.clock import VirtualClock
from minikube_py.scheduler import plugins as family
from minikube_py.scheduler import resources
from minikube_py.scheduler.algorithm import Profile
from minikube_py.scheduler.cache import Cache
from minikube_py.scheduler.node import NodeFacts
from minikube_py.scheduler.plugins import PLUGINS
from minikube_py.scheduler.plugins.balanced_allocation import NodeResourcesBalancedAllocation
from minikube_py.scheduler.plugins.base import Event, Filter, NamespaceEvent, NodeEvent, PodEvent, Rejected, stretched
from minikube_py.scheduler.plugins.default_binder import DefaultBinder
from minikube_py.scheduler.plugins.image_locality import MB, ImageLocality
from minikube_py.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from minikube_py.scheduler.plugins.node_affinity import NodeAffinity
from minikube_py.scheduler.plugins.node_name import NodeName
from minikube_py.scheduler.plugins.node_ports import NodePorts
from minikube_py.scheduler.plugins.node_resources_fit import NodeResourcesFit
from minikube_py.scheduler.plugins.node_unschedulable import NodeUnschedulable
from minikube_py.scheduler.plugins.pod_topology_spread import PodTopologySpread
from minikube_py.scheduler.plugins.scheduling_gates import SchedulingGates
from minikube_py.scheduler.plugins.supported import Supported
from minikube_py.scheduler.plugins.taint_toleration import TaintToleration
from minikube_py.scheduler.pod import PodInfo

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


def pod(
    name: str = "p", *, namespace: str = "default", labels: Any = None, requests: Any = None, **spec: Any
) -> PodInfo:
    containers = [{"name": "c", "image": "web:1", "resources": {"requests": requests or {}}}]
    metadata = {"namespace": namespace, "name": name, "uid": f"uid-{namespace}-{name}", "labels": labels or {}}
    return PodInfo.of({"metadata": metadata, "spec": {"containers": containers, **spec}})


def facts(name: str = "n", *, labels: Any = None, allocatable: Any = None, images: Any = (), **spec: Any) -> NodeFacts:
    room = {"cpu": "4", "memory": "8Gi", "pods": "110", **(allocatable or {})}
    return NodeFacts.of(
        {
            "metadata": {"name": name, "labels": {HOST: name, **(labels or {})}},
            "spec": spec,
            "status": {"allocatable": room, "images": list(images)},
        }
    )


def world(*nodes: NodeFacts, placed: Any = (), namespaces: Any = None) -> Cache:
    cache = Cache(VirtualClock())
    for one in nodes:
        cache.set_node(one)
    for info, node in placed:
        cache.assume(info, node)
    for name, labels in (namespaces or {}).items():
        cache.set_namespace(name, labels)
    return cache


def refusals(plugin: Filter, info: PodInfo, cache: Cache) -> dict[str, list[str]]:
    """The reasons per Node, for those that refuse."""
    check = plugin.filter(info, cache)
    if check is None:
        return {}
    return {n.name: list(found) for n in cache.nodes if (found := check(n))}


def scores(plugin: Any, info: PodInfo, cache: Cache) -> dict[str, int] | None:
    found = plugin.score(info, cache.nodes, cache)
    return None if found is None else dict(zip([n.name for n in cache.nodes], found, strict=True))


def test_the_list_has_every_file_of_the_folder() -> None:
    folder = Path(family.__file__).parent
    modules = {p.stem for p in folder.glob("*.py")} - {"__init__", "base"}
    assert {type(p).__module__.rpartition(".")[2] for p in PLUGINS} == modules
    assert len({p.name for p in PLUGINS}) == len(PLUGINS)


def test_a_profile_needs_exactly_one_binder() -> None:
    assert Profile(PLUGINS).binder.name == "DefaultBinder"
    with pytest.raises(ValueError, match="exactly one"):
        Profile([p for p in PLUGINS if not isinstance(p, DefaultBinder)])


# requests


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"containers": [{}]}, {}),
        ({"containers": [{"resources": {"requests": {"cpu": "100m", "memory": "1Ki"}}}]}, {"cpu": 100, "memory": 1024}),
        (
            {
                "containers": [
                    {"resources": {"requests": {"cpu": "0.1"}}},
                    {"resources": {"requests": {"cpu": "1", "nvidia.com/gpu": "2"}}},
                ]
            },
            {"cpu": 1100, "nvidia.com/gpu": 2},
        ),
        (  # an ordinary init container runs alone: the greater counts
            {
                "containers": [{"resources": {"requests": {"cpu": "1", "memory": "10"}}}],
                "initContainers": [{"resources": {"requests": {"cpu": n}}} for n in ("3", "2")],
            },
            {"cpu": 3000, "memory": 10},
        ),
        (  # a sidecar runs beside the containers and beside the init containers after it
            {
                "containers": [{"resources": {"requests": {"cpu": "1"}}}],
                "initContainers": [
                    {"resources": {"requests": {"cpu": "5"}}},
                    {"restartPolicy": "Always", "resources": {"requests": {"cpu": "2"}}},
                    {"resources": {"requests": {"cpu": "4"}}},
                ],
            },
            {"cpu": 6000},
        ),
        (
            {"containers": [{"resources": {"requests": {"cpu": "1"}}}], "overhead": {"cpu": "250m", "memory": "5"}},
            {"cpu": 1250, "memory": 5},
        ),
        (
            {"containers": [{"resources": {"requests": {"cpu": "1"}}}], "resources": {"requests": {"cpu": "2"}}},
            {"cpu": 2000},
        ),
    ],
)
def test_requests_at_the_peak(spec: Any, wanted: dict[str, int]) -> None:
    assert resources.requests(spec) == wanted


def test_scoring_assumes_something_of_containers_that_ask_for_nothing() -> None:
    spec = {"containers": [{}, {"resources": {"requests": {"cpu": "1"}}}]}
    assert resources.scoring_requests(spec) == (1100, 2 * resources.DEFAULT_MEMORY)


# filters


@pytest.mark.parametrize(
    ("tolerations", "refused"),
    [
        ([], True),
        ([{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}], False),
        ([{"operator": "Exists", "effect": "NoExecute"}], True),
    ],
)
def test_node_unschedulable(tolerations: Any, refused: bool) -> None:
    cache = world(facts("open"), facts("cordoned", unschedulable=True))
    found = refusals(NodeUnschedulable(), pod(tolerations=tolerations), cache)
    assert found == ({"cordoned": ["node(s) were unschedulable"]} if refused else {})


def test_node_name() -> None:
    cache = world(facts("a"), facts("b"))
    assert refusals(NodeName(), pod(), cache) == {}
    found = refusals(NodeName(), pod(nodeName="b"), cache)
    assert found == {"a": ["node(s) didn't match the requested node name"]}


TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("taint", "toleration", "tolerated"),
    [
        (TAINT, None, False),
        (TAINT, {"key": "k", "value": "v", "effect": "NoSchedule"}, True),
        (TAINT, {"key": "k", "operator": "Equal", "value": "v"}, True),
        (TAINT, {"key": "k", "value": "w"}, False),
        (TAINT, {"key": "x", "operator": "Exists"}, False),
        (TAINT, {"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
        (TAINT, {"operator": "Exists"}, True),
        (TAINT, {"key": "k", "operator": "Nonsense", "value": "v"}, False),
        ({**TAINT, "effect": "PreferNoSchedule"}, None, True),
        ({**TAINT, "effect": "NoExecute"}, None, False),
        ({**TAINT, "effect": "NoExecute"}, {"key": "k", "value": "v", "tolerationSeconds": 5}, True),
    ],
)
def test_taint_toleration(taint: Any, toleration: Any, tolerated: bool) -> None:
    info = pod(tolerations=[toleration] if toleration else [])
    found = refusals(TaintToleration(), info, world(facts("n", taints=[taint])))
    assert found == ({} if tolerated else {"n": ["node(s) had untolerated taint {k: v}"]})


def test_taint_toleration_prefers_nodes_without_soft_taints() -> None:
    soft = [{"key": "a", "effect": "PreferNoSchedule"}, {"key": "b", "effect": "PreferNoSchedule"}]
    cache = world(facts("n0"), facts("n1", taints=soft[:1]), facts("n2", taints=soft))
    assert scores(TaintToleration(), pod(), cache) == {"n0": 100, "n1": 50, "n2": 0}
    assert scores(TaintToleration(), pod(tolerations=[{"operator": "Exists"}]), cache) is None


@pytest.mark.parametrize(
    ("expression", "matching"),
    [
        ({"key": "zone", "operator": "In", "values": ["a", "b"]}, "ab"),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, "bx"),
        ({"key": "zone", "operator": "Exists"}, "ab"),
        ({"key": "zone", "operator": "DoesNotExist"}, "x"),
        ({"key": "size", "operator": "Gt", "values": ["5"]}, "b"),
        ({"key": "size", "operator": "Lt", "values": ["5"]}, "a"),
        ({"key": "size", "operator": "Gt", "values": ["many"]}, ""),
        ({"key": "size", "operator": "Gt", "values": ["1", "2"]}, ""),
        ({"key": "zone", "operator": "In", "values": []}, ""),
        ({"key": "zone", "operator": "Near", "values": ["a"]}, ""),
    ],
)
def test_node_affinity_operators(expression: Any, matching: str) -> None:
    cache = world(
        facts("a", labels={"zone": "a", "size": "3"}),
        facts("b", labels={"zone": "b", "size": "7"}),
        facts("x", labels={"size": "big"}),
    )
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    info = pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})
    found = refusals(NodeAffinity(), info, cache)
    assert set(found) == {"a", "b", "x"} - set(matching)
    assert all(r == ["node(s) didn't match Pod's node affinity/selector"] for r in found.values())


@pytest.mark.parametrize(
    ("terms", "matching"),
    [
        ([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}], "b"),
        ([{"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["b"]}]}], "a"),
        ([{}], ""),
        ([], ""),
        ([{}, {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}], "ab"),  # one of the terms is enough
        (
            [
                {
                    "matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}],
                    "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}],
                }
            ],
            "",
        ),
    ],
)
def test_node_affinity_terms(terms: Any, matching: str) -> None:
    cache = world(facts("a", labels={"zone": "a"}), facts("b", labels={"zone": "b"}))
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    assert set(refusals(NodeAffinity(), pod(affinity={"nodeAffinity": required}), cache)) == set("ab") - set(matching)


def test_node_selector_and_affinity_must_both_hold() -> None:
    cache = world(facts("a", labels={"disk": "ssd", "zone": "1"}), facts("b", labels={"disk": "ssd"}), facts("c"))
    assert set(refusals(NodeAffinity(), pod(nodeSelector={"disk": "ssd"}), cache)) == {"c"}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}
    required = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    assert set(refusals(NodeAffinity(), pod(nodeSelector={"disk": "ssd"}, affinity=required), cache)) == {"b", "c"}


def test_preferred_node_affinity_scores() -> None:
    def wish(weight: int, zone: str) -> Any:
        return {
            "weight": weight,
            "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]},
        }

    cache = world(facts("a", labels={"zone": "a"}), facts("b", labels={"zone": "b"}), facts("c"))
    wishes = {"preferredDuringSchedulingIgnoredDuringExecution": [wish(10, "a"), wish(40, "b")]}
    assert scores(NodeAffinity(), pod(affinity={"nodeAffinity": wishes}), cache) == {"a": 25, "b": 100, "c": 0}
    assert scores(NodeAffinity(), pod(), cache) is None


def ports(*wanted: Any) -> Any:
    return [{"name": "c", "ports": [dict(zip(("hostPort", "protocol", "hostIP"), w, strict=False)) for w in wanted]}]


@pytest.mark.parametrize(
    ("taken", "wanted", "clash"),
    [
        ((80,), (80,), True),
        ((80,), (81,), False),
        ((80, "TCP"), (80, "UDP"), False),
        ((80, "TCP", "10.0.0.1"), (80, "TCP", "10.0.0.2"), False),
        ((80, "TCP", "10.0.0.1"), (80, "TCP", "10.0.0.1"), True),
        ((80, "TCP", "10.0.0.1"), (80,), True),
        ((80,), (80, "TCP", "10.0.0.1"), True),
    ],
)
def test_node_ports(taken: Any, wanted: Any, clash: bool) -> None:
    cache = world(facts("n"), facts("free"), placed=[(pod("other", containers=ports(taken)), "n")])
    found = refusals(NodePorts(), pod(containers=ports(wanted)), cache)
    assert found == ({"n": ["node(s) didn't have free ports for the requested pod ports"]} if clash else {})


def test_ports_of_sidecars_count_and_container_ports_do_not() -> None:
    sidecar = {**ports((80,))[0], "restartPolicy": "Always"}
    assert pod(initContainers=[sidecar, *ports((81,))]).ports == (("0.0.0.0", "TCP", 80),)
    assert pod(containers=[{"ports": [{"containerPort": 80}]}]).ports == ()


@pytest.mark.parametrize(
    ("requests", "reasons"),
    [
        ({}, []),
        ({"cpu": "1", "memory": "1Gi"}, []),
        ({"cpu": "1001m"}, ["Insufficient cpu"]),
        ({"cpu": "2", "memory": "100Gi"}, ["Insufficient cpu", "Insufficient memory"]),
        ({"nvidia.com/gpu": "1"}, ["Insufficient nvidia.com/gpu"]),
        ({"ephemeral-storage": "1Gi"}, ["Insufficient ephemeral-storage"]),
        ({"example.com/thing": "2"}, []),
        ({"example.com/thing": "3"}, ["Insufficient example.com/thing"]),
    ],
)
def test_node_resources_fit(requests: Any, reasons: list[str]) -> None:
    cache = world(
        facts("n", allocatable={"example.com/thing": "4"}),
        placed=[(pod("big", requests={"cpu": "3", "example.com/thing": "2"}), "n")],
    )
    assert refusals(NodeResourcesFit(), pod(requests=requests), cache) == ({"n": reasons} if reasons else {})


def test_node_resources_fit_counts_pods() -> None:
    cache = world(facts("n", allocatable={"pods": "1"}), placed=[(pod("one"), "n")])
    assert refusals(NodeResourcesFit(), pod(), cache) == {"n": ["Too many pods"]}


def test_least_allocated_and_balance() -> None:
    cache = world(
        facts("empty"),
        facts("half"),
        facts("skewed"),
        placed=[
            (pod("a", requests={"cpu": "2", "memory": "4Gi"}), "half"),
            (pod("b", requests={"cpu": "3", "memory": "0"}), "skewed"),
        ],
    )
    asking = pod(requests={"cpu": "1", "memory": "2Gi"})
    assert scores(NodeResourcesFit(), asking, cache) == {"empty": 75, "half": 25, "skewed": 37}
    assert scores(NodeResourcesBalancedAllocation(), asking, cache) == {"empty": 100, "half": 100, "skewed": 62}
    assert scores(NodeResourcesBalancedAllocation(), pod(), cache) is None


def test_image_locality() -> None:
    images = [{"names": ["web:1", "mirror/web:1"], "sizeBytes": 1000 * MB}]
    cache = world(facts("cold"), facts("warm", images=images))
    assert scores(ImageLocality(), pod(), cache) == {"cold": 0, "warm": 48}
    assert scores(ImageLocality(), pod(containers=[{"image": "db"}]), cache) is None
    tagged = world(facts("n", images=[{"names": ["reg:5000/db:latest"], "sizeBytes": 1000 * MB}]))
    assert scores(ImageLocality(), pod(containers=[{"image": "reg:5000/db"}]), tagged) == {"n": 100}


def test_gates_hold_a_pod() -> None:
    assert SchedulingGates().hold(pod()) == ""
    held = SchedulingGates().hold(pod(schedulingGates=[{"name": "example.com/wait"}]))
    assert held == "Scheduling is blocked due to non-empty scheduling gates"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}, "persistent volume claims"),
        ({"volumes": [{"name": "v", "ephemeral": {}}]}, "persistent volume claims"),
        ({"resourceClaims": [{"name": "gpu"}]}, "resource claims"),
    ],
)
def test_what_cannot_be_judged_is_rejected(spec: Any, why: str) -> None:
    with pytest.raises(Rejected, match=f"{why} are not supported"):
        Supported().filter(pod(**spec), world(facts()))
    assert Supported().filter(pod(volumes=[{"name": "v", "emptyDir": {}}]), world(facts())) is None


# topology


def spread(skew: int = 1, when: str = "DoNotSchedule", selector: Any = None, **more: Any) -> Any:
    selector = {"matchLabels": {"app": "web"}} if selector is None else selector
    return {
        "topologySpreadConstraints": [
            {"maxSkew": skew, "topologyKey": ZONE, "whenUnsatisfiable": when, "labelSelector": selector, **more}
        ]
    }


WEB = {"app": "web"}
ZONES = (facts("a1", labels={ZONE: "a"}), facts("b1", labels={ZONE: "b"}), facts("c1", labels={ZONE: "c"}))
SKEWED = ["node(s) didn't match pod topology spread constraints"]


def two_in_a_one_in_b() -> list[tuple[PodInfo, str]]:
    return [(pod("1", labels=WEB), "a1"), (pod("2", labels=WEB), "a1"), (pod("3", labels=WEB), "b1")]


@pytest.mark.parametrize(
    ("constraint", "refused"),
    [
        (spread(1), {"a1", "b1"}),
        (spread(2), {"a1"}),
        (spread(3), set()),
        (spread(1, selector={"matchLabels": {"app": "other"}}), set()),
        (spread(1, selector={}), {"a1", "b1"}),
        (spread(1, when="ScheduleAnyway"), set()),
        (spread(2, minDomains=4), {"a1"}),
        (spread(1, matchLabelKeys=["version"]), set()),
    ],
)
def test_topology_spread(constraint: Any, refused: set[str]) -> None:
    cache = world(*ZONES, placed=two_in_a_one_in_b())
    found = refusals(PodTopologySpread(), pod(labels={**WEB, "version": "2"}, **constraint), cache)
    assert set(found) == refused
    assert all(r == SKEWED for r in found.values())


def test_topology_spread_with_too_few_domains_counts_the_missing_as_empty() -> None:
    placed = [(pod(n, labels=WEB), f"{n}1") for n in "abc"]
    cache = world(*ZONES, placed=placed)
    assert refusals(PodTopologySpread(), pod(labels=WEB, **spread(1, minDomains=3)), cache) == {}
    assert set(refusals(PodTopologySpread(), pod(labels=WEB, **spread(1, minDomains=4)), cache)) == {"a1", "b1", "c1"}


def test_topology_spread_knows_the_nodes_that_count() -> None:
    other = pod("1", labels=WEB, namespace="elsewhere")
    tainted = facts("c1", labels={ZONE: "c"}, taints=[TAINT])
    cache = world(ZONES[0], ZONES[1], tainted, facts("bare"), placed=[(other, "b1"), (pod("2", labels=WEB), "a1")])
    missing = ["node(s) didn't match pod topology spread constraints (missing required label)"]
    found = refusals(PodTopologySpread(), pod(labels=WEB, **spread(1)), cache)
    assert found == {"a1": SKEWED, "bare": missing}
    # Zones b and c are empty, but honouring affinity and taints zone a is the only one left.
    only_a = {"nodeSelector": {ZONE: "a"}, **spread(1, nodeTaintsPolicy="Honor")}
    assert set(refusals(PodTopologySpread(), pod(labels=WEB, **only_a), cache)) == {"bare"}


def test_soft_topology_spread_prefers_the_emptier_domain() -> None:
    cache = world(*ZONES, placed=two_in_a_one_in_b())
    found = scores(PodTopologySpread(), pod(labels=WEB, **spread(1, when="ScheduleAnyway")), cache)
    assert found == {"a1": 0, "b1": 50, "c1": 100}


def near(key: str = ZONE, selector: Any = None, **more: Any) -> Any:
    return {"topologyKey": key, "labelSelector": {"matchLabels": WEB} if selector is None else selector, **more}


def together(*terms: Any) -> Any:
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}}


def apart(*terms: Any) -> Any:
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}}


NOT_NEAR = ["node(s) didn't match pod affinity rules"]
TOO_NEAR = ["node(s) didn't match pod anti-affinity rules"]
UNWELCOME = ["node(s) didn't satisfy existing pods anti-affinity rules"]


@pytest.mark.parametrize(
    ("spec", "labels", "wanted"),
    [
        (together(near()), {}, {"b1": NOT_NEAR, "c1": NOT_NEAR}),
        (together(near(namespaces=["elsewhere"])), {}, {"a1": NOT_NEAR, "b1": NOT_NEAR, "c1": NOT_NEAR}),
        (together(near(namespaceSelector={})), {}, {"b1": NOT_NEAR, "c1": NOT_NEAR}),
        (together(near(namespaceSelector={"matchLabels": {"team": "x"}})), {}, {"b1": NOT_NEAR, "c1": NOT_NEAR}),
        (together(near(selector={"matchLabels": {"app": "none"}})), {}, dict.fromkeys(("a1", "b1", "c1"), NOT_NEAR)),
        # The first of a group that wants to be together is its own company.
        (together(near(selector={"matchLabels": {"app": "new"}})), {"app": "new"}, {}),
        (apart(near()), {}, {"a1": TOO_NEAR}),
        (apart(near(HOST)), {}, {"a1": TOO_NEAR}),
        (apart(near("no.such/label")), {}, {}),
    ],
)
def test_inter_pod_affinity(spec: Any, labels: Any, wanted: Any) -> None:
    cache = world(*ZONES, placed=[(pod("web", labels=WEB), "a1")], namespaces={"default": {"team": "x"}})
    assert refusals(InterPodAffinity(), pod(labels=labels, **spec), cache) == wanted


def test_placed_pods_keep_others_away() -> None:
    hermit = pod("hermit", **apart(near()))
    cache = world(*ZONES, placed=[(hermit, "b1")])
    assert refusals(InterPodAffinity(), pod(labels=WEB), cache) == {"b1": UNWELCOME}
    assert refusals(InterPodAffinity(), pod(labels={"app": "db"}), cache) == {}
    cache.remove_pod(hermit.key)
    assert refusals(InterPodAffinity(), pod(labels=WEB), cache) == {}


def test_preferred_pod_affinity_scores_both_ways() -> None:
    def wish(weight: int) -> Any:
        return [{"weight": weight, "podAffinityTerm": near()}]

    cache = world(*ZONES, placed=[(pod("web", labels=WEB), "a1")])
    towards: Any = {"affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wish(5)}}}
    away: Any = {"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wish(5)}}}
    assert scores(InterPodAffinity(), pod(**towards), cache) == {"a1": 100, "b1": 0, "c1": 0}
    assert scores(InterPodAffinity(), pod(**away), cache) == {"a1": 0, "b1": 100, "c1": 100}
    asking = world(*ZONES, placed=[(pod("fan", **towards), "c1")])
    assert scores(InterPodAffinity(), pod(labels=WEB), asking) == {"a1": 0, "b1": 0, "c1": 100}
    assert scores(InterPodAffinity(), pod(), world(*ZONES)) is None


# events

BIG, SMALL = {"cpu": "8"}, {"cpu": "1"}
OTHER = pod("other", requests={"cpu": "1"})


@pytest.mark.parametrize(
    ("plugin", "info", "event", "cured"),
    [
        (NodeUnschedulable(), pod(), NodeEvent(None, facts()), True),
        (NodeUnschedulable(), pod(), NodeEvent(facts(unschedulable=True), facts()), True),
        (NodeUnschedulable(), pod(), NodeEvent(facts(), facts(unschedulable=True)), False),
        (NodeUnschedulable(), pod(), PodEvent(OTHER, None), False),
        (NodeName(), pod(nodeName="n"), NodeEvent(None, facts("n")), True),
        (NodeName(), pod(nodeName="n"), NodeEvent(None, facts("m")), False),
        (TaintToleration(), pod(), NodeEvent(facts(taints=[TAINT]), facts()), True),
        (TaintToleration(), pod(), NodeEvent(None, facts(taints=[TAINT])), False),
        (TaintToleration(), pod(), NodeEvent(facts(), facts(labels={"a": "b"})), False),
        (NodeAffinity(), pod(nodeSelector={"a": "b"}), NodeEvent(facts(), facts(labels={"a": "b"})), True),
        (NodeAffinity(), pod(nodeSelector={"a": "b"}), NodeEvent(None, facts()), False),
        (NodePorts(), pod(containers=ports((80,))), PodEvent(pod("o", containers=ports((80,))), None), True),
        (NodePorts(), pod(containers=ports((80,))), PodEvent(pod("o", containers=ports((81,))), None), False),
        (NodePorts(), pod(containers=ports((80,))), PodEvent(None, OTHER), False),
        (NodePorts(), pod(containers=ports((80,))), NodeEvent(None, facts()), True),
        (NodeResourcesFit(), pod(requests=SMALL), PodEvent(OTHER, None), True),
        (NodeResourcesFit(), pod(requests=SMALL), PodEvent(None, OTHER), False),
        (NodeResourcesFit(), pod(requests=SMALL), PodEvent(OTHER, pod("other", requests={"cpu": "500m"})), True),
        (NodeResourcesFit(), pod(requests=SMALL), PodEvent(OTHER, pod("other", requests={"cpu": "2"})), False),
        (NodeResourcesFit(), pod(requests=BIG), NodeEvent(None, facts()), False),
        (NodeResourcesFit(), pod(requests=BIG), NodeEvent(facts(), facts(allocatable={"cpu": "16"})), True),
        (NodeResourcesFit(), pod(requests=SMALL), NodeEvent(facts(), facts(labels={"a": "b"})), False),
        (NodeResourcesFit(), pod(requests=SMALL), NodeEvent(facts(), None), False),
        (PodTopologySpread(), pod(labels=WEB, **spread()), PodEvent(pod("o", labels=WEB), None), True),
        (PodTopologySpread(), pod(labels=WEB, **spread()), PodEvent(OTHER, None), False),
        (PodTopologySpread(), pod(labels=WEB, **spread()), NodeEvent(None, facts()), True),
        (InterPodAffinity(), pod(**together(near())), PodEvent(None, OTHER), True),
        (InterPodAffinity(), pod(**apart(near())), PodEvent(None, OTHER), False),
        (InterPodAffinity(), pod(**apart(near())), PodEvent(OTHER, None), True),
        (InterPodAffinity(), pod(**together(near())), NamespaceEvent("default"), True),
        (InterPodAffinity(), pod(), NodeEvent(facts(), None), False),
        (Supported(), pod(), NodeEvent(None, facts()), False),
    ],
)
def test_which_event_cures_which_failure(plugin: Filter, info: PodInfo, event: Event, cured: bool) -> None:
    assert plugin.cured_by(info, event) is cured


@pytest.mark.parametrize(
    ("raw", "reverse", "wanted"),
    [
        ([], False, []),
        ([0, 0], False, [0, 0]),
        ([0, 0], True, [100, 100]),
        ([1, 4], False, [25, 100]),
        ([1, 4], True, [75, 0]),
    ],
)
def test_stretched(raw: list[int], reverse: bool, wanted: list[int]) -> None:
    assert stretched(raw, reverse=reverse) == wanted


async def test_the_binder_names_pod_uid_and_node() -> None:
    sent: list[Any] = []

    class Recording:
        async def create_subresource(self, *args: Any) -> None:
            sent.append(args)
            if len(sent) > 1:
                raise errors.conflict("", "pods", "p")

    await DefaultBinder().bind(Recording(), pod(), "n1")  # type: ignore[arg-type]
    resource, name, namespace, subresource, body = sent[0]
    assert (resource.plural, name, namespace, subresource) == ("pods", "p", "default", "binding")
    assert body["metadata"]["uid"] == "uid-default-p"
    assert body["target"] == {"apiVersion": "v1", "kind": "Node", "name": "n1"}
    with pytest.raises(errors.Conflict):
        await DefaultBinder().bind(Recording(), pod(), "n1")  # type: ignore[arg-type]
