"""Pools that follow what is stored: several API servers over one store do not give a value out twice."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.apiserver.allocators import Allocators, PoolError, Reservation


def service(ip: str, port: int = 0) -> dict[str, Any]:
    ports = [{"port": 80, "nodePort": port}] if port else [{"port": 80}]
    return {"spec": {"type": "NodePort", "clusterIP": ip, "clusterIPs": [ip], "ports": ports}}


def test_what_another_server_stores_is_held_and_freed() -> None:
    pools = Allocators("10.0.0.0/24", (30000, 30009))
    pools.follow([service("10.0.0.5", 30001)])
    five, six = (pools.ip_number(f"10.0.0.{n}") for n in (5, 6))
    assert five is not None and six is not None
    with pytest.raises(PoolError, match="already allocated"):
        pools.cluster_ips.take(five)
    pools.changed(None, service("10.0.0.6", 30002))
    assert six in pools.cluster_ips and 30002 in pools.node_ports
    pools.changed(service("10.0.0.6", 30002), service("10.0.0.6"))
    assert six in pools.cluster_ips and 30002 not in pools.node_ports
    pools.changed(service("10.0.0.6"), None)
    assert six not in pools.cluster_ips and len(pools.cluster_ips) == len(pools.node_ports) == 1
    assert all(pools.node_ports.take_any() != 30001 for _ in range(9))
    with pytest.raises(PoolError, match="full"):
        pools.node_ports.take_any()


def test_what_is_given_back_is_free_when_the_event_says_so() -> None:
    """Until then nobody may have it: the event would take it away from its new owner."""
    pools = Allocators("10.0.0.0/24", (30000, 30009))
    pools.follow([])
    first = Reservation()
    first.take(pools.node_ports, 30003)
    first.commit()
    pools.changed(None, service("10.0.0.9", 30003))
    leaving = Reservation()
    leaving.leave(pools.node_ports, 30003)
    leaving.commit()
    assert 30003 in pools.node_ports
    pools.changed(service("10.0.0.9", 30003), None)
    second = Reservation()
    second.take(pools.node_ports, 30003)
    second.release()
    assert 30003 not in pools.node_ports


def test_after_a_gap_it_begins_anew() -> None:
    pools = Allocators("10.0.0.0/24", (30000, 30009))
    pools.follow([service("10.0.0.5", 30001), service("10.0.0.6", 30002)])
    pools.follow([service("10.0.0.6", 30002), service("10.0.0.7", 30003)])
    assert [n for n in range(30000, 30010) if n in pools.node_ports] == [30002, 30003]
