"""SPDY framing, and port forwarding over it, against a client's side written for tests."""

from __future__ import annotations

import asyncio
import struct
import zlib
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.daemon.clock import VirtualClock
from minikube_py.kubelet import portforward
from minikube_py.kubelet.runtime.base import PodRef, SandboxConfig
from minikube_py.kubelet.runtime.fake import FakeEngine, FakeRuntime
from minikube_py.kubelet.spdy import DICTIONARY, Connection, ProtocolError, Stream
from tests.fakes.spdy import FIN, SpdyClient


def test_the_dictionary_is_the_protocols() -> None:
    # The checksum that every zlib stream with this dictionary names in its head.
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


class Side:
    """A connection under test, and what it sent."""

    def __init__(self, *, accept: bool = True) -> None:
        self.client = SpdyClient()
        self.streams: list[Stream] = []
        self.accept = accept
        self.sent: list[tuple[str, int, int, bytes]] = []
        self.connection = Connection(self._send, self._opened)

    async def _send(self, data: bytes) -> None:
        self.sent += self.client.frames(data)

    def _opened(self, stream: Stream) -> bool:
        self.streams.append(stream)
        return self.accept


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_frames_are_found_however_they_are_cut(size: int) -> None:
    side = Side()
    raw = side.client.pair(80) + side.client.data(3, b"hello") + side.client.data(3, b" you", FIN)
    for at in range(0, len(raw), size):
        assert await side.connection.feed(raw[at : at + size])
    error, data = side.streams
    assert error.headers == {"port": "80", "requestid": "0", "streamtype": "error"}
    assert [await data.read(), await data.read(), await data.read(), await data.read()] == [b"hello", b" you", b"", b""]
    assert await error.read() == b""
    assert [s[:2] for s in side.sent] == [("reply", 1), ("reply", 3)]


async def test_answers() -> None:
    side = Side()
    await side.connection.feed(side.client.pair(80))
    data = side.streams[1]
    await data.write(b"x" * 40_000)
    await data.close()
    await data.close()
    await data.write(b"too late")
    await side.connection.feed(
        side.client.control(6, struct.pack(">I", 7)) + side.client.control(6, struct.pack(">I", 8))
    )
    shown = [(name, number, flags, len(body)) for name, number, flags, body in side.sent[2:]]
    assert shown == [("data", 3, 0, 32768), ("data", 3, 0, 7232), ("data", 3, 1, 0), ("ping", 7, 0, 0)]


