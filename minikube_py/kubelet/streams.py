"""Remote command streams over a WebSocket, as Kubernetes frames them: one byte of channel, then data.

Channel 0 is stdin, 1 stdout, 2 stderr, 3 a Status at the end, 4 terminal sizes as JSON; with v5 the client closes
channel N by the two bytes 255 N.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from minikube_py.api import errors
from minikube_py.kubelet.runtime.base import RuntimeFault, Session

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
SUBPROTOCOLS = (V5, V4)
"""Best first."""

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
_CHANNELS = {"stdout": STDOUT, "stderr": STDERR}
_PIECE = 1 << 16

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Which streams a client asked for. A terminal has no stderr of its own."""

    command: Sequence[str]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


def stream_options(query: Sequence[tuple[str, str]]) -> StreamOptions:
    """The options of /exec and /attach in the kubelet's words (input, output, error). Raises BadRequest."""
    values = dict(reversed(query))
    flags = {name: values.get(name, "0").lower() in ("1", "true") for name in ("input", "output", "error", "tty")}
    if not (flags["input"] or flags["output"] or flags["error"]):
        raise errors.BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    command = [value for name, value in query if name == "command"]
    return StreamOptions(
        command, flags["input"], flags["output"], flags["error"] and not flags["tty"], flags["tty"]
    )  # fmt: skip


def choose_subprotocol(offered: Sequence[str]) -> str:
    """The best subprotocol that both sides speak. Raises BadRequest when there is none."""
    for name in SUBPROTOCOLS:
        if name in offered:
            return name
    asked = ", ".join(offered) or "none"
    known = ", ".join(SUBPROTOCOLS)
    raise errors.BadRequest(f"no supported WebSocket subprotocol: asked for {asked}, supported are {known}")


def exit_status(code: int | None) -> dict[str, Any]:
    """The Status of the error channel: success, or the exit code as a cause."""
    if not code:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def fault_status(message: str) -> dict[str, Any]:
    """The Status for a command that could not be run to its end."""
    return errors.InternalError(f"Internal error occurred: {message}").to_status()


async def serve_session(
    receive: Receive, send: Send, session: Session, options: StreamOptions, subprotocol: str, *, exec_: bool
) -> None:
    """Accept the WebSocket and pass everything between it and `session` until either ends; closes both.

    `receive` and `send` are ASGI's, the connect message already taken. Data waits for the slower side.
    """
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    # An empty frame tells a client, as upstream does, that the streams are there.
    first = STDOUT if options.stdout else STDERR if options.stderr else ERROR
    await _push(send, first, b"")
    outgoing = asyncio.create_task(_outgoing(send, session, options), name="remote command output")
    incoming = asyncio.create_task(_incoming(receive, session, v5=subprotocol == V5), name="remote command input")
    try:
        await asyncio.wait((outgoing, incoming), return_when=asyncio.FIRST_COMPLETED)
        try:
            if not outgoing.done():
                incoming.result()
                return  # The client has left.
            outgoing.result()
            status = exit_status(await session.exit_code() if exec_ else None)
        except RuntimeFault as error:
            status = fault_status(str(error))
        await _push(send, ERROR, orjson.dumps(status))
        await send({"type": "websocket.close", "code": 1000})
    except OSError:
        pass  # The client has left in the middle of a write; uvicorn says so by an OSError of its own.
    finally:
        for task in (outgoing, incoming):
            task.cancel()
        await asyncio.gather(outgoing, incoming, return_exceptions=True)
        await session.close()


async def _push(send: Send, channel: int, data: bytes) -> None:
    await send({"type": "websocket.send", "bytes": bytes((channel,)) + data})


async def _outgoing(send: Send, session: Session, options: StreamOptions) -> None:
    wanted = {"stdout": options.stdout, "stderr": options.stderr}
    async for stream, data in session:
        if wanted[stream]:
            for at in range(0, len(data), _PIECE):
                await _push(send, _CHANNELS[stream], data[at : at + _PIECE])


async def _incoming(receive: Receive, session: Session, *, v5: bool) -> None:
    """Returns when the client has left. What a process does not read any more is dropped."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes") or (message.get("text") or "").encode()
        if not data:
            continue
        match data[0]:
            case 0 if len(data) > 1:
                try:
                    await session.write(data[1:])
                except BrokenPipeError:
                    pass
            case 4:
                if (size := _size(data[1:])) is not None:
                    await session.resize(*size)
            case 255 if v5 and data[1:] == b"\x00":
                await session.close_stdin()


def _size(data: bytes) -> tuple[int, int] | None:
    """A terminal's width and height; nonsense and zero sizes are ignored, as upstream does."""
    try:
        read = orjson.loads(data)
        width, height = int(read["Width"]), int(read["Height"])
    except (ValueError, KeyError, TypeError):
        return None
    return (width, height) if 0 < width < 65536 and 0 < height < 65536 else None
