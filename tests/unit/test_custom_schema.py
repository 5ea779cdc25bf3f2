"""Custom resources' schemas: pruning, defaulting, validation; and what holds for every schema."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minikube_py.api.schema import List, Map, Scalar, Struct
from minikube_py.apiserver.custom import default, formats
from minikube_py.apiserver.custom.prune import prune
from minikube_py.apiserver.custom.schema_rules import schema_errors
from minikube_py.apiserver.custom.struct import struct
from minikube_py.apiserver.custom.structural import Schema, structural_errors
from minikube_py.apiserver.custom.validate import validate, validate_lists, validate_update

Json = dict[str, Any]


def of(**props: Any) -> Schema:
    return Schema({"type": "object", "properties": props})


def causes(value: Any, **props: Any) -> list[str]:
    return [str(e) for e in validate(value, of(**props))]


TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "integer"}


@pytest.mark.parametrize(
    ("value", "props", "expected"),
    [
        ("x", {"type": "integer"}, 'a: Invalid value: "string": a in body must be of type integer: "string"'),
        (1.5, {"type": "integer"}, 'a: Invalid value: "number": a in body must be of type integer: "number"'),
        (None, {"type": "integer"}, 'a: Invalid value: "null": a in body must be of type integer: "null"'),
        ({}, {"type": "array", "items": TEXT}, 'a: Invalid value: "object": a in body must be of type array: "object"'),
        (
            [1],
            {"type": "array", "items": TEXT},
            'a[0]: Invalid value: "integer": a[0] in body must be of type string: "integer"',
        ),
        ("b", {"type": "string", "enum": ["x", "y"]}, 'a: Unsupported value: "b": supported values: "x", "y"'),
        ("b", {"type": "string", "pattern": "^a"}, "a: Invalid value: \"b\": a in body should match '^a'"),
        ("bb", {"type": "string", "maxLength": 1}, "a: Too long: may not be more than 1 bytes"),
        ("b", {"type": "string", "minLength": 2}, 'a: Invalid value: "b": a in body should be at least 2 chars long'),
        (3, {"type": "integer", "maximum": 2}, "a: Invalid value: 3: a in body should be less than or equal to 2"),
        (
            2,
            {"type": "integer", "maximum": 2, "exclusiveMaximum": True},
            "a: Invalid value: 2: a in body should be less than 2",
        ),
        (
            1,
            {"type": "number", "minimum": 1.5},
            "a: Invalid value: 1: a in body should be greater than or equal to 1.5",
        ),
        (
            2,
            {"type": "integer", "minimum": 2, "exclusiveMinimum": True},
            "a: Invalid value: 2: a in body should be greater than 2",
        ),
        (3, {"type": "integer", "multipleOf": 2}, "a: Invalid value: 3: a in body should be a multiple of 2"),
        ([1, 2], {"type": "array", "items": NUMBER, "maxItems": 1}, "a: Too many: 2: must have at most 1 item"),
        (
            [],
            {"type": "array", "items": NUMBER, "minItems": 1},
            "a: Invalid value: 0: a in body should have at least 1 items",
        ),
        (
            {"x": 1},
            {"type": "object", "additionalProperties": NUMBER, "minProperties": 2},
            "a: Invalid value: 2: a in body should have at least 2 properties",
        ),
        (
            {"x": 1, "y": 2},
            {"type": "object", "additionalProperties": NUMBER, "maxProperties": 1},
            "a: Too many: 2: must have at most 1 item",
        ),
        ({}, {"type": "object", "required": ["b"]}, "a.b: Required value"),
        (
            "noon",
            {"type": "string", "format": "date-time"},
            'a: Invalid value: "noon": a in body must be of type date-time: "noon"',
        ),
    ],
)
def test_messages(value: Any, props: Json, expected: str) -> None:
    assert causes({"a": value}, a=props) == [expected]


@pytest.mark.parametrize(
    ("value", "props"),
    [
        (1.0, {"type": "integer"}),
        (1, {"type": "number"}),
        (None, {"type": "string", "nullable": True}),
        ("x", {"x-kubernetes-int-or-string": True}),
        (3, {"x-kubernetes-int-or-string": True}),
        ({"z": [1]}, {"x-kubernetes-preserve-unknown-fields": True}),
        (4.5, {"type": "number", "multipleOf": 1.5}),
        ("ab", {"type": "string", "format": "who knows"}),
    ],
)
def test_what_is_good(value: Any, props: Json) -> None:
    assert causes({"a": value}, a=props) == []


def test_junctors() -> None:
    words: Json = {"anyOf": [{"minLength": 3}, {"pattern": "^a"}]}
    assert causes({"a": "ab"}, a={**TEXT, **words}) == []
    assert causes({"a": "b"}, a={**TEXT, **words})[0] == (
        '<nil>: Invalid value: "": "a" must validate at least one schema (anyOf)'
    )
    one: Json = {"oneOf": [{"required": ["x"]}, {"required": ["y"]}], "properties": {"x": NUMBER, "y": NUMBER}}
    found = causes({"a": {}}, a={"type": "object", **one})
    assert found[0].endswith('"a" must validate one and only one schema (oneOf). Found none valid')
    assert causes({"a": {"x": 1}}, a={"type": "object", **one}) == []
    found = causes({"a": {"x": 1, "y": 1}}, a={"type": "object", **one})
    assert found == [
        '<nil>: Invalid value: "": "a" must validate one and only one schema (oneOf). Found 2 valid alternatives'
    ]
    every: Json = {"allOf": [{"minLength": 3}, {"pattern": "^a"}]}
    assert causes({"a": "b"}, a={**TEXT, **every})[0].endswith("must validate all the schemas (allOf). None validated")
    assert len(causes({"a": "bbb"}, a={**TEXT, **every})) == 2
    assert causes({"a": "b"}, a={**TEXT, "not": {"enum": ["b"]}})[0].endswith("must not validate the schema (not)")


def test_lists_with_keys_and_sets() -> None:
    by_key = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "properties": {"k": TEXT}},
    }
    found = validate_lists({"a": [{"k": "x"}, {"k": "y"}, {"k": "x", "z": 1}]}, of(a=by_key))
    assert [str(e) for e in found] == ['a[2]: Duplicate value: {"k":"x"}']
    as_set = {"type": "array", "x-kubernetes-list-type": "set", "items": NUMBER}
    assert [e.field for e in validate_lists({"a": [1, 2, 1]}, of(a=as_set))] == ["a[2]"]


def test_ratcheting_keeps_what_has_not_changed() -> None:
    schema = of(
        a={**TEXT, "maxLength": 1},
        b={
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": TEXT, "n": {**NUMBER, "maximum": 1}}},
        },
    )
    old = {"a": "long", "b": [{"k": "x", "n": 5}, {"k": "y", "n": 1}]}
    new = {"a": "long", "b": [{"k": "y", "n": 1}, {"k": "x", "n": 5, "more": True}]}
    assert validate_update(new, old, schema) == []
    worse = {"a": "longer", "b": [{"k": "x", "n": 6}]}
    assert [e.field for e in validate_update(worse, old, schema)] == ["a", "b[0].n"]
    assert [e.field for e in validate_update({"a": True}, {"a": 1}, of(a=TEXT))] == ["a"]


def test_pruning() -> None:
    schema = of(
        kept={"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"in": {"type": "object"}}},
        items={"type": "array", "items": {"type": "object", "properties": {"a": TEXT}}},
        map={"type": "object", "additionalProperties": {"type": "object", "properties": {"a": TEXT}}},
    )
    obj = {
        "apiVersion": "x",
        "kind": "y",
        "metadata": {"z": 1},
        "what": 1,
        "kept": {"x": {"y": 1}, "in": {"gone": 1}},
        "items": [{"a": "1", "b": 2}],
        "map": {"k": {"a": "1", "c": 2}},
    }
    unknown: list[str] = []
    prune(obj, schema, unknown, root=True)
    assert sorted(unknown) == ["items[0].b", "kept.in.gone", "map.k.c", "what"]
    assert obj == {
        "apiVersion": "x",
        "kind": "y",
        "metadata": {"z": 1},
        "kept": {"x": {"y": 1}, "in": {}},
        "items": [{"a": "1"}],
        "map": {"k": {"a": "1"}},
    }


def test_defaulting() -> None:
    schema = of(
        a={**TEXT, "default": "x"},
        n={**TEXT, "default": "x", "nullable": True},
        deep={"type": "object", "default": {}, "properties": {"b": {**NUMBER, "default": 1}}},
        absent={"type": "object", "properties": {"b": {**NUMBER, "default": 1}}},
        items={"type": "array", "items": {"type": "object", "properties": {"b": {**NUMBER, "default": 2}}}},
    )
    obj: Json = {"a": None, "n": None, "items": [{}]}
    assert default.apply(obj, schema)
    assert obj == {"a": "x", "n": None, "deep": {"b": 1}, "items": [{"b": 2}]}
    assert not default.apply(obj, schema)
    obj["deep"]["c"] = 1
    other: Json = {}
    default.apply(other, schema)
    assert other["deep"] == {"b": 1}, "two objects share a default"


def test_the_shape_for_managed_fields() -> None:
    schema = of(
        m={"type": "object", "additionalProperties": TEXT},
        atom={"type": "object", "properties": {"a": TEXT}, "x-kubernetes-map-type": "atomic"},
        keyed={
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {**TEXT, "default": "d"}}},
        },
        plain={"type": "array", "items": TEXT},
        either={"x-kubernetes-int-or-string": True},
    )
    fields = struct("x/v1.Y", lambda: schema).fields
    assert isinstance(fields["metadata"].node, Struct) and fields["kind"].node == Scalar("string")
    assert fields["m"].node == Map(Scalar("string"))
    atom, keyed, plain = fields["atom"].node, fields["keyed"].node, fields["plain"].node
    assert isinstance(atom, Struct) and atom.atomic
    assert isinstance(keyed, List) and keyed.keys == ("k",) and isinstance(keyed.of, Struct)
    assert keyed.of.fields["k"].default == "d"
    assert plain == List(Scalar("string")) and fields["either"].node == Scalar("IntOrString")


GOOD = {
    "date-time": ["2030-01-02T03:04:05Z", "2030-01-02t03:04:05.5+01:00"],
    "date": ["2030-02-28"],
    "byte": ["YQ==", ""],
    "ipv4": ["10.0.0.1"],
    "ipv6": ["fd00::1"],
    "cidr": ["10.0.0.0/8", "fd00::/8"],
    "email": ["a.b@example.com"],
    "uri": ["https://a/b?c", "/a", "urn:x"],
    "uuid": ["a8098c1a-f86e-11da-bd1a-00112444be1e"],
    "duration": ["1h30m"],
    "hostname": ["a.example.com"],
    "mac": ["01:23:45:67:89:ab"],
    "isbn10": ["0-306-40615-2"],
    "isbn": ["978-0-306-40615-7"],
    "creditcard": ["4111 1111 1111 1111"],
    "hexcolor": ["#FFF"],
    "rgbcolor": ["rgb(1, 2,255)"],
    "ssn": ["123-45-6789"],
    "bsonobjectid": ["507f1f77bcf86cd799439011"],
    "uuid4": ["6ba7b814-9dad-41d1-80b4-00c04fd430c8"],
    "password": ["anything"],
    "k8s-short-name": ["a-b"],
    "k8s-long-name": ["a.b"],
}
BAD = {
    "date-time": ["2030-01-02", "2030-13-02T03:04:05Z"],
    "date": ["2030-02-30", "20300228"],
    "byte": ["a", "?"],
    "ipv4": ["10.0.0.256", "fd00::1"],
    "ipv6": ["10.0.0.1", "fe80::1%eth0"],
    "cidr": ["10.0.0.0", "10.0.0.0/33"],
    "email": ["a", "a@", "@b", "a..b@c"],
    "uri": ["a b", "no-scheme", ""],
    "uuid": ["x"],
    "duration": ["1 fortnight"],
    "hostname": ["-a", "a" * 64],
    "mac": ["01:23"],
    "isbn10": ["0-306-40615-3"],
    "isbn": ["1"],
    "creditcard": ["4111 1111 1111 1112"],
    "hexcolor": ["#GGG"],
    "rgbcolor": ["rgb(256,0,0)"],
    "ssn": ["12-345-6789"],
    "bsonobjectid": ["507f"],
    "uuid4": ["6ba7b814-9dad-11d1-80b4-00c04fd430c8"],
    "k8s-short-name": ["a.b", "A"],
    "k8s-long-name": ["a..b"],
}


def test_formats() -> None:
    for name, texts in GOOD.items():
        assert formats.known(name), name
        for text in texts:
            assert formats.matches(name, text), (name, text)
    for name, texts in BAD.items():
        for text in texts:
            assert not formats.matches(name, text), (name, text)


# -- for every schema ---------------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(-2, 2), st.sampled_from(["", "a", "10.0.0.1"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=members)


shared = some(nullable=st.booleans(), default=values)
scalars = st.one_of(
    st.builds(
        lambda more, s: {"type": "string", **s, **more},
        some(
            maxLength=st.integers(0, 2),
            format=st.just("ipv4"),
            pattern=st.sampled_from(["^a", ".*"]),
            enum=st.just(["a", "b"]),
        ),
        shared,
    ),
    st.builds(
        lambda more, s: {"type": "integer", **s, **more},
        some(minimum=st.integers(-2, 2), multipleOf=st.just(2)),
        shared,
    ),
    st.builds(lambda s: {"type": "number", **s}, shared),
    st.builds(lambda s: {"type": "boolean", **s}, shared),
    st.builds(lambda s: {"x-kubernetes-int-or-string": True, **s}, shared),
    st.builds(lambda s: {"x-kubernetes-preserve-unknown-fields": True, **s}, shared),
)


def deeper(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    properties = st.dictionaries(names, inner, max_size=3)
    return st.one_of(
        st.builds(
            lambda p, s, r, x: {"type": "object", "properties": p, **s, **({"required": sorted(p)} if r else {}), **x},
            properties,
            shared,
            st.booleans(),
            some(**{"x-kubernetes-preserve-unknown-fields": st.just(True)}),
        ),
        st.builds(lambda i, s: {"type": "object", "additionalProperties": i, **s}, inner, shared),
        st.builds(
            lambda i, s, x: {"type": "array", "items": i, **s, **x}, inner, shared, some(maxItems=st.integers(0, 2))
        ),
    )


nodes = st.recursive(scalars, deeper, max_leaves=6)
roots = st.dictionaries(names, nodes, max_size=3).map(lambda p: {"type": "object", "properties": p})


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(roots, st.dictionaries(names, values, max_size=3))
def test_pruning_and_defaulting_settle_and_defaults_are_valid(props: Json, obj: Json) -> None:
    assert structural_errors(props, "") == []
    schema = Schema(props)
    made = copy.deepcopy(obj)
    prune(made, schema, [], root=True)
    default.apply(made, schema)
    again, unknown = copy.deepcopy(made), []
    default.apply(again, schema)
    prune(again, schema, unknown, root=True)
    if not schema_errors(props, "", False):
        # A definition's own defaults bring in nothing that is unknown, and nothing that is wrong.
        assert again == made and unknown == []
        before = {e.field for e in validate(obj, schema)}
        empty: Json = {}
        default.apply(empty, schema)
        missing = {e.field for e in validate({}, schema)}
        assert {e.field for e in validate(empty, schema)} <= missing
        if not before:
            assert validate(made, schema) == []
        twice = validate_update(made, made, schema)
        assert twice == []
