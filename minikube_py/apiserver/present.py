"""How a JSON body goes out: as it is, indented, as YAML, compressed. What is large is worked on in threads."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator

from minikube_py.apiserver.encoding import loads
from minikube_py.apiserver.http import JSON, Exchange, Headers
from minikube_py.apiserver.negotiate import Form

GZIP_THRESHOLD = 128 * 1024
"""Bytes of a body from which on it is compressed for clients that take it, as upstream."""
GZIP_LEVEL = 1
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
"""What Go reads as true; anything else is no reason to refuse an answer, the less after a write."""
YAML = b"application/yaml"
_GZIP_HEADERS = ((b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding"))
_GZIP_FORMAT = 31
"""zlib's number for a window of 32 KiB in gzip's frame."""
_THREAD_THRESHOLD = 16 * 1024


async def answer(exchange: Exchange, status: int, body: bytes, form: Form, headers: Headers = ()) -> None:
    """Send one JSON body in the form that the client asked for."""
    if len(body) < GZIP_THRESHOLD and not form.yaml and not exchange.scope["query_string"]:
        await exchange.answer(status, body, JSON, headers)
    else:
        await answer_pieces(exchange, status, len(body), iter((body,)), form, headers)


async def answer_pieces(
    exchange: Exchange, status: int, length: int, pieces: Iterator[bytes], form: Form, headers: Headers = ()
) -> None:
    """Send a JSON body of `length` bytes that is made in pieces."""
    content_type = JSON
    change = _to_yaml if form.yaml else _indent if exchange.query.get("pretty", "") in _TRUE else None
    if change is not None:
        body = await _changed(change, b"".join(pieces))
        length, pieces = len(body), iter((body,))
        content_type = YAML if form.yaml else JSON
    if length >= GZIP_THRESHOLD and takes_gzip(exchange.header(b"accept-encoding")):
        await _squeeze(exchange, status, pieces, content_type, headers)
    elif change is not None:
        await exchange.answer(status, next(pieces), content_type, headers)
    else:
        await exchange.answer_pieces(status, length, pieces, headers)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether the header names gzip, and not to refuse it."""
    for part in accept_encoding.split(","):
        name, _, quality = part.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


async def _squeeze(
    exchange: Exchange, status: int, pieces: Iterator[bytes], content_type: bytes, headers: Headers
) -> None:
    squeezer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    await exchange.begin(status, content_type, (*headers, *_GZIP_HEADERS))
    for piece in pieces:
        exchange.note(piece)
        if squeezed := await asyncio.to_thread(squeezer.compress, piece):
            await exchange.push(squeezed)
    await exchange.push(squeezer.flush())
    await exchange.close_stream()


async def _changed(change: Callable[[bytes], bytes], body: bytes) -> bytes:
    return change(body) if len(body) < _THREAD_THRESHOLD else await asyncio.to_thread(change, body)


def _indent(body: bytes) -> bytes:
    import orjson

    return orjson.dumps(loads(body), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _to_yaml(body: bytes) -> bytes:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: bytes = yaml.dump(loads(body), Dumper=dumper, encoding="utf-8", allow_unicode=True, width=1 << 20)
    return text
