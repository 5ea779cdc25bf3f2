"""Workloads over the whole server: what is stored, both versions of an autoscaler, deletion of what they are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.conftest import Api, Object, Watching

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
HPA = "horizontalpodautoscalers"
V1, V2 = f"/apis/autoscaling/v1/namespaces/default/{HPA}", f"/apis/autoscaling/v2/namespaces/default/{HPA}"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


def deployment(image: str = "web:1") -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template}}


def job() -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "web:1"}]}
    return {"metadata": {"name": "once"}, "spec": {"template": {"spec": pod}}}


def memory() -> Object:
    target = {"type": "AverageValue", "averageValue": "64Mi"}
    return {"type": "Resource", "resource": {"name": "memory", "target": target}}


def cpu(percent: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def autoscaler(**spec: Any) -> Object:
    return {
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5, **spec},
    }


async def test_generation_of_a_deployment(api: Api) -> None:
    made = await api.ok("POST", DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}})
    assert made["metadata"]["generation"] == 1 and made["status"] == {}
    noted = await api.ok("PATCH", f"{DEPLOYMENTS}/web", {"metadata": {"annotations": {"a": "b"}}}, content_type=MERGE)
    assert noted["metadata"]["generation"] == 2
    status = await api.ok("PATCH", f"{DEPLOYMENTS}/web/status", {"status": {"replicas": 1}}, content_type=MERGE)
    assert status["metadata"]["generation"] == 2 and status["status"] == {"replicas": 1}
    images = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "web:2"}]}}}}
    changed = await api.ok("PATCH", f"{DEPLOYMENTS}/web", images, content_type="application/strategic-merge-patch+json")
    assert changed["metadata"]["generation"] == 3 and changed["status"] == {"replicas": 1}
    moved = {"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}}}}
    refused = await api.ask("PATCH", f"{DEPLOYMENTS}/web", moved, content_type=MERGE)
    assert [c["field"] for c in refused.json["details"]["causes"]] == ["spec.selector"]


async def test_every_field_at_fault_is_named(api: Api) -> None:
    refused = await api.ask("POST", DEPLOYMENTS, {"metadata": {"name": "Web"}, "spec": {"replicas": -1}})
    assert (refused.status, refused.reason) == (422, "Invalid")
    assert refused.json["message"].startswith('Deployment.apps "Web" is invalid: [')
    assert {c["field"] for c in refused.json["details"]["causes"]} == {
        "metadata.name", "spec.replicas", "spec.selector", "spec.template.metadata.labels",
        "spec.template.spec.containers",
    }  # fmt: skip


async def test_a_job_is_found_by_its_labels(api: Api) -> None:
    made = await api.ok("POST", JOBS, job())
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == "once"
    for selector in (f"controller-uid={uid}", "batch.kubernetes.io/job-name=once"):
        assert len((await api.ok("GET", f"{JOBS}?labelSelector={selector}"))["items"]) == 1
    assert len((await api.ok("GET", f"{JOBS}?fieldSelector=status.successful%3D0"))["items"]) == 1
    again = await api.ok("PUT", f"{JOBS}/once", made)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_both_versions_of_an_autoscaler_are_one_object(api: Api) -> None:
    made = await api.ok("POST", V2, autoscaler(metrics=[cpu(50), memory()]))
    older = await api.ok("GET", f"{V1}/web")
    assert (older["apiVersion"], older["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 50)
    for member in ("uid", "resourceVersion", "creationTimestamp"):
        assert older["metadata"][member] == made["metadata"][member]
    same = await api.ok("PUT", f"{V1}/web", older)
    assert same == older
    changed = await api.ok("PATCH", f"{V1}/web", {"spec": {"targetCPUUtilizationPercentage": 60}}, content_type=MERGE)
    assert changed["spec"]["targetCPUUtilizationPercentage"] == 60
    newer = await api.ok("GET", f"{V2}/web")
    assert newer["spec"]["metrics"] == [memory(), cpu(60)]
    assert "annotations" not in newer["metadata"]
    assert (await api.ask("POST", V1, autoscaler())).reason == "AlreadyExists"
    await api.ok("DELETE", f"{V1}/web")
    assert (await api.ask("GET", f"{V2}/web")).status == 404


async def test_a_v1_autoscaler_is_given_its_target(api: Api) -> None:
    made = await api.ok("POST", V1, autoscaler())
    assert made["spec"]["targetCPUUtilizationPercentage"] == 80
    assert (await api.ok("GET", f"{V2}/web"))["spec"]["metrics"] == [cpu(80)]
    refused = await api.ask("POST", V1, {"metadata": {"name": "x"}, "spec": {"maxReplicas": 1}})
    assert {c["field"] for c in refused.json["details"]["causes"]} == {
        "spec.scaleTargetRef.kind",
        "spec.scaleTargetRef.name",
    }


async def test_the_status_of_an_autoscaler_through_either_version(api: Api) -> None:
    await api.ok("POST", V2, autoscaler(metrics=[cpu(50), memory()]))
    condition = {"type": "AbleToScale", "status": "True"}
    status = {"status": {"desiredReplicas": 3, "conditions": [condition]}}
    await api.ok("PATCH", f"{V2}/web/status", status, content_type=MERGE)
    older = await api.ok("GET", f"{V1}/web")
    assert older["status"]["desiredReplicas"] == 3
    # A client of v1 that does not send the annotations back loses its metrics and not what the status says.
    older["metadata"].pop("annotations")
    await api.ok("PUT", f"{V1}/web", older)
    newer = await api.ok("GET", f"{V2}/web")
    assert newer["spec"]["metrics"] == [cpu(50)]
    assert [c["type"] for c in newer["status"]["conditions"]] == ["AbleToScale"]
    await api.ok("PATCH", f"{V1}/web/status", {"status": {"desiredReplicas": 4}}, content_type=MERGE)
    newer = await api.ok("GET", f"{V2}/web")
    assert newer["status"]["desiredReplicas"] == 4 and newer["status"]["conditions"]


async def test_an_autoscaler_applied_in_one_version_and_then_the_other(api: Api) -> None:
    config = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", **autoscaler(metrics=[memory()])}
    await api.ok("PATCH", f"{V2}/web?fieldManager=me", config, content_type=APPLY)
    older = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        **autoscaler(targetCPUUtilizationPercentage=70),
    }
    after = await api.ok("PATCH", f"{V1}/web?fieldManager=me", older, content_type=APPLY)
    assert after["spec"]["targetCPUUtilizationPercentage"] == 70
    (mine,) = [e for e in after["metadata"]["managedFields"] if e["operation"] == "Apply"]
    assert mine["apiVersion"] == "autoscaling/v1"


async def test_a_watch_of_one_version_hears_of_writes_to_the_other(api: Api) -> None:
    async with Watching(api, V1) as watching:
        await api.ok("POST", V2, autoscaler(metrics=[cpu(40)]))
        assert await watching.seen() == [("ADDED", "web")]
        assert watching.events[0][1]["spec"]["targetCPUUtilizationPercentage"] == 40


@pytest.mark.parametrize(
    ("path", "obj", "wanted"),
    [
        (DEPLOYMENTS, deployment(), {"replicas": 1}),
        ("/apis/apps/v1/namespaces/default/daemonsets", deployment(), {"revisionHistoryLimit": 10}),
        ("/apis/apps/v1/namespaces/default/statefulsets", deployment(), {"podManagementPolicy": "OrderedReady"}),
        ("/apis/apps/v1/namespaces/default/replicasets", deployment(), {"replicas": 1}),
        (
            "/api/v1/namespaces/default/replicationcontrollers",
            {"metadata": {"name": "web"}, "spec": {"template": deployment()["spec"]["template"]}},
            {"selector": {"app": "web"}},
        ),
        (
            "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
            {"metadata": {"name": "web"}, "spec": {"maxUnavailable": 1}},
            {"maxUnavailable": 1},
        ),
        (
            "/apis/batch/v1/namespaces/default/cronjobs",
            {"metadata": {"name": "web"}, "spec": {"schedule": "@daily", "jobTemplate": {"spec": job()["spec"]}}},
            {"suspend": False},
        ),
    ],
)
async def test_applying_the_same_twice_changes_nothing(api: Api, path: str, obj: Object, wanted: Object) -> None:
    version = path.split("/namespaces")[0].removeprefix("/apis/").removeprefix("/api/")
    kinds = (await api.ok("GET", path.split("/namespaces")[0]))["resources"]
    kind = next(r["kind"] for r in kinds if r["name"] == path.rpartition("/")[2])
    config = {"apiVersion": version, "kind": kind, **obj}
    first = await api.ok("PATCH", f"{path}/web?fieldManager=me", config, content_type=APPLY)
    assert wanted.items() <= first["spec"].items()
    again = await api.ok("PATCH", f"{path}/web?fieldManager=me", config, content_type=APPLY)
    assert again == first
    status = {"apiVersion": version, "kind": kind, "status": {"observedGeneration": 1}}
    if path.endswith("cronjobs"):
        status["status"] = {"lastScheduleTime": "2030-01-01T00:00:00Z"}
    told = await api.ok("PATCH", f"{path}/web/status?fieldManager=it", status, content_type=APPLY)
    assert status["status"].items() <= told["status"].items() and told["spec"] == first["spec"]


@pytest.mark.parametrize(
    ("query", "body", "finalizers"),
    [
        ("", None, ["orphan"]),
        ("?propagationPolicy=Background", None, None),
        ("?propagationPolicy=Foreground", None, ["foregroundDeletion"]),
        ("", {"orphanDependents": False}, None),
        ("", {"orphanDependents": True}, ["orphan"]),
    ],
)
async def test_a_jobs_pods_stay_unless_its_deletion_says_otherwise(
    api: Api, query: str, body: Object | None, finalizers: list[str] | None
) -> None:
    await api.ok("POST", JOBS, job())
    await api.ok("DELETE", f"{JOBS}/once{query}", body)
    left = await api.ask("GET", f"{JOBS}/once")
    assert left.status == (404 if finalizers is None else 200)
    if finalizers is not None:
        assert left.json["metadata"]["finalizers"] == finalizers and left.json["metadata"]["deletionTimestamp"]
    await api.ok("POST", DEPLOYMENTS, deployment())
    await api.ok("DELETE", f"{DEPLOYMENTS}/web")
    assert (await api.ask("GET", f"{DEPLOYMENTS}/web")).status == 404
