"""`pods/resize`: other amounts of cpu and memory, and what admission makes of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.apiserver.conftest import PODS, Api, Object, pod

STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PATH = f"{PODS}/p/resize"
SMALL: Object = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}
SIDECAR: Object = {"name": "s", "image": "web:1", "restartPolicy": "Always", "resources": SMALL}
INIT: Object = {"name": "i", "image": "web:1", "resources": SMALL}


def sized(resources: Object = SMALL, **spec: Any) -> Object:
    made = pod("p", **spec)
    made["spec"]["containers"][0]["resources"] = resources
    return copy.deepcopy(made)


def patch(resources: Object, name: str = "c", kind: str = "containers", **more: Any) -> Object:
    return {"spec": {kind: [{"name": name, "resources": resources, **more}]}}


async def resize(api: Api, wanted: Object) -> tuple[int, str]:
    answer = await api.ask("PATCH", PATH, wanted, content_type=STRATEGIC)
    return answer.status, answer.json.get("message", "")


async def test_cpu_and_memory_change_and_nothing_else(api: Api) -> None:
    made = await api.ok("POST", PODS, sized(initContainers=[SIDECAR]))
    wanted = copy.deepcopy(made)
    bigger = {"requests": {"cpu": "150m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}}
    wanted["spec"]["containers"][0] |= {"resources": bigger, "image": "other:2"}
    wanted["spec"]["initContainers"][0]["resources"] = bigger
    wanted["spec"]["nodeName"] = "elsewhere"
    wanted["metadata"]["labels"] = {"a": "b"}
    shown = await api.ok("PUT", PATH, wanted)
    expected = copy.deepcopy(made["spec"])
    expected["containers"][0]["resources"] = expected["initContainers"][0]["resources"] = bigger
    assert shown["spec"] == expected and shown["status"] == made["status"]
    assert shown["metadata"]["generation"] == 2 and "labels" not in shown["metadata"]
    assert shown == await api.ok("GET", PATH) == await api.ok("GET", f"{PODS}/p")


async def test_applied_resources_are_owned_here(api: Api) -> None:
    await api.ok("POST", PODS, sized())
    config = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, **patch({"limits": {"cpu": "300m"}})}
    shown = await api.ok("PATCH", f"{PATH}?fieldManager=me&force=true", config, content_type=APPLY)
    assert shown["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "300m", "memory": "128Mi"}
    mine = next(m for m in shown["metadata"]["managedFields"] if m["manager"] == "me")
    assert (mine["operation"], mine["subresource"]) == ("Apply", "resize")


async def test_a_missing_request_follows_its_limit(api: Api) -> None:
    await api.ok("POST", PODS, sized({"requests": {"cpu": "100m"}}))
    assert (await resize(api, patch({"limits": {"memory": "64Mi"}})))[0] == 200
    shown = await api.ok("GET", f"{PODS}/p")
    assert shown["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}
    }  # fmt: skip


GONE = {"requests": {"cpu": None}, "limits": {"cpu": None}}
REFUSED: list[tuple[Object, str]] = [
    (patch({"limits": {"cpu": "50m"}}), "must be less than or equal to cpu limit of 50m"),
    (patch({"limits": {"cpu": None}}),
     "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"),
    (patch(GONE), "resource requests cannot be removed"),
    (patch({"limits": {"cpu": None}}, "s", "initContainers"),
     "spec.initContainers[0].resources.limits: Forbidden: resource limits cannot be removed"),
    (patch({"limits": {"cpu": "2"}}, "i", "initContainers"), "resources for non-sidecar init containers are immutable"),
    (patch({"requests": {"ephemeral-storage": "1Gi"}}), "only cpu and memory resources are mutable"),
    (patch({"requests": {"ephemeral-storage": "1Gi"}}, "s", "initContainers"),
     "only cpu and memory resources for sidecar containers are mutable"),
    (patch({}, resizePolicy=[{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]),
     "only cpu and memory resources are mutable"),
    (patch(SMALL, "new", image="web:1"), "containers may not be added or removed on resize"),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "why"), REFUSED)
async def test_what_is_refused(api: Api, wanted: Object, why: str) -> None:
    before = await api.ok("POST", PODS, sized(initContainers=[SIDECAR, INIT]))
    status, message = await resize(api, wanted)
    assert (status, why in message) == (422, True), message
    assert await api.ok("GET", f"{PODS}/p") == before


async def test_the_class_of_quality_stays(api: Api) -> None:
    await api.ok("POST", PODS, sized())
    status, message = await resize(api, patch({"limits": {"cpu": "100m", "memory": "64Mi"}}))
    assert status == 422 and "Pod QOS Class may not change as a result of resizing" in message


async def test_renamed_or_reordered(api: Api) -> None:
    two = sized()
    two["spec"]["containers"].append({"name": "e", "image": "web:1", "resources": SMALL})
    made = await api.ok("POST", PODS, two)
    made["spec"]["containers"].reverse()
    answer = await api.ask("PUT", PATH, made)
    assert answer.status == 422 and "containers may not be renamed or reordered on resize" in answer.json["message"]


async def test_pods_that_cannot_be_resized(api: Api) -> None:
    static = sized()
    static["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    await api.ok("POST", PODS, static)
    assert "static pods cannot be resized" in (await resize(api, patch({"limits": {"cpu": "1"}})))[1]
    windows = sized(os={"name": "windows"})
    windows["metadata"]["name"] = "w"
    await api.ok("POST", PODS, windows)
    answer = await api.ask("PATCH", f"{PODS}/w/resize", patch({"limits": {"cpu": "1"}}), content_type=STRATEGIC)
    assert answer.status == 422 and "windows pods cannot be resized" in answer.json["message"]
    assert (await api.ask("PATCH", f"{PODS}/none/resize", patch({}), content_type=STRATEGIC)).status == 404


async def test_a_node_that_says_nothing_of_resources_cannot_resize(api: Api) -> None:
    await api.ok("POST", PODS, sized())
    running: Object = {"name": "c", "state": {"running": {}}, "image": "web:1", "imageID": "", "ready": True}
    await api.ok("PATCH", f"{PODS}/p/status", {"status": {"containerStatuses": [running]}}, content_type=STRATEGIC)
    status, message = await resize(api, patch({"limits": {"cpu": "1"}}))
    assert status == 422 and "Pod running on node without support for resize" in message
    running["resources"] = SMALL
    await api.ok("PATCH", f"{PODS}/p/status", {"status": {"containerStatuses": [running]}}, content_type=STRATEGIC)
    assert (await resize(api, patch({"limits": {"cpu": "1"}})))[0] == 200


async def test_a_plain_update_changes_no_resources(api: Api) -> None:
    await api.ok("POST", PODS, sized())
    for path, expected in ((f"{PODS}/p", 422), (f"{PODS}/p/status", 200)):
        answer = await api.ask("PATCH", path, patch({"limits": {"cpu": "1"}}), content_type=STRATEGIC)
        assert answer.status == expected
    assert (await api.ok("GET", f"{PODS}/p"))["spec"]["containers"][0]["resources"] == SMALL


async def test_limit_ranges_bound_the_new_amounts(api: Api) -> None:
    await api.ok("POST", PODS, sized())
    limits = [{"type": "Container", "max": {"cpu": "500m", "memory": "1Gi"}}]
    path = "/api/v1/namespaces/default/limitranges"
    await api.ok("POST", path, {"metadata": {"name": "l"}, "spec": {"limits": limits}})
    status, message = await resize(api, patch({"limits": {"cpu": "1"}}))
    assert status == 403 and "maximum cpu usage per Container is 500m, but limit is 1" in message
    assert (await resize(api, patch({"limits": {"cpu": "400m"}})))[0] == 200


async def test_quotas_count_the_new_amounts(api: Api) -> None:
    path = "/api/v1/namespaces/default/resourcequotas"
    await api.ok("POST", path, {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "150m"}}})
    await api.ok("POST", PODS, sized())
    status, message = await resize(api, patch({"requests": {"cpu": "180m"}}))
    assert status == 403 and "exceeded quota: q, requested: requests.cpu=80m, used: requests.cpu=100m" in message
    assert (await resize(api, patch({"requests": {"cpu": "150m"}})))[0] == 200
    assert (await api.ok("GET", f"{path}/q"))["status"]["used"] == {"requests.cpu": "150m"}
