"""Create, get, update, delete: what every kind does."""

from __future__ import annotations

import asyncio
import re

from tests.apiserver.conftest import CONFIGMAPS, PODS, Api, pod


async def test_create_fills_in_what_the_server_owns(api: Api) -> None:
    made = await api.config_map("a", uid="mine", resourceVersion="", generation=7, selfLink="/x")
    metadata = made["metadata"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", metadata["uid"])
    assert metadata["creationTimestamp"] == "2030-01-01T00:00:00Z"
    assert metadata["namespace"] == "default"
    assert int(metadata["resourceVersion"]) > 0
    assert "generation" not in metadata and "selfLink" not in metadata
    assert (made["kind"], made["apiVersion"]) == ("ConfigMap", "v1")
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == made


async def test_create_twice_conflicts_and_keeps_the_first(api: Api) -> None:
    first = await api.config_map("a")
    answer = await api.ask("POST", CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"k": "other"}})
    assert (answer.status, answer.reason) == (409, "AlreadyExists")
    assert answer.json["message"] == 'configmaps "a" already exists'
    assert answer.json["details"] == {"name": "a", "kind": "configmaps"}
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == first


async def test_generate_name(api: Api) -> None:
    names = {
        (await api.ok("POST", CONFIGMAPS, {"metadata": {"generateName": "x-"}}))["metadata"]["name"] for _ in range(9)
    }
    assert len(names) == 9
    assert all(re.fullmatch(r"x-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


async def test_missing_objects(api: Api) -> None:
    for method, path in (("GET", f"{CONFIGMAPS}/no"), ("DELETE", f"{CONFIGMAPS}/no"), ("GET", "/api/v1/nodes/no")):
        answer = await api.ask(method, path)
        assert (answer.status, answer.reason) == (404, "NotFound"), path
        assert '"no" not found' in answer.json["message"]
    answer = await api.ask("PUT", f"{CONFIGMAPS}/no", {"metadata": {"name": "no"}})
    assert (answer.status, answer.reason) == (404, "NotFound")
    answer = await api.ask("POST", "/api/v1/namespaces/nowhere/configmaps", {"metadata": {"name": "a"}})
    assert (answer.status, answer.json["message"]) == (404, 'namespaces "nowhere" not found')


async def test_update_is_optimistic(api: Api) -> None:
    made = await api.config_map("a")
    newer = await api.ok("PUT", f"{CONFIGMAPS}/a", {**made, "data": {"k": "2"}})
    assert int(newer["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert newer["metadata"]["uid"] == made["metadata"]["uid"]
    stale = await api.ask("PUT", f"{CONFIGMAPS}/a", {**made, "data": {"k": "3"}})
    assert (stale.status, stale.reason) == (409, "Conflict")
    assert "the object has been modified" in stale.json["message"]
    without = {"metadata": {"name": "a"}, "data": {"k": "4"}}
    assert (await api.ok("PUT", f"{CONFIGMAPS}/a", without))["data"] == {"k": "4"}
    other_uid = {"metadata": {"name": "a", "uid": "00000000-0000-4000-8000-000000000000"}}
    assert (await api.ask("PUT", f"{CONFIGMAPS}/a", other_uid)).status == 409


async def test_an_update_that_changes_nothing_writes_nothing(api: Api) -> None:
    made = await api.config_map("a")
    again = await api.ok("PUT", f"{CONFIGMAPS}/a", made)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    patched = await api.ok(
        "PATCH", f"{CONFIGMAPS}/a", {"data": {"k": "v"}}, content_type="application/merge-patch+json"
    )
    assert patched == made


async def test_concurrent_patches_all_land(api: Api) -> None:
    await api.config_map("a")
    await asyncio.gather(
        *(
            api.ok("PATCH", f"{CONFIGMAPS}/a", {"data": {f"k{i}": "x"}}, content_type="application/merge-patch+json")
            for i in range(40)
        )
    )
    found = await api.ok("GET", f"{CONFIGMAPS}/a")
    assert set(found["data"]) == {"k", *(f"k{i}" for i in range(40))}


async def test_status_and_spec_have_their_own_endpoints(api: Api) -> None:
    made = await api.ok("POST", PODS, {**pod(), "status": {"phase": "Running"}})
    assert made["status"]["phase"] == "Pending"
    assert made["metadata"]["generation"] == 1
    plain = await api.ok("PUT", f"{PODS}/p", {**made, "status": {"phase": "Failed"}})
    assert plain["status"]["phase"] == "Pending"
    changed = {**made, "spec": {**made["spec"], "nodeName": "n"}, "status": {**made["status"], "phase": "Running"}}
    status = await api.ok("PUT", f"{PODS}/p/status", changed)
    assert status["status"]["phase"] == "Running"
    assert "nodeName" not in status["spec"]
    assert status["metadata"]["generation"] == 1
    assert (await api.ok("GET", f"{PODS}/p/status"))["status"]["phase"] == "Running"


async def test_generation_counts_spec_changes_only(api: Api) -> None:
    made = await api.ok("POST", PODS, pod())
    labelled = await api.ok("PUT", f"{PODS}/p", {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    labelled["spec"]["containers"][0]["image"] = "web:2"
    assert (await api.ok("PUT", f"{PODS}/p", labelled))["metadata"]["generation"] == 2


async def test_dry_run_checks_everything_and_stores_nothing(api: Api) -> None:
    before = (await api.ok("GET", CONFIGMAPS))["metadata"]["resourceVersion"]
    made = await api.ok("POST", f"{CONFIGMAPS}?dryRun=All", {"metadata": {"name": "a"}})
    assert made["metadata"]["uid"] and "resourceVersion" not in made["metadata"]
    assert (await api.ask("GET", f"{CONFIGMAPS}/a")).status == 404
    assert (await api.ask("POST", f"{CONFIGMAPS}?dryRun=All", {"metadata": {"name": "B"}})).status == 422
    await api.config_map("a")
    assert (await api.ask("POST", f"{CONFIGMAPS}?dryRun=All", {"metadata": {"name": "a"}})).status == 409
    changed = await api.ok("PUT", f"{CONFIGMAPS}/a?dryRun=All", {"metadata": {"name": "a"}, "data": {"k": "dry"}})
    assert changed["data"] == {"k": "dry"}
    await api.ok("DELETE", f"{CONFIGMAPS}/a?dryRun=All")
    assert (await api.ok("GET", f"{CONFIGMAPS}/a"))["data"] == {"k": "v"}
    after = (await api.ok("GET", CONFIGMAPS))["metadata"]["resourceVersion"]
    assert int(after) == int(before) + 1
    answer = await api.ask("POST", f"{CONFIGMAPS}?dryRun=Some", {"metadata": {"name": "b"}})
    assert (answer.status, answer.reason) == (422, "Invalid")


async def test_a_dry_run_of_a_service_takes_no_address(api: Api) -> None:
    services = "/api/v1/namespaces/default/services"
    spec = {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}
    for _ in range(2):
        await api.ok("POST", f"{services}?dryRun=All", {"metadata": {"name": "s"}, "spec": spec})
    await api.ok("POST", services, {"metadata": {"name": "s"}, "spec": spec})
    taken = await api.ask("POST", services, {"metadata": {"name": "t"}, "spec": spec})
    assert taken.status == 422 and taken.json["details"]["causes"][0]["field"] == "spec.clusterIPs"
    await api.ok("DELETE", f"{services}/s")
    await api.ok("POST", services, {"metadata": {"name": "t"}, "spec": spec})


async def test_binding_assigns_once(api: Api) -> None:
    await api.ok("POST", PODS, pod())
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    assert (await api.ask("POST", f"{PODS}/p/binding", binding)).status == 201
    bound = await api.ok("GET", f"{PODS}/p")
    assert bound["spec"]["nodeName"] == "n1"
    assert [(c["type"], c["status"]) for c in bound["status"]["conditions"]] == [("PodScheduled", "True")]
    again = await api.ask("POST", f"{PODS}/p/binding", {**binding, "target": {"name": "n2"}})
    assert (again.status, again.reason) == (409, "Conflict")
    assert 'already assigned to node "n1"' in again.json["message"]
    assert (await api.ask("POST", f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": {}})).status == 422
    assert (await api.ask("POST", f"{PODS}/none/binding", {**binding, "metadata": {}})).status == 404
    await api.ok("POST", PODS, pod("q"))
    old_form = {"metadata": {"name": "q"}, "target": {"kind": "Node", "name": "n1"}}
    assert (await api.ask("POST", "/api/v1/namespaces/default/bindings", old_form)).status == 201


async def test_events_are_forgotten_after_an_hour(api: Api) -> None:
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
        "reason": "Tested",
        "type": "Normal",
    }
    await api.ok("POST", "/api/v1/namespaces/default/events", event)
    await api.clock.advance("59m")
    await api.ok("GET", "/api/v1/namespaces/default/events/e")
    await api.clock.advance("2m")
    assert (await api.ask("GET", "/api/v1/namespaces/default/events/e")).status == 404
