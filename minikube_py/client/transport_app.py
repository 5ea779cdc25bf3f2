"""The in-process transport: calls the API server's ASGI application without a network in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from minikube_py.api import errors
from minikube_py.client.transport_base import Query, Response, Stream, bounded, escaped, query_string
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock, RealClock

log = logs.get("transport")

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class AppTransport:
    """Calls an ASGI application in this process as `user` in `groups`, each request as a task of its own.

    The application sees what a server would show it: back pressure, `http.disconnect` when the caller leaves. What it
    still does after that (a write under way) is not cut off, except after `leave_seconds` or by `close()`.
    """

    def __init__(
        self,
        app: App,
        *,
        user: str,
        groups: Sequence[str] = (),
        clock: Clock | None = None,
        leave_seconds: float = 30.0,
    ) -> None:
        self._app = app
        self._peer = {"user": user, "groups": list(groups)}
        self._clock = clock or RealClock()
        self._leave_seconds = leave_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        work = self._whole(method, path, query, headers, body)
        return await bounded(self._clock, work, timeout, f"{method} {path}")

    async def _whole(
        self, method: str, path: str, query: Query, headers: Mapping[str, str] | None, body: bytes | None
    ) -> Response:
        exchange = _Exchange(f"{method} {path}", body or b"", high_water=None)
        task = self._start(exchange, method, path, query, headers, body)
        try:
            await exchange.head
            data = await exchange.rest()
            return Response(exchange.status, exchange.headers, data)
        finally:
            self._leave(exchange, task)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[Stream]:
        exchange = _Exchange(f"{method} {path}", body or b"", high_water=65_536)
        task = self._start(exchange, method, path, query, headers, body)
        try:
            await exchange.head
            yield exchange
        finally:
            self._leave(exchange, task)

    def _start(
        self,
        exchange: _Exchange,
        method: str,
        path: str,
        query: Query,
        headers: Mapping[str, str] | None,
        body: bytes | None,
    ) -> asyncio.Task[None]:
        if self._closed:
            raise errors.ServiceUnavailable(f"{method} {path}: this transport is closed")
        sent = [(b"host", b"in-process")]
        sent += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
        if body is not None:
            sent.append((b"content-length", b"%d" % len(body)))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": escaped(path).encode("ascii"),
            "query_string": query_string(query).encode("ascii"),
            "root_path": "",
            "headers": sent,
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 443),
            "state": {"peer": {"user": self._peer["user"], "groups": list(self._peer["groups"])}},
        }
        task = asyncio.create_task(exchange.run(self._app, scope), name=f"in-process {exchange.what}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _leave(self, exchange: _Exchange, task: asyncio.Task[None]) -> None:
        exchange.leave()
        if not task.done():
            timer = self._clock.call_later(self._leave_seconds, task.cancel)
            task.add_done_callback(lambda _: timer.cancel())

    async def close(self) -> None:
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Exchange:
    """One request and its answer between the caller and the application. `high_water` bounds the bytes in between."""

    def __init__(self, what: str, body: bytes, high_water: int | None) -> None:
        self.what = what
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.head: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._body: bytes | None = body
        self._high_water = high_water
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = self._broken = self._left = False
        self._readable = asyncio.Event()
        self._room = asyncio.Event()
        self._gone = asyncio.Event()

    # -- the application's side

    async def run(self, app: App, scope: Message) -> None:
        try:
            await app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except Exception:
            # An application that is cut short by its caller's leaving may fail as it likes.
            if self._ended or not self._left:
                log.exception("the application failed", request=self.what)
            if not self.head.done():
                self._answer(500, [(b"content-type", b"text/plain; charset=utf-8")], b"Internal Server Error")
        finally:
            if not self._ended:
                self._broken = self._ended = True
                self._readable.set()
                if not self.head.done():
                    self.head.set_exception(errors.ServiceUnavailable(f"{self.what}: the application gave no answer"))
                    self.head.exception()  # nobody may be left to hear it
            self._gone.set()

    def _answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        self._pieces.append(body)
        self._ended = True
        self.head.set_result(None)
        self._readable.set()

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._left:
            return  # as servers do: an application may finish talking to a caller who has left
        if message["type"] == "http.response.start":
            if self.status:
                raise RuntimeError("http.response.start was sent twice")
            self.status = int(message["status"])
            pairs: Iterable[tuple[bytes, bytes]] = message.get("headers") or ()
            self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}
            return
        if message["type"] != "http.response.body" or not self.status or self._ended:
            raise RuntimeError(f"{message['type']} was sent out of turn")
        piece = message.get("body", b"")
        if piece:
            self._pieces.append(bytes(piece))
            self._size += len(piece)
        if not message.get("more_body", False):
            self._ended = True
            self._gone.set()
        if not self.head.done():
            self.head.set_result(None)
        self._readable.set()
        while self._high_water is not None and self._size > self._high_water and not self._left:
            self._room.clear()
            await self._room.wait()

    # -- the caller's side

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._broken:
                raise errors.ServiceUnavailable(f"{self.what}: the answer broke off")
            if self._ended:
                raise StopAsyncIteration
            self._readable.clear()
            await self._readable.wait()
        piece = self._pieces.popleft()
        self._size -= len(piece)
        self._room.set()
        return piece

    async def rest(self) -> bytes:
        while not self._ended:
            self._readable.clear()
            await self._readable.wait()
        if self._broken:
            raise errors.ServiceUnavailable(f"{self.what}: the answer broke off")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def leave(self) -> None:
        self._left = True
        self._pieces.clear()
        self._room.set()
        self._gone.set()
