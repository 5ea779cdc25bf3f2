"""Discovery in its legacy and aggregated forms."""

from __future__ import annotations

import random
from typing import Any

import pytest

from minikube_py.api.resources import Resource
from minikube_py.apiserver.discovery import Discovery, Virtual, storage_version_hash, version_key
from minikube_py.apiserver.kinds import KINDS

REVIEW = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False,
    "authorization/v1.SelfSubjectAccessReview",
)  # fmt: skip
BINDINGS = Resource("", "v1", "bindings", "Binding", True, "core/v1.Binding")
SERVED = ("configmaps", "endpoints", "namespaces", "pods", "secrets", "leases")
DISCOVERY = Discovery([k for k in KINDS if k.resource.plural in SERVED], [Virtual(REVIEW), Virtual(BINDINGS)])


def test_api() -> None:
    assert DISCOVERY.api("10.0.0.1:6443") == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}],
    }


def test_groups_in_the_order_of_kubernetes() -> None:
    def group(name: str) -> dict[str, Any]:
        version = {"groupVersion": f"{name}/v1", "version": "v1"}
        return {"name": name, "versions": [version], "preferredVersion": version}

    assert DISCOVERY.apis == {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [group("authorization.k8s.io"), group("coordination.k8s.io")],
    }
    expected = {"kind": "APIGroup", "apiVersion": "v1", **group("coordination.k8s.io")}
    assert DISCOVERY.group("coordination.k8s.io") == expected
    assert DISCOVERY.group("") is None and DISCOVERY.group("apps") is None


def test_the_core_resources() -> None:
    listed = DISCOVERY.resources("", "v1")
    assert listed is not None and listed["groupVersion"] == "v1" and "apiVersion" not in listed
    names = [item["name"] for item in listed["resources"]]
    assert names == sorted(names)
    assert [name for name in names if not name.startswith("pods/")] == [
        "bindings", "configmaps", "endpoints", "namespaces", "namespaces/finalize", "namespaces/status", "pods",
        "secrets",
    ]  # fmt: skip
    assert {"pods/attach", "pods/binding", "pods/exec", "pods/log", "pods/status"} <= set(names)
    by_name = {item["name"]: item for item in listed["resources"]}
    assert by_name["bindings"] == {
        "name": "bindings",
        "singularName": "binding",
        "namespaced": True,
        "kind": "Binding",
        "verbs": ["create"],
    }
    assert by_name["pods"] == {
        "name": "pods",
        "singularName": "pod",
        "namespaced": True,
        "kind": "Pod",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["po"],
        "categories": ["all"],
        "storageVersionHash": "xPOwRZ+Yhw8=",
    }
    assert by_name["pods/log"] == {
        "name": "pods/log",
        "singularName": "",
        "namespaced": True,
        "kind": "Pod",
        "verbs": ["get"],
    }


def test_another_group() -> None:
    listed = DISCOVERY.resources("coordination.k8s.io", "v1")
    assert listed is not None
    assert (listed["apiVersion"], listed["groupVersion"]) == ("v1", "coordination.k8s.io/v1")
    assert [item["name"] for item in listed["resources"]] == ["leases"]
    assert DISCOVERY.resources("coordination.k8s.io", "v1beta1") is None


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_aggregated(version: str) -> None:
    core = DISCOVERY.aggregated("/api", version)
    assert core["kind"] == "APIGroupDiscoveryList"
    assert core["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    (group,) = core["items"]
    (v1,) = group["versions"]
    assert group["metadata"] == {} and v1["version"] == "v1" and v1["freshness"] == "Current"
    by_name = {item["resource"]: item for item in v1["resources"]}
    assert by_name["namespaces"] == {
        "resource": "namespaces",
        "responseKind": {"group": "", "version": "", "kind": "Namespace"},
        "scope": "Cluster",
        "singularResource": "namespace",
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        "shortNames": ["ns"],
        "subresources": [
            {
                "subresource": "finalize",
                "responseKind": {"group": "", "version": "", "kind": "Namespace"},
                "verbs": ["update"],
            },
            {
                "subresource": "status",
                "responseKind": {"group": "", "version": "", "kind": "Namespace"},
                "verbs": ["get", "patch", "update"],
            },
        ],
    }
    others = DISCOVERY.aggregated("/apis", version)
    assert [item["metadata"]["name"] for item in others["items"]] == ["authorization.k8s.io", "coordination.k8s.io"]


def test_an_unknown_aggregated_version_is_an_error() -> None:
    with pytest.raises(ValueError, match="v3"):
        DISCOVERY.aggregated("/api", "v3")


def test_versions_are_ordered_by_how_stable_they_are() -> None:
    ordered = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    shuffled = ordered[:]
    random.Random(1).shuffle(shuffled)
    assert sorted(shuffled, key=version_key) == ordered


def test_events_have_one_hash_in_both_groups() -> None:
    assert storage_version_hash("events.k8s.io", "v1", "Event") == storage_version_hash("", "v1", "Event")
