"""Metadata helpers: keys, owners, conditions."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api import meta


def test_keys() -> None:
    assert meta.key({"metadata": {"namespace": "a", "name": "b"}}) == "a/b"
    assert meta.key({"metadata": {"name": "b"}}) == "b"
    assert meta.split_key("a/b") == ("a", "b")
    assert meta.split_key("b") == ("", "b")
    with pytest.raises(ValueError, match="unexpected key format"):
        meta.split_key("a/b/c")


def test_owners() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r", "uid": "u"}}
    reference = meta.owner_reference(owner)
    other = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "x"}
    obj = {"metadata": {"name": "p", "ownerReferences": [other, reference]}}
    assert meta.controller_of(obj) == reference
    assert meta.is_controlled_by(obj, owner)
    assert meta.controller_of({"metadata": {"name": "p", "ownerReferences": [other]}}) is None
    assert not meta.is_controlled_by({"metadata": {"name": "p"}}, owner)


def test_a_new_condition_gets_its_transition_time() -> None:
    conditions: list[dict[str, Any]] = []
    assert meta.set_condition(conditions, {"type": "Ready", "status": "False", "reason": "Init"}, "t1")
    assert conditions == [{"type": "Ready", "status": "False", "reason": "Init", "lastTransitionTime": "t1"}]


def test_the_transition_time_moves_with_the_status_only() -> None:
    conditions: list[dict[str, Any]] = [{"type": "Ready", "status": "True", "lastTransitionTime": "t1", "reason": "A"}]
    assert not meta.set_condition(conditions, {"type": "Ready", "status": "True", "reason": "A"}, "t2")
    assert meta.set_condition(conditions, {"type": "Ready", "status": "True", "reason": "B"}, "t2")
    assert conditions[0]["lastTransitionTime"] == "t1"
    assert meta.set_condition(conditions, {"type": "Ready", "status": "False", "reason": "B"}, "t3")
    assert conditions[0]["lastTransitionTime"] == "t3"
    assert meta.condition({"status": {"conditions": conditions}}, "Ready") is conditions[0]
    assert meta.condition({"status": {}}, "Ready") is None
    assert meta.condition({}, "Ready") is None


def test_finalizers_and_deletion() -> None:
    obj = {"metadata": {"name": "a", "finalizers": ["x"], "deletionTimestamp": "t"}}
    assert meta.has_finalizer(obj, "x") and not meta.has_finalizer(obj, "y")
    assert meta.is_deleting(obj) and not meta.is_deleting({"metadata": {"name": "a"}})
