"""`pods/proxy`, `services/proxy` and `nodes/proxy`: any HTTP request, passed on and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from minikube_py.api import errors
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.subresources.bridge import bridge
from minikube_py.apiserver.subresources.kubelets import Kubelets
from minikube_py.apiserver.subresources.locate import Location

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientWebSocketResponse
    from yarl import URL

Locate = Callable[[Registry, Target], Awaitable[Location]]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_HOP_BY_HOP = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
))  # fmt: skip
_OURS = ("authorization", "impersonate-")
"""What tells us who asks is nobody else's business: prefixes of header names that are not passed on."""


class Proxy:
    """Serves the sub-resource of one kind; `locate` says where a request goes."""

    def __init__(self, kubelets: Kubelets, locate: Locate) -> None:
        self._kubelets = kubelets
        self._locate = locate

    async def serve(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        """Raises what `locate` raises, and ServiceUnavailable when nobody answers; redirects are the client's."""
        if exchange.method not in METHODS:
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
        prefix, path = _split(exchange)
        location = await self._locate(registry, target)
        query = exchange.scope["query_string"].decode("ascii", "replace")
        if exchange.scope["type"] == "websocket":
            await bridge(exchange, lambda: self._socket(exchange, location, path or "/", query), "proxy")
            return
        if path is None and exchange.method in ("GET", "HEAD"):
            # So that what is relative to the page stays below the proxy.
            where = exchange.path + "/" + (f"?{query}" if query else "")
            await exchange.answer(301, b"", b"text/plain", [(b"location", quote(where, "/?&=:%;,+@~").encode())])
            return
        request = _Request(exchange, self._kubelets, location, prefix, path or "/", query)
        copying = asyncio.create_task(request.run(), name="proxy")
        leaving = asyncio.create_task(request.client_left(), name="proxy client")
        try:
            await asyncio.wait((copying, leaving), return_when=asyncio.FIRST_COMPLETED)
            if copying.done():
                copying.result()
        finally:
            copying.cancel()
            leaving.cancel()
            await asyncio.gather(copying, leaving, return_exceptions=True)

    async def _socket(self, exchange: Exchange, location: Location, path: str, query: str) -> ClientWebSocketResponse:
        import aiohttp

        own = ("sec-websocket-", "host")
        headers = [(name, value) for name, value in _headers(exchange) if not name.startswith(own)]
        try:
            return await self._kubelets.passing().ws_connect(
                _url(location, path, query), headers=headers, protocols=exchange.scope.get("subprotocols") or (),
                max_msg_size=0, autoclose=False, ssl=self._kubelets.verify(kubelet=location.kubelet),
            )  # fmt: skip
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(error) from error


class _Request:
    """One HTTP request on its way."""

    def __init__(
        self, exchange: Exchange, kubelets: Kubelets, location: Location, prefix: str, path: str, query: str
    ) -> None:
        self._exchange, self._kubelets, self._location = exchange, kubelets, location
        self._prefix, self._path, self._query = prefix, path, query
        self._sent = asyncio.Event()

    async def run(self) -> None:
        import aiohttp

        exchange = self._exchange
        has_body = bool(exchange.header(b"content-length") or exchange.header(b"transfer-encoding"))
        try:
            async with self._kubelets.passing().request(
                exchange.method, _url(self._location, self._path, self._query), headers=self._request_headers(),
                data=self._body() if has_body else None, allow_redirects=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                ssl=self._kubelets.verify(kubelet=self._location.kubelet),
            ) as answer:  # fmt: skip
                await self._pass_back(answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            # Once begun, the answer is broken off by this: half of it must not be taken for all.
            raise _unreachable(error) from error

    async def _body(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._exchange.receive()
            if message["type"] != "http.request":
                raise ConnectionError("the client left before its request was complete")
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                self._sent.set()
                return

    async def client_left(self) -> None:
        """Returns when the client leaves while it waits for the answer."""
        exchange = self._exchange
        if exchange.header(b"content-length") or exchange.header(b"transfer-encoding"):
            await self._sent.wait()
        while (await exchange.receive())["type"] != "http.disconnect":
            pass

    def _request_headers(self) -> list[tuple[str, str]]:
        exchange = self._exchange
        headers = [(n, v) for n, v in _headers(exchange) if not n.startswith("x-forwarded-")]
        before = exchange.header(b"x-forwarded-for")
        client = (exchange.scope.get("client") or ("",))[0]
        forwarded = ", ".join(filter(None, (before, client)))
        if forwarded:
            headers.append(("x-forwarded-for", forwarded))
        headers.append(("x-forwarded-uri", self._prefix + self._path))
        headers.append(("x-forwarded-host", exchange.header(b"host")))
        headers.append(("x-forwarded-proto", exchange.scope.get("scheme") or "http"))
        return headers

    async def _pass_back(self, answer: ClientResponse) -> None:
        exchange = self._exchange
        dropped = _HOP_BY_HOP | {n.strip().lower() for n in answer.headers.get("connection", "").split(",")}
        headers = [
            (name.lower(), value) for name, value in answer.raw_headers if name.decode("latin-1").lower() not in dropped
        ]
        for i, (name, value) in enumerate(headers):
            if name == b"location":
                headers[i] = (name, self._below_us(value.decode("latin-1")).encode("latin-1"))
        exchange.started, exchange.status = True, answer.status
        await exchange.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async for chunk in answer.content.iter_any():
            await exchange.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _below_us(self, where: str) -> str:
        """A redirect to the same server leads back through the proxy."""
        parts = urlsplit(where)
        own = (urlsplit(self._location.root).netloc, self._exchange.header(b"host"))
        if (parts.netloc and parts.netloc not in own) or not parts.path.startswith("/"):
            return where
        path = parts.path if parts.path.startswith(self._prefix) else self._prefix + parts.path
        return parts._replace(scheme="", netloc="", path=path).geturl()


def _split(exchange: Exchange) -> tuple[str, str | None]:
    """The path up to `proxy`, and what follows it as the client wrote it (None: not even a slash)."""
    raw = exchange.scope.get("raw_path")
    text = raw.decode("ascii", "replace").partition("?")[0] if raw else quote(exchange.path)
    depth = _depth(exchange.path)
    parts = text.split("/")
    if len(parts) <= depth or parts[depth] != "proxy":
        raise errors.BadRequest("the names in the path may not be written with escaped slashes")
    prefix = "/".join(parts[: depth + 1])
    return prefix, "/" + "/".join(parts[depth + 1 :]) if len(parts) > depth + 1 else None


def _depth(path: str) -> int:
    """Where `proxy` stands among the parts of the path."""
    return 7 if path.split("/")[3] == "namespaces" else 5


def _headers(exchange: Exchange) -> list[tuple[str, str]]:
    """The client's headers that concern more than our own connection with it."""
    named = {n.strip().lower() for n in exchange.header(b"connection").split(",")}
    found = ((n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in exchange.scope["headers"])
    return [(n, v) for n, v in found if n not in _HOP_BY_HOP and n not in named and not n.startswith(_OURS)]


def _url(location: Location, path: str, query: str) -> URL:
    from yarl import URL

    return URL(location.root + path + (f"?{query}" if query else ""), encoded=True)


def _unreachable(error: Exception) -> errors.ServiceUnavailable:
    return errors.ServiceUnavailable(f"error trying to reach service: {error or type(error).__name__}")
