"""Request bodies: JSON and YAML in, an object or BadRequest out, whatever comes."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from minikube_py.api.decode import decode_json, decode_yaml
from minikube_py.api.errors import BadRequest

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), VALUES, max_size=4)


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b'{"a":1}', []),
        (b'{"a":1,"a":2}', ["a"]),
        (b'{"a":{"b":[{"c":1},{"c":1,"c":2,"c":3}]}}', ["a.b[1].c"]),
        (b'{"a":"x:y","b":":"}', []),
        (b'{"a":"\\u003a","a":1}', ["a"]),
        (b'{"a":"\\u003a"}', []),
        (b'{"a":"\\u003a","\\u0061":"b"}', ["a"]),
        (b'{ "a" : { "x" : 1 } , "a" : { "x" : 1 , "x" : 2 } }', ["a", "a.x"]),
        (b'{"a":{"x":1,"x":2},"a":3}', ["a"]),
    ],
)
def test_duplicate_members_are_named(body: bytes, paths: list[str]) -> None:
    obj, found = decode_json(body)
    assert obj == json.loads(body)
    assert found == paths
    assert decode_json(body, duplicates=False) == (obj, [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b'"x"',
        b"{",
        b'{"a":}',
        b"\xff{}",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":NaN}',
        b'{"a":1e999}',
        b"{} {}",
        b"[" * 3_000_000,
        b'{"a":' * 1_000_000,
        b'{"a":' * 400 + b"1" + b"}" * 400,
        b'{"a":' + b"[" * 260 + b"]" * 260 + b"}",
    ],
)
def test_bad_json_is_a_bad_request(body: bytes) -> None:
    for duplicates in (True, False):
        with pytest.raises(BadRequest):
            decode_json(body, duplicates=duplicates)


def test_numbers_of_thousands_of_digits() -> None:
    body = b'{"a":0.' + b"1" * 5000 + b',"b":1,"b":2}'
    assert decode_json(body)[1] == ["b"]


@given(OBJECTS)
def test_json_round_trip(obj: dict[str, Any]) -> None:
    for body in (json.dumps(obj).encode(), json.dumps(obj, ensure_ascii=False, indent=1).encode()):
        assert decode_json(body) == (orjson.loads(body), [])


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(['"x:y"', "1", '"\\u003a"', '{"d":1,"d":2}'])), max_size=5
    )
)
def test_duplicates_are_found_exactly(pairs: list[tuple[str, str]]) -> None:
    body = "{" + ",".join(f'"{k}":{v}' for k, v in pairs) + "}"
    last = dict(pairs)
    wanted = {k for k in last if sum(k == other for other, _ in pairs) > 1}
    wanted |= {f"{k}.d" for k, v in last.items() if v.startswith("{")}
    assert set(decode_json(body.encode())[1]) == wanted


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a: 1", 1),
        ("a: -5", -5),
        ("a: 0644", 420),
        ("a: 0o17", 15),
        ("a: 0x1F", 31),
        ("a: 0b101", 5),
        ("a: 1_000", 1000),
        ("a: 1.0", 1),
        ("a: 1.5", 1.5),
        ("a: 1e3", 1000),
        ("a: .5", 0.5),
        ("a: 089", 89),
        ("a: 22:22", "22:22"),
        ("a: yes", True),
        ("a: Off", False),
        ("a: n", False),
        ("a: true", True),
        ("a: ~", None),
        ("a:", None),
        ("a: null", None),
        ("a: 'yes'", "yes"),
        ('a: "1"', "1"),
        ("a: 2030-01-01", "2030-01-01"),
        ("a: 2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
        ("a: !!str 12", "12"),
        ("a: ! 12", "12"),
        ("a: !!int 12", 12),
        ("a: |\n  x\n  y\n", "x\ny\n"),
        ("a: -x", "-x"),
        ("a: 1.2.3", "1.2.3"),
        ("a: +1", 1),
        ("a: 100m", "100m"),
        ("a: [1, x]", [1, "x"]),
        ("a: {b: c}", {"b": "c"}),
        ("a: <<", "<<"),
        ("a: 18446744073709551616", 18446744073709551616.0),
        ("a: 1e22", 1e22),
        ("a: _1", "_1"),
    ],
)
def test_yaml_scalars(text: str, want: object) -> None:
    obj, duplicates = decode_yaml(text.encode())
    assert obj == {"a": want} and type(obj["a"]) is type(want) and duplicates == []


def test_yaml_keys_are_text() -> None:
    assert decode_yaml(b"1: a\ntrue: b\n1.5: c\n'2': d")[0] == {"1": "a", "true": "b", "1.5": "c", "2": "d"}


def test_yaml_aliases_and_merges_share_nothing() -> None:
    obj, _ = decode_yaml(b"a: &a {x: [1]}\nb: *a\nc: {<<: *a, w: 2}\nd: {<<: [*a, {z: 1}], x: 0}")
    assert obj == {"a": {"x": [1]}, "b": {"x": [1]}, "c": {"w": 2, "x": [1]}, "d": {"x": 0, "z": 1}}
    obj["b"]["x"].append(2)
    assert obj["a"] == {"x": [1]} and obj["c"]["x"] == [1]


def test_yaml_duplicates() -> None:
    obj, duplicates = decode_yaml(b"a: 1\na: 2\nb:\n- {c: 1, c: 2, c: 3}\n- d: 1")
    assert obj == {"a": 2, "b": [{"c": 3}, {"d": 1}]}
    assert duplicates == ["a", "b[0].c"]


def alias_bomb() -> bytes:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    return "\n".join(lines).encode()


def deep_aliases() -> bytes:
    lines = ["a0: &a0 " + "[" * 190 + "]" * 190]
    lines += [f"a{i}: &a{i} " + "[" * 190 + f"*a{i - 1}" + "]" * 190 for i in range(1, 12)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"- 1",
        b"x",
        b"a: [",
        b"a: *nope",
        b"a: &a [*a]",
        b"a: .nan",
        b"a: -.inf",
        b"a: 1e400",
        b"a: !!binary aGk=",
        b"a: !!python/object/apply:os.system [ls]",
        b"a: !!set {x}",
        b"a: !!int x",
        b"? [a]\n: b",
        b"? {a: 1}\n: b",
        b"~: 1",
        b"<<: [1]",
        b"a: 1\n---\nb: 2",
        b"a: \xff",
        b"a: \x00",
        b'a: "\\ud800"',
        b"a: " + b"[" * 1_000_000,
        b"\t- x",
        b"a: " + b"{a: " * 250 + b"}" * 250,
        alias_bomb(),
        deep_aliases(),
    ],
)
def test_bad_yaml_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode_yaml(body)


@settings(deadline=None)
@given(OBJECTS)
def test_yaml_reads_what_a_yaml_writer_writes(obj: dict[str, Any]) -> None:
    # Quoted and tagged: that writer does not know that a plain y is a boolean to Kubernetes.
    text = yaml.safe_dump(obj, default_style='"')
    assert decode_yaml(text.encode())[0] == whole_floats(obj)


@given(st.dictionaries(st.text(st.characters(max_codepoint=0xD7FF), max_size=4), st.booleans() | st.integers(-9, 9)))
def test_yaml_reads_json(obj: dict[str, Any]) -> None:
    assert decode_yaml(json.dumps(obj).encode())[0] == obj


def whole_floats(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value < 2**64:
        return int(value)
    if isinstance(value, dict):
        return {k: whole_floats(v) for k, v in value.items()}
    return [whole_floats(v) for v in value] if isinstance(value, list) else value


@given(st.binary(max_size=40))
def test_any_bytes_give_an_object_or_a_bad_request(body: bytes) -> None:
    for decode in (decode_json, decode_yaml):
        try:
            obj, _ = decode(body)
        except BadRequest:
            continue
        assert type(obj) is dict
