"""JSON Patch: every operation, pointers, limits, and that nothing given is changed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.api.patch import json as json_patch

DOC: dict[str, Any] = {"a": {"b": 1, "~/": 2}, "list": [1, {"x": 1}, 3], "s": "text", "t": True}


@pytest.mark.parametrize(
    ("op", "path", "expected"),
    [
        ({"op": "add", "path": "/a/c", "value": None}, ("a",), {"b": 1, "~/": 2, "c": None}),
        ({"op": "add", "path": "/a/b", "value": 9}, ("a",), {"b": 9, "~/": 2}),
        ({"op": "add", "path": "/list/0", "value": 0}, ("list",), [0, 1, {"x": 1}, 3]),
        ({"op": "add", "path": "/list/3", "value": 4}, ("list",), [1, {"x": 1}, 3, 4]),
        ({"op": "add", "path": "/list/-", "value": 4}, ("list",), [1, {"x": 1}, 3, 4]),
        ({"op": "add", "path": "/list/1/y", "value": 4}, ("list", 1), {"x": 1, "y": 4}),
        ({"op": "remove", "path": "/list/1"}, ("list",), [1, 3]),
        ({"op": "remove", "path": "/a/~0~1"}, ("a",), {"b": 1}),
        ({"op": "replace", "path": "/a/b", "value": [1]}, ("a", "b"), [1]),
        ({"op": "replace", "path": "/list/2", "value": 5}, ("list", 2), 5),
        ({"op": "replace", "path": "", "value": {"z": 1}}, (), {"z": 1}),
        ({"op": "move", "from": "/list/0", "path": "/list/-"}, ("list",), [{"x": 1}, 3, 1]),
        ({"op": "move", "from": "/a", "path": "/c"}, ("c",), {"b": 1, "~/": 2}),
        ({"op": "copy", "from": "/list/1", "path": "/a/b"}, ("a", "b"), {"x": 1}),
        ({"op": "test", "path": "/list/1", "value": {"x": 1.0}}, ("s",), "text"),
        ({"op": "test", "path": "/nowhere", "value": None}, ("s",), "text"),
    ],
)
def test_operations(op: dict[str, Any], path: tuple[Any, ...], expected: Any) -> None:
    before = copy.deepcopy(DOC)
    result: Any = json_patch.apply(DOC, [op])
    for part in path:
        result = result[part]
    assert result == expected
    assert before == DOC


@pytest.mark.parametrize(
    "op",
    [
        {"op": "add", "path": "/no/b", "value": 1},
        {"op": "add", "path": "/list/4", "value": 1},
        {"op": "add", "path": "/list/-1", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "add", "path": "/s/x", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/a/c"},
        {"op": "add", "value": 1},
        {"op": "remove", "path": "/a/c"},
        {"op": "remove", "path": "/list/3"},
        {"op": "remove", "path": "/list/-"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/a/c", "value": 1},
        {"op": "replace", "path": "/list/-", "value": 1},
        {"op": "replace", "path": "", "value": []},
        {"op": "test", "path": "/a/b", "value": 2},
        {"op": "test", "path": "/t", "value": 1},
        {"op": "test", "path": "/a/b", "value": True},
        {"op": "test", "path": "/nowhere", "value": 1},
        {"op": "move", "path": "/a/b"},
        {"op": "move", "from": "/no", "path": "/a/b"},
        {"op": "move", "from": "/a", "path": "/a/b"},
        {"op": "copy", "from": "/list/9", "path": "/a/b"},
        {"op": "merge", "path": "/a/b", "value": 1},
        {"path": "/a/b"},
    ],
)
def test_operations_that_cannot_be_done(op: dict[str, Any]) -> None:
    with pytest.raises(errors.Invalid) as e:
        json_patch.apply(DOC, [op])
    assert e.value.message == "the server rejected our request due to an error in our request"
    assert e.value.to_status()["code"] == 422
    assert e.value.details["causes"][0]["message"]


@pytest.mark.parametrize("ops", [None, {}, "x", 1, [1], [[]], [{"op": "test", "path": "/t", "value": True}, None]])
def test_malformed_patches(ops: Any) -> None:
    with pytest.raises(errors.BadRequest):
        json_patch.apply(DOC, ops)


def test_operations_follow_one_another_and_none_counts_when_one_fails() -> None:
    ops = [
        {"op": "add", "path": "/a/n", "value": {"deep": []}},
        {"op": "add", "path": "/a/n/deep/-", "value": 1},
        {"op": "copy", "from": "/a/n", "path": "/m"},
        {"op": "add", "path": "/m/deep/-", "value": 2},
    ]
    given = copy.deepcopy(ops)
    result = json_patch.apply(DOC, ops)
    assert result["a"]["n"] == {"deep": [1]}
    assert result["m"] == {"deep": [1, 2]}
    assert ops == given, "the patch is not changed either"
    assert result["list"] is DOC["list"], "what is untouched is shared"
    with pytest.raises(errors.Invalid):
        json_patch.apply(DOC, [*ops, {"op": "remove", "path": "/none"}])
    assert "n" not in DOC["a"]


def test_limits() -> None:
    test = {"op": "test", "path": "/t", "value": True}
    assert json_patch.apply(DOC, [test] * json_patch.MAX_OPERATIONS) == DOC
    with pytest.raises(errors.RequestEntityTooLarge, match="maximum operations in a JSON patch is 10000, got 10001"):
        json_patch.apply(DOC, [test] * (json_patch.MAX_OPERATIONS + 1))
    bomb = [{"op": "copy", "from": "/list", "path": "/list/-"}] * 64
    with pytest.raises(errors.RequestEntityTooLarge, match="copy operations"):
        json_patch.apply(DOC, bomb)


def test_a_deep_document_is_refused_not_fatal() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    other: Any = 1
    for _ in range(5000):
        other = [other]
    with pytest.raises(errors.BadRequest, match="max depth"):
        json_patch.apply({"a": deep}, [{"op": "test", "path": "/a", "value": other}])
