"""The transport over HTTP(S): aiohttp, whose errors become ours here."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from minikube_py.api import errors
from minikube_py.client.transport_base import Query, Response, Stream, bounded, escaped, query_string
from minikube_py.daemon.clock import Clock, RealClock

if TYPE_CHECKING:
    import ssl

    import aiohttp

_CONNECT_SECONDS = 10.0


class WireTransport:
    """HTTP/1.1 over a pool of kept-alive connections, which opens on the first request and grows as needed.

    `ssl_context` holds the trusted CA and the client certificate (None for plain http); `token` is a bearer token, or a
    function that gives the current one for each request; `server_name` overrides the name checked in the certificate.
    """

    def __init__(
        self,
        server_url: str,
        ssl_context: ssl.SSLContext | None,
        *,
        token: str | Callable[[], str] = "",
        server_name: str = "",
        clock: Clock | None = None,
    ) -> None:
        parts = urlsplit(server_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{server_url!r} is not an http(s) URL of a server")
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._prefix = parts.path.rstrip("/")
        self._ssl = ssl_context
        self._token = token
        self._server_name = server_name
        self._clock = clock or RealClock()
        self._session: aiohttp.ClientSession | None = None
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
        import aiohttp

        answer = await self._send(method, path, query, headers, body)
        try:
            data = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise _dead(f"{method} {path}", error) from error
        finally:
            answer.close()
        return Response(answer.status, _lower(answer), data)

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
        answer = await self._send(method, path, query, headers, body)
        try:
            yield _WireStream(answer, f"{method} {path}")
        finally:
            answer.close()

    async def _send(
        self, method: str, path: str, query: Query, headers: Mapping[str, str] | None, body: bytes | None
    ) -> aiohttp.ClientResponse:
        import aiohttp
        from yarl import URL

        if self._closed:
            raise errors.ServiceUnavailable(f"{method} {path}: this transport is closed")
        if self._session is None:
            self._session = self._open()
        text = query_string(query)
        url = f"{self._base}{self._prefix}{escaped(path)}" + (f"?{text}" if text else "")
        sent = dict(headers or ())
        token = self._token if isinstance(self._token, str) else self._token()
        if token:
            sent["Authorization"] = f"Bearer {token}"
        try:
            return await self._session.request(
                method,
                URL(url, encoded=True),
                # Beyond a megabyte aiohttp wants a file, which it sends piece by piece.
                data=io.BytesIO(body) if body is not None and len(body) > 1 << 20 else body,
                headers=sent,
                server_hostname=self._server_name or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _dead(f"{method} {path}", error) from error

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        return aiohttp.ClientSession(
            # No limit: a watch holds its connection for minutes, and a full pool would block everybody else.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30, ssl=self._ssl if self._ssl else True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compression costs both sides more than the bytes do on a machine's or a cluster's own network.
            skip_auto_headers=("Accept-Encoding", "Content-Type"),
            auto_decompress=False,
        )

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


class _WireStream:
    __slots__ = ("_answer", "_what", "headers", "status")

    def __init__(self, answer: aiohttp.ClientResponse, what: str) -> None:
        self._answer = answer
        self._what = what
        self.status: int = answer.status
        self.headers: Mapping[str, str] = _lower(answer)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        import aiohttp

        try:
            piece = await self._answer.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise _dead(self._what, error) from error
        if not piece:
            raise StopAsyncIteration
        return piece


def _lower(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _dead(what: str, error: BaseException) -> errors.ServiceUnavailable:
    return errors.ServiceUnavailable(f"{what}: {str(error) or type(error).__name__}")
