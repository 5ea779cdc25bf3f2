"""Events of events.k8s.io/v1: the way to core/v1's form and back, and the stricter rules."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from kinds_samples import changed, created, errors_of_create, errors_of_update, metadata, short
from schema_strategies import objects

from minikube_py.api import scheme
from minikube_py.api.normalize import normalize
from minikube_py.apiserver.kinds import event, event_v1
from minikube_py.apiserver.kinds.base import Object

KIND = event_v1.KIND
TIME = "2030-01-01T00:00:00.000000Z"
EVENT: Object = {
    "kind": "Event",
    "apiVersion": "events.k8s.io/v1",
    "metadata": metadata("web.1"),
    "eventTime": TIME,
    "reportingController": "example.com/robot",
    "reportingInstance": "robot-1",
    "action": "Binding",
    "reason": "Scheduled",
    "regarding": {"kind": "Pod", "namespace": "default", "name": "web"},
    "note": "Found a place",
    "type": "Normal",
}
CORE: Object = {
    "kind": "Event",
    "apiVersion": "v1",
    "metadata": metadata("web.1"),
    "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"},
    "reason": "Started",
    "message": "Started it",
    "source": {"component": "kubelet", "host": "n"},
    "firstTimestamp": "2030-01-01T00:00:00Z",
    "lastTimestamp": "2030-01-01T00:00:00Z",
    "count": 2,
    "type": "Normal",
    "reportingComponent": "kubelet",
    "reportingInstance": "n",
}


def test_the_names_of_both_versions() -> None:
    assert event_v1.from_stored(CORE) == {
        "kind": "Event",
        "apiVersion": "events.k8s.io/v1",
        "metadata": metadata("web.1"),
        "regarding": {"kind": "Pod", "namespace": "default", "name": "web"},
        "reason": "Started",
        "note": "Started it",
        "deprecatedSource": {"component": "kubelet", "host": "n"},
        "deprecatedFirstTimestamp": "2030-01-01T00:00:00Z",
        "deprecatedLastTimestamp": "2030-01-01T00:00:00Z",
        "deprecatedCount": 2,
        "type": "Normal",
        "reportingController": "kubelet",
        "reportingInstance": "n",
    }
    stored = event_v1.to_stored(EVENT)
    assert (stored["kind"], stored["apiVersion"]) == ("Event", "v1")
    assert (stored["message"], stored["reportingComponent"], stored["source"]) == (
        "Found a place", "example.com/robot", {},
    )  # fmt: skip
    assert stored["involvedObject"] == EVENT["regarding"]


relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=60)


@relaxed
@given(objects(scheme.struct("events/v1.Event"), depth=3))
def test_there_and_back_from_the_new_form(obj: Object) -> None:
    normalize(obj, scheme.struct("events/v1.Event"))
    obj |= {"kind": "Event", "apiVersion": "events.k8s.io/v1"}
    KIND.default(obj)
    assert event_v1.from_stored(event_v1.to_stored(copy.deepcopy(obj))) == obj
    stored = event_v1.to_stored(copy.deepcopy(obj))
    assert normalize(copy.deepcopy(stored), scheme.struct("core/v1.Event")) == []


@relaxed
@given(objects(scheme.struct("core/v1.Event"), depth=3))
def test_there_and_back_from_the_old_form(obj: Object) -> None:
    normalize(obj, scheme.struct("core/v1.Event"))
    obj |= {"kind": "Event", "apiVersion": "v1"}
    event.default(obj)
    served = event_v1.from_stored(copy.deepcopy(obj))
    assert event_v1.to_stored(copy.deepcopy(served)) == obj
    assert normalize(copy.deepcopy(served), scheme.struct("events/v1.Event")) == []


BAD: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("series", {"count": 2, "lastObservedTime": TIME}, []),
    ("eventTime", None, [("eventTime", "Required")]),
    ("type", "Odd", [("type", "Invalid")]),
    ("reportingController", "", [("reportingController", "Required"), ("reportingController", "Invalid")]),
    ("reportingInstance", "x" * 129, [("reportingInstance", "Invalid")]),
    ("action", "", [("action", "Required")]),
    ("reason", "", [("reason", "Required")]),
    ("note", "x" * 1025, [("message", "Invalid")]),
    ("deprecatedFirstTimestamp", "2030-01-01T00:00:00Z", [("firstTimestamp", "Invalid")]),
    ("deprecatedLastTimestamp", "2030-01-01T00:00:00Z", [("lastTimestamp", "Invalid")]),
    ("deprecatedCount", 1, [("count", "Invalid")]),
    ("deprecatedSource", {"host": "n"}, [("source", "Invalid")]),
    ("series", {"count": 1}, [("series.count", "Invalid"), ("series.lastObservedTime", "Required")]),
]


@pytest.mark.parametrize(("path", "value", "wrong"), BAD)
def test_new_events_are_of_the_new_style(path: str, value: Any, wrong: list[tuple[str, str]]) -> None:
    found = short(errors_of_create(KIND, changed(EVENT, path, value)))
    # The sentences about a qualified name come twice for an empty one.
    assert list(dict.fromkeys(found)) == wrong


def test_an_event_about_nothing_of_a_namespace_is_kept_in_one_of_two() -> None:
    about = changed(EVENT, "regarding.namespace", "")
    for namespace, wrong in (
        ("default", []), ("kube-system", []), ("team", [("involvedObject.namespace", "Invalid")]),
    ):  # fmt: skip
        assert short(errors_of_create(KIND, changed(about, "metadata.namespace", namespace))) == wrong


CHANGES: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("metadata.labels", {"a": "b"}, []),
    ("series", {"count": 5, "lastObservedTime": TIME}, []),
    ("series", {"count": 1, "lastObservedTime": TIME}, [("series.count", "Invalid")]),
    ("note", "other", [("message", "Invalid")]),
    ("regarding.name", "other", [("involvedObject", "Invalid")]),
    ("reason", "Other", [("reason", "Invalid")]),
    ("type", "Warning", [("type", "Invalid")]),
    ("action", "Other", [("action", "Invalid")]),
    ("related", {"name": "x"}, [("related", "Invalid")]),
    ("reportingController", "example.com/other", [("reportingController", "Invalid")]),
    ("reportingInstance", "other", [("reportingInstance", "Invalid")]),
    ("eventTime", "2030-01-01T00:00:01.000000Z", [("eventTime", "Invalid")]),
    ("deprecatedCount", 3, [("count", "Invalid")]),
]


@pytest.mark.parametrize(("path", "value", "wrong"), CHANGES)
def test_only_the_series_goes_on(path: str, value: Any, wrong: list[tuple[str, str]]) -> None:
    old = created(KIND, EVENT)
    assert short(errors_of_update(KIND, changed(old, path, value), old)) == wrong


def test_an_event_of_an_old_recorder_may_be_labelled() -> None:
    old = event_v1.from_stored(CORE)
    assert errors_of_update(KIND, changed(old, "metadata.labels", {"a": "b"}), old) == []


def test_rows_and_fields_say_the_same_in_both_versions() -> None:
    assert KIND.row(event_v1.from_stored(CORE)) == event.KIND.row(CORE)
    ours, theirs = KIND.select_fields(event_v1.from_stored(CORE)), event.KIND.select_fields(CORE)
    assert ours["reportingController"] == theirs["reportingComponent"] == "kubelet"
    assert ours["reason"] == theirs["reason"] == "Started"
    for member in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"):
        assert ours[f"regarding.{member}"] == theirs[f"involvedObject.{member}"]
    assert KIND.ttl is not None and KIND.ttl(EVENT) == event.TTL
