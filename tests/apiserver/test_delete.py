"""Deletion: at once, with grace, held by finalizers, with preconditions, in collections, of namespaces."""

from __future__ import annotations

from tests.apiserver.conftest import CONFIGMAPS, PODS, Api, pod

MERGE = "application/merge-patch+json"


async def bound_pod(api: Api, name: str = "p", grace: int = 30) -> None:
    await api.ok("POST", PODS, pod(name, nodeName="n", terminationGracePeriodSeconds=grace))


async def test_plain_deletion_answers_a_status_with_the_uid(api: Api) -> None:
    made = await api.config_map("a")
    gone = await api.ok("DELETE", f"{CONFIGMAPS}/a")
    assert (gone["kind"], gone["status"]) == ("Status", "Success")
    assert gone["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await api.ask("GET", f"{CONFIGMAPS}/a")).status == 404


async def test_a_pod_on_a_node_waits_for_its_kubelet(api: Api) -> None:
    await bound_pod(api)
    marked = await api.ok("DELETE", f"{PODS}/p")
    assert marked["metadata"]["deletionTimestamp"] == "2030-01-01T00:00:30Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    longer = await api.ok("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 60})
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 30
    shorter = await api.ok("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 5})
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
    assert shorter["metadata"]["deletionTimestamp"] == "2030-01-01T00:00:05Z"
    await api.ok("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0, "preconditions": {"uid": marked["metadata"]["uid"]}})
    assert (await api.ask("GET", f"{PODS}/p")).status == 404


async def test_grace_from_the_query_and_pods_nobody_runs(api: Api) -> None:
    await bound_pod(api)
    marked = await api.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=7")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 7
    await api.ok("POST", PODS, pod("unbound"))
    await api.ok("DELETE", f"{PODS}/unbound")
    assert (await api.ask("GET", f"{PODS}/unbound")).status == 404


async def test_finalizers_hold_an_object_until_they_are_gone(api: Api) -> None:
    await api.config_map("a", finalizers=["example.com/hold"])
    marked = await api.ok("DELETE", f"{CONFIGMAPS}/a")
    assert marked["metadata"]["deletionTimestamp"] == "2030-01-01T00:00:00Z"
    assert (await api.ok("GET", f"{CONFIGMAPS}/a"))["data"] == {"k": "v"}
    added = await api.ask(
        "PATCH", f"{CONFIGMAPS}/a", {"metadata": {"finalizers": ["example.com/hold", "b.com/c"]}}, content_type=MERGE
    )
    assert added.status == 422, "no finalizer can be added to what is being deleted"
    await api.ok("PATCH", f"{CONFIGMAPS}/a", {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert (await api.ask("GET", f"{CONFIGMAPS}/a")).status == 404


async def test_preconditions(api: Api) -> None:
    made = await api.config_map("a")
    for wrong in ({"uid": "no"}, {"resourceVersion": "1"}):
        answer = await api.ask("DELETE", f"{CONFIGMAPS}/a", {"preconditions": wrong})
        assert (answer.status, answer.reason) == (409, "Conflict")
        assert "Precondition failed" in answer.json["message"]
    good = {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}
    await api.ok("DELETE", f"{CONFIGMAPS}/a", {"preconditions": good})


async def test_propagation_policies_are_finalizers(api: Api) -> None:
    await api.config_map("a")
    marked = await api.ok("DELETE", f"{CONFIGMAPS}/a", {"propagationPolicy": "Foreground"})
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    marked = await api.ok("DELETE", f"{CONFIGMAPS}/a", {"propagationPolicy": "Orphan"})
    assert marked["metadata"]["finalizers"] == ["orphan"]
    await api.ok("DELETE", f"{CONFIGMAPS}/a", {"propagationPolicy": "Background"})
    assert (await api.ask("GET", f"{CONFIGMAPS}/a")).status == 404
    answer = await api.ask("DELETE", f"{CONFIGMAPS}/a", {"propagationPolicy": "Sideways"})
    assert (answer.status, answer.reason) == (422, "Invalid")
    both = await api.ask("DELETE", f"{CONFIGMAPS}/a", {"propagationPolicy": "Orphan", "orphanDependents": True})
    assert both.status == 422


async def test_delete_collection_by_selector(api: Api) -> None:
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        await api.config_map(name, labels={"colour": colour})
    gone = await api.ok("DELETE", f"{CONFIGMAPS}?labelSelector=colour%3Dred")
    assert sorted(i["metadata"]["name"] for i in gone["items"]) == ["a", "c"]
    assert [i["metadata"]["name"] for i in (await api.ok("GET", CONFIGMAPS))["items"]] == ["b"]
    answer = await api.ask("DELETE", "/api/v1/namespaces")
    assert (answer.status, answer.reason) == (405, "MethodNotAllowed")


async def test_namespace_deletion_waits_for_finalize(api: Api) -> None:
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    await api.ok("POST", "/api/v1/namespaces/n/configmaps", {"metadata": {"name": "a"}})
    marked = await api.ok("DELETE", "/api/v1/namespaces/n")
    assert marked["status"]["phase"] == "Terminating"
    refused = await api.ask("POST", "/api/v1/namespaces/n/configmaps", {"metadata": {"name": "b"}})
    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert refused.json["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    await api.ok("DELETE", "/api/v1/namespaces/n/configmaps/a")
    marked["spec"]["finalizers"] = []
    await api.ok("PUT", "/api/v1/namespaces/n/finalize", marked)
    assert (await api.ask("GET", "/api/v1/namespaces/n")).status == 404


async def test_the_systems_namespaces_stay(api: Api) -> None:
    for name in ("default", "kube-system", "kube-public"):
        answer = await api.ask("DELETE", f"/api/v1/namespaces/{name}")
        assert (answer.status, answer.reason) == (403, "Forbidden")
