"""One store of events behind two versions: what is written as either is read, watched and deleted as the other."""

from __future__ import annotations

from typing import Any

from tests.apiserver.conftest import Api, Object, Watching

OLD = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


def old_event(name: str = "a", **more: Any) -> Object:
    about = {"kind": "Pod", "namespace": "default", "name": "web"}
    return {
        "metadata": {"name": name}, "involvedObject": about, "reason": "Started", "message": "Started it",
        "type": "Normal", "count": 1, "source": {"component": "kubelet", "host": "n"}, **more,
    }  # fmt: skip


def new_event(name: str = "b", **more: Any) -> Object:
    return {
        "metadata": {"name": name}, "regarding": {"kind": "Pod", "namespace": "default", "name": "web"},
        "eventTime": "2030-01-01T00:00:00.000000Z", "reportingController": "example.com/robot",
        "reportingInstance": "robot-1", "action": "Binding", "reason": "Scheduled", "note": "Found a place",
        "type": "Normal", **more,
    }  # fmt: skip


async def test_what_is_written_as_one_is_read_as_the_other(api: Api) -> None:
    made = await api.ok("POST", OLD, old_event())
    seen = await api.ok("GET", f"{NEW}/a")
    assert (seen["kind"], seen["apiVersion"]) == ("Event", "events.k8s.io/v1")
    assert (seen["note"], seen["regarding"]["name"]) == ("Started it", "web")
    assert (seen["deprecatedSource"], seen["deprecatedCount"]) == ({"component": "kubelet", "host": "n"}, 1)
    assert "message" not in seen and "reportingController" not in seen
    assert seen["metadata"] == made["metadata"]
    made = await api.ok("POST", NEW, new_event())
    assert (made["kind"], made["apiVersion"]) == ("Event", "events.k8s.io/v1")
    seen = await api.ok("GET", f"{OLD}/b")
    assert (seen["kind"], seen["apiVersion"]) == ("Event", "v1")
    assert (seen["message"], seen["reportingComponent"]) == ("Found a place", "example.com/robot")
    assert (seen["involvedObject"]["name"], seen["source"]) == ("web", {})
    assert seen["metadata"] == made["metadata"]


async def test_both_lists_are_one(api: Api) -> None:
    await api.ok("POST", OLD, old_event())
    await api.ok("POST", NEW, new_event())
    old, new = await api.ok("GET", OLD), await api.ok("GET", NEW)
    assert (new["kind"], new["apiVersion"]) == ("EventList", "events.k8s.io/v1")
    assert old["metadata"] == new["metadata"]
    assert [e["metadata"] for e in old["items"]] == [e["metadata"] for e in new["items"]]
    assert [e["note"] for e in new["items"]] == [e["message"] for e in old["items"]] == ["Started it", "Found a place"]
    everywhere = await api.ok("GET", "/apis/events.k8s.io/v1/events?limit=1")
    assert [e["note"] for e in everywhere["items"]] == ["Started it"]
    token = everywhere["metadata"]["continue"]
    rest = await api.ok("GET", f"/apis/events.k8s.io/v1/events?limit=1&continue={token}")
    assert [e["note"] for e in rest["items"]] == ["Found a place"]


async def test_a_table_has_the_same_rows(api: Api) -> None:
    await api.ok("POST", OLD, old_event())
    await api.ok("POST", NEW, new_event())
    wants = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    old, new = await api.ok("GET", OLD, headers=wants), await api.ok("GET", NEW, headers=wants)
    assert [r["cells"] for r in old["rows"]] == [r["cells"] for r in new["rows"]]
    assert new["rows"][0]["cells"][1:7] == ["Normal", "Started", "pod/web", "", "kubelet, n", "Started it"]


async def test_fields_are_selected_by_each_versions_names(api: Api) -> None:
    await api.ok("POST", OLD, old_event())
    await api.ok("POST", NEW, new_event())
    for path, field in ((NEW, "reportingController"), (OLD, "reportingComponent")):
        found = await api.ok("GET", f"{path}?fieldSelector={field}%3Dexample.com/robot")
        assert [e["metadata"]["name"] for e in found["items"]] == ["b"]
    found = await api.ok("GET", f"{NEW}?fieldSelector=regarding.name%3Dweb,reason%3DStarted")
    assert [e["metadata"]["name"] for e in found["items"]] == ["a"]
    answer = await api.ask("GET", f"{NEW}?fieldSelector=involvedObject.name%3Dweb")
    assert (answer.status, answer.reason) == (400, "BadRequest")


