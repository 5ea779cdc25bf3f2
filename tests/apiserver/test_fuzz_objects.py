"""Random objects of every kind: no 5xx, and whatever was accepted is served, tabled and accepted again unchanged."""

from __future__ import annotations

from hypothesis import given

from tests.apiserver.fuzz_values import mutated
from tests.apiserver.fuzzing import LABELS, TABLE, Server, bounded, labels, several


def test_every_kind_is_here(fuzzed: Server) -> None:
    assert set(LABELS) == set(fuzzed.all)


@bounded(3600)
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


@bounded(2000)
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
