"""JSON Merge Patch: the examples of RFC 7386, sharing, and its own difference."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api import errors
from minikube_py.api.patch import merge


@pytest.mark.parametrize(
    ("doc", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {}, {"a": 1}),
    ],
)
def test_examples(doc: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before, given_patch = copy.deepcopy(doc), copy.deepcopy(patch)
    assert merge.apply(doc, patch) == expected
    assert doc == before and patch == given_patch


def test_only_objects_are_patches() -> None:
    patches: tuple[Any, ...] = ([], None, 1, "x")
    for patch in patches:
        with pytest.raises(errors.BadRequest):
            merge.apply({}, patch)


def test_what_is_untouched_is_shared() -> None:
    doc = {"a": {"x": 1}, "b": {"y": 1}}
    assert merge.apply(doc, {"a": {"x": 2}})["b"] is doc["b"]


def test_a_deep_patch_is_refused_not_fatal() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(errors.BadRequest, match="max depth"):
        merge.apply({}, deep)


VALUES = st.recursive(
    st.booleans() | st.integers(0, 3) | st.sampled_from("xy"),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=12,
)
DOCS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(DOCS, DOCS)
def test_the_difference_leads_to_the_target(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = merge.diff(old, new)
    assert merge.apply(old, patch) == new
    assert merge.diff(new, new) == {}
