"""WATCH and LIST: order, selectors, bookmarks, history, pages, revisions."""

from __future__ import annotations

import asyncio

from tests.apiserver.conftest import CONFIGMAPS, Api, Watching

MERGE = "application/merge-patch+json"


async def label(api: Api, name: str, colour: str | None) -> None:
    await api.ok("PATCH", f"{CONFIGMAPS}/{name}", {"metadata": {"labels": {"colour": colour}}}, content_type=MERGE)


async def test_every_change_once_and_in_order(api: Api) -> None:
    start = (await api.ok("GET", CONFIGMAPS))["metadata"]["resourceVersion"]
    async with Watching(api, f"{CONFIGMAPS}?resourceVersion={start}") as watch:
        await api.config_map("a")
        await label(api, "a", "red")
        await api.config_map("b")
        await api.ok("DELETE", f"{CONFIGMAPS}/a")
        assert await watch.seen() == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
        versions = [int(o["metadata"]["resourceVersion"]) for _, o in watch.events]
        assert versions == sorted(set(versions)), "the deletion carries its own revision"
        assert watch.events[-1][1]["metadata"]["labels"] == {"colour": "red"}, "and the last state"
    async with Watching(api, f"{CONFIGMAPS}?resourceVersion={start}") as again:
        assert await again.seen() == await watch.seen(), "history is replayed the same"
    async with Watching(api, f"{CONFIGMAPS}?resourceVersion={versions[1]}") as rest:
        assert await rest.seen() == [("ADDED", "b"), ("DELETED", "a")]


async def test_without_a_revision_the_state_comes_first(api: Api) -> None:
    await api.config_map("b")
    await api.config_map("a")
    for query in ("", "?resourceVersion=0"):
        async with Watching(api, CONFIGMAPS + query) as watch:
            assert await watch.seen() == [("ADDED", "a"), ("ADDED", "b")]


async def test_leaving_a_selector_looks_deleted(api: Api) -> None:
    await api.config_map("a", labels={"colour": "red"})
    start = (await api.ok("GET", CONFIGMAPS))["metadata"]["resourceVersion"]
    async with Watching(api, f"{CONFIGMAPS}?resourceVersion={start}&labelSelector=colour%3Dred") as watch:
        await label(api, "a", "blue")
        await label(api, "a", "green")
        await label(api, "a", "red")
        assert await watch.seen() == [("DELETED", "a"), ("ADDED", "a")]
        assert watch.events[0][1]["metadata"]["labels"] == {"colour": "red"}


async def test_field_selectors_namespaces_and_single_names(api: Api) -> None:
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    async with (
        Watching(api, f"{CONFIGMAPS}?fieldSelector=metadata.name%3Db") as named,
        Watching(api, f"{CONFIGMAPS}/b?") as single,
        Watching(api, "/api/v1/configmaps") as everywhere,
    ):
        await api.config_map("a")
        await api.config_map("b")
        await api.ok("POST", "/api/v1/namespaces/other/configmaps", {"metadata": {"name": "b"}})
        assert await named.seen() == await single.seen() == [("ADDED", "b")]
        assert await everywhere.seen() == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "b")]


async def test_initial_events_end_with_a_bookmark(api: Api) -> None:
    await api.config_map("a")
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with Watching(api, f"{CONFIGMAPS}?{query}") as watch:
        assert await watch.seen() == [("ADDED", "a"), ("BOOKMARK", "")]
        mark = watch.events[-1][1]
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert (mark["kind"], int(mark["metadata"]["resourceVersion"]) > 0) == ("ConfigMap", True)
        await api.config_map("b")
        assert (await watch.seen())[-1] == ("ADDED", "b")


async def test_bookmarks_come_every_minute_and_move_on(api: Api) -> None:
    async with (
        Watching(api, f"{CONFIGMAPS}?allowWatchBookmarks=true") as watch,
        Watching(api, CONFIGMAPS) as without,
    ):
        await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "elsewhere"}})
        await api.clock.advance("61s")
        await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "elsewhere2"}})
        await api.clock.advance("61s")
        assert await watch.seen() == [("BOOKMARK", ""), ("BOOKMARK", "")]
        first, second = (int(o["metadata"]["resourceVersion"]) for _, o in watch.events)
        assert first < second
        assert await without.seen() == []


async def test_timeout_ends_a_watch_cleanly(api: Api) -> None:
    async with Watching(api, f"{CONFIGMAPS}?timeoutSeconds=10") as watch:
        await api.clock.advance("9s")
        await watch.seen()
        assert not watch.ended
        await api.clock.advance("2s")
        await watch.seen()
        assert watch.ended
        assert api.cluster.server.storage.caches["configmaps"].watchers == 0


async def test_a_client_that_leaves_is_forgotten(api: Api) -> None:
    async with Watching(api, CONFIGMAPS) as watch:
        await watch.seen()
        assert api.cluster.server.storage.caches["configmaps"].watchers == 1
    assert api.cluster.server.storage.caches["configmaps"].watchers == 0


