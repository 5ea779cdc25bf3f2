"""Docker's exec, attach and log streams: frames taken apart, half close, resize, exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

from minikube_py.kubelet.runtime.base import EngineUnavailable, LogOptions, StreamName
from minikube_py.kubelet.runtime.docker_http import Answer

_NAMES: dict[int, StreamName] = {0: "stdout", 1: "stdout", 2: "stderr"}
_CHUNK = 1 << 16


async def frames(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[StreamName, bytes]]:
    """Docker's multiplexed stream: 8 bytes of head (stream, three zeros, length), then that many bytes.

    A frame is handed on in pieces as they come. Raises EngineUnavailable when the stream ends inside a frame.
    """
    held, left = bytearray(), 0
    name: StreamName = "stdout"
    async for chunk in chunks:
        held += chunk
        while held:
            if not left:
                if len(held) < 8:
                    break
                name, left = _NAMES.get(held[0], "stdout"), int.from_bytes(held[4:8], "big")
                del held[:8]
                continue
            piece = bytes(held[:left])
            del held[: len(piece)]
            left -= len(piece)
            yield name, piece
    if held or left:
        raise EngineUnavailable("the engine's stream ended inside a frame")


async def raw(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[StreamName, bytes]]:
    """A terminal's stream: everything is stdout."""
    async for chunk in chunks:
        yield "stdout", chunk


class DockerSession:
    """A hijacked connection. `code` asks for the exit code (exec only), `size` sets the terminal's size."""

    def __init__(
        self, answer: Answer, *, tty: bool, stdin: bool,
        code: Callable[[], Awaitable[int | None]], size: Callable[[int, int], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._answer = answer
        self._tty = tty
        self._stdin = stdin
        self._code = code
        self._size = size

    async def __aiter__(self) -> AsyncIterator[tuple[StreamName, bytes]]:
        chunks = self._chunks()
        async for item in raw(chunks) if self._tty else frames(chunks):
            yield item

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            while data := await self._answer.reader.read(_CHUNK):
                yield data
        except ConnectionError as error:
            raise EngineUnavailable(f"the engine let go of the stream: {error}") from error

    async def write(self, data: bytes) -> None:
        """Send to stdin, waiting while the engine does not take it. Raises BrokenPipeError when nobody reads it."""
        if not self._stdin:
            raise BrokenPipeError("stdin is not open")
        try:
            self._answer.writer.write(data)
            await self._answer.writer.drain()
        except (ConnectionError, RuntimeError) as error:
            raise BrokenPipeError("the process does not read its stdin any more") from error

    async def close_stdin(self) -> None:
        writer = self._answer.writer
        if self._stdin and not writer.is_closing():
            self._stdin = False
            try:
                if writer.can_write_eof():
                    writer.write_eof()
            except OSError:
                pass  # The other side has ended already.

    async def resize(self, width: int, height: int) -> None:
        if self._tty:
            await self._size(width, height)

    async def exit_code(self) -> int | None:
        return await self._code()

    async def close(self) -> None:
        writer = self._answer.writer
        if not writer.is_closing():
            writer.close()
        try:
            await writer.wait_closed()
        except (ConnectionError, asyncio.CancelledError):
            pass


def log_query(options: LogOptions) -> dict[str, Any]:
    """The query of the engine's log request."""
    query: dict[str, Any] = {"stdout": 1, "stderr": 1}
    query |= {"follow": int(options.follow), "timestamps": int(options.timestamps)}
    if options.tail_lines is not None:
        query["tail"] = options.tail_lines
    if options.since is not None:
        query["since"] = _epoch(options.since)
    return query


def _epoch(at: datetime) -> str:
    return f"{int(at.timestamp())}.{at.microsecond * 1000:09d}"


async def limited(parts: AsyncIterator[tuple[StreamName, bytes]], limit: int | None) -> AsyncIterator[bytes]:
    """The bytes of both streams, at most `limit`."""
    async for _, data in parts:
        if limit is not None:
            data = data[:limit]
            limit -= len(data)
        if data:
            yield data
        if limit == 0:
            return
