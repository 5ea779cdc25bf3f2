"""`pods/eviction`: deletions that a disruption budget guards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from minikube_py.api.meta import condition
from tests.apiserver.conftest import PODS, Answer, Api, Object, pod

BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


async def running(api: Api, name: str, *, ready: bool = True, phase: str = "Running", node: str = "n") -> Object:
    obj = pod(name, nodeName=node)
    obj["metadata"]["labels"] = {"app": "web"}
    await api.ok("POST", PODS, obj)
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]}
    made: Object = await api.ok(
        "PATCH", f"{PODS}/{name}/status", {"status": status}, content_type="application/merge-patch+json"
    )
    return made


async def budget(
    api: Api, name: str = "b", *, allowed: int = 1, current: int = 2, desired: int = 1, **spec: Any
) -> None:
    whole = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}, **spec}
    made = await api.ok("POST", BUDGETS, {"metadata": {"name": name}, "spec": whole})
    made["status"] = {
        "observedGeneration": made["metadata"]["generation"], "disruptionsAllowed": allowed,
        "currentHealthy": current, "desiredHealthy": desired, "expectedPods": current,
    }  # fmt: skip
    await api.ok("PUT", f"{BUDGETS}/{name}/status", made)


async def evict(api: Api, name: str = "p", query: str = "", **options: Any) -> Answer:
    body: Object = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    if options:
        body["deleteOptions"] = options
    return await api.ask("POST", f"{PODS}/{name}/eviction{query}", body)


def cause(answer: Answer) -> Object:
    found: Object = answer.json["details"]["causes"][0]
    return found


async def test_without_a_budget_the_pod_is_marked_and_deleted(api: Api) -> None:
    await running(api, "p")
    answer = await evict(api)
    assert (answer.status, answer.json["status"], answer.json["code"]) == (201, "Success", 201)
    going = await api.ok("GET", f"{PODS}/p")
    assert going["metadata"]["deletionGracePeriodSeconds"] == 30
    found = condition(going, "DisruptionTarget")
    assert found is not None and (found["status"], found["reason"]) == ("True", "EvictionByEvictionAPI")


async def test_delete_options_are_followed(api: Api) -> None:
    await running(api, "p")
    assert (await evict(api, gracePeriodSeconds=7)).status == 201
    assert (await api.ok("GET", f"{PODS}/p"))["metadata"]["deletionGracePeriodSeconds"] == 7


async def test_preconditions(api: Api) -> None:
    made = await running(api, "p")
    assert (await evict(api, preconditions={"uid": "another"})).status == 409
    assert (await evict(api, preconditions={"resourceVersion": "1"})).status == 409
    assert "deletionTimestamp" not in (await api.ok("GET", f"{PODS}/p"))["metadata"]
    rev, uid = made["metadata"]["resourceVersion"], made["metadata"]["uid"]
    assert (await evict(api, preconditions={"resourceVersion": rev, "uid": uid})).status == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "Eviction", "metadata": {"name": "other"}}, 400),
        ({"kind": "Pod", "metadata": {"name": "p"}}, 400),
        ({"metadata": {"name": "p"}, "deleteOptions": {"dryRun": ["Some"]}}, 422),
        ({"metadata": {"name": "p"}, "deleteOptions": "soon"}, 400),
    ],
)
async def test_what_is_no_eviction(api: Api, body: Object, status: int) -> None:
    await running(api, "p")
    assert (await api.ask("POST", f"{PODS}/p/eviction", body)).status == status


async def test_unknown_pods_and_other_methods(api: Api) -> None:
    assert (await evict(api)).status == 404
    await running(api, "p")
    assert (await api.ask("GET", f"{PODS}/p/eviction")).status == 405


async def test_a_budget_is_used_up(api: Api) -> None:
    await running(api, "p")
    await running(api, "q")
    await budget(api, allowed=1)
    assert (await evict(api, "p")).status == 201
    status = (await api.ok("GET", f"{BUDGETS}/b"))["status"]
    assert status["disruptionsAllowed"] == 0 and list(status["disruptedPods"]) == ["p"]
    allowed = condition({"status": status}, "DisruptionAllowed")
    assert allowed is not None and (allowed["status"], allowed["reason"]) == ("False", "InsufficientPods")
    refused = await evict(api, "q")
    assert (refused.status, refused.reason) == (429, "TooManyRequests")
    assert refused.json["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert cause(refused) == {
        "reason": "DisruptionBudget", "message": "The disruption budget b needs 1 healthy pods and has 2 currently",
    }  # fmt: skip
    assert "retry-after" not in refused.headers
    assert "deletionTimestamp" not in (await api.ok("GET", f"{PODS}/q"))["metadata"]


async def test_many_at_once_never_take_more_than_allowed(api: Api) -> None:
    for i in range(12):
        await running(api, f"p{i}")
    await budget(api, allowed=5, current=12, desired=7)
    answers = await asyncio.gather(*(evict(api, f"p{i}") for i in range(12)))
    assert sorted(a.status for a in answers) == [201] * 5 + [429] * 7
    status = (await api.ok("GET", f"{BUDGETS}/b"))["status"]
    assert status["disruptionsAllowed"] == 0 and len(status["disruptedPods"]) == 5


async def test_a_budget_whose_status_is_old(api: Api) -> None:
    await running(api, "p")
    await budget(api)
    patch = {"spec": {"minAvailable": 2}}
    await api.ok("PATCH", f"{BUDGETS}/b", patch, content_type="application/merge-patch+json")
    answer = await evict(api)
    assert (answer.status, answer.headers["retry-after"]) == (429, "10")
    assert cause(answer)["message"] == "The disruption budget b is still being processed by the server."


async def test_several_budgets(api: Api) -> None:
    await running(api, "p")
    await budget(api, "a")
    await budget(api, "b")
    answer = await evict(api)
    assert answer.status == 500 and "more than one PodDisruptionBudget" in answer.json["message"]


async def test_a_dry_run_changes_nothing(api: Api) -> None:
    before = await running(api, "p")
    await budget(api)
    for query, options in (("?dryRun=All", {}), ("", {"dryRun": ["All"]})):
        assert (await evict(api, "p", query, **options)).status == 201
    assert await api.ok("GET", f"{PODS}/p") == before
    assert (await api.ok("GET", f"{BUDGETS}/b"))["status"]["disruptionsAllowed"] == 1
    await budget(api, "c", allowed=0, selector={"matchLabels": {"app": "other"}})
    await api.ok("DELETE", f"{BUDGETS}/b")
    await budget(api, "d", allowed=0)
    assert (await evict(api, "p", "?dryRun=All")).status == 429


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_pods_that_no_budget_counts(api: Api, phase: str) -> None:
    await running(api, "p", phase=phase)
    await budget(api, allowed=0)
    assert (await evict(api)).status == 201


@pytest.mark.parametrize(
    ("policy", "current", "status"),
    [
        ("AlwaysAllow", 0, 201),
        ("IfHealthyBudget", 1, 201),
        ("IfHealthyBudget", 0, 429),
        (None, 1, 201),
        (None, 0, 429),
    ],
)
async def test_unhealthy_pods(api: Api, policy: str | None, current: int, status: int) -> None:
    await running(api, "p", ready=False)
    spec = {"unhealthyPodEvictionPolicy": policy} if policy else {}
    await budget(api, allowed=0, current=current, desired=1, **spec)
    assert (await evict(api)).status == status
    assert not (await api.ok("GET", f"{BUDGETS}/b"))["status"].get("disruptedPods")


async def test_an_empty_selector_guards_the_whole_namespace(api: Api) -> None:
    await running(api, "p")
    await budget(api, allowed=0, selector={})
    assert (await evict(api)).status == 429


async def test_a_budget_that_could_not_be_computed_says_why(api: Api) -> None:
    await running(api, "p")
    await budget(api, allowed=0)
    failed = {
        "type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no idea",
        "lastTransitionTime": "2030-01-01T00:00:00Z",
    }  # fmt: skip
    patch = {"status": {"conditions": [failed]}}
    await api.ok("PATCH", f"{BUDGETS}/b/status", patch, content_type="application/merge-patch+json")
    assert cause(await evict(api))["message"].endswith("because it failed sync: no idea")
