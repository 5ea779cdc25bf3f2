"""`pods/ephemeralcontainers` and `pods/resize`: refused with a reason, and nothing of them is stored."""

from __future__ import annotations

import pytest

from tests.apiserver.conftest import PODS, Api, Object, pod

MERGE = "application/merge-patch+json"
DEBUGGER: Object = {"spec": {"ephemeralContainers": [{"name": "debugger", "image": "web:1"}]}}
BIGGER: Object = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}]}}


@pytest.mark.parametrize(("name", "patch"), [("ephemeralcontainers", DEBUGGER), ("resize", BIGGER)])
async def test_what_the_kubelet_could_not_do_is_refused(api: Api, name: str, patch: Object) -> None:
    before = await api.ok("POST", PODS, pod("p"))
    for method, body, media in (
        ("PATCH", patch, "application/strategic-merge-patch+json"), ("PATCH", patch, MERGE), ("PUT", before, ""),
        ("GET", None, ""),
    ):  # fmt: skip
        answer = await api.ask(method, f"{PODS}/p/{name}", body, content_type=media or "application/json")
        assert (answer.status, answer.reason) == (404, "NotFound")
        # kubectl reads the details without asking whether there are any.
        assert "is not supported" in answer.json["message"].replace("are", "is") and answer.json["details"] == {}
    assert await api.ok("GET", f"{PODS}/p") == before
    listed = {r["name"] for r in (await api.ok("GET", "/api/v1"))["resources"]}
    assert f"pods/{name}" not in listed and "pods/eviction" in listed
