"""One HTTP exchange as the API server sees it: the request's parts on demand, the answer in one write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import errors
from minikube_py.apiserver.auth.user import ACTING, User
from minikube_py.apiserver.encoding import dumps
from minikube_py.apiserver.paths import Target, split_query

if TYPE_CHECKING:
    from minikube_py.apiserver.audit import Record

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

JSON = b"application/json"
BODY_LIMIT = 3 * 1024 * 1024
"""Bytes of a request body, as upstream."""
STREAM_CHUNK = 2 * 1024 * 1024
"""A large body goes out in pieces of this size: measured five times faster than in one."""
RAW = "minikube_py.raw"
"""The scope's key for the server's own way to answer in one write, where there is one (see server.py)."""


class Exchange:
    """A request and its one answer."""

    __slots__ = (
        "_query", "audit", "denied", "method", "path", "receive", "scope", "send", "started", "status",
        "target", "user",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send, user: User) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.user = user
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.started = False
        self.status = 0
        self.target: Target | None = None
        self.denied = False
        """Whether authorization refused."""
        self.audit: Record | None = None
        self._query: dict[str, str] | None = None

    @property
    def acting(self) -> User | None:
        """Who asked, when it was in the name of another (`user`)."""
        found: User | None = self.scope.get(ACTING)
        return found

    @property
    def query(self) -> dict[str, str]:
        """The first value of every query parameter."""
        if self._query is None:
            self._query = {}
            for name, value in split_query(self.scope["query_string"]):
                self._query.setdefault(name, value)
        return self._query

    def header(self, name: bytes) -> str:
        """A header's value, empty when absent; `name` in lower case."""
        for key, value in self.scope["headers"]:
            if key == name:
                return value.decode("latin-1")  # type: ignore[no-any-return]
        return ""

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """The whole body. Raises RequestEntityTooLarge, BadRequest when the client left half-way."""
        length = self.header(b"content-length")
        if length.isdigit() and int(length) > limit:
            raise _too_large(limit)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise errors.BadRequest("the client closed the connection before the body was complete")
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
            if not message.get("more_body"):
                whole = parts[0] if len(parts) == 1 else b"".join(parts)
                if self.audit is not None and self.audit.wants_request:
                    self.audit.request_body = whole
                return whole

    async def answer(self, status: int, body: bytes, content_type: bytes = JSON, headers: Headers = ()) -> None:
        """Send status, headers and body."""
        self.started = True
        self.status = status
        if self.audit is not None and (self.audit.wants_response or status >= 400):
            self.audit.response_body = body
        raw = self.scope.get(RAW)
        if raw is not None and len(body) <= STREAM_CHUNK:
            await raw.answer(status, content_type, body, headers)
            return
        await self._start(status, content_type, (*headers, (b"content-length", b"%d" % len(body))))
        view = memoryview(body)
        for start in range(0, len(body), STREAM_CHUNK):
            piece = bytes(view[start : start + STREAM_CHUNK]) if len(body) > STREAM_CHUNK else body
            await self.send(
                {"type": "http.response.body", "body": piece, "more_body": start + STREAM_CHUNK < len(body)}
            )
        if not body:
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def answer_pieces(self, status: int, length: int, pieces: Iterator[bytes], headers: Headers = ()) -> None:
        """Send a JSON body of `length` bytes whose pieces are made as they are sent."""
        piece = next(pieces)
        if len(piece) == length:
            await self.answer(status, piece, JSON, headers)
            return
        self.started = True
        self.status = status
        await self._start(status, JSON, (*headers, (b"content-length", b"%d" % length)))
        while length:
            length -= len(piece)
            self.note(piece)
            await self.send({"type": "http.response.body", "body": piece, "more_body": length > 0})
            piece = next(pieces, b"")

    async def begin(self, status: int, content_type: bytes, headers: Headers) -> None:
        """Start an answer of unknown length; follow with `push` and end with `close_stream`."""
        self.started = True
        self.status = status
        await self._start(status, content_type, headers)

    def note(self, piece: bytes) -> None:
        """For the audit log: what a piece of the answer is before it is encoded."""
        if self.audit is not None and self.audit.wants_response:
            self.audit.response_body += piece

    async def _start(self, status: int, content_type: bytes, headers: Headers) -> None:
        all_headers = [(b"content-type", content_type), (b"cache-control", b"no-cache, private"), *headers]
        await self.send({"type": "http.response.start", "status": status, "headers": all_headers})

    async def open_stream(self, content_type: bytes = JSON) -> None:
        """Start an answer without end; follow with `push` and end with `close_stream`."""
        self.started = True
        self.status = 200
        if self.audit is not None:
            self.audit.response_started()
        raw = self.scope.get(RAW)
        if raw is not None:
            raw.start(content_type)
            return
        await self._start(200, content_type, ())

    def push_now(self, data: bytes) -> bool:
        """`push` without waiting. False when that is not possible: no such way, a slow client, one that has left."""
        raw = self.scope.get(RAW)
        return raw is not None and raw.write(data)

    def abort(self) -> None:
        """Drop the connection with whatever it has not sent, where there is one."""
        raw = self.scope.get(RAW)
        if raw is not None:
            raw.abort()

    async def push(self, data: bytes) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def close_stream(self) -> None:
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def answer_error(self, error: errors.StatusError) -> None:
        """Send the error's Status."""
        headers: list[tuple[bytes, bytes]] = []
        retry = error.details.get("retryAfterSeconds")
        if retry:
            headers.append((b"retry-after", b"%d" % retry))
        if error.code == 401:
            headers.append((b"www-authenticate", b'Bearer realm="minikube-py"'))
        if error.code == 413:
            headers.append((b"connection", b"close"))  # the rest of the body is not worth reading
        await self.answer(error.code, dumps(error.to_status()), JSON, headers)


def _too_large(limit: int) -> errors.RequestEntityTooLarge:
    return errors.RequestEntityTooLarge(f"Request entity too large: limit is {limit}")


WARNING_RUNES = 256
WARNINGS_TOTAL = 4096
"""Characters that warnings may have, each and together, where they are many: a header has to fit many a client."""


def warning_headers(warnings: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """RFC 7234 warnings of code 299, as kubectl prints them; each sentence once, cut where they are too many."""
    headers = []
    sentences = list(dict.fromkeys(warnings))
    if sum(map(len, sentences)) > WARNINGS_TOTAL:
        sentences = [text[:WARNING_RUNES] for text in sentences[: WARNINGS_TOTAL // WARNING_RUNES]]
    for text in sentences:
        clean = "".join(c if c.isprintable() else " " for c in text).replace("\\", "\\\\").replace('"', '\\"')
        headers.append((b"warning", b'299 - "%b"' % clean.encode("utf-8")))
    return headers
