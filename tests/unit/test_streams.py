"""Remote command framing: channels, the Status at the end, half close, sizes, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.daemon.clock import settle
from minikube_py.kubelet.runtime.base import EngineUnavailable, StreamName
from minikube_py.kubelet.streams import (
    V4,
    V5,
    StreamOptions,
    choose_subprotocol,
    exit_status,
    serve_session,
    stream_options,
)


class _Session:
    """A session driven by the test: `output` yields what is put there, None ends it."""

    def __init__(self, code: int | None = 0) -> None:
        self.output: asyncio.Queue[tuple[StreamName, bytes] | Exception | None] = asyncio.Queue()
        self.did: list[Any] = []
        self.code = code
        self.taken = 0
        self.reads = asyncio.Event()
        self.reads.set()
        self.broken = False

    async def __aiter__(self) -> AsyncIterator[tuple[StreamName, bytes]]:
        while (item := await self.output.get()) is not None:
            if isinstance(item, Exception):
                raise item
            self.taken += 1
            yield item

    async def write(self, data: bytes) -> None:
        await self.reads.wait()
        if self.broken:
            raise BrokenPipeError
        self.did.append(data)

    async def close_stdin(self) -> None:
        self.did.append("end")

    async def resize(self, width: int, height: int) -> None:
        self.did.append((width, height))

    async def exit_code(self) -> int | None:
        return self.code

    async def close(self) -> None:
        self.did.append("close")


class _Socket:
    """Both ends of an ASGI WebSocket."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.writable = asyncio.Event()
        self.writable.set()
        self.gone = False

    async def send(self, message: dict[str, Any]) -> None:
        await self.writable.wait()
        if self.gone:
            raise OSError("the client has left")
        self.sent.append(message)

    def says(self, *frames: bytes | str) -> None:
        for frame in frames:
            kind = "bytes" if isinstance(frame, bytes) else "text"
            self.to_server.put_nowait({"type": "websocket.receive", kind: frame})

    def leaves(self) -> None:
        self.to_server.put_nowait({"type": "websocket.disconnect", "code": 1001})

    @property
    def frames(self) -> list[bytes]:
        return [m["bytes"] for m in self.sent if m["type"] == "websocket.send"]


BOTH = StreamOptions(["x"], True, True, True, False)


def start(
    socket: _Socket, session: _Session, options: StreamOptions = BOTH, protocol: str = V5, *, exec_: bool = True
) -> asyncio.Task[None]:
    serving = serve_session(socket.to_server.get, socket.send, session, options, protocol, exec_=exec_)
    return asyncio.create_task(serving)


async def test_output_goes_to_its_channels_and_ends_with_a_status() -> None:
    socket, session = _Socket(), _Session(code=0)
    for item in (("stdout", b"out\xff\x00"), ("stderr", b"err"), None):
        session.output.put_nowait(item)
    await start(socket, session, protocol=V4)
    assert socket.sent[0] == {"type": "websocket.accept", "subprotocol": V4}
    *frames, last = socket.frames
    assert frames == [b"\x01", b"\x01out\xff\x00", b"\x02err"]
    assert last[:1] == b"\x03" and json.loads(last[1:]) == {"metadata": {}, "status": "Success"}
    assert socket.sent[-1] == {"type": "websocket.close", "code": 1000}
    assert session.did == ["close"]


async def test_an_exit_code_is_a_cause_and_attach_has_none() -> None:
    for exec_, status in ((True, "Failure"), (False, "Success")):
        socket, session = _Socket(), _Session(code=42)
        session.output.put_nowait(None)
        await start(socket, session, exec_=exec_)
        read = json.loads(socket.frames[-1][1:])
        assert read["status"] == status
        if exec_:
            assert read["reason"] == "NonZeroExitCode"
            assert read["details"]["causes"] == [{"reason": "ExitCode", "message": "42"}]


async def test_an_engine_that_goes_away_is_told() -> None:
    socket, session = _Socket(), _Session()
    session.output.put_nowait(EngineUnavailable("the engine has gone"))
    await start(socket, session)
    read = json.loads(socket.frames[-1][1:])
    assert read["status"] == "Failure" and read["code"] == 500 and "the engine has gone" in read["message"]
    assert session.did == ["close"]


