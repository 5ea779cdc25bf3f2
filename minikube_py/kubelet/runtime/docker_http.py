"""Streaming HTTP to the Docker Engine on asyncio: answers read as they come, hijacked sockets.

The docker SDK reads such streams in threads, and can lose the first bytes of a hijacked one in its buffer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from minikube_py.kubelet.runtime.base import EngineUnavailable

_CHUNK = 1 << 16


class Refused(Exception):
    """The engine answered with an error: the HTTP status and its own text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text


class Answer:
    """An open answer; `chunks()` reads its body, `reader`/`writer` are the raw stream once it is hijacked."""

    def __init__(
        self, status: int, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.status, self.headers, self.reader, self.writer = status, headers, reader, writer

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body piece by piece. Raises EngineUnavailable when it breaks off."""
        try:
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                    async for piece in self._exactly(size):
                        yield piece
                    await self.reader.readexactly(2)
            elif "content-length" in self.headers:
                async for piece in self._exactly(int(self.headers["content-length"])):
                    yield piece
            else:
                while data := await self.reader.read(_CHUNK):
                    yield data
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise EngineUnavailable(f"the engine's answer broke off: {error}") from error

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            data = await self.reader.read(min(size, _CHUNK))
            if not data:
                raise asyncio.IncompleteReadError(b"", size)
            size -= len(data)
            yield data

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """The body as a sequence of JSON objects, one a line (progress, events)."""
        held = b""
        async for chunk in self.chunks():
            *lines, held = (held + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    yield json.loads(line)
        if held.strip():
            yield json.loads(held)

    async def text(self) -> str:
        return b"".join([chunk async for chunk in self.chunks()]).decode(errors="replace")

    def close(self) -> None:
        self.writer.close()


class Connections:
    """Opens one connection per request to `base_url`: unix://PATH, or tcp://HOST:PORT without TLS."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        if parts.scheme in ("unix", "http+unix"):
            self._unix: str | None = "/" + (parts.netloc + parts.path).lstrip("/")
        elif parts.scheme in ("tcp", "http") and parts.hostname:
            self._unix = None
            self._host, self._port = parts.hostname, parts.port or 2375
        else:
            raise ValueError(f"{base_url!r} is not supported: a Docker engine is reached by unix:// or tcp:// (no TLS)")

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._unix is not None:
            return await asyncio.open_unix_connection(self._unix, limit=_CHUNK)
        return await asyncio.open_connection(self._host, self._port, limit=_CHUNK)

    async def open(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        upgrade: bool = False,
    ) -> Answer:
        """Send a request, return once its head has come. Raises Refused for a status from 400 on, EngineUnavailable."""
        payload = b"" if body is None else json.dumps(body).encode()
        target = path + ("?" + urlencode(query) if query else "")
        head = [f"{method} {target} HTTP/1.1", "Host: docker", f"Content-Length: {len(payload)}"]
        head += (f"{name}: {value}" for name, value in (headers or {}).items())
        if body is not None:
            head.append("Content-Type: application/json")
        head += ["Connection: Upgrade", "Upgrade: tcp"] if upgrade else ["Connection: close"]
        writer = None
        try:
            reader, writer = await self._connect()
            writer.write("\r\n".join([*head, "", ""]).encode() + payload)
            await writer.drain()
            status, headers = _parse_head(await reader.readuntil(b"\r\n\r\n"))
            answer = Answer(status, headers, reader, writer)
            if status >= 400:
                raise Refused(status, _message(await answer.text()))
            return answer
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            if writer is not None:
                writer.close()
            raise EngineUnavailable(f"cannot reach the Docker engine: {error}") from error
        except BaseException:
            if writer is not None:
                writer.close()
            raise


def _parse_head(data: bytes) -> tuple[int, dict[str, str]]:
    first, *rest = data.decode("latin-1").split("\r\n")
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return int(first.split(" ", 2)[1]), headers


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()
