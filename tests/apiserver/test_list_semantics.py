"""Which options a list or watch takes, pages over compaction, the older watch paths, bookmarks, forms."""

from __future__ import annotations

import base64
import json

import pytest

from tests.apiserver.conftest import CONFIGMAPS, PODS, Api, Object, Watching, pod

MATCH = "resourceVersionMatch"


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("resourceVersionMatch=Exact", [MATCH]),
        ("resourceVersionMatch=Exact&resourceVersion=0", [MATCH]),
        ("resourceVersionMatch=Newest&resourceVersion=1", [MATCH]),
        ("resourceVersionMatch=Newest", [MATCH, MATCH]),
        ("resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=x", [MATCH]),
        ("sendInitialEvents=true", ["sendInitialEvents"]),
        ("sendInitialEvents=false&resourceVersionMatch=Exact", [MATCH, "sendInitialEvents"]),
        ("watch=1&resourceVersionMatch=NotOlderThan", [MATCH]),
        ("watch=1&resourceVersionMatch=Exact", [MATCH, MATCH]),
        ("watch=1&sendInitialEvents=true", [MATCH]),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", [MATCH, MATCH]),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x", [MATCH]),
    ],
)
async def test_options_that_contradict(api: Api, query: str, fields: list[str]) -> None:
    answer = await api.ask("GET", f"{CONFIGMAPS}?{query}")
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert [c["field"] for c in answer.json["details"]["causes"]] == fields
    assert answer.json["details"]["kind"] == "ListOptions"


@pytest.mark.parametrize(
    "query",
    [
        "resourceVersion=x", "limit=x", "timeoutSeconds=x", "continue=x", "watch=perhaps", "labelSelector=a%20b",
        "fieldSelector=data.k=v", "continue=eyJydiI6MX0&resourceVersion=5", "watch=1&allowWatchBookmarks=x",
    ],
)  # fmt: skip
async def test_options_that_cannot_be_read(api: Api, query: str) -> None:
    answer = await api.ask("GET", f"{CONFIGMAPS}?{query}")
    assert (answer.status, answer.reason) == (400, "BadRequest")


async def fill(api: Api, count: int = 6) -> int:
    for i in range(count):
        made = await api.config_map(f"c{i}", labels={"odd": str(i % 2)})
    return int(made["metadata"]["resourceVersion"])


def names(found: Object) -> list[str]:
    return [i["metadata"]["name"] for i in found["items"]]


async def test_matching_revisions(api: Api) -> None:
    rev = await fill(api)
    await api.config_map("later")
    exact = await api.ok("GET", f"{CONFIGMAPS}?resourceVersion={rev}&resourceVersionMatch=Exact")
    assert "later" not in names(exact) and exact["metadata"]["resourceVersion"] == str(rev)
    newer = await api.ok("GET", f"{CONFIGMAPS}?resourceVersion={rev}&resourceVersionMatch=NotOlderThan")
    assert "later" in names(newer)
    whatever = await api.ok("GET", f"{CONFIGMAPS}?resourceVersion=0&resourceVersionMatch=NotOlderThan")
    assert "c0" in names(whatever)
    answer = await api.ask("GET", f"{CONFIGMAPS}?resourceVersion={rev}&resourceVersionMatch=Exact&limit=2")
    assert names(answer.json) == ["c0", "c1"] and answer.json["metadata"]["continue"]


async def compact(api: Api) -> None:
    storage = api.cluster.server.storage
    await storage.store.compact(await storage.store.revision())