async def test_streams_that_were_not_asked_for_are_dropped() -> None:
    socket, session = _Socket(), _Session()
    for item in (("stdout", b"out"), ("stderr", b"err"), None):
        session.output.put_nowait(item)
    await start(socket, session, StreamOptions(["x"], False, False, True, False))
    assert socket.frames[:-1] == [b"\x02", b"\x02err"]


async def test_input_sizes_and_the_end_of_stdin() -> None:
    socket, session = _Socket(), _Session()
    task = start(socket, session)
    socket.says(b"\x00one", "\x00two", b"", b"\x00")
    socket.says(b'\x04{"Width":80,"Height":24}', b"\x04{}", b"\x04[1]", b"\x04junk")
    socket.says(b'\x04{"Width":70000,"Height":24}', b"\x07what", b"\xff\x01", b"\xff\x00")
    await settle()
    assert session.did == [b"one", b"two", (80, 24), "end"]
    session.output.put_nowait(None)
    await task


async def test_the_older_protocol_has_no_end_of_stdin() -> None:
    socket, session = _Socket(), _Session()
    task = start(socket, session, protocol=V4)
    socket.says(b"\xff\x00", b"\x00x")
    await settle()
    assert session.did == [b"x"]
    session.output.put_nowait(None)
    await task


async def test_what_a_process_does_not_read_any_more_is_dropped() -> None:
    socket, session = _Socket(), _Session(code=1)
    session.broken = True
    task = start(socket, session)
    socket.says(b"\x00one", b"\x00two")
    await settle()
    assert socket.to_server.empty() and not task.done()
    session.output.put_nowait(None)
    await task
    assert json.loads(socket.frames[-1][1:])["reason"] == "NonZeroExitCode"


async def test_a_client_that_leaves_ends_the_session() -> None:
    socket, session = _Socket(), _Session()
    task = start(socket, session)
    await settle()
    socket.leaves()
    await task
    assert session.did == ["close"]


async def test_a_client_that_is_found_gone_ends_the_session() -> None:
    socket, session = _Socket(), _Session()
    task = start(socket, session)
    await settle()
    socket.gone = True
    session.output.put_nowait(("stdout", b"x"))
    await task
    assert session.did == ["close"]


async def test_the_slower_side_is_waited_for() -> None:
    socket, session = _Socket(), _Session()
    task = start(socket, session)
    await settle()
    socket.writable.clear()
    session.reads.clear()
    for _ in range(100):
        session.output.put_nowait(("stdout", b"x"))
        socket.says(b"\x00y")
    await settle()
    assert session.taken == 1 and socket.to_server.qsize() == 99
    socket.writable.set()
    session.reads.set()
    session.output.put_nowait(None)
    await task
    assert socket.frames.count(b"\x01x") == 100


async def test_a_process_that_ends_is_not_held_up_by_its_input() -> None:
    socket, session = _Socket(), _Session()
    session.reads.clear()
    task = start(socket, session)
    socket.says(b"\x00never read")
    await settle()
    session.output.put_nowait(None)
    await task
    assert session.did == ["close"]


def test_options() -> None:
    found = stream_options([("command", "a"), ("input", "1"), ("command", "b"), ("output", "true"), ("error", "1")])
    assert found == StreamOptions(["a", "b"], True, True, True, False)
    terminal = stream_options([("output", "1"), ("error", "1"), ("tty", "1")])
    assert terminal == StreamOptions([], False, True, False, True)
    with pytest.raises(errors.BadRequest, match="at least 1 of"):
        stream_options([("command", "a"), ("input", "false"), ("tty", "1")])


def test_the_choice_of_a_protocol() -> None:
    assert choose_subprotocol([V4]) == V4
    assert choose_subprotocol(["channel.k8s.io", V4, V5]) == V5
    for offered in ([], ["channel.k8s.io", "base64.channel.k8s.io"]):
        with pytest.raises(errors.BadRequest, match="subprotocol"):
            choose_subprotocol(offered)


def test_success_has_no_causes() -> None:
    assert exit_status(0) == exit_status(None) == {"metadata": {}, "status": "Success"}
