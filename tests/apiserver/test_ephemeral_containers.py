"""`pods/ephemeralcontainers`: containers are added to a Pod that exists, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.conftest import PODS, Api, Object, pod

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
PATH = f"{PODS}/p/ephemeralcontainers"


def debugger(name: str = "d", **more: Any) -> Object:
    return {"name": name, "image": "web:1", **more}


def body(*containers: Object) -> Object:
    return {"spec": {"ephemeralContainers": list(containers)}}


async def refused(api: Api, *containers: Object) -> tuple[int, list[tuple[str, str]]]:
    """The causes of the refusal of a patch that adds these."""
    answer = await api.ask("PATCH", PATH, body(*containers), content_type=STRATEGIC)
    causes = (answer.json.get("details") or {}).get("causes") or ()
    return answer.status, [(c.get("field", ""), c["message"]) for c in causes]


async def test_every_way_of_writing_adds_one(api: Api) -> None:
    await api.ok("POST", PODS, pod("p"))
    ask = {
        STRATEGIC: body(debugger("strategic")),
        MERGE: body(debugger("strategic"), debugger("merge")),
        JSON_PATCH: [{"op": "add", "path": "/spec/ephemeralContainers/-", "value": debugger("json")}],
        APPLY: {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"no": "way"}},
            **body(debugger("apply", targetContainerName="c")),
        },
    }  # fmt: skip
    for media, patch in ask.items():
        query = "?fieldManager=me" if media == APPLY else ""
        await api.ok("PATCH", PATH + query, patch, content_type=media)
    now = await api.ok("GET", PATH)
    now["spec"]["ephemeralContainers"].append(debugger("put"))
    shown = await api.ok("PUT", PATH, now)
    found = {c["name"]: c for c in shown["spec"]["ephemeralContainers"]}
    assert set(found) == {"strategic", "merge", "json", "apply", "put"}
    assert found["apply"]["targetContainerName"] == "c"
    # The defaults of a container, and no resources.
    assert found["put"]["imagePullPolicy"] == "IfNotPresent"
    assert found["put"]["terminationMessagePolicy"] == "File" and not found["put"].get("resources")
    assert shown == await api.ok("GET", f"{PODS}/p") == await api.ok("GET", PATH)
    assert shown["metadata"]["generation"] == 6 and "labels" not in shown["metadata"]
    applied = next(m for m in shown["metadata"]["managedFields"] if m["manager"] == "me")
    assert (applied["operation"], applied["subresource"]) == ("Apply", "ephemeralcontainers")
    assert set(applied["fieldsV1"]) == {"f:spec"} and set(applied["fieldsV1"]["f:spec"]) == {"f:ephemeralContainers"}


async def test_nothing_else_changes(api: Api) -> None:
    made = await api.ok("POST", PODS, pod("p"))
    wanted = {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}
    wanted["spec"] = {**made["spec"], "nodeName": "elsewhere", "ephemeralContainers": [debugger()]}
    wanted["spec"]["containers"] = [{**made["spec"]["containers"][0], "image": "other:2"}]
    shown = await api.ok("PUT", PATH, wanted)
    assert [c["name"] for c in shown["spec"].pop("ephemeralContainers")] == ["d"]
    assert shown["spec"] == made["spec"] and shown["status"] == made["status"]
    assert "labels" not in shown["metadata"]


async def test_what_is_there_stays(api: Api) -> None:
    await api.ok("POST", PODS, pod("p"))
    await api.ok("PATCH", PATH, body(debugger("a"), debugger("b")), content_type=STRATEGIC)
    status, causes = await refused(api, debugger("a", image="other:1"))
    assert status == 422 and causes[0][0] == "spec.ephemeralContainers"
    assert 'existing ephemeral containers "a" may not be changed' in causes[0][1]
    answer = await api.ask("PATCH", PATH, body(debugger("b")), content_type=MERGE)
    assert answer.status == 422 and 'existing ephemeral containers "a" may not be removed' in answer.json["message"]
    now = await api.ok("GET", PATH)
    now["spec"]["ephemeralContainers"].reverse()
    assert [c["name"] for c in (await api.ok("PUT", PATH, now))["spec"]["ephemeralContainers"]] == ["b", "a"]
    # Neither a plain update nor a status adds or takes away any.
    for path in (f"{PODS}/p", f"{PODS}/p/status"):
        answer = await api.ask("PATCH", path, body(debugger("c")), content_type=STRATEGIC)
        assert answer.status == (422 if path.endswith("/p") else 200)
    assert len((await api.ok("GET", PATH))["spec"]["ephemeralContainers"]) == 2


BAD: list[tuple[Object, str, str]] = [
    (debugger("c"), "name", "Duplicate value"),
    (debugger("i"), "name", "Duplicate value"),
    (debugger("No"), "name", "lowercase RFC 1123"),
    ({"name": "d"}, "image", "Required value"),
    (debugger(targetContainerName="nobody"), "targetContainerName", "Not found"),
    (debugger(targetContainerName="d"), "targetContainerName", "Not found"),
    (debugger(ports=[{"containerPort": 80}]), "ports", "cannot be set for an Ephemeral Container"),
    (debugger(resources={"limits": {"cpu": "1"}}), "resources", "cannot be set for an Ephemeral Container"),
    (debugger(resizePolicy=[{"resourceName": "cpu", "restartPolicy": "NotRequired"}]), "resizePolicy", "cannot be set"),
    (debugger(restartPolicy="Always"), "restartPolicy", "cannot be set for an Ephemeral Container"),
    (debugger(lifecycle={"preStop": {"exec": {"command": ["x"]}}}), "lifecycle", "cannot be set"),
    *((debugger(**{f"{k}Probe": {"exec": {"command": ["x"]}}}), f"{k}Probe", "cannot be set")
      for k in ("liveness", "readiness", "startup")),
    (debugger(volumeMounts=[{"name": "v", "mountPath": "/v", "subPath": "s"}]), "volumeMounts[0].subPath", "cannot be"),
    (debugger(volumeMounts=[{"name": "w", "mountPath": "/v"}]), "volumeMounts[0].name", "Not found"),
]  # fmt: skip


@pytest.mark.parametrize(("container", "member", "why"), BAD)
async def test_what_one_may_not_be(api: Api, container: Object, member: str, why: str) -> None:
    more = {"initContainers": [{"name": "i", "image": "web:1"}], "volumes": [{"name": "v", "emptyDir": {}}]}
    before = await api.ok("POST", PODS, pod("p", **more))
    status, causes = await refused(api, container)
    assert status == 422
    assert [why in message for field, message in causes if field == f"spec.ephemeralContainers[0].{member}"] == [True]
    assert await api.ok("GET", f"{PODS}/p") == before


async def test_where_there_is_none(api: Api) -> None:
    answer = await api.ask("PATCH", PATH, body(debugger()), content_type=STRATEGIC)
    assert (answer.status, answer.reason) == (404, "NotFound")
    refusal = await api.ask("POST", PODS, pod("q", ephemeralContainers=[debugger()]))
    assert refusal.status == 422 and "cannot be set on create" in refusal.json["message"]
    static = pod("p")
    static["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    await api.ok("POST", PODS, static)
    status, causes = await refused(api, debugger())
    assert status == 422 and "static pods do not support ephemeral containers" in causes[0][1]
    assert (await api.ask("DELETE", PATH)).status == 405


async def test_the_namespaces_level_of_security_counts(api: Api) -> None:
    strict = {"metadata": {"name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    await api.ok("POST", "/api/v1/namespaces", strict)
    await api.ok("POST", "/api/v1/namespaces/strict/serviceaccounts", {"metadata": {"name": "default"}})
    await api.ok("POST", "/api/v1/namespaces/strict/pods", pod("p"))
    path = "/api/v1/namespaces/strict/pods/p/ephemeralcontainers"
    bad = debugger(securityContext={"privileged": True})
    answer = await api.ask("PATCH", path, body(bad), content_type=STRATEGIC)
    assert answer.status == 403 and 'violates PodSecurity "baseline:latest": privileged' in answer.json["message"]
    await api.ok("PATCH", path, body(debugger()), content_type=STRATEGIC)