async def test_history_beyond_the_window_comes_from_the_store_then_is_gone(api: Api) -> None:
    made = await api.config_map("a")
    start = made["metadata"]["resourceVersion"]
    for i in range(20):
        await api.ok("PATCH", f"{CONFIGMAPS}/a", {"data": {"k": str(i)}}, content_type=MERGE)
    cache = api.cluster.server.storage.caches["configmaps"]
    while len(cache._events) > 5:  # as if the window were smaller
        cache._window_start = cache._events.popleft().rev
    async with Watching(api, f"{CONFIGMAPS}?resourceVersion={start}") as watch:
        await api.config_map("b")
        assert [o["data"]["k"] for t, o in watch.events if t == "MODIFIED"] == [str(i) for i in range(20)]
        assert (await watch.seen())[-1] == ("ADDED", "b")
    await api.clock.advance("11m")
    gone = await api.ask("GET", f"{CONFIGMAPS}?watch=1&resourceVersion={start}")
    assert (gone.status, gone.reason) == (410, "Expired")
    assert "too old resource version" in gone.json["message"]


async def test_a_laggard_is_closed_and_can_resume(api: Api, monkeypatch) -> None:
    from minikube_py.apiserver import watch as module

    monkeypatch.setattr(module, "QUEUE_LIMIT", 3)
    async with Watching(api, CONFIGMAPS) as watch:
        server = api.cluster.server.storage.caches["configmaps"]
        (notify,) = server._subscribers.values()
        await api.config_map("a")
        event = server._events[-1]
        for _ in range(5):  # five at once, without the sender having its turn
            notify(event)
        await watch.seen()
        assert server.watchers == 0


async def test_future_and_broken_revisions(api: Api) -> None:
    asking = asyncio.create_task(api.ask("GET", f"{CONFIGMAPS}?resourceVersion=999999"))
    await api.clock.advance("4s")
    answer = await asking
    assert (answer.status, answer.reason) == (504, "Timeout")
    assert answer.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    for query in ("resourceVersion=abc", "watch=1&resourceVersion=-1", "resourceVersion=99999999999999999999"):
        assert (await api.ask("GET", f"{CONFIGMAPS}?{query}")).status == 400, query


async def test_pages_stay_at_their_revision(api: Api) -> None:
    for name in "abcde":
        await api.config_map(name)
    first = await api.ok("GET", f"{CONFIGMAPS}?limit=2")
    assert [i["metadata"]["name"] for i in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 3
    await api.ok("DELETE", f"{CONFIGMAPS}/d")
    await api.config_map("cc")
    token = first["metadata"]["continue"]
    second = await api.ok("GET", f"{CONFIGMAPS}?limit=2&continue={token}")
    assert [i["metadata"]["name"] for i in second["items"]] == ["c", "d"], "as it was when the list began"
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert second["metadata"]["remainingItemCount"] == 1
    last = await api.ok("GET", f"{CONFIGMAPS}?continue={second['metadata']['continue']}")
    assert [i["metadata"]["name"] for i in last["items"]] == ["e"]
    assert "continue" not in last["metadata"]
    await api.clock.advance("11m")
    gone = await api.ask("GET", f"{CONFIGMAPS}?limit=2&continue={token}")
    assert (gone.status, gone.reason) == (410, "Expired")
    for broken in ("zzz", "e30", token[:-4]):
        assert (await api.ask("GET", f"{CONFIGMAPS}?continue={broken}")).status == 400


async def test_exact_and_not_older_lists(api: Api) -> None:
    made = await api.config_map("a")
    rev = made["metadata"]["resourceVersion"]
    await api.config_map("b")
    exact = await api.ok("GET", f"{CONFIGMAPS}?resourceVersion={rev}&resourceVersionMatch=Exact")
    assert [i["metadata"]["name"] for i in exact["items"]] == ["a"]
    assert exact["metadata"]["resourceVersion"] == rev
    newer = await api.ok("GET", f"{CONFIGMAPS}?resourceVersion={rev}&resourceVersionMatch=NotOlderThan")
    assert [i["metadata"]["name"] for i in newer["items"]] == ["a", "b"]
    for query in (
        "resourceVersionMatch=Exact", "resourceVersion=0&resourceVersionMatch=Exact", "resourceVersionMatch=Newest",
        "sendInitialEvents=true", "watch=1&sendInitialEvents=true",
    ):  # fmt: skip
        assert (await api.ask("GET", f"{CONFIGMAPS}?{query}")).status == 422, query


async def test_selectors_in_lists(api: Api) -> None:
    await api.config_map("a", labels={"colour": "red", "size": "1"})
    await api.config_map("b", labels={"colour": "blue"})

    async def names(query: str) -> list[str]:
        return [i["metadata"]["name"] for i in (await api.ok("GET", f"{CONFIGMAPS}?{query}"))["items"]]

    assert await names("labelSelector=colour%20in%20(red,green)") == ["a"]
    assert await names("labelSelector=!size") == ["b"]
    assert await names("labelSelector=colour!%3Dred") == ["b"]
    assert await names("fieldSelector=metadata.name!%3Da") == ["b"]
    assert await names("fieldSelector=metadata.name%3Da,metadata.namespace%3Ddefault") == ["a"]
    assert await names("fieldSelector=metadata.name%3Da,metadata.namespace%3Dother") == []
    for broken in ("labelSelector=a%20in", "labelSelector=a%3D%3D%3Db", "fieldSelector=data.k%3Dv", "fieldSelector=x"):
        assert (await api.ask("GET", f"{CONFIGMAPS}?{broken}")).status == 400, broken