async def test_a_watch_of_one_hears_the_other(api: Api) -> None:
    async with Watching(api, NEW) as new, Watching(api, OLD) as old:
        await api.ok("POST", OLD, old_event())
        await api.ok("POST", NEW, new_event())
        await api.ok("PATCH", f"{OLD}/a", {"message": "Again"}, content_type=MERGE)
        await api.ok("DELETE", f"{NEW}/a")
        await api.ok("DELETE", f"{OLD}/b")
        told = [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a"), ("DELETED", "b")]
        assert await new.seen() == await old.seen() == told
        versions = [e["metadata"]["resourceVersion"] for _, e in new.events]
        assert versions == [e["metadata"]["resourceVersion"] for _, e in old.events]
        assert {e["apiVersion"] for _, e in new.events} == {"events.k8s.io/v1"}
        assert [e["note"] for _, e in new.events] == [e["message"] for _, e in old.events]
    assert (await api.ok("GET", OLD))["items"] == (await api.ok("GET", NEW))["items"] == []


async def test_patches_go_through_the_version_that_they_are_sent_to(api: Api) -> None:
    made = await api.ok("POST", NEW, new_event())
    series = {"count": 2, "lastObservedTime": "2030-01-01T00:00:05.000000Z"}
    patched = await api.ok("PATCH", f"{NEW}/b", {"series": series}, content_type=MERGE)
    assert patched["series"] == series
    assert (await api.ok("GET", f"{OLD}/b"))["series"] == series
    # What is fixed by the newer version is not by the older one.
    answer = await api.ask("PATCH", f"{NEW}/b", {"note": "Other"}, content_type=MERGE)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert [c["field"] for c in answer.json["details"]["causes"]] == ["message"]
    assert answer.json["details"]["group"] == "events.k8s.io"
    await api.ok("PATCH", f"{OLD}/b", {"message": "Other"}, content_type=MERGE)
    seen = await api.ok("GET", f"{NEW}/b")
    assert (seen["note"], seen["metadata"]["uid"]) == ("Other", made["metadata"]["uid"])
    operations = [{"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}]
    labelled = await api.ok("PATCH", f"{NEW}/b", operations, content_type="application/json-patch+json")
    assert labelled["metadata"]["labels"] == {"x": "y"}
    chosen = await api.ok("GET", f"{OLD}?labelSelector=x%3Dy")
    assert [e["metadata"]["name"] for e in chosen["items"]] == ["b"]


async def test_a_write_that_changes_nothing_is_none(api: Api) -> None:
    await api.ok("POST", OLD, old_event())
    await api.ok("POST", NEW, new_event())
    for name in ("a", "b"):
        for path in (OLD, NEW):
            before = await api.ok("GET", f"{path}/{name}")
            after = await api.ok("PUT", f"{path}/{name}", before)
            assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], (name, path)


async def test_revisions_are_shared(api: Api) -> None:
    await api.ok("POST", NEW, new_event())
    seen = await api.ok("GET", f"{NEW}/b")
    await api.ok("PATCH", f"{OLD}/b", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    stale = await api.ask("PUT", f"{NEW}/b", {**seen, "metadata": {**seen["metadata"], "labels": {"c": "d"}}})
    assert (stale.status, stale.reason) == (409, "Conflict")
    twice = await api.ask("POST", OLD, old_event("b"))
    assert (twice.status, twice.reason) == (409, "AlreadyExists")


async def test_old_style_events_are_refused_by_the_newer_version(api: Api) -> None:
    answer = await api.ask("POST", NEW, new_event(eventTime=None, type="Odd", deprecatedCount=3))
    assert answer.status == 422
    assert [c["field"] for c in answer.json["details"]["causes"]] == ["eventTime", "type", "count"]
    assert (await api.ok("GET", OLD))["items"] == []


async def test_apply_and_dry_run(api: Api) -> None:
    body = {"apiVersion": "events.k8s.io/v1", "kind": "Event", **new_event()}
    dry = await api.ok("PATCH", f"{NEW}/b?fieldManager=me&dryRun=All", body, content_type=APPLY)
    assert (dry["apiVersion"], dry["note"]) == ("events.k8s.io/v1", "Found a place")
    assert (await api.ok("GET", OLD))["items"] == []
    made = await api.ok("PATCH", f"{NEW}/b?fieldManager=me", body, content_type=APPLY)
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["apiVersion"], "f:note" in entry["fieldsV1"]) == ("events.k8s.io/v1", True)
    assert (await api.ok("GET", f"{OLD}/b"))["message"] == "Found a place"
    again = await api.ok("PATCH", f"{NEW}/b?fieldManager=me", body, content_type=APPLY)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_both_are_forgotten_after_the_same_time(api: Api) -> None:
    await api.ok("POST", OLD, old_event())
    await api.ok("POST", NEW, new_event())
    await api.cluster.advance(3599)
    assert len((await api.ok("GET", NEW))["items"]) == 2
    await api.cluster.advance(60)
    assert (await api.ok("GET", NEW))["items"] == (await api.ok("GET", OLD))["items"] == []


async def test_all_of_a_namespace_are_deleted_through_either(api: Api) -> None:
    await api.ok("POST", OLD, old_event())
    await api.ok("POST", NEW, new_event())
    gone = await api.ok("DELETE", NEW)
    assert [e["note"] for e in gone["items"]] == ["Started it", "Found a place"]
    assert (await api.ok("GET", OLD))["items"] == []
