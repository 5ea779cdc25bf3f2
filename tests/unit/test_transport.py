"""Both transports, over one scripted ASGI app: the wire one through a real uvicorn with TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.client.transport import AppTransport, Transport, WireTransport
from minikube_py.daemon.clock import VirtualClock
from tests.fakes import wire


class App:
    """Answers by path; remembers what it saw."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.bodies: list[bytes] = []
        self.sent = 0
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.held = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        body = b""
        while True:
            message = await receive()
            assert message["type"] == "http.request"
            body += message["body"]
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        self.asked.set()
        await getattr(self, scope["path"].strip("/").split("/")[0])(receive, send)

    @staticmethod
    async def start(send: Any, status: int = 200) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"X-Test", b"Yes")]})

    async def echo(self, receive: Any, send: Any) -> None:
        await self.start(send, 201)
        await send({"type": "http.response.body", "body": self.bodies[-1]})

    async def pieces(self, receive: Any, send: Any) -> None:
        await self.start(send)
        for piece in (b"one\ntw", b"o\n", b"three"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def fails(self, receive: Any, send: Any) -> None:
        raise ValueError("a bug")

    async def breaks(self, receive: Any, send: Any) -> None:
        await self.start(send)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("a bug")

    async def silent(self, receive: Any, send: Any) -> None:
        try:
            assert (await receive())["type"] == "http.disconnect"
            self.left.set()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def watch(self, receive: Any, send: Any) -> None:
        await self.start(send)
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        self.left.set()

    async def flood(self, receive: Any, send: Any) -> None:
        await self.start(send)
        for _ in range(400):
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            self.sent += 1
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture(params=["app", "wire"])
async def transport(request: Any, app: App, tmp_path: Path) -> AsyncIterator[Transport]:
    if request.param == "app":
        found: Transport = AppTransport(app, user="someone", groups=["some"])
        yield found
        await found.close()
        return
    async with wire.serve(app, tmp_path) as (url, context):
        found = WireTransport(url, context, token="s3cret")
        yield found
        await found.close()


async def test_a_request_carries_method_path_query_headers_and_body(transport: Transport, app: App) -> None:
    answer = await transport.request(
        "PATCH", "/echo/system:a b", query=[("k", "a=b,c&d"), ("k", "2")], headers={"X-Asked": "1"}, body=b"{}\xff"
    )
    assert (answer.status, answer.headers["x-test"], answer.body) == (201, "Yes", b"{}\xff")
    scope = app.scopes[0]
    assert (scope["method"], scope["path"]) == ("PATCH", "/echo/system:a b")
    assert scope["raw_path"] == b"/echo/system:a%20b"
    assert scope["query_string"] == b"k=a%3Db%2Cc%26d&k=2"
    headers = dict(scope["headers"])
    assert headers[b"x-asked"] == b"1" and headers[b"content-length"] == b"3"
    assert b"accept-encoding" not in headers and b"host" in headers


async def test_large_bodies_pass_both_ways(transport: Transport) -> None:
    body = bytes(range(256)) * 20_000
    assert (await transport.request("POST", "/echo", body=body)).body == body


async def test_who_asks_is_known(transport: Transport, app: App) -> None:
    await transport.request("GET", "/echo")
    if isinstance(transport, AppTransport):
        assert app.scopes[0]["state"]["peer"] == {"user": "someone", "groups": ["some"]}
    else:
        assert dict(app.scopes[0]["headers"])[b"authorization"] == b"Bearer s3cret"


async def test_an_answer_in_pieces_is_one_body(transport: Transport) -> None:
    assert (await transport.request("GET", "/pieces")).body == b"one\ntwo\nthree"
    async with transport.stream("GET", "/pieces") as stream:
        assert stream.status == 200 and stream.headers["x-test"] == "Yes"
        assert b"".join([piece async for piece in stream]) == b"one\ntwo\nthree"


async def test_a_failing_application_is_a_500(transport: Transport) -> None:
    answer = await transport.request("GET", "/fails")
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    async with transport.stream("GET", "/fails") as stream:
        assert stream.status == 500


async def test_an_answer_that_breaks_off_is_an_error(transport: Transport) -> None:
    with pytest.raises(errors.ServiceUnavailable):
        await transport.request("GET", "/breaks")
    got = b""
    with pytest.raises(errors.ServiceUnavailable):
        async with transport.stream("GET", "/breaks") as stream:
            async for piece in stream:
                got += piece
    assert got == b"half"


async def test_leaving_a_stream_is_heard_by_the_application(transport: Transport, app: App) -> None:
    async with transport.stream("GET", "/watch") as stream:
        async for piece in stream:
            assert piece == b"first\n"
            break
        assert not app.left.is_set()
    await asyncio.wait_for(app.left.wait(), 5)


async def test_a_cancelled_request_is_heard_by_the_application(transport: Transport, app: App) -> None:
    task = asyncio.create_task(transport.request("GET", "/silent"))
    await asyncio.wait_for(app.asked.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(app.left.wait(), 5)


async def test_no_answer_in_time_is_a_timeout(transport: Transport, app: App) -> None:
    with pytest.raises(errors.Timeout, match=r"GET /silent: no answer within 0\.5 s"):
        # Long enough for a busy machine to connect and say hello: the application must have seen the request.
        await transport.request("GET", "/silent", timeout=0.5)
    await asyncio.wait_for(app.left.wait(), 5)


async def test_a_slow_reader_holds_the_application_back(transport: Transport, app: App) -> None:
    async with transport.stream("GET", "/flood") as stream:
        await anext(aiter(stream))
        before = -1
        while before != app.sent:  # until it comes to a stop
            before = app.sent
            await asyncio.sleep(0.05)
        assert app.sent < 300  # the kernel's socket buffers hold some megabytes
        total = 65_536 * 400
        got = [len(piece) async for piece in stream]
        assert 0 < total - sum(got) < 1_000_000  # the first piece
    assert app.sent == 400


async def test_after_close_nothing_is_asked(transport: Transport, app: App) -> None:
    await transport.request("GET", "/echo")
    await transport.close()
    with pytest.raises(errors.ServiceUnavailable, match="closed"):
        await transport.request("GET", "/echo")
    await transport.close()


# -- the wire alone


async def test_nobody_there_is_service_unavailable() -> None:
    transport = WireTransport("http://127.0.0.1:1", None)
    with pytest.raises(errors.ServiceUnavailable, match="GET /x"):
        await transport.request("GET", "/x")
    with pytest.raises(errors.ServiceUnavailable):
        async with transport.stream("GET", "/x"):
            pass
    await transport.close()


async def test_an_unknown_authority_is_refused(app: App, tmp_path: Path) -> None:
    async with wire.serve(app, tmp_path) as (url, _):
        transport = WireTransport(url, ssl.create_default_context())
        with pytest.raises(errors.ServiceUnavailable, match="certificate"):
            await transport.request("GET", "/echo")
        await transport.close()
    assert app.scopes == []


async def test_connections_are_kept_and_paths_prefixed(app: App, tmp_path: Path) -> None:
    async with wire.serve(app, tmp_path) as (url, context):
        transport = WireTransport(f"{url}/echo/", context, token=lambda: f"t{len(app.scopes)}")
        for _ in range(3):
            await transport.request("GET", "/a")
        assert [s["path"] for s in app.scopes] == ["/echo/a"] * 3
        assert len({s["client"] for s in app.scopes}) == 1
        assert [dict(s["headers"])[b"authorization"] for s in app.scopes] == [b"Bearer t0", b"Bearer t1", b"Bearer t2"]
        await transport.close()


async def test_a_certificate_for_another_name_needs_server_name(app: App, tmp_path: Path) -> None:
    async with wire.serve(app, tmp_path) as (url, context):
        wrong = WireTransport(url, context, server_name="elsewhere")
        with pytest.raises(errors.ServiceUnavailable):
            await wrong.request("GET", "/echo")
        await wrong.close()
        by_name = WireTransport(url.replace("127.0.0.1", "localhost"), context, server_name="127.0.0.1")
        assert (await by_name.request("GET", "/echo")).status == 201
        await by_name.close()


@pytest.mark.parametrize("url", ["127.0.0.1:6443", "ftp://host", "https://"])
def test_what_is_no_server_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        WireTransport(url, None)


# -- in process alone


async def test_an_application_that_ignores_leaving_is_cancelled_in_the_end() -> None:
    clock = VirtualClock()
    app = App()

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await app.start(send)
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        try:
            await app.held.wait()
        except asyncio.CancelledError:
            app.cancelled.set()
            raise

    transport = AppTransport(deaf, user="u", clock=clock, leave_seconds=30)
    async with transport.stream("GET", "/"):
        pass
    await clock.advance(29)
    assert not app.cancelled.is_set()
    await clock.advance(2)
    assert app.cancelled.is_set()
    async with transport.stream("GET", "/"):
        app.cancelled.clear()
    await transport.close()
    assert app.cancelled.is_set()


async def test_a_write_under_way_is_finished_when_the_caller_gives_up() -> None:
    wrote = []
    gate = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        wrote.append(1)
        await App.start(send)
        await send({"type": "http.response.body", "body": b""})

    clock = VirtualClock()
    transport = AppTransport(app, user="u", clock=clock)
    task = asyncio.create_task(transport.request("POST", "/", timeout=5))
    await clock.advance(6)
    with pytest.raises(errors.Timeout):
        await task
    gate.set()
    await clock.advance(0)
    assert wrote == [1]
    await transport.close()
