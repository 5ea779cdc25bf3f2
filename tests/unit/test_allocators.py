"""Pools of addresses and node ports, and what Services take from them."""

from __future__ import annotations

import copy
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinds_samples import SERVICE, changed, created, typed, updated

from minikube_py.api.errors import InternalError, Invalid
from minikube_py.apiserver.allocators import Allocators, Pool, PoolError, Reservation
from minikube_py.apiserver.kinds import service
from minikube_py.apiserver.kinds.base import Object


def new(**spec: Any) -> Object:
    obj = copy.deepcopy(SERVICE)
    obj["spec"] |= spec
    return created(service.KIND, obj)


def fresh(cidr: str = "10.96.0.0/12", ports: tuple[int, int] = (30000, 32767)) -> Allocators:
    return Allocators(cidr, ports, choose=random.Random(1))


def causes(error: Invalid) -> list[tuple[str, str]]:
    return [(c["field"], c["message"]) for c in error.details["causes"]]


def test_a_pool_hands_out_everything_once_and_leaves_its_band_for_last() -> None:
    pool = Pool(1, 50, band=10, choose=random.Random(1))
    values = [pool.take_any() for _ in range(50)]
    assert sorted(values) == list(range(1, 51))
    assert min(values[:40]) == 11
    with pytest.raises(PoolError, match="full"):
        pool.take_any()
    pool.give_back(7)
    assert pool.take_any() == 7


def test_a_value_is_taken_once_and_only_within_the_range() -> None:
    pool = Pool(1, 3)
    pool.take(2)
    with pytest.raises(PoolError, match="already allocated"):
        pool.take(2)
    with pytest.raises(PoolError, match="not in the valid range"):
        pool.take(4)
    assert not pool.hold(2) and not pool.hold(9) and pool.hold(3)
    assert 2 in pool and 4 not in pool and len(pool) == 2


@given(st.lists(st.tuples(st.sampled_from(["take", "leave", "commit", "release"]), st.integers(1, 6)), max_size=40))
def test_a_reservation_is_all_or_nothing(steps: list[tuple[str, int]]) -> None:
    pool, reservation = Pool(1, 6), Reservation()
    held, taken, leaving = set[int](), set[int](), set[int]()
    for step, value in steps:
        if step == "take" and value not in held | taken:
            reservation.take(pool, value)
            taken.add(value)
        elif step == "leave" and value in held:
            reservation.leave(pool, value)
            leaving.add(value)
        elif step == "commit":
            reservation.commit()
            held, taken, leaving = (held | taken) - leaving, set(), set()
        elif step == "release":
            reservation.release()
            taken, leaving = set(), set()
        assert {v for v in range(1, 7) if v in pool} == held | taken


def test_concurrent_creates_never_share_a_value() -> None:
    allocators = fresh("10.0.0.0/22", (30000, 30999))

    def create(_: int) -> tuple[str, int]:
        obj = new(type="NodePort")
        service.allocate(allocators, obj, None).commit()
        return obj["spec"]["clusterIP"], obj["spec"]["ports"][0]["nodePort"]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(create, range(800)))
    assert len({ip for ip, _ in results}) == len({port for _, port in results}) == 800


def test_the_first_address_belongs_to_the_api_server() -> None:
    assert fresh().first_ip == "10.96.0.1"
    assert fresh("fd00::/108").first_ip == "fd00::1"
    allocators = fresh("10.0.0.0/30")
    assert {allocators.ip_text(n) for n in range(allocators.cluster_ips.first, allocators.cluster_ips.last + 1)} == {
        "10.0.0.1",
        "10.0.0.2",
    }


@pytest.mark.parametrize("arguments", [("10.0.0.0/31",), ("10.0.0.0/24", (5, 1)), ("10.0.0.0/24", (1, 70000)), ("x",)])
def test_ranges_that_make_no_sense_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError):
        Allocators(*arguments)


def test_a_service_gets_an_address_family_and_policy_and_is_valid_with_them() -> None:
    allocators, obj = fresh(), new()
    service.allocate(allocators, obj, None).commit()
    spec = obj["spec"]
    number = allocators.ip_number(spec["clusterIP"])
    assert spec["clusterIPs"] == [spec["clusterIP"]] and number is not None and number in allocators.cluster_ips
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    assert "nodePort" not in spec["ports"][0]
    assert list(service.KIND.validate(typed(service.KIND, obj))) == []


@pytest.mark.parametrize(
    ("spec", "families", "policy"),
    [
        ({"clusterIP": "None"}, ["IPv4"], "SingleStack"),
        ({"clusterIP": "None", "selector": {}}, ["IPv4", "IPv6"], "RequireDualStack"),
        ({"ipFamilyPolicy": "PreferDualStack"}, ["IPv4"], "PreferDualStack"),
    ],
)
def test_families(spec: dict[str, Any], families: list[str], policy: str) -> None:
    obj = new(**spec)
    service.allocate(fresh(), obj, None).commit()
    assert (obj["spec"]["ipFamilies"], obj["spec"]["ipFamilyPolicy"]) == (families, policy)


