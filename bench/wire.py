"""A load generator that costs little: prepared requests over kept TLS connections, answers counted, not parsed."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from minikube_py.client.kubeconfig import KubeConfig


@dataclass
class Answer:
    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One keep-alive HTTP/1.1 connection with one request under way."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiter: asyncio.Future[Answer] | None = None
        self.transport: asyncio.Transport | None = None
        self._need = -1
        self._head_end = 0
        self._chunked = False
        self._scan = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    async def ask(self, request: bytes) -> Answer:
        """Send the bytes, return the whole answer."""
        self._waiter = asyncio.get_running_loop().create_future()
        assert self.transport is not None
        self.transport.write(request)
        return await self._waiter

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._need < 0 and not self._chunked:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end]).lower()
            self._head_end = end + 4
            at = head.find(b"content-length:")
            if at >= 0:
                stop = head.find(b"\r\n", at)
                self._need = self._head_end + int(head[at + 15 : stop if stop > 0 else None])
            else:
                self._chunked = True
        if self._chunked:
            if self._buffer.endswith(b"\r\n0\r\n\r\n") or self._buffer[self._head_end :] == b"0\r\n\r\n":
                self._finish(self._unchunk())
        elif len(self._buffer) >= self._need:
            self._finish(bytes(self._buffer[self._head_end : self._need]))

    def _unchunk(self) -> bytes:
        parts, at = [], self._head_end
        while True:
            end = self._buffer.index(b"\r\n", at)
            size = int(self._buffer[at:end], 16)
            if not size:
                return b"".join(parts)
            parts.append(bytes(self._buffer[end + 2 : end + 2 + size]))
            at = end + 2 + size + 2

    def _finish(self, body: bytes) -> None:
        status = int(self._buffer[9:12])
        self._buffer.clear()
        self._need, self._chunked = -1, False
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(Answer(status, body))

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error or ConnectionError("the server closed the connection"))


class Target:
    """A server, as a kubeconfig names it."""

    def __init__(self, config: KubeConfig) -> None:
        parts = urlsplit(config.server)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 443
        self.tls: ssl.SSLContext | None = config.ssl_context()
        self._token = config.token

    async def connect(self) -> Connection:
        """A new connection, TLS done."""
        _, protocol = await asyncio.get_running_loop().create_connection(
            Connection, self.host, self.port, ssl=self.tls, server_hostname=self.host if self.tls else None
        )
        return protocol

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        """The bytes of a request."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
        head += f"Accept: {accept}\r\nUser-Agent: bench/1\r\n"
        if self._token:
            head += f"Authorization: Bearer {self._token}\r\n"
        if body:
            head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body


async def load(
    target: Target, requests: Iterator[bytes], clients: int, good: int, seconds: float = 0
) -> tuple[int, float]:
    """Send the requests from `clients` connections at once; (how many, seconds). Raises when one is refused.

    `seconds` ends an endless iterator.
    """
    connections = [await target.connect() for _ in range(clients)]
    done = 0
    began = time.perf_counter()

    async def client(connection: Connection) -> None:
        nonlocal done
        for request in requests:
            answer = await connection.ask(request)
            if answer.status != good:
                raise RuntimeError(f"the server answered {answer.status}: {answer.body[:300]!r}")
            done += 1
            if seconds and time.perf_counter() - began > seconds:
                return

    try:
        await asyncio.gather(*(client(c) for c in connections))
        return done, time.perf_counter() - began
    finally:
        for c in connections:
            if c.transport is not None:
                c.transport.abort()


async def each(items: list[str], make: Callable[[str], bytes], target: Target, clients: int, good: int) -> float:
    """`load` over one request per item; seconds."""
    return (await load(target, (make(i) for i in items), clients, good))[1]
