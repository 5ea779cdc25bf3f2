"""Port forwarding over a WebSocket: TCP connections into a Pod's network, in the two ways in which clients ask for it.

kubectl tunnels SPDY/3.1 and opens a pair of streams (data, error) per connection; the Python client names its ports at
once and has a pair of channels (one byte in front of each message) per port.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from minikube_py.api import errors
from minikube_py.daemon import logs
from minikube_py.kubelet.runtime.base import RuntimeFault
from minikube_py.kubelet.spdy import Connection, ProtocolError, Stream

log = logs.get("kubelet.portforward")

SPDY = "SPDY/3.1+portforward.k8s.io"
CHANNELS = "v4.channel.k8s.io"
SUBPROTOCOLS = (SPDY, CHANNELS)
"""Best first."""

_PIECE = 1 << 15

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Dial = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Connects to a port inside the Pod. Raises OSError, RuntimeFault."""


def choose_subprotocol(offered: Sequence[str]) -> str:
    """The best subprotocol that both sides speak. Raises BadRequest when there is none."""
    for name in SUBPROTOCOLS:
        if name in offered:
            return name
    asked, known = ", ".join(offered) or "none", ", ".join(SUBPROTOCOLS)
    raise errors.BadRequest(f"no supported WebSocket subprotocol: asked for {asked}, supported are {known}")


def ports_of(query: Sequence[tuple[str, str]]) -> list[int]:
    """The ports that the URL names (`port` or `ports`, also several with commas). Raises BadRequest."""
    found = []
    for text in (part for name, value in query if name in ("port", "ports") for part in value.split(",")):
        if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
            raise errors.BadRequest(f"unable to parse {text[:16]!r} as a port")
        found.append(int(text))
    return found


async def serve(receive: Receive, send: Send, subprotocol: str, ports: Sequence[int], dial: Dial, pod: str) -> None:
    """Accept the WebSocket and forward until the client leaves; `pod` is how errors name the Pod.

    `receive` and `send` are ASGI's, the connect message already taken. Raises BadRequest before it accepts.
    """
    if subprotocol == CHANNELS and not ports:
        raise errors.BadRequest("query parameter 'port' is required")
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    forwarding = _Tunnel(send, dial, pod) if subprotocol == SPDY else _Channels(send, dial, pod, ports)
    try:
        async with asyncio.TaskGroup() as group:
            code = await forwarding.run(group, receive)
        await send({"type": "websocket.close", "code": code})
    except* OSError:
        pass  # The client has left in the middle of a write.


class _End(Protocol):
    """The client's end of one forwarded connection."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...

    def ignore(self) -> None: ...


async def _forward(end: _End, dial: Dial, port: int, pod: str) -> str:
    """Connect and pass everything on until the Pod's side has ended; why it could not be done, else empty."""
    try:
        reader, writer = await dial(port)
    except (OSError, RuntimeFault) as error:
        end.ignore()
        return f"error forwarding port {port} to pod {pod}: {error}"
    up = asyncio.create_task(_upload(end, writer), name="port forward upload")
    try:
        while data := await reader.read(_PIECE):
            await end.write(data)
    except ConnectionError as error:
        return f"error forwarding port {port} to pod {pod}: {error}"
    finally:
        end.ignore()
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)
        writer.close()
    return ""


async def _upload(end: _End, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await end.read():
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        end.ignore()  # The Pod's side takes no more; what it still says is read by the other direction.


class _Tunnel:
    """SPDY inside the WebSocket: any number of connections, each a data and an error stream of one request id."""

    def __init__(self, send: Send, dial: Dial, pod: str) -> None:
        self._send, self._dial, self._pod = send, dial, pod
        self._waiting: dict[str, Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._connection = Connection(self._write, self._opened)

    async def run(self, group: asyncio.TaskGroup, receive: Receive) -> int:
        """Returns the code to close with."""
        self._group = group
        try:
            while (message := await receive())["type"] == "websocket.receive":
                if not await self._connection.feed(message.get("bytes") or b""):
                    break
        except ProtocolError as error:
            log.warning("a port forward broke off", pod=self._pod, error=str(error))
            return 1002
        finally:
            self._connection.close()
            for task in self._tasks:
                task.cancel()
        return 1000

    async def _write(self, data: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": data})

    def _opened(self, stream: Stream) -> bool:
        headers = stream.headers
        kind, port, request = headers.get("streamtype"), headers.get("port", ""), headers.get("requestid", "")
        if kind not in ("data", "error") or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            return False
        other = self._waiting.pop(request, None)
        if other is None:
            self._waiting[request] = stream
            return True
        if other.headers["streamtype"] == kind or other.headers["port"] != port:
            self._waiting[request] = other
            return False
        assert self._group is not None
        data, error = (stream, other) if kind == "data" else (other, stream)
        task = self._group.create_task(self._pair(data, error, int(port)), name=f"port forward {port}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _pair(self, data: Stream, error: Stream, port: int) -> None:
        error.ignore()
        forwarding = asyncio.create_task(_forward(data, self._dial, port, self._pod), name=f"port forward to {port}")
        given_up = asyncio.create_task(data.broken.wait(), name="port forward given up")
        try:
            await asyncio.wait((forwarding, given_up), return_when=asyncio.FIRST_COMPLETED)
            if forwarding.done():
                if problem := forwarding.result():
                    await error.write(problem.encode())
                await data.close()
                await error.close()
        finally:
            forwarding.cancel()
            given_up.cancel()
            await asyncio.gather(forwarding, given_up, return_exceptions=True)


class _Channel:
    """The data channel of one port."""

    def __init__(self, send: Send, number: int) -> None:
        self._send, self._number = send, number
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue(64)
        self.ignored = False

    async def read(self) -> bytes:
        return await self.incoming.get()

    async def write(self, data: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": bytes((self._number,)) + data})

    def ignore(self) -> None:
        self.ignored = True
        while not self.incoming.empty():
            self.incoming.get_nowait()


class _Channels:
    """One connection per port that the URL names, with two channels each: data, then errors."""

    def __init__(self, send: Send, dial: Dial, pod: str, ports: Sequence[int]) -> None:
        self._send, self._dial, self._pod, self._ports = send, dial, pod, ports
        self._data = [_Channel(send, 2 * i) for i in range(len(ports))]

    async def run(self, group: asyncio.TaskGroup, receive: Receive) -> int:
        """Returns the code to close with, once every connection has ended or the client has left."""
        for i, port in enumerate(self._ports):
            for number in (2 * i, 2 * i + 1):  # each channel begins with its port
                await self._send({"type": "websocket.send", "bytes": bytes((number,)) + struct.pack("<H", port)})
        all_ports = asyncio.gather(*(self._one(i, port) for i, port in enumerate(self._ports)))
        reading = group.create_task(self._read(receive), name="port forward input")
        try:
            await asyncio.wait((all_ports, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
            all_ports.cancel()
            await asyncio.gather(all_ports, reading, return_exceptions=True)
        return 1000

    async def _one(self, index: int, port: int) -> None:
        if problem := await _forward(self._data[index], self._dial, port, self._pod):
            await self._send({"type": "websocket.send", "bytes": bytes((2 * index + 1,)) + problem.encode()})

    async def _read(self, receive: Receive) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            data = message.get("bytes") or (message.get("text") or "").encode()
            if len(data) > 1 and not data[0] % 2 and data[0] // 2 < len(self._data):
                channel = self._data[data[0] // 2]
                if not channel.ignored:
                    await channel.incoming.put(data[1:])
