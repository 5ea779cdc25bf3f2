"""Field sets: the set operations against plain sets of paths, reading fieldsV1, what objects name."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api import scheme
from minikube_py.api.patch import fieldset
from minikube_py.api.patch.fieldset import FieldSet, Trie

Path = tuple[str, ...]
Model = frozenset[Path]

ELEMENT = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
MODEL = st.frozensets(st.lists(ELEMENT, min_size=1, max_size=4).map(tuple), max_size=6)


def trie_of(paths: Model) -> Trie:
    """The fieldsV1 of a set of paths, made the slow way."""
    children: dict[str, set[Path]] = {}
    for path in paths:
        children.setdefault(path[0], set()).add(path[1:])
    out: Trie = {}
    for key, below in children.items():
        inner = trie_of(frozenset(p for p in below if p))
        out[key] = {".": {}, **inner} if inner and () in below else inner
    return out


def model_of(fields: FieldSet) -> Model:
    return frozenset(fieldset.paths(fields.trie))


@given(MODEL)
def test_round_trips(paths: Model) -> None:
    fields = FieldSet.from_fields_v1(trie_of(paths))
    assert model_of(fields) == paths
    assert len(fields) == len(paths)
    assert all(path in fields for path in paths)
    assert FieldSet.from_fields_v1(fields.to_fields_v1()) == fields
    assert fields.to_fields_v1() == trie_of(paths)


@given(MODEL, MODEL)
def test_operations_are_those_of_sets_of_paths(a: Model, b: Model) -> None:
    x, y = FieldSet(trie_of(a)), FieldSet(trie_of(b))
    before = copy.deepcopy((x.trie, y.trie))
    for result, expected in (
        (x.union(y), a | b),
        (x.intersection(y), a & b),
        (x.difference(y), a - b),
        (x.recursive_difference(y), {p for p in a if not any(p[: i + 1] in b for i in range(len(p)))}),
    ):
        assert model_of(result) == expected
        assert result.trie == trie_of(frozenset(expected)), "in canonical form"
    assert (x.trie, y.trie) == before
    assert fieldset.is_subset(x.trie, y.trie) is (a <= b)


@given(MODEL, MODEL)
def test_what_stays_the_same_is_the_same_object(a: Model, b: Model) -> None:
    x = trie_of(a)
    assert fieldset.union(x, trie_of(a & b)) is x
    assert fieldset.difference(x, trie_of(b - a)) is x or not x


def test_reading_from_outside() -> None:
    fields = FieldSet.from_fields_v1(
        {
            "f:spec": {
                "f:ports": {'k:{"protocol": "TCP", "port": 80}': {".": {}, "f:name": {}}},
                "f:finalizers": {'v: "x"': {}},
                "x:future": {"f:a": {}},
                "i:01": {},
            },
            ".": {},
        }
    )
    assert fields.to_fields_v1() == {
        "f:spec": {
            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}}},
            "f:finalizers": {'v:"x"': {}},
            "i:1": {},
        }
    }
    assert fields.paths() == [
        ".spec[1]",
        '.spec.finalizers[="x"]',
        '.spec.ports[port=80,protocol="TCP"]',
        '.spec.ports[port=80,protocol="TCP"].name',
    ]
    assert ("f:spec",) not in fields
    assert () not in fields


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"f": {}},
        {"spec": {}},
        {"k:[]": {}},
        {"k:{": {}},
        {"v:": {}},
        {"i:x": {}},
        {"f:a": []},
        {"f:a": {"f:b": 1}},
    ],
)
def test_malformed_fields_are_refused(data: Any) -> None:
    with pytest.raises(ValueError):
        FieldSet.from_fields_v1(data)


def test_the_order_of_paths() -> None:
    fields = FieldSet.from_fields_v1(
        {"f:b": {"f:x": {}}, "f:a": {}, 'k:{"n":10}': {}, 'k:{"n":9}': {}, 'v:"s"': {}, "i:2": {}, "i:10": {}}
    )
    assert fields.paths() == [".a", "[n=9]", "[n=10]", '[="s"]', "[2]", "[10]", ".b.x"]


def test_what_an_applied_object_names() -> None:
    fields = FieldSet.of(
        {
            "metadata": {"labels": {"a": "1"}, "annotations": {}, "finalizers": ["f"]},
            "spec": {
                "containers": [{"name": "c", "ports": [{"containerPort": 80}], "args": ["x"], "resources": {}}],
                "volumes": [],
                "nodeSelector": {"a": "b"},
            },
        },
        scheme.struct("core/v1.Pod"),
    )
    assert fields.to_fields_v1() == {
        "f:metadata": {"f:labels": {"f:a": {}}, "f:annotations": {}, "f:finalizers": {'v:"f"': {}}},
        "f:spec": {
            "f:containers": {
                'k:{"name":"c"}': {
                    ".": {},
                    "f:name": {},
                    "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
                    "f:args": {},
                    "f:resources": {},
                }
            },
            "f:nodeSelector": {},
        },
    }


def test_an_element_that_is_there_twice_hides_what_is_in_it() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "B", "value": "3"}]
    fields = FieldSet.of({"env": env}, scheme.struct("core/v1.Container"))
    assert fields.to_fields_v1() == {
        "f:env": {'k:{"name":"A"}': {}, 'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}}}
    }
