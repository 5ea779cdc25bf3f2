"""APIService and its first objects; ComponentStatus."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from minikube_py.apiserver import componentstatus
from minikube_py.apiserver.bootstrap import apiservices
from minikube_py.apiserver.kinds import KINDS
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds.base import Object
from tests.unit.kinds_samples import BY_NAME, changed, created, errors_of_create, errors_of_update, metadata, short

KIND = BY_NAME["APIService"]
FACTS = json.loads((Path(__file__).parents[2] / "tools" / "facts" / "resources.json").read_text())
SERVICE: Object = {
    "metadata": metadata("v1.example.com", ""),
    "spec": {"group": "example.com", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15},
}


@pytest.mark.parametrize(
    "path, value, wrong",
    [
        ("metadata.name", "v2.example.com", [("metadata.name", "Invalid")]),
        ("spec.groupPriorityMinimum", 0, [("spec.groupPriorityMinimum", "Invalid")]),
        ("spec.groupPriorityMinimum", 20001, [("spec.groupPriorityMinimum", "Invalid")]),
        ("spec.groupPriorityMinimum", 20000, []),
        ("spec.versionPriority", 0, [("spec.versionPriority", "Invalid")]),
        ("spec.versionPriority", 1001, [("spec.versionPriority", "Invalid")]),
        ("spec.caBundle", "eA==", [("spec.caBundle", "Invalid")]),
        ("spec.insecureSkipTLSVerify", True, [("spec.insecureSkipTLSVerify", "Invalid")]),
        ("spec.service", {"namespace": "n", "name": "s"}, [("spec.service", "Forbidden")]),
    ],
)
def test_services(path: str, value: Any, wrong: list[tuple[str, str]]) -> None:
    assert errors_of_create(KIND, SERVICE) == []
    assert short(errors_of_create(KIND, changed(SERVICE, path, value))) == wrong
    if path != "metadata.name":
        assert short(errors_of_update(KIND, changed(SERVICE, path, value), created(KIND, SERVICE))) == wrong


@pytest.mark.parametrize(
    "name, group, version, wrong",
    [
        ("v1.", "", "v1", []),
        ("v2.", "", "v2", ["spec.group"]),
        ("v1.Example", "Example", "v1", ["spec.group"]),
        ("1.example.com", "example.com", "1", ["spec.version"]),
    ],
)
def test_the_name_says_version_and_group(name: str, group: str, version: str, wrong: list[str]) -> None:
    obj = changed(SERVICE, "metadata.name", name)
    obj["spec"] |= {"group": group, "version": version}
    assert [e.field for e in errors_of_create(KIND, obj)] == wrong


def test_a_local_one_is_available_from_the_start() -> None:
    made = created(KIND, changed(SERVICE, "status", {"conditions": [{"type": "Other", "status": "True"}]}))
    (condition,) = made["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Available", "True", "Local")


@pytest.mark.parametrize(
    "conditions, state",
    [
        ([], "Unknown"),
        ([{"type": "Available", "status": "True", "reason": "Local"}], "True"),
        ([{"type": "Available", "status": "False", "reason": "MissingEndpoints"}], "False (MissingEndpoints)"),
    ],
)
def test_rows(conditions: list[Object], state: str) -> None:
    stamp = SERVICE["metadata"]["creationTimestamp"]
    obj = changed(SERVICE, "status", {"conditions": conditions})
    assert KIND.row(obj) == ["v1.example.com", "Local", state, age(stamp)]
    assert KIND.row(changed(obj, "spec.service", {"namespace": "n", "name": "s"}))[1] == "n/s"


def test_the_first_objects_have_kubernetes_priorities() -> None:
    versions = {(k.resource.group, k.resource.version) for k in KINDS}
    served = dict.fromkeys(versions | set(apiservices.BEYOND_KINDS), False)
    made = apiservices.wanted(served)
    facts = {group["group"]: group for group in FACTS["groups"]}
    assert set(made) == {f"{version}.{group}" for group, version in served if group != "apiregistration.k8s.io"}
    for obj in made.values():
        assert errors_of_create(KIND, obj) == []
        spec = obj["spec"]
        fact = facts[spec["group"]]
        assert spec["groupPriorityMinimum"] == fact["groupPriorityMinimum"]
        assert spec["versionPriority"] == fact["versionPriority"][spec["version"]]
        assert obj["metadata"]["labels"] == {apiservices.AUTOMANAGED: "onstart"}
    (custom,) = apiservices.wanted({("example.com", "v1"): True}).values()
    assert custom["metadata"]["labels"] == {apiservices.AUTOMANAGED: "true"}
    assert (custom["spec"]["groupPriorityMinimum"], custom["spec"]["versionPriority"]) == (1000, 100)


# ComponentStatus


def test_component_status_is_as_kubernetes_has_it() -> None:
    kind = componentstatus.KIND
    fact = next(r for r in FACTS["resources"] if r["plural"] == "componentstatuses")
    assert (kind.resource.kind, kind.singular, list(kind.verbs), list(kind.short_names)) == (
        fact["kind"], fact["singular"], fact["verbs"], fact["shortNames"],
    )  # fmt: skip
    columns = json.loads((Path(__file__).parents[2] / "tools" / "facts" / "columns.json").read_text())["kinds"]
    assert [c.name for c in kind.columns] == [c["name"] for c in columns["core/v1.ComponentStatus"]]


@pytest.mark.parametrize(
    "lease, row",
    [
        (None, ["scheduler", "Unknown", "", ""]),
        ({"spec": {"renewTime": "2030-01-01T00:00:00.000000Z"}}, ["scheduler", "Unknown", "", ""]),
        ({"spec": {"holderIdentity": "a", "renewTime": "2030-01-01T00:00:00.000000Z", "leaseDurationSeconds": 15}},
         ["scheduler", "Healthy", "ok", ""]),
        ({"spec": {"holderIdentity": "a", "renewTime": "2029-12-31T23:59:00.000000Z", "leaseDurationSeconds": 15}},
         ["scheduler", "Unhealthy", "", "its Lease was last renewed at 2029-12-31T23:59:00.000000Z"]),
    ],
)  # fmt: skip
def test_a_component_is_judged_by_its_lease(lease: Object | None, row: list[str]) -> None:
    now = datetime(2030, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert componentstatus.row(componentstatus.by_lease("scheduler", lease, now)) == row