def test_an_external_name_takes_nothing() -> None:
    allocators, obj = fresh(), new(type="ExternalName", externalName="example.com")
    before = copy.deepcopy(obj)
    service.allocate(allocators, obj, None).commit()
    assert obj == before and len(allocators.cluster_ips) == 0


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"clusterIP": "10.96.0.9"}, "spec.clusterIPs", "provided IP is already allocated"),
        ({"clusterIP": "1.2.3.4"}, "spec.clusterIPs", "The range of valid IPs is 10.96.0.0/12"),
        ({"clusterIP": "fd00::1"}, "spec.clusterIPs[0]", "IPv6 is not configured on this cluster"),
        ({"ipFamilies": ["IPv6"]}, "spec.ipFamilies[0]", "not configured on this cluster"),
        ({"ipFamilies": ["IPv4", "IPv6"]}, "spec.ipFamilyPolicy", "when multiple IP families are specified"),
        ({"ipFamilyPolicy": "RequireDualStack"}, "spec.ipFamilyPolicy", "not configured for dual-stack"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}, "spec.ports[0].nodePort",
         "provided port is already allocated"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}, "spec.ports[0].nodePort",
         "provided port is not in the valid range. The range of valid ports is 30000-32767"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_refused_and_nothing_is_taken(spec: dict[str, Any], field: str, message: str) -> None:
    allocators = fresh()
    first = new(type="NodePort", clusterIP="10.96.0.9", ports=[{"port": 80, "nodePort": 30080}])
    service.allocate(allocators, first, None).commit()
    with pytest.raises(Invalid) as caught:
        service.allocate(allocators, new(**spec), None)
    ((at, text),) = causes(caught.value)
    assert at == field and message in text
    assert (len(allocators.cluster_ips), len(allocators.node_ports)) == (1, 1)


def test_a_failed_write_gives_back_and_a_deletion_frees() -> None:
    allocators, obj = fresh(), new(type="NodePort")
    service.allocate(allocators, obj, None).release()
    assert (len(allocators.cluster_ips), len(allocators.node_ports)) == (0, 0)
    obj = new(type="NodePort")
    service.allocate(allocators, obj, None).commit()
    deletion = service.allocate(allocators, None, obj)
    assert (len(allocators.cluster_ips), len(allocators.node_ports)) == (1, 1)
    deletion.commit()
    assert (len(allocators.cluster_ips), len(allocators.node_ports)) == (0, 0)


def test_changing_the_type_takes_and_frees_node_ports() -> None:
    allocators, old = fresh(), new()
    service.allocate(allocators, old, None).commit()
    exposed = updated(service.KIND, changed(old, "spec.type", "NodePort"), old)
    service.allocate(allocators, exposed, old).commit()
    port = exposed["spec"]["ports"][0]["nodePort"]
    assert port in allocators.node_ports and exposed["spec"]["clusterIP"] == old["spec"]["clusterIP"]
    again = updated(service.KIND, exposed, exposed)
    service.allocate(allocators, again, exposed).commit()
    assert again["spec"] == exposed["spec"] and len(allocators.node_ports) == 1
    plain = updated(service.KIND, changed(exposed, "spec.type", "ClusterIP"), exposed)
    service.allocate(allocators, plain, exposed).commit()
    assert len(allocators.node_ports) == 0 and len(allocators.cluster_ips) == 1
    external = changed(changed(plain, "spec.type", "ExternalName"), "spec.externalName", "example.com")
    service.allocate(allocators, updated(service.KIND, external, plain), plain).commit()
    assert len(allocators.cluster_ips) == 0


def test_one_number_serves_both_protocols_of_a_port() -> None:
    allocators = fresh()
    ports = [{"name": p.lower(), "port": 53, "protocol": p} for p in ("TCP", "UDP")]
    obj = new(type="NodePort", ports=ports)
    service.allocate(allocators, obj, None).commit()
    first, second = (p["nodePort"] for p in obj["spec"]["ports"])
    assert first == second and len(allocators.node_ports) == 1


def test_asked_numbers_are_taken_before_random_ones() -> None:
    allocators = fresh(ports=(30000, 30001))
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2, "nodePort": 30000}]
    obj = new(type="NodePort", ports=ports)
    service.allocate(allocators, obj, None).commit()
    assert [p["nodePort"] for p in obj["spec"]["ports"]] == [30001, 30000]
    with pytest.raises(InternalError, match="failed to allocate a nodePort: range is full"):
        service.allocate(allocators, new(type="NodePort"), None)
    assert len(allocators.cluster_ips) == 1


def test_load_balancers() -> None:
    allocators = fresh()
    local = new(type="LoadBalancer", externalTrafficPolicy="Local")
    service.allocate(allocators, local, None).commit()
    numbers = {local["spec"]["ports"][0]["nodePort"], local["spec"]["healthCheckNodePort"]}
    assert len(numbers) == 2 and all(n in allocators.node_ports for n in numbers)
    without = new(type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    service.allocate(allocators, without, None).commit()
    assert "nodePort" not in without["spec"]["ports"][0]


def test_restoring_holds_what_is_stored() -> None:
    allocators = fresh()
    stored = []
    for _ in range(20):
        obj = new(type="NodePort")
        service.allocate(allocators, obj, None).commit()
        stored.append(obj)
    again = fresh()
    again.restore([*stored, new(clusterIP="None"), new(type="ExternalName", externalName="a")])
    assert len(again.cluster_ips) == len(again.node_ports) == 20
    with pytest.raises(Invalid):
        service.allocate(again, new(clusterIP=stored[3]["spec"]["clusterIP"]), None)


def test_an_address_of_an_earlier_range_stays() -> None:
    old = new(clusterIP="192.168.0.9", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    allocators = fresh()
    allocators.restore([old])
    service.allocate(allocators, updated(service.KIND, changed(old, "metadata.labels", {"a": "b"}), old), old).commit()
    service.allocate(allocators, None, old).commit()
    assert len(allocators.cluster_ips) == 0
