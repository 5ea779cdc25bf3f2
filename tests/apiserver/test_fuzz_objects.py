"""Random objects of every kind: no 5xx, and whatever was accepted is served, tabled and accepted again unchanged."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api.resources import SERVICES
from tests.apiserver.fuzz_values import mutated
from tests.apiserver.fuzzing import LABELS, MERGE, TABLE, Server, bounded, labels, seeds, several


def test_every_kind_is_here(fuzzed: Server) -> None:
    assert set(LABELS) == set(fuzzed.all)


@bounded(2600)
@given(labels, several(4))
def test_created_objects(fuzzed: Server, label: str, changes: list[int]) -> None:
    served = fuzzed.all[label]
    answer = fuzzed.ask("POST", served.path, body=mutated(served.obj, served.struct, changes))
    if answer.status != 201:
        return
    path = f"{served.path}/{answer.json['metadata']['name']}"
    try:
        found = fuzzed.ask("GET", path).json
        assert {**found, "metadata": 0, "status": 0} == {**answer.json, "metadata": 0, "status": 0}
        fuzzed.holds_up(served, path, found)
        if changes[0] % 8 == 0:
            assert found in fuzzed.ask("GET", served.path).json["items"]
            assert fuzzed.ask("GET", served.path, headers=[("accept", TABLE)]).status == 200
    finally:
        fuzzed.remove(path)


@bounded(1600)
@given(labels, several(4))
def test_updated_objects(fuzzed: Server, label: str, changes: list[int]) -> None:
    served = fuzzed.all[label]
    made = fuzzed.create(served)
    path = f"{served.path}/{served.name}"
    sub = ""
    if changes[0] % 4 == 0 and any(s.name == "status" for s in served.kind.subresources):
        sub = "/status"
        made_body = {**made, "status": {**(made.get("status") or {}), **(served.status or {})}}
    else:
        made_body = made
    try:
        fuzzed.ask("PUT", path + sub, body=mutated(made_body, served.struct, changes))
        found = fuzzed.ask("GET", path)
        if found.status == 200:  # what loses its last finalizer while it is deleted goes
            fuzzed.holds_up(served, path, found.json)
    finally:
        fuzzed.remove(path)


SERVICES_PATH = "/api/v1/namespaces/default/services"
TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "NodePort", "LoadBalancer")


@bounded(800)
@given(st.lists(st.tuples(seeds, several(2)), min_size=1, max_size=5))
def test_services_hold_what_they_show_and_nothing_else(fuzzed: Server, steps: list[tuple[int, list[int]]]) -> None:
    """Whatever is created, changed, refused or deleted: addresses and ports are held for stored Services alone."""
    registry = fuzzed.api.cluster.server.catalog.of(SERVICES)
    served = fuzzed.all["services./v1"]
    for seed, changes in steps:
        rng = random.Random(seed)
        name = rng.choice(("a", "b"))
        url = f"{SERVICES_PATH}/{name}"
        policy = rng.choice(("Local", "Cluster"))
        spec = {**served.obj["spec"], "type": rng.choice(TYPES), "externalTrafficPolicy": policy}
        if rng.random() < 0.3:
            spec |= {"externalName": "a.example.com"}
        if rng.random() < 0.3:
            port = rng.choice((30_000, 30_001, 29_999, 32_767))
            spec["ports"] = [{"port": 80, "nodePort": port}, {"port": 80, "protocol": "UDP", "nodePort": port}]
        body = mutated({"metadata": {"name": name}, "spec": spec}, served.struct, changes if rng.random() < 0.5 else ())
        query = rng.choice(("", "", "dryRun=All"))
        match rng.randrange(4):
            case 0:
                fuzzed.ask("DELETE", url, query)
            case 1:
                fuzzed.ask("POST", SERVICES_PATH, query, body)
            case 2:
                fuzzed.ask("PUT", url, query, body)
            case _:
                fuzzed.ask("PATCH", url, query, body, MERGE)
        items = fuzzed.ask("GET", "/api/v1/services").json["items"]
        held = {number for item in items for number in registry.allocators.held_by(item)}
        for pool in (registry.allocators.cluster_ips, registry.allocators.node_ports):
            assert len(pool) == sum(one is pool for one, _ in held)
            assert all(value in pool for one, value in held if one is pool)


def test_nobody_waits_for_a_lock(fuzzed: Server) -> None:
    assert len(fuzzed.api.cluster.server.storage.locks) == 0