async def test_pages_over_compaction(api: Api) -> None:
    await fill(api)
    first = await api.ok("GET", f"{CONFIGMAPS}?limit=2&labelSelector=odd")
    assert names(first) == ["c0", "c1"]
    token = first["metadata"]["continue"]
    await api.config_map("c2a", labels={"odd": "0"})
    await api.ok("DELETE", f"{CONFIGMAPS}/c3")
    consistent = await api.ok("GET", f"{CONFIGMAPS}?limit=2&labelSelector=odd&continue={token}")
    assert names(consistent) == ["c2", "c3"], "the pages of one list show one state"
    assert consistent["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    await compact(api)
    gone = await api.ask("GET", f"{CONFIGMAPS}?limit=2&labelSelector=odd&continue={token}")
    assert (gone.status, gone.reason) == (410, "Expired")
    fresh = gone.json["metadata"]["continue"]
    assert fresh and fresh != token
    after = await api.ok("GET", f"{CONFIGMAPS}?limit=2&labelSelector=odd&continue={fresh}")
    assert names(after) == ["c2", "c2a"], "from the same place on, as it is now"
    assert int(after["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    rest = await api.ok("GET", f"{CONFIGMAPS}?labelSelector=odd&continue={after['metadata']['continue']}")
    assert names(rest) == ["c4", "c5"]


async def test_an_exact_revision_that_is_gone(api: Api) -> None:
    rev = await fill(api)
    await api.config_map("later")
    await compact(api)
    answer = await api.ask("GET", f"{CONFIGMAPS}?resourceVersion={rev}&resourceVersionMatch=Exact")
    assert (answer.status, answer.reason) == (410, "Expired")
    assert "continue" not in answer.json["metadata"]


@pytest.mark.parametrize("said", [{"rv": -2, "start": "x"}, {"rv": 0, "start": "x"}, {"rv": True, "start": "x"}, []])
async def test_tokens_that_were_not_given_out(api: Api, said: object) -> None:
    token = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    assert (await api.ask("GET", f"{CONFIGMAPS}?continue={token}")).status == 400


async def test_how_many_remain_is_said_without_selectors_only(api: Api) -> None:
    await fill(api)
    plain = await api.ok("GET", f"{CONFIGMAPS}?limit=2")
    assert plain["metadata"]["remainingItemCount"] >= 4
    for selector in ("labelSelector=odd%3D1", "fieldSelector=metadata.name!%3Dc0"):
        chosen = await api.ok("GET", f"{CONFIGMAPS}?limit=2&{selector}")
        assert len(chosen["items"]) == 2 and "continue" in chosen["metadata"]
        assert "remainingItemCount" not in chosen["metadata"]


async def test_one_name(api: Api) -> None:
    await fill(api)
    found = await api.ok("GET", f"{CONFIGMAPS}?fieldSelector=metadata.name%3Dc3")
    assert names(found) == ["c3"]
    assert names(await api.ok("GET", f"{CONFIGMAPS}?fieldSelector=metadata.name%3Dc3&labelSelector=odd%3D0")) == []
    for path in (f"{CONFIGMAPS}?fieldSelector=metadata.name%3Dc3", f"{CONFIGMAPS}/c3"):
        async with Watching(api, path) as watching:
            await api.config_map(f"other{len(path)}")
            await api.ok("DELETE", f"{CONFIGMAPS}/c3")
            assert await watching.seen() == [("ADDED", "c3"), ("DELETED", "c3")]
            await api.config_map("c3")


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/api/v1/watch/namespaces/default/configmaps", ["c0", "c1"]),
        ("/api/v1/watch/namespaces/default/configmaps/c1", ["c1"]),
        ("/api/v1/watch/configmaps?fieldSelector=metadata.name%3Dc1", ["c1"]),
        ("/api/v1/watch/namespaces/default", ["default"]),
        ("/apis/rbac.authorization.k8s.io/v1/watch/clusterroles/cluster-admin", ["cluster-admin"]),
    ],
)
async def test_the_older_watch_paths(api: Api, path: str, seen: list[str]) -> None:
    await fill(api, 2)
    async with api.transport.stream("GET", path.partition("?")[0], query=_query(path), headers={}) as stream:
        assert stream.status == 200
        heard = b""
        async for chunk in stream:
            heard += chunk
            events = [json.loads(line) for line in heard.split(b"\n") if line]
            found = [e["object"]["metadata"]["name"] for e in events]
            if len([n for n in found if n in seen]) == len(seen):
                break
        assert [n for n in found if n in seen] == seen and {e["type"] for e in events} == {"ADDED"}


def _query(path: str) -> list[tuple[str, str]]:
    text = path.partition("?")[2]
    return [("fieldSelector", "metadata.name=c1")] if text else []


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/watch", "/api/v1/watch/namespaces/default/configmaps/c/status", "/api/v1/watch/unicorns",
        "/api/v1/watch//configmaps",
    ],
)  # fmt: skip
async def test_paths_that_nobody_can_watch(api: Api, path: str) -> None:
    assert (await api.ask("GET", path)).status in (403, 404)


async def test_a_watch_path_is_only_for_reading(api: Api) -> None:
    body = {"metadata": {"name": "x"}}
    assert (await api.ask("POST", "/api/v1/watch/namespaces/default/configmaps", body)).status == 405
    assert (await api.ask("DELETE", "/api/v1/watch/namespaces/default/configmaps")).status == 405


async def test_bookmarks_come_every_minute_and_before_the_end(api: Api) -> None:
    await fill(api, 1)
    async with Watching(api, f"{CONFIGMAPS}?allowWatchBookmarks=true&timeoutSeconds=100&resourceVersion=1") as watching:
        await api.clock.advance(61)
        assert [t for t, _ in await watching.seen()].count("BOOKMARK") == 1
        await api.clock.advance(38)
        assert [t for t, _ in await watching.seen()].count("BOOKMARK") == 2
        rev = watching.events[-1][1]["metadata"]["resourceVersion"]
        assert int(rev) >= int((await api.ok("GET", CONFIGMAPS))["metadata"]["resourceVersion"]) - 2
        await api.clock.advance(2)
        await watching.seen()
        assert watching.ended


async def test_no_bookmarks_unasked(api: Api) -> None:
    async with Watching(api, CONFIGMAPS) as watching:
        await api.clock.advance(130)
        assert "BOOKMARK" not in [t for t, _ in await watching.seen()]


async def test_streamed_lists_end_with_a_bookmark(api: Api) -> None:
    await fill(api, 2)
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with Watching(api, f"{CONFIGMAPS}?{query}&labelSelector=odd") as watching:
        assert await watching.seen() == [("ADDED", "c0"), ("ADDED", "c1"), ("BOOKMARK", "")]
        assert watching.events[-1][1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    async with Watching(api, f"{CONFIGMAPS}?{query.replace('true&', 'false&', 1)}&labelSelector=odd") as watching:
        assert await watching.seen() == []
        await api.config_map("c9", labels={"odd": "1"})
        assert await watching.seen() == [("ADDED", "c9")]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json;as=Table;g=meta.k8s.io;v=v1", "Table"),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "PartialObjectMetadata"),
    ],
)
async def test_forms_of_sub_resources(api: Api, accept: str, kind: str) -> None:
    await api.ok("POST", PODS, pod("p"))
    found = await api.ok("GET", f"{PODS}/p/status", headers={"accept": accept})
    assert found["kind"] == kind
