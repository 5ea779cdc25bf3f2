"""Strategic merge patch: lists by key, scalar lists, directives, what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikube_py.api import errors, scheme
from minikube_py.api.patch import strategic
from minikube_py.api.schema import Field, List, Map, Scalar, Struct, struct

TEXT = Scalar("string")
INT = Scalar("int32")


def recursive() -> Struct:
    """A type with every sort of member, which also holds itself."""
    table: dict[str, Field] = {}
    found = Struct("Thing", lambda: table)
    item = struct("Item", Field("name", TEXT), Field("value", INT), Field("other", INT), Field("nested", found))
    for f in (
        Field("name", TEXT),
        Field("value", INT),
        Field("other", INT),
        Field("labels", Map(TEXT)),
        Field("merging", List(item, "map", ("name",)), strategy=("merge",), merge_key="name"),
        Field("scalars", List(TEXT, "set"), strategy=("merge",)),
        Field("replaced", List(item)),
        Field("plain", List(TEXT)),
        Field("inner", found, pointer=True),
        Field("whole", found, strategy=("replace",)),
        Field("union", found, strategy=("retainKeys",)),
    ):
        table[f.name] = f
    return found


THING = recursive()


def apply(doc: dict[str, Any], patch: Any) -> dict[str, Any]:
    before, given_patch = copy.deepcopy(doc), copy.deepcopy(patch)
    result = strategic.apply(doc, patch, THING)
    assert doc == before and patch == given_patch, "nothing that was given is changed"
    assert "$" not in str(result), "no directive remains"
    return result


def items(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": n, **more} for n in names]


@pytest.mark.parametrize(
    ("doc", "patch", "expected"),
    [
        # maps, scalars, nulls
        ({"value": 1}, {"value": 2}, {"value": 2}),
        ({"value": 1, "other": 2}, {"value": None}, {"other": 2}),
        ({"value": 1}, {"other": None}, {"value": 1}),
        ({}, {"inner": {"value": None, "other": 1}}, {"inner": {"other": 1}}),
        ({"inner": {"value": 1}}, {"inner": {"other": 2}}, {"inner": {"value": 1, "other": 2}}),
        ({"labels": {"a": "1", "b": "2"}}, {"labels": {"a": None, "c": "3"}}, {"labels": {"b": "2", "c": "3"}}),
        ({"unknown": {"a": [1]}}, {"unknown": {"a": [2], "b": 1}}, {"unknown": {"a": [2], "b": 1}}),
        ({"value": 1}, {"value": {"a": None}}, {"value": {}}),
        # a map whose strategy is replace
        ({"whole": {"value": 1}}, {"whole": {"other": 2}}, {"whole": {"other": 2}}),
        # lists that are replaced
        ({"replaced": items("a", "b")}, {"replaced": items("c")}, {"replaced": items("c")}),
        ({"plain": ["a", "b"]}, {"plain": ["c"]}, {"plain": ["c"]}),
        ({"plain": ["a"]}, {"plain": []}, {"plain": []}),
        # lists of scalars that merge
        ({"scalars": ["a", "b"]}, {"scalars": ["c"]}, {"scalars": ["c", "a", "b"]}),
        ({"scalars": ["a", "b"]}, {"scalars": ["b"]}, {"scalars": ["a", "b"]}),
        ({"scalars": ["a", "b", "c"]}, {"$deleteFromPrimitiveList/scalars": ["a", "c", "x"]}, {"scalars": ["b"]}),
        (
            {"scalars": ["a", "b"]},
            {"$deleteFromPrimitiveList/scalars": ["a"], "scalars": ["c"]},
            {"scalars": ["c", "b"]},
        ),
        ({}, {"$deleteFromPrimitiveList/scalars": ["a"]}, {}),
        # lists that merge by key
        (
            {"merging": items("a", "b", value=1)},
            {"merging": [{"name": "b", "other": 2}]},
            {"merging": [{"name": "a", "value": 1}, {"name": "b", "value": 1, "other": 2}]},
        ),
        ({"merging": items("a", "b")}, {"merging": items("c")}, {"merging": items("c", "a", "b")}),
        ({"merging": items("a")}, {"merging": []}, {"merging": items("a")}),
        ({}, {"merging": [{"name": "a", "value": None}]}, {"merging": items("a")}),
        (
            {"merging": [{"name": "a", "nested": {"merging": items("x", "y")}}]},
            {"merging": [{"name": "a", "nested": {"merging": [{"name": "x", "$patch": "delete"}]}}]},
            {"merging": [{"name": "a", "nested": {"merging": items("y")}}]},
        ),
        # $patch
        ({"inner": {"value": 1}}, {"inner": {"$patch": "replace", "other": 2}}, {"inner": {"other": 2}}),
        ({"inner": {"value": 1}}, {"inner": {"$patch": "delete"}}, {"inner": {}}),
        ({}, {"inner": {"$patch": "delete"}}, {}),
        ({"value": 1}, {"$patch": "replace", "other": 2}, {"other": 2}),
        ({"merging": items("a", "b")}, {"merging": [{"name": "a", "$patch": "delete"}]}, {"merging": items("b")}),
        (
            {"merging": items("a", "b")},
            {"merging": [{"name": "x", "$patch": "delete"}, *items("c")]},
            {"merging": items("c", "a", "b")},
        ),
        ({"merging": items("a", "b")}, {"merging": [{"$patch": "replace"}, *items("c")]}, {"merging": items("c")}),
        ({"merging": items("a", "b")}, {"merging": [{"$patch": "replace"}]}, {"merging": []}),
        ({}, {"merging": [{"name": "a", "$patch": "delete"}, *items("b")]}, {"merging": items("b")}),
        ({}, {"merging": [{"$patch": "replace"}, *items("b")]}, {"merging": items("b")}),
        (
            {},
            {"inner": {"$setElementOrder/merging": items("a"), "merging": items("a")}},
            {"inner": {"merging": items("a")}},
        ),
        # $retainKeys
        (
            {"union": {"value": 1, "other": 2, "name": "x"}},
            {"union": {"$retainKeys": ["value", "labels"], "labels": {"a": "1"}}},
            {"union": {"value": 1, "labels": {"a": "1"}}},
        ),
        (
            {"union": {"value": 1}},
            {"union": {"$retainKeys": ["other"], "other": 2, "value": None}},
            {"union": {"other": 2}},
        ),
        ({}, {"union": {"$retainKeys": ["other"], "other": 2}}, {"union": {"other": 2}}),
        # $setElementOrder
        (
            {"merging": items("a", "b", "c")},
            {"$setElementOrder/merging": items("c", "b", "a")},
            {"merging": items("c", "b", "a")},
        ),
        (
            {"merging": items("a", "b")},
            {"$setElementOrder/merging": items("c", "b", "a"), "merging": items("c")},
            {"merging": items("c", "b", "a")},
        ),
        (
            {"merging": items("a", "server", "b")},
            {"$setElementOrder/merging": items("b", "a", "new"), "merging": items("new")},
            {"merging": items("server", "b", "a", "new")},
        ),
        (
            {"merging": items("a", "b")},
            {"$setElementOrder/merging": items("b"), "merging": [{"name": "a", "$patch": "delete"}]},
            {"merging": items("b")},
        ),
        (
            {"scalars": ["a", "b", "c"]},
            {
                "$setElementOrder/scalars": ["c", "d", "a"],
                "$deleteFromPrimitiveList/scalars": ["b"],
                "scalars": ["d"],
            },
            {"scalars": ["c", "d", "a"]},
        ),
        ({}, {"$setElementOrder/merging": items("b", "a"), "merging": items("b", "a")}, {"merging": items("b", "a")}),
        ({"value": 1}, {"$setElementOrder/merging": items("b", "a")}, {"value": 1}),
        ({"merging": items("a")}, {"$setElementOrder/merging": [], "merging": None}, {}),
    ],
)
def test_merging(doc: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    assert apply(doc, patch) == expected


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ([], "invalid JSON document"),
        (None, "invalid JSON document"),
        ({"$patch": "merge"}, 'unknown patch type [merge] in map [{"$patch":"merge"}]'),
        ({"inner": {"$patch": "explode"}}, 'unknown patch type [explode] in map [{"$patch":"explode"}]'),
        ({"inner": {"$patch": ["delete"]}}, 'unknown patch type [["delete"]] in map [{"$patch":["delete"]}]'),
        ({"new": {"$patch": "explode"}}, 'unknown patch type [explode] in map [{"$patch":"explode"}]'),
        ({"merging": [{"value": 1}]}, 'map: {"value":1} does not contain declared merge key: name'),
        ({"merging": [{"$patch": "delete"}]}, 'map: {"$patch":"delete"} does not contain declared merge key: name'),
        ({"merging": [{"name": "a", "$patch": "merge"}]}, "merging lists cannot yet be specified in the patch"),
        ({"merging": ["a"]}, "list element types are not identical"),
        ({"merging": [["a"]]}, "lists of lists are not supported"),
        ({"scalars": [{"a": 1}]}, "list element types are not identical"),
        ({"scalars": ["a", 1]}, "list element types are not identical"),
        ({"$deleteFromPrimitiveList/scalars": "a"}, "invalid patch format of primitive list"),
        ({"$deleteFromPrimitiveList/scalars": [{}]}, "invalid patch format of primitive list"),
        ({"$deleteFromPrimitiveList/": []}, "invalid patch format of primitive list"),
        ({"$retainKeys": "a"}, "invalid patch format of retainKeys"),
        ({"$retainKeys": ["value"], "other": 1}, "invalid patch format of retainKeys"),
        ({"$setElementOrder/merging": {}}, "invalid patch format of setElementOrder list"),
        ({"$setElementOrder/merging": ["a"]}, "invalid patch format of setElementOrder list"),
        ({"$setElementOrder/": []}, "invalid patch format of setElementOrder list"),
        (
            {"$setElementOrder/merging": items("a"), "merging": items("z")},
            'The order in patch list:\n[{"name":"z"}]\n doesn\'t match $setElementOrder list:\n[{"name":"a"}]\n',
        ),
        (
            {"$setElementOrder/merging": items("a", "b"), "merging": items("b", "a")},
            "The order in patch list:",
        ),
    ],
)
def test_what_is_refused(patch: Any, message: str) -> None:
    doc = {"merging": items("a", "b"), "scalars": ["a"], "inner": {"value": 1}}
    with pytest.raises(errors.BadRequest) as e:
        apply(doc, patch)
    assert message in e.value.message


def test_a_deep_patch_is_refused_not_fatal() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"inner": deep}
    with pytest.raises(errors.BadRequest, match="max depth"):
        strategic.apply({}, deep, THING)


def test_a_real_pod() -> None:
    pod = scheme.struct("core/v1.Pod")
    doc: dict[str, Any] = {
        "metadata": {"name": "a", "finalizers": ["x"], "labels": {"l": "1"}},
        "spec": {
            "containers": [
                {"name": "one", "image": "i:1", "env": [{"name": "A", "value": "1"}], "args": ["-a"]},
                {"name": "two", "image": "i:1", "ports": [{"containerPort": 80, "name": "http"}]},
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "tolerations": [{"key": "k", "operator": "Exists"}],
        },
        "status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Initialized", "status": "True"}]},
    }
    patch = {
        "metadata": {"finalizers": ["y"]},
        "spec": {
            "$setElementOrder/containers": [{"name": "one"}, {"name": "two"}],
            "containers": [
                {"name": "one", "env": [{"name": "B", "value": "2"}], "args": ["-b"]},
                {"name": "two", "ports": [{"containerPort": 80, "name": "web"}]},
            ],
            "volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}],
            "tolerations": [],
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    result = strategic.apply(doc, patch, pod)
    assert result["metadata"]["finalizers"] == ["y", "x"]
    one, two = result["spec"]["containers"]
    assert one == {
        "name": "one",
        "image": "i:1",
        "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
        "args": ["-b"],
    }
    assert two["ports"] == [{"containerPort": 80, "name": "web"}]
    assert result["spec"]["volumes"] == [{"name": "v", "configMap": {"name": "c"}}]
    assert result["spec"]["tolerations"] == []
    assert result["status"]["conditions"] == [
        {"type": "Ready", "status": "True"},
        {"type": "Initialized", "status": "True"},
    ]
    assert result["metadata"]["labels"] is doc["metadata"]["labels"]


# A patch made from two documents leads from one to the other, whatever they are.


def diff(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """A strategic merge patch from `old` to `new`, as kubectl makes them."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if before == value:
            continue
        if key == "merging" and before and value:
            names = {item["name"] for item in value}
            olds = {item["name"]: item for item in before}
            changed = []
            for item in value:
                was = olds.get(item["name"])
                if was is None:
                    changed.append(item)
                elif was != item:
                    changed.append({**diff(was, item), "name": item["name"]})
            changed += [{"name": name, "$patch": "delete"} for name in olds if name not in names]
            patch["$setElementOrder/merging"] = [{"name": item["name"]} for item in value]
            if changed:
                patch["merging"] = changed
        elif key == "scalars" and before and value:
            patch["$setElementOrder/scalars"] = value
            if gone := [v for v in before if v not in value]:
                patch["$deleteFromPrimitiveList/scalars"] = gone
            if more := [v for v in value if v not in before]:
                patch["scalars"] = more
        elif key == "merging" and before:
            patch[key] = [{"$patch": "replace"}]
        elif key == "scalars" and before:
            patch["$deleteFromPrimitiveList/scalars"] = before
        elif key in ("inner", "labels", "nested") and before and value:
            patch[key] = diff(before, value)
        elif isinstance(value, dict) and before is not None:
            patch[key] = {**value, "$patch": "replace"}
        else:
            patch[key] = value
    return patch


def things(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    item = st.fixed_dictionaries(
        {"name": st.sampled_from("abcd")},
        optional={"value": st.integers(0, 2), "other": st.integers(0, 2), "nested": inner},
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "value": st.integers(0, 2),
            "labels": st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"), max_size=3),
            "merging": st.lists(item, max_size=4, unique_by=lambda i: i["name"]),
            "scalars": st.lists(st.sampled_from("abcd"), max_size=4, unique=True),
            "replaced": st.lists(item, max_size=2),
            "plain": st.lists(st.sampled_from("ab"), max_size=2),
            "inner": inner,
            "whole": inner,
        },
    )


THINGS = things(st.deferred(lambda: st.just({}) | things(st.just({}))))


@settings(max_examples=200)
@given(THINGS, THINGS)
def test_a_two_way_patch_leads_to_the_target(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert apply(old, diff(old, new)) == new


@settings(max_examples=200)
@given(THINGS, THINGS)
def test_patching_twice_is_patching_once(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = diff(old, new)
    once = apply(old, patch)
    assert apply(once, patch) == once
