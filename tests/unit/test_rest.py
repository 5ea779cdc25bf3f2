"""The REST client over the fake API server: URLs, bodies, errors, retries and watch framing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api import errors
from minikube_py.api.resources import LEASES, NODES, PODS
from minikube_py.client.rest import Client, WatchEvent
from minikube_py.client.transport import AppTransport, Response
from minikube_py.daemon.clock import VirtualClock
from tests.fakes.apiserver import FakeApiServer

PODS_PATH = "/v1/pods"


def pod(name: str, **labels: str) -> dict[str, Any]:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default", "labels": labels}}


class Scripted:
    """A transport that answers from a list and remembers what was asked."""

    def __init__(self, *answers: Response, pieces: list[bytes] | None = None) -> None:
        self.answers = list(answers)
        self.pieces = pieces or []
        self.asked: list[tuple[str, str, dict[str, str], dict[str, str], bytes | None]] = []

    async def request(
        self, method: str, path: str, *, query: Any = (), headers: Any = None, body: Any = None, timeout: Any = None
    ) -> Response:
        self.asked.append((method, path, dict(query), dict(headers or {}), body))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, query: Any = (), headers: Any = None, body: Any = None
    ) -> AsyncIterator[Any]:
        self.asked.append((method, path, dict(query), dict(headers or {}), body))
        answer = self.answers.pop(0) if self.answers else Response(200, {}, b"")
        yield _Pieces(answer.status, answer.headers, [answer.body] if answer.body else self.pieces)

    async def close(self) -> None:
        pass


class _Pieces:
    def __init__(self, status: int, headers: Any, pieces: list[bytes]) -> None:
        self.status, self.headers, self.pieces = status, headers, pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


OK = Response(200, {}, b'{"kind":"Pod","items":null,"metadata":{}}')


@pytest.mark.parametrize(
    ("call", "method", "path", "query"),
    [
        (lambda c: c.get(PODS, "a", "ns"), "GET", "/api/v1/namespaces/ns/pods/a", {}),
        (lambda c: c.get(NODES, "n1"), "GET", "/api/v1/nodes/n1", {}),
        (lambda c: c.get(LEASES, "l", "kube-system"), "GET",
         "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/l", {}),
        (lambda c: c.list(PODS), "GET", "/api/v1/pods", {}),
        (lambda c: c.list(PODS, "ns", label_selector="a=b", field_selector="spec.nodeName=n", resource_version="0",
                          limit=5, continue_="x"), "GET", "/api/v1/namespaces/ns/pods",
         {"labelSelector": "a=b", "fieldSelector": "spec.nodeName=n", "resourceVersion": "0", "limit": "5",
          "continue": "x"}),
        (lambda c: c.create(PODS, pod("a")), "POST", "/api/v1/namespaces/default/pods", {}),
        (lambda c: c.update(PODS, pod("a"), "status"), "PUT", "/api/v1/namespaces/default/pods/a/status", {}),
        (lambda c: c.patch(PODS, "a", "ns", {}, subresource="status", type="strategic", field_manager="me"), "PATCH",
         "/api/v1/namespaces/ns/pods/a/status", {"fieldManager": "me"}),
        (lambda c: c.patch(PODS, "a", "ns", {}, type="apply", field_manager="me", force=True), "PATCH",
         "/api/v1/namespaces/ns/pods/a", {"fieldManager": "me", "force": "true"}),
        (lambda c: c.delete(PODS, "a", "ns"), "DELETE", "/api/v1/namespaces/ns/pods/a", {}),
        (lambda c: c.delete_collection(PODS, "ns", label_selector="a"), "DELETE", "/api/v1/namespaces/ns/pods",
         {"labelSelector": "a"}),
        (lambda c: c.create_subresource(PODS, "a", "ns", "binding", {}), "POST",
         "/api/v1/namespaces/ns/pods/a/binding", {}),
    ],
)  # fmt: skip
async def test_urls(call: Any, method: str, path: str, query: dict[str, str]) -> None:
    transport = Scripted(OK)
    await call(Client(transport, clock=VirtualClock(), user_agent="tester"))
    assert transport.asked[0][:3] == (method, path, query)
    assert transport.asked[0][3]["User-Agent"] == "tester"
    assert transport.asked[0][3]["Accept"] == "application/json"


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("merge", "application/merge-patch+json"),
        ("strategic", "application/strategic-merge-patch+json"),
        ("json", "application/json-patch+json"),
        ("apply", "application/apply-patch+yaml"),
    ],
)
async def test_patches_name_their_type(kind: Any, content_type: str) -> None:
    transport = Scripted(OK)
    await Client(transport, clock=VirtualClock()).patch(PODS, "a", "ns", {"x": 1}, type=kind)
    assert transport.asked[0][3]["Content-Type"] == content_type
    assert transport.asked[0][4] == b'{"x":1}'


async def test_delete_options() -> None:
    transport = Scripted(OK)
    client = Client(transport, clock=VirtualClock())
    await client.delete(PODS, "a", "ns", grace_period_seconds=0, propagation_policy="Background", uid="u")
    assert orjson.loads(transport.asked[0][4] or b"") == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u"},
    }


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb"])
async def test_names_that_are_no_path_segment_are_not_sent(name: str) -> None:
    transport = Scripted(OK)
    client = Client(transport, clock=VirtualClock())
    with pytest.raises(errors.BadRequest):
        await client.get(PODS, name, "default")
    with pytest.raises(errors.BadRequest):
        await client.get(PODS, "a", name)
    assert transport.asked == []


async def test_a_namespace_is_needed_for_namespaced_objects_and_force_for_apply() -> None:
    transport = Scripted(OK)
    client = Client(transport, clock=VirtualClock())
    with pytest.raises(errors.BadRequest, match="namespace"):
        await client.create(PODS, {"metadata": {"name": "a"}})
    with pytest.raises(errors.BadRequest, match="force"):
        await client.patch(PODS, "a", "ns", {}, force=True)
    assert transport.asked == []


async def test_list_items_know_what_they_are() -> None:
    server = FakeApiServer()
    server.put(PODS_PATH, pod("a"))
    client = Client(AppTransport(server, user="u"), clock=VirtualClock())
    found = await client.list(PODS)
    assert [(i["kind"], i["apiVersion"], i["metadata"]["name"]) for i in found["items"]] == [("Pod", "v1", "a")]
    assert (await Client(Scripted(OK), clock=VirtualClock()).list(PODS))["items"] == []


async def test_errors_are_raised_as_their_classes() -> None:
    server = FakeApiServer()
    client = Client(AppTransport(server, user="u"), clock=VirtualClock())
    with pytest.raises(errors.NotFound) as caught:
        await client.get(PODS, "a", "default")
    assert caught.value.details == {"name": "a", "kind": "pods"}
    created = await client.create(PODS, pod("a"))
    with pytest.raises(errors.AlreadyExists):
        await client.create(PODS, pod("a"))
    await client.update(PODS, created)
    with pytest.raises(errors.Conflict):
        await client.update(PODS, created)


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (Response(502, {}, b"<html>Bad gateway</html>"), errors.StatusError, "answered 502: <html>Bad gateway"),
        (Response(404, {}, b""), errors.NotFound, "the server answered 404"),
        (Response(500, {}, b'["x"]'), errors.InternalError, "the server answered 500"),
        (Response(302, {}, b""), errors.StatusError, "302"),
        (Response(200, {}, b"{"), errors.InternalError, "not JSON"),
        (Response(200, {}, b"[]"), errors.InternalError, "not a JSON object"),
    ],
)
async def test_answers_that_are_no_status(answer: Response, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        await Client(Scripted(answer), clock=VirtualClock()).get(NODES, "n")


async def test_retry_after_is_obeyed_a_bounded_number_of_times() -> None:
    clock = VirtualClock()
    busy = Response(429, {"retry-after": "2"}, b"")
    transport = Scripted(busy, Response(503, {"retry-after": "1"}, b""), OK)
    task = asyncio.create_task(Client(transport, clock=clock).get(NODES, "n"))
    await clock.advance(1.9)
    assert len(transport.asked) == 1
    await clock.advance(0.2)
    assert len(transport.asked) == 2
    await clock.advance(1)
    assert (await task)["kind"] == "Pod"
    always = Scripted(busy)
    task = asyncio.create_task(Client(always, clock=clock).get(NODES, "n"))
    await clock.advance("10m")
    with pytest.raises(errors.TooManyRequests):
        await task
    assert len(always.asked) == 11


@pytest.mark.parametrize("headers", [{}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}])
async def test_without_seconds_to_wait_there_is_no_retry(headers: dict[str, str]) -> None:
    transport = Scripted(Response(503, headers, b""))
    with pytest.raises(errors.ServiceUnavailable):
        await Client(transport, clock=VirtualClock()).get(NODES, "n")
    assert len(transport.asked) == 1


async def test_a_server_that_does_not_answer_is_a_timeout_by_the_clock() -> None:
    clock, server = VirtualClock(), FakeApiServer()

    async def never(method: str, path: str) -> None:
        await asyncio.get_running_loop().create_future()

    server.before = never
    transport = AppTransport(server, user="u", clock=clock)
    task = asyncio.create_task(Client(transport, clock=clock).get(NODES, "n"))
    await clock.advance(61)
    with pytest.raises(errors.Timeout, match="GET /api/v1/nodes/n"):
        await task
    await transport.close()


# -- watch


async def test_a_watch_is_asked_for_with_bookmarks() -> None:
    transport = Scripted()
    client = Client(transport, clock=VirtualClock())
    async with client.watch(PODS, "ns", resource_version="7", label_selector="a", timeout_seconds=9) as events:
        assert [e async for e in events] == []
    assert transport.asked[0][:3] == ("GET", "/api/v1/namespaces/ns/pods", {
        "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "7", "labelSelector": "a",
        "timeoutSeconds": "9"})  # fmt: skip


@given(
    names=st.lists(st.text(max_size=8), max_size=6),
    seed=st.integers(0, 1000),
    tail=st.binary(max_size=5).filter(lambda b: b"\n" not in b),
)
def test_events_are_framed_by_newlines_wherever_the_pieces_are_cut(names: list[str], seed: int, tail: bytes) -> None:
    events = [WatchEvent("ADDED", {"metadata": {"name": name}}) for name in names]
    data = b"".join(orjson.dumps({"type": e.type, "object": e.object}) + b"\n" for e in events) + tail
    rng = random.Random(seed)
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(8)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a != b]

    async def read() -> list[WatchEvent]:
        client = Client(Scripted(pieces=pieces), clock=VirtualClock())
        async with client.watch(PODS, resource_version="1") as found:
            return [e async for e in found]

    assert asyncio.run(read()) == events


async def test_an_event_of_many_megabytes_in_small_pieces() -> None:
    event = {"type": "ADDED", "object": {"data": "x" * 8_000_000}}
    data = orjson.dumps(event) + b"\n"
    pieces = [data[i : i + 4096] for i in range(0, len(data), 4096)]
    client = Client(Scripted(pieces=pieces), clock=VirtualClock())
    async with client.watch(PODS, resource_version="1") as events:
        assert [len(e.object["data"]) async for e in events] == [8_000_000]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"old"}}', errors.Expired),
        (b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"old"}}', errors.InternalError),
        (b'{"type":"ADDED"}', errors.InternalError),
        (b"{nonsense}", errors.InternalError),
    ],
)
async def test_error_events_and_nonsense_are_raised(line: bytes, error: type[Exception]) -> None:
    good = b'{"type":"ADDED","object":{"a":1}}\n\n'
    client = Client(Scripted(pieces=[good, line + b"\n", good]), clock=VirtualClock())
    got = []
    with pytest.raises(error):
        async with client.watch(PODS, resource_version="1") as events:
            async for event in events:
                got.append(event)
    assert got == [WatchEvent("ADDED", {"a": 1})]


async def test_a_refused_watch_is_raised_and_a_busy_server_asked_again() -> None:
    clock = VirtualClock()
    gone = orjson.dumps(errors.Expired("too old").to_status())
    client = Client(Scripted(Response(410, {}, gone)), clock=clock)
    with pytest.raises(errors.Expired, match="too old"):
        async with client.watch(PODS, resource_version="1"):
            pass
    transport = Scripted(Response(429, {"retry-after": "3"}, b"later"))
    client = Client(transport, clock=clock)

    async def watch() -> None:
        async with client.watch(PODS, resource_version="1") as events:
            assert [e async for e in events] == []

    task = asyncio.create_task(watch())
    await clock.advance(3)
    await task
    assert len(transport.asked) == 2