async def test_what_is_refused_and_what_is_passed_over() -> None:
    side = Side(accept=False)
    await side.connection.feed(side.client.syn(1, {"a": "b"}) + side.client.syn(2, {}))
    assert [(name, number, body) for name, number, _, body in side.sent] == [
        ("reset", 1, struct.pack(">I", 3)), ("reset", 2, struct.pack(">I", 1)),
    ]  # fmt: skip
    settings, window = side.client.control(4, bytes(4)), side.client.control(9, struct.pack(">II", 1, 9))
    headers = side.client.control(8, struct.pack(">I", 1) + side.client.block({"later": "x"}))
    side.accept = True
    assert await side.connection.feed(settings + window + headers + side.client.syn(3, {"then": "read"}))
    assert side.streams[-1].headers == {"then": "read"}
    assert not await side.connection.feed(side.client.control(7, bytes(8)))


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">HHI", 0x8002, 1, 0),
        struct.pack(">II", 1, 0xFFFFFF),
        struct.pack(">HHI", 0x8003, 1, 14) + bytes(14),
        struct.pack(">HHI", 0x8003, 3, 1) + bytes(1),
        SpdyClient().syn(1, {"bomb": "0" * 100_000}),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_no_spdy(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        await Side().connection.feed(raw)


async def test_a_slow_reader_holds_the_connection_up_until_it_lets_go() -> None:
    side = Side()
    await side.connection.feed(side.client.pair(80))
    many = b"".join(side.client.data(3, b"x") for _ in range(100))
    feeding = asyncio.ensure_future(side.connection.feed(many))
    await asyncio.sleep(0)
    assert not feeding.done()
    side.streams[1].ignore()
    assert await feeding


# port forwarding


class Client:
    """A WebSocket's client, as ASGI messages."""

    def __init__(self) -> None:
        self.spdy = SpdyClient()
        self.to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def say(self, data: bytes) -> None:
        self.to_server.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self) -> None:
        self.to_server.put_nowait({"type": "websocket.disconnect"})

    async def send(self, message: dict[str, Any]) -> None:
        self.from_server.put_nowait(message)

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self.from_server.get()

    async def streams(self, *closed: int) -> dict[int, bytes]:
        """What has come on each stream until all of these are closed."""
        found: dict[int, bytes] = {}
        left = set(closed)
        while left:
            for name, number, flags, body in self.spdy.frames((await self.hear())["bytes"]):
                if name == "data":
                    found[number] = found.get(number, b"") + body
                    if flags & FIN:
                        left.discard(number)
        return found


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers everything in capitals, once all of it is there."""
    writer.write((await reader.read()).upper())
    await writer.drain()
    writer.close()


async def forwarding(client: Client, subprotocol: str, *ports: int) -> asyncio.Task[None]:
    engine = FakeEngine()
    engine.network.servers[80] = shout
    runtime = FakeRuntime(VirtualClock(), engine=engine)
    sandbox = await runtime.run_sandbox(SandboxConfig(PodRef("default", "web", "1")))

    async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await runtime.dial(sandbox.id, port)

    async def run() -> None:
        await portforward.serve(client.to_server.get, client.send, subprotocol, ports, dial, "default/web")
        await engine.close()

    task = asyncio.ensure_future(run())
    assert await client.hear() == {"type": "websocket.accept", "subprotocol": subprotocol}
    return task


async def test_connections_through_the_tunnel() -> None:
    client = Client()
    task = await forwarding(client, portforward.SPDY)
    big = b"x" * 200_000
    client.say(client.spdy.pair(80) + client.spdy.data(3, b"hello", FIN))
    client.say(client.spdy.pair(80, 1) + client.spdy.data(7, big) + client.spdy.data(7, b"", FIN))
    assert await client.streams(1, 3, 5, 7) == {1: b"", 3: b"HELLO", 5: b"", 7: big.upper()}
    client.leave()
    await task
    assert await client.hear() == {"type": "websocket.close", "code": 1000}


async def test_nobody_listens() -> None:
    client = Client()
    task = await forwarding(client, portforward.SPDY)
    client.say(client.spdy.pair(81))
    heard = await client.streams(1, 3)
    assert heard[1].startswith(b"error forwarding port 81 to pod default/web: ") and b"refused" in heard[1]
    client.say(client.spdy.pair(80, 1) + client.spdy.data(7, b"still there", FIN))
    assert (await client.streams(5, 7))[7] == b"STILL THERE"
    client.leave()
    await task


async def test_a_connection_that_the_client_gives_up() -> None:
    client = Client()
    task = await forwarding(client, portforward.SPDY)
    client.say(client.spdy.pair(80) + client.spdy.data(3, b"never mind"))
    client.say(client.spdy.reset(3))
    client.say(client.spdy.pair(80, 1) + client.spdy.data(7, b"on", FIN))
    assert 3 not in await client.streams(5, 7)
    client.leave()
    await task
    assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("port forward")]


async def test_the_tunnel_ends_with_a_client_that_speaks_something_else() -> None:
    client = Client()
    task = await forwarding(client, portforward.SPDY)
    client.say(b"GET / HTTP/1.1\r\n\r\n")
    await task
    assert await client.hear() == {"type": "websocket.close", "code": 1002}


@pytest.mark.parametrize(
    "headers", [{"port": "80"}, {"streamtype": "data", "port": "0"}, {"streamtype": "x", "port": "1"}]
)
async def test_streams_that_forward_nothing(headers: dict[str, str]) -> None:
    client = Client()
    task = await forwarding(client, portforward.SPDY)
    client.say(client.spdy.syn(1, headers))
    (frame,) = client.spdy.frames((await client.hear())["bytes"])
    assert frame[:2] == ("reset", 1)
    client.leave()
    await task


async def test_channels() -> None:
    client = Client()
    task = await forwarding(client, portforward.CHANNELS, 80, 81)
    heard = [(await client.hear())["bytes"] for _ in range(5)]
    assert heard[:4] == [b"\0P\0", b"\1P\0", b"\2Q\0", b"\3Q\0"]
    assert heard[4][0] == 3 and b"error forwarding port 81" in heard[4]
    client.say(b"\0hello")
    client.leave()
    await task


async def test_a_channel_carries_data_both_ways() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"you said " + await reader.readline())
        writer.close()

    client = Client()
    engine = FakeEngine()
    engine.network.servers[80] = greet
    runtime = FakeRuntime(VirtualClock(), engine=engine)
    sandbox = await runtime.run_sandbox(SandboxConfig(PodRef("default", "web", "1")))

    async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await runtime.dial(sandbox.id, port)

    client.say(b"\0hello\n")
    await portforward.serve(client.to_server.get, client.send, portforward.CHANNELS, [80], dial, "default/web")
    heard = [await client.hear() for _ in range(5)]
    assert heard[3]["bytes"] == b"\0you said hello\n"
    assert heard[4] == {"type": "websocket.close", "code": 1000}
    await engine.close()


async def test_what_is_asked_wrongly() -> None:
    assert portforward.ports_of([("port", "80,81"), ("ports", "82"), ("other", "x")]) == [80, 81, 82]
    for wrong in ("0", "x", "65536", "-1", "", "８０"):
        with pytest.raises(errors.BadRequest):
            portforward.ports_of([("port", wrong)])
    with pytest.raises(errors.BadRequest, match="asked for v5"):
        portforward.choose_subprotocol(["v5.channel.k8s.io"])
    assert portforward.choose_subprotocol(["v4.channel.k8s.io", portforward.SPDY]) == portforward.SPDY
    client = Client()
    with pytest.raises(errors.BadRequest, match="'port' is required"):
        await portforward.serve(client.to_server.get, client.send, portforward.CHANNELS, [], no_dial, "default/web")


async def no_dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    raise AssertionError("nobody was to be called")


async def test_dialling_needs_a_running_sandbox() -> None:
    runtime = FakeRuntime(VirtualClock())
    sandbox = await runtime.run_sandbox(SandboxConfig(PodRef("default", "web", "1")))
    with pytest.raises(ConnectionRefusedError):
        await runtime.dial(sandbox.id, 80)
