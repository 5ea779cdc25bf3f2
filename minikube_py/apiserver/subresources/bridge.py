"""The client's WebSocket and that of somebody behind the API server, joined frame by frame."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from minikube_py.apiserver.http import Exchange

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse


async def bridge(exchange: Exchange, connect: Callable[[], Awaitable[ClientWebSocketResponse]], name: str) -> None:
    """Accept the client's WebSocket with the subprotocol that the other side chose, and pass on until either leaves.

    `connect` opens the other side's; what it raises is raised while the client's handshake is still unanswered.
    """
    first = await exchange.receive()
    if first["type"] != "websocket.connect":
        return
    socket = await connect()
    try:
        exchange.started, exchange.status = True, 101
        await exchange.send({"type": "websocket.accept", "subprotocol": socket.protocol})
        await _pass_on(exchange, socket, name)
    except OSError:
        pass  # The client has left; the server says so by an OSError.
    finally:
        await socket.close()


async def _pass_on(exchange: Exchange, socket: ClientWebSocketResponse, name: str) -> None:
    down = asyncio.create_task(_from_behind(exchange, socket), name=f"{name} from the kubelet")
    up = asyncio.create_task(_from_client(exchange, socket), name=f"{name} from the client")
    try:
        await asyncio.wait((down, up), return_when=asyncio.FIRST_COMPLETED)
        if down.done():
            code = down.result()
            await exchange.send({"type": "websocket.close", "code": code})
    finally:
        down.cancel()
        up.cancel()
        await asyncio.gather(down, up, return_exceptions=True)


async def _from_behind(exchange: Exchange, socket: ClientWebSocketResponse) -> int:
    """Pass frames to the client; returns the code to close with."""
    import aiohttp

    while True:
        message = await socket.receive()
        match message.type:
            case aiohttp.WSMsgType.BINARY:
                await exchange.send({"type": "websocket.send", "bytes": message.data})
            case aiohttp.WSMsgType.TEXT:
                await exchange.send({"type": "websocket.send", "text": message.data})
            case aiohttp.WSMsgType.CLOSE:
                # 1005 stands for a close without a code and must not be sent.
                return int(message.data) if message.data and message.data != 1005 else 1000
            case _:
                return 1011  # It broke off.


async def _from_client(exchange: Exchange, socket: ClientWebSocketResponse) -> None:
    """Pass frames on until the client leaves."""
    while True:
        message = await exchange.receive()
        if message["type"] != "websocket.receive":
            return
        data = message.get("bytes")
        try:
            if data is not None:
                await socket.send_bytes(data)
            else:
                await socket.send_str(message["text"])
        except ConnectionError:
            # The other side has ended; what it still said is on its way to the client.
            await asyncio.get_running_loop().create_future()
