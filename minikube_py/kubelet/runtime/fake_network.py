"""The network inside the fake's sandboxes: servers that a test has put there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine

Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]
"""What answers a connection to a port."""


class FakeNetwork:
    """`servers` are what listens on every sandbox's loopback address, by port."""

    def __init__(self) -> None:
        self.servers: dict[int, Server] = {}
        self._serving: list[asyncio.Future[None]] = []

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to one of the servers. Raises ConnectionRefusedError."""
        serve = self.servers.get(port)
        if serve is None:
            raise ConnectionRefusedError(f"dial tcp 127.0.0.1:{port}: connect: connection refused")
        ours, theirs = socket.socketpair()
        self._serving.append(asyncio.ensure_future(_serve(serve, theirs)))
        return await asyncio.open_connection(sock=ours)

    async def close(self) -> None:
        """End every connection."""
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


async def _serve(serve: Server, sock: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        await serve(reader, writer)
    finally:
        writer.close()
