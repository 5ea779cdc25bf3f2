"""The `scale` sub-resource: a number of replicas read and written as an autoscaling/v1 Scale."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from minikube_py.api import names, protobuf, scheme
from minikube_py.api.resources import DEPLOYMENTS, Resource
from minikube_py.apiserver.kinds.base import Kind, Scale, Subresource
from tests.apiserver.conftest import Api, Object

APPS = "/apis/apps/v1/namespaces/default"
DEPLOYMENT = f"{APPS}/deployments/web"
SCALE = f"{DEPLOYMENT}/scale"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


def workload(name: str = "web", replicas: int | None = 2, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}
    wanted: Object = {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    if replicas is not None:
        wanted["replicas"] = replicas
    return {"metadata": {"name": name}, "spec": wanted}


async def deploy(api: Api, **spec: Any) -> Object:
    made: Object = await api.ok("POST", f"{APPS}/deployments?fieldManager=maker", workload(**spec))
    return made


def owners(obj: Object) -> dict[tuple[str, str, str], Any]:
    """Who owns spec.replicas, as (manager, operation, sub-resource) -> version."""
    return {
        (e["manager"], e["operation"], e.get("subresource", "")): e["apiVersion"]
        for e in obj["metadata"].get("managedFields", ())
        if "f:replicas" in e["fieldsV1"].get("f:spec", {})
    }


async def test_a_scale_shows_the_numbers_and_the_selector_as_text(api: Api) -> None:
    expressions = [{"key": "tier", "operator": "In", "values": ["a", "b"]}]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    template = workload()["spec"]["template"]
    template["metadata"]["labels"]["tier"] = "a"
    made = await deploy(api, selector=selector, template=template)
    await api.ok("PATCH", f"{DEPLOYMENT}/status", {"status": {"replicas": 1}}, content_type=MERGE)
    scale = await api.ok("GET", SCALE)
    version = (await api.ok("GET", DEPLOYMENT))["metadata"]["resourceVersion"]
    assert scale == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "uid": made["metadata"]["uid"],
            "resourceVersion": version,
            "creationTimestamp": made["metadata"]["creationTimestamp"],
        },
        "spec": {"replicas": 2},
        "status": {"replicas": 1, "selector": "app=web,tier in (a,b)"},
    }


@pytest.mark.parametrize(
    ("path", "obj"),
    [
        (f"{APPS}/replicasets", workload()),
        (f"{APPS}/statefulsets", workload()),
        ("/api/v1/namespaces/default/replicationcontrollers", workload(selector={"app": "web"})),
    ],
)
async def test_every_workload_that_has_replicas_can_be_scaled(api: Api, path: str, obj: Object) -> None:
    await api.ok("POST", path, obj)
    scale = await api.ok("GET", f"{path}/web/scale")
    assert (scale["spec"], scale["status"]["selector"]) == ({"replicas": 2}, "app=web")
    scale["spec"]["replicas"] = 0
    shown = await api.ok("PUT", f"{path}/web/scale", scale)
    assert shown["spec"] == {}
    found = await api.ok("GET", f"{path}/web")
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (0, 2)


async def test_a_put_changes_the_number_alone(api: Api) -> None:
    made = await deploy(api)
    scale = await api.ok("GET", SCALE)
    scale["spec"]["replicas"] = 5
    scale["status"] = {"replicas": 9, "selector": "x=y"}
    scale["metadata"]["labels"] = {"a": "b"}
    shown = await api.ok("PUT", SCALE, scale)
    assert shown["spec"] == {"replicas": 5} and "labels" not in shown["metadata"]
    found = await api.ok("GET", DEPLOYMENT)
    assert found["spec"] == {**made["spec"], "replicas": 5}
    assert found["metadata"]["generation"] == 2
    assert found["status"] == made["status"] and "labels" not in found["metadata"]


async def test_optimistic_concurrency_is_by_the_scales_resource_version(api: Api) -> None:
    await deploy(api)
    first = await api.ok("GET", SCALE)
    await api.ok("PUT", SCALE, {**first, "spec": {"replicas": 3}})
    stale = await api.ask("PUT", SCALE, {**first, "spec": {"replicas": 4}})
    assert (stale.status, stale.reason) == (409, "Conflict")
    patched = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "spec": {"replicas": 4}}
    assert (await api.ask("PATCH", SCALE, patched, content_type=MERGE)).status == 409
    other = {"metadata": {"name": "web", "uid": "00000000-0000-4000-8000-000000000000"}, "spec": {"replicas": 4}}
    assert (await api.ask("PUT", SCALE, other)).status == 409
    assert (await api.ok("GET", DEPLOYMENT))["spec"]["replicas"] == 3
    assert (await api.ok("PUT", SCALE, {"metadata": {"name": "web"}, "spec": {"replicas": 4}}))["spec"] == {
        "replicas": 4
    }


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (MERGE, {"spec": {"replicas": 7}}),
        ("application/strategic-merge-patch+json", {"spec": {"replicas": 7}}),
        ("application/json-patch+json", [{"op": "replace", "path": "/spec/replicas", "value": 7}]),
        (APPLY, {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 7}}),
    ],
)
async def test_the_four_kinds_of_patch(api: Api, content_type: str, body: Any) -> None:
    await deploy(api)
    query = "?fieldManager=me" + ("&force=true" if content_type == APPLY else "")
    shown = await api.ok("PATCH", SCALE + query, body, content_type=content_type)
    assert (shown["kind"], shown["spec"]) == ("Scale", {"replicas": 7})
    found = await api.ok("GET", DEPLOYMENT)
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (7, 2)
    operation = "Apply" if content_type == APPLY else "Update"
    assert owners(found) == {("me", operation, "scale"): "apps/v1"}


async def test_a_write_that_changes_nothing_takes_nothing(api: Api) -> None:
    made = await deploy(api)
    await api.ok("PATCH", f"{SCALE}?fieldManager=me", {"spec": {"replicas": 2}}, content_type=MERGE)
    found = await api.ok("GET", DEPLOYMENT)
    assert found == made and owners(found) == {("maker", "Update", ""): "apps/v1"}


async def test_applying_a_number_that_someone_else_set_is_a_conflict(api: Api) -> None:
    await deploy(api)
    config = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 4}}
    refused = await api.ask("PATCH", f"{SCALE}?fieldManager=me", config, content_type=APPLY)
    assert (refused.status, refused.reason) == (409, "Conflict")
    (cause,) = refused.json["details"]["causes"]
    assert cause["field"] == ".spec.replicas" and "maker" in cause["message"]
    await api.ok("PATCH", f"{SCALE}?fieldManager=me&force=true", config, content_type=APPLY)
    same = await api.ok("PATCH", f"{SCALE}?fieldManager=you", config, content_type=APPLY)
    assert same["spec"] == {"replicas": 4}
    found = await api.ok("GET", DEPLOYMENT)
    assert owners(found) == {("me", "Apply", "scale"): "apps/v1", ("you", "Apply", "scale"): "apps/v1"}
    # The maker still owns the rest, and applying the object meets the owners of its number.
    whole = {"apiVersion": "apps/v1", "kind": "Deployment", **workload(replicas=9)}
    refused = await api.ask("PATCH", f"{DEPLOYMENT}?fieldManager=third", whole, content_type=APPLY)
    assert {c["field"] for c in refused.json["details"]["causes"]} == {".spec.replicas"}


async def test_who_applied_no_number_can_leave_it_to_a_scaler(api: Api) -> None:
    whole = {"apiVersion": "apps/v1", "kind": "Deployment", **workload(replicas=3)}
    await api.ok("PATCH", f"{DEPLOYMENT}?fieldManager=me", whole, content_type=APPLY)
    await api.ok("PATCH", f"{SCALE}?fieldManager=scaler", {"spec": {"replicas": 8}}, content_type=MERGE)
    assert owners(await api.ok("GET", DEPLOYMENT)) == {("scaler", "Update", "scale"): "apps/v1"}
    del whole["spec"]["replicas"]
    after = await api.ok("PATCH", f"{DEPLOYMENT}?fieldManager=me", whole, content_type=APPLY)
    assert after["spec"]["replicas"] == 8


async def test_bad_scales_are_refused(api: Api) -> None:
    await deploy(api)
    negative = await api.ask("PATCH", SCALE, {"spec": {"replicas": -1}}, content_type=MERGE)
    assert (negative.status, negative.reason) == (422, "Invalid")
    assert [c["field"] for c in negative.json["details"]["causes"]] == ["spec.replicas"]
    assert negative.json["details"]["kind"] == "Scale"
    wrong = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    assert (await api.ask("PUT", SCALE, wrong)).status == 400
    assert (await api.ask("PUT", SCALE, {"metadata": {"name": "other"}, "spec": {"replicas": 1}})).status == 400
    strict = {"metadata": {"name": "web"}, "spec": {"replicas": 1, "extra": 1}}
    assert (await api.ask("PUT", f"{SCALE}?fieldValidation=Strict", strict)).status == 400
    assert (await api.ask("GET", f"{APPS}/deployments/none/scale")).status == 404
    assert (await api.ask("PUT", f"{APPS}/deployments/none/scale", {"metadata": {"name": "none"}})).status == 404
    assert (await api.ask("DELETE", SCALE)).status == 405
    assert (await api.ask("GET", f"{APPS}/daemonsets/web/scale")).status == 404
    assert (await api.ok("GET", DEPLOYMENT))["spec"]["replicas"] == 2


async def test_a_dry_run_and_a_table(api: Api) -> None:
    await deploy(api)
    dry = await api.ok("PATCH", f"{SCALE}?dryRun=All", {"spec": {"replicas": 6}}, content_type=MERGE)
    assert dry["spec"] == {"replicas": 6}
    assert (await api.ok("GET", DEPLOYMENT))["spec"]["replicas"] == 2
    table = await api.ok("GET", SCALE, headers={"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table["rows"][0]["cells"] == ["web", 2, 0, "0s"]


async def test_parallel_patches_all_land(api: Api) -> None:
    await deploy(api)
    await asyncio.gather(
        *(api.ok("PATCH", SCALE, {"spec": {"replicas": 10 + i}}, content_type=MERGE) for i in range(20))
    )
    found = await api.ok("GET", DEPLOYMENT)
    assert found["spec"]["replicas"] >= 10 and found["metadata"]["generation"] == 21


async def test_discovery_says_which_resources_have_a_scale(api: Api) -> None:
    listed = (await api.ok("GET", "/apis/apps/v1"))["resources"]
    scales = {r["name"]: (r["group"], r["version"], r["kind"]) for r in listed if r["name"].endswith("/scale")}
    assert scales == {
        f"{plural}/scale": ("autoscaling", "v1", "Scale") for plural in ("deployments", "replicasets", "statefulsets")
    }


def thing() -> Kind:
    """A kind that is added at run time: its numbers are elsewhere, its selector is a text."""
    scale = Scale(("spec", "minReadySeconds"), ("status", "readyReplicas"), ("spec", "template", "spec", "nodeName"))
    return Kind(
        resource=Resource("example.com", "v1", "things", "Thing", True, "apps/v1.ReplicaSet"),
        singular="thing",
        columns=(),
        row=lambda obj: [],
        subresources=(Subresource("scale", "Scale", ("get", "patch", "update"), "autoscaling/v1.Scale"),),
        scale=scale,
        generation=True,
        validate_name=names.dns1123_subdomain,
        schema=scheme.struct("apps/v1.ReplicaSet"),
    )


async def test_a_kind_that_came_later_says_where_its_numbers_are(api: Api) -> None:
    kind, server = thing(), api.cluster.server
    await server.storage.add(kind)
    server.catalog.add(server.catalog.of(DEPLOYMENTS).alike(kind))
    things = "/apis/example.com/v1/namespaces/default/things"
    spec = {"replicas": 3, "minReadySeconds": 4, "template": {"spec": {"nodeName": "a=b"}}}
    await api.ok("POST", f"{things}?fieldManager=maker", {"metadata": {"name": "t"}, "spec": spec})
    shown = await api.ok("PATCH", f"{things}/t/scale?fieldManager=me", {"spec": {"replicas": 9}}, content_type=MERGE)
    assert (shown["spec"], shown["status"]) == ({"replicas": 9}, {"replicas": 0, "selector": "a=b"})
    found = await api.ok("GET", f"{things}/t")
    assert (found["spec"]["minReadySeconds"], found["spec"]["replicas"]) == (9, 3)
    assert found["metadata"]["generation"] == 2
    (scaler,) = [e for e in found["metadata"]["managedFields"] if e["manager"] == "me"]
    assert scaler["fieldsV1"] == {"f:spec": {"f:minReadySeconds": {}}} and scaler["apiVersion"] == "example.com/v1"
    await api.ok("POST", things, {"metadata": {"name": "none"}, "spec": {"replicas": 3}})
    missing = await api.ask("GET", f"{things}/none/scale")
    assert missing.status == 500 and ".spec.minReadySeconds" in missing.json["message"]
    assert (await api.ok("PUT", f"{things}/none/scale", {"metadata": {"name": "none"}, "spec": {"replicas": 1}}))[
        "spec"
    ] == {"replicas": 1}


async def test_a_scale_in_protobuf(api: Api) -> None:
    await deploy(api)
    scale = await api.ok("GET", SCALE)
    scale["spec"] = {"replicas": 3}
    body = protobuf.encode(scale, scheme.struct("autoscaling/v1.Scale"))
    await api.ok("PUT", SCALE, body, content_type="application/vnd.kubernetes.protobuf")
    assert (await api.ok("GET", DEPLOYMENT))["spec"]["replicas"] == 3
