"""The OpenAPI documents: that everything refers to something, and that clients find what they look for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import scheme
from minikube_py.api.resources import Resource
from minikube_py.apiserver import openapi
from minikube_py.apiserver.kinds.base import Kind, Subresource

FACTS = Path(__file__).parents[2] / "tools" / "facts"


def kind(group: str, version: str, plural: str, name: str, namespaced: bool, type_name: str, **more: Any) -> Kind:
    resource = Resource(group, version, plural, name, namespaced, type_name)
    return Kind(
        resource=resource, singular=name.lower(), columns=(), row=lambda o, n: [], validate_name=lambda n: [], **more
    )


READ_WRITE = ("get", "patch", "update")
KINDS = (
    kind(
        "",
        "v1",
        "pods",
        "Pod",
        True,
        "core/v1.Pod",
        subresources=(
            Subresource("binding", "Binding", ("create",), "core/v1.Binding"),
            Subresource("eviction", "Eviction", ("create",), "policy/v1.Eviction", "policy", "v1"),
            Subresource("exec", "PodExecOptions", ("create", "get"), "core/v1.PodExecOptions"),
            Subresource("log", "Pod", ("get",), "core/v1.Pod"),
            Subresource("status", "Pod", READ_WRITE, "core/v1.Pod"),
        ),
    ),
    kind("", "v1", "nodes", "Node", False, "core/v1.Node"),
    kind(
        "",
        "v1",
        "namespaces",
        "Namespace",
        False,
        "core/v1.Namespace",
        verbs=("create", "delete", "get", "list", "watch"),
    ),
    kind("apps", "v1", "deployments", "Deployment", True, "apps/v1.Deployment"),
    kind("rbac.authorization.k8s.io", "v1", "roles", "Role", True, "rbac/v1.Role"),
    kind(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        False,
        "apiextensions/v1.CustomResourceDefinition",
    ),
)


@pytest.fixture(scope="module")
def core() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi.v3_document("", "v1", KINDS))
    return found


@pytest.fixture(scope="module")
def swagger() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi.v2_document(KINDS))
    return found


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, entry in document["paths"].items():
        for method, operation in entry.items():
            if method != "parameters":
                yield path, method, operation


def test_index_names_every_group_version_with_a_hash() -> None:
    paths = openapi.v3_index(KINDS)["paths"]
    assert list(paths) == [
        "api/v1",
        "apis/apps/v1",
        "apis/rbac.authorization.k8s.io/v1",
        "apis/apiextensions.k8s.io/v1",
    ]
    urls = {place: entry["serverRelativeURL"] for place, entry in paths.items()}
    assert all(url.startswith(f"/openapi/v3/{place}?hash=") for place, url in urls.items())
    fewer = openapi.v3_index(KINDS[1:])["paths"]
    assert fewer["api/v1"]["serverRelativeURL"] != urls["api/v1"]
    assert openapi.v3_index(KINDS) == {"paths": paths}
    with pytest.raises(KeyError):
        openapi.v3_document("batch", "v1", KINDS)


def test_every_reference_resolves(core: dict[str, Any], swagger: dict[str, Any]) -> None:
    for document, prefix, schemas in (
        (core, "#/components/schemas/", core["components"]["schemas"]),
        (swagger, "#/definitions/", swagger["definitions"]),
    ):
        found = set(refs(document))
        assert len(found) > 100
        assert {ref.removeprefix(prefix) for ref in found} <= set(schemas)
        for name, schema in schemas.items():
            assert schema.get("description"), name


def test_operation_ids_are_unique_and_path_parameters_declared(core: dict[str, Any], swagger: dict[str, Any]) -> None:
    for document in (core, swagger):
        ids = [operation["operationId"] for _, _, operation in operations(document)]
        assert len(ids) == len(set(ids))
        for path, entry in document["paths"].items():
            declared = {p["name"] for p in entry["parameters"] if p["in"] == "path"}
            assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path
            for method in set(entry) - {"parameters"}:
                names = [p["name"] for p in entry[method].get("parameters", [])]
                assert len(names) == len(set(names)), path
                assert entry[method]["x-kubernetes-action"] and entry[method]["x-kubernetes-group-version-kind"]["kind"]


def test_what_kubectl_looks_for(core: dict[str, Any]) -> None:
    # explain: from the resource's path to its kind, from the kind to its schema.
    pods = core["paths"]["/api/v1/namespaces/{namespace}/pods"]
    gvk = {"group": "", "kind": "Pod", "version": "v1"}
    assert pods["get"]["x-kubernetes-group-version-kind"] == gvk
    schemas = core["components"]["schemas"]
    assert [n for n, s in schemas.items() if gvk in s.get("x-kubernetes-group-version-kind", [])] == [
        "io.k8s.api.core.v1.Pod"
    ]
    # apply: whether a strategic merge patch is possible, and the query parameters of a patch.
    patch = core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    assert {p["name"] for p in patch["parameters"]} == {"dryRun", "force", "fieldManager", "fieldValidation"}
    # ... and what to merge by.
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name" and containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["x-kubernetes-list-type"] == "map" and containers["x-kubernetes-list-map-keys"] == ["name"]
    assert containers["items"] == {
        "allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}],
        "default": {},
    }
    assert schemas["io.k8s.api.core.v1.PodSpec"]["required"] == ["containers"]
    volumes = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"]
    assert volumes["x-kubernetes-patch-strategy"] == "merge,retainKeys"


def test_schemas_in_detail(core: dict[str, Any]) -> None:
    schemas = core["components"]["schemas"]
    port = schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]
    assert port["protocol"]["enum"] == ["SCTP", "TCP", "UDP"] and port["protocol"]["default"] == "TCP"
    assert port["containerPort"] | {"description": ""} == {
        "type": "integer",
        "format": "int32",
        "default": 0,
        "description": "",
    }
    pod = schemas["io.k8s.api.core.v1.Pod"]["properties"]
    assert (
        pod["spec"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"}]
        and pod["spec"]["default"] == {}
    )
    assert schemas["io.k8s.apimachinery.pkg.api.resource.Quantity"]["oneOf"] == [{"type": "string"}, {"type": "number"}]
    selector = schemas["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"]
    assert selector["x-kubernetes-map-type"] == "atomic"
    requests = schemas["io.k8s.api.core.v1.ResourceRequirements"]["properties"]["limits"]
    assert requests["additionalProperties"] == {
        "$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"
    }
    options = schemas["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]["x-kubernetes-group-version-kind"]
    assert {"group": "apps", "kind": "DeleteOptions", "version": "v1"} in options


def test_paths_follow_scope_verbs_and_subresources(core: dict[str, Any]) -> None:
    paths = core["paths"]
    assert "/api/v1/pods" in paths and "/api/v1/nodes" in paths and "/api/v1/namespaces/{name}" in paths
    assert set(paths["/api/v1/namespaces/{name}"]) == {"get", "delete", "parameters"}
    assert set(paths["/api/v1/namespaces"]) == {"get", "post", "parameters"}
    item = "/api/v1/namespaces/{namespace}/pods/{name}"
    assert set(paths[f"{item}/status"]) == {"get", "put", "patch", "parameters"}
    assert paths[f"{item}/exec"]["get"]["x-kubernetes-action"] == "connect"
    assert "command" in {p["name"] for p in paths[f"{item}/exec"]["parameters"]}
    assert "tailLines" in {p["name"] for p in paths[f"{item}/log"]["parameters"]}
    eviction = paths[f"{item}/eviction"]["post"]
    assert eviction["x-kubernetes-group-version-kind"] == {"group": "policy", "kind": "Eviction", "version": "v1"}
    assert "watch" in {p["name"] for p in paths["/api/v1/pods"]["get"]["parameters"]}
    ids = {operation["operationId"] for _, _, operation in operations(core)}
    assert {
        "listCoreV1NamespacedPod",
        "listCoreV1PodForAllNamespaces",
        "readCoreV1NamespacedPodStatus",
        "replaceCoreV1Node",
        "deleteCoreV1CollectionNode",
        "connectCoreV1GetNamespacedPodExec",
        "createCoreV1NamespacedPodBinding",
        "readCoreV1NamespacedPodLog",
    } <= ids


def test_swagger_has_its_own_dialect(swagger: dict[str, Any]) -> None:
    assert swagger["swagger"] == "2.0"
    create = swagger["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments"]["post"]
    assert create["parameters"][0]["in"] == "body" and create["tags"] == ["apps_v1"]
    assert swagger["definitions"]["io.k8s.api.rbac.v1.Role"]["properties"]["metadata"]["$ref"]
    limit = next(p for p in swagger["paths"]["/api/v1/pods"]["get"]["parameters"] if p["name"] == "limit")
    assert limit["type"] == "integer" and "schema" not in limit
    assert "rbacAuthorization_v1" in swagger["paths"]["/apis/rbac.authorization.k8s.io/v1/roles"]["get"]["tags"]


def test_every_resource_of_the_tables_can_be_described() -> None:
    facts = json.loads((FACTS / "resources.json").read_text())
    kinds = []
    for r in facts["resources"]:
        if (
            r["type"].rpartition(".")[0] not in scheme.PACKAGES
            or r["version"] != r["type"].rpartition(".")[0].split("/")[-1]
        ):
            continue
        subs = tuple(
            Subresource(s["name"], s["kind"], tuple(s["verbs"]), s["type"], s.get("group", ""), s.get("version", ""))
            for s in r.get("subresources", [])
        )
        verbs = tuple(r["verbs"])
        kinds.append(
            kind(
                r["group"],
                r["version"],
                r["plural"],
                r["kind"],
                r["namespaced"],
                r["type"],
                verbs=verbs,
                subresources=subs,
            )
        )
    assert len(kinds) > 60
    for place in openapi.v3_index(kinds)["paths"]:
        *_, group, version = ("", *place.split("/")) if place.startswith("apis") else ("", "", "v1")
        document = json.loads(openapi.v3_document(group, version, kinds))
        assert {r.rpartition("/")[2] for r in refs(document)} <= set(document["components"]["schemas"])
    assert json.loads(openapi.v2_document(kinds))["definitions"]
