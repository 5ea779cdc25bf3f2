"""SPDY/3.1 as far as port forwarding needs it: the server's side of a connection that somebody else carries.

Frames begin with eight bytes: a control frame's version (3) and type, or a data frame's stream, then flags and a
length of 24 bits. Header blocks of one direction are one zlib stream with a dictionary that both sides know.
Nobody who forwards ports uses flow control: window updates are read over, as Kubernetes' own library does.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY, HEADERS = 1, 2, 3, 6, 7, 8
_FIN = 0x01
_VERSION = 0x8003
_PROTOCOL_ERROR, REFUSED = 1, 3

_FRAME_LIMIT = 1 << 20
_HEADERS_LIMIT = 1 << 16
_WAITING = 64
"""Pieces of data that may wait for one stream's reader; then the whole connection is read no further."""
_PIECE = 1 << 15

_WORDS = """
    options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
    authorization cache-control connection content-base content-encoding content-language content-length
    content-location content-md5 content-range content-type date etag expect expires from host if-match
    if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma
    proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade
    user-agent vary via warning www-authenticate method get status
    """.split()  # noqa: SIM905 (sixty strings in a list are hard to compare with the protocol)
_LATER = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack(">I", len(w)) + w.encode() for w in (*_WORDS, *_LATER)) + _TAIL.encode()
"""The dictionary of the protocol's third version, word for word: both sides must have the same bytes."""


class ProtocolError(Exception):
    """The other side does not speak SPDY/3."""


class Stream:
    """One stream that the client opened. Reading ends with b"" when the client has closed its half, or all of it."""

    def __init__(self, connection: Connection, number: int, headers: Mapping[str, str]) -> None:
        self.number = number
        self.headers = headers
        self.broken = asyncio.Event()
        """Set when the client has given the stream up, or has left."""
        self._connection = connection
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._read_all = self._unread = False
        self._closed = False

    async def read(self) -> bytes:
        """What has come next; b"" at the end."""
        if self._read_all or (self.broken.is_set() and self._incoming.empty()):
            return b""
        data = await self._incoming.get()
        self._read_all = not data
        return data

    def ignore(self) -> None:
        """Nobody reads any more: what still comes is dropped."""
        self._unread = True
        while not self._incoming.empty():
            self._incoming.get_nowait()

    async def write(self, data: bytes) -> None:
        """Send; what the client does not want any more is dropped."""
        for at in range(0, len(data), _PIECE):
            if not self._closed and not self.broken.is_set():
                await self._connection.send_data(self.number, data[at : at + _PIECE])

    async def close(self) -> None:
        """Say that nothing more will be sent."""
        if not self._closed and not self.broken.is_set():
            self._closed = True
            await self._connection.send_data(self.number, b"", _FIN)

    async def take(self, data: bytes, *, last: bool) -> None:
        """Data from the client; waits while the reader is behind."""
        pieces = [data] if data else []
        for piece in [*pieces, b""] if last else pieces:
            if self._unread:
                return
            await self._incoming.put(piece)

    def give_up(self) -> None:
        """The client does not want it any more: whoever reads is woken."""
        self.broken.set()
        if self._incoming.empty():
            self._incoming.put_nowait(b"")


class Connection:
    """The frames of one connection. `send` carries bytes to the client; `opened` is told of each new stream.

    `opened` may refuse a stream by returning False.
    """

    def __init__(self, send: Callable[[bytes], Awaitable[None]], opened: Callable[[Stream], bool]) -> None:
        self._send = send
        self._opened = opened
        self._streams: dict[int, Stream] = {}
        self._pending = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    async def feed(self, data: bytes) -> bool:
        """Bytes from the client, however they are cut. False once it has said goodbye. Raises ProtocolError."""
        self._pending += data
        while len(self._pending) >= 8:
            first, flags_length = struct.unpack_from(">II", self._pending)
            length = flags_length & 0xFFFFFF
            if length > _FRAME_LIMIT:
                raise ProtocolError(f"a frame of {length} bytes")
            if len(self._pending) < 8 + length:
                break
            body = bytes(self._pending[8 : 8 + length])
            del self._pending[: 8 + length]
            flags = flags_length >> 24
            if not first & 0x80000000:
                await self._data(first, flags, body)
            elif first >> 16 != _VERSION:
                raise ProtocolError(f"version {(first >> 16) & 0x7FFF} of the protocol")
            elif first & 0xFFFF == GOAWAY:
                return False
            else:
                await self._control(first & 0xFFFF, flags, body)
        return True

    async def _data(self, number: int, flags: int, body: bytes) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            await stream.take(body, last=bool(flags & _FIN))

    async def _control(self, kind: int, flags: int, body: bytes) -> None:
        try:
            match kind:
                case 1:
                    (number,) = struct.unpack_from(">I", body)
                    await self._syn(number & 0x7FFFFFFF, flags, self._headers(body[10:]))
                case 3:
                    (number,) = struct.unpack_from(">I", body)
                    stream = self._streams.pop(number & 0x7FFFFFFF, None)
                    if stream is not None:
                        stream.give_up()
                case 6:
                    (number,) = struct.unpack_from(">I", body)
                    if number % 2:  # the client's own; even ones answer ours
                        await self._send_control(PING, body[:4])
                case 8:
                    (number,) = struct.unpack_from(">I", body)
                    self._headers(body[4:])  # nothing in it concerns us, but the next block builds on it
                    if flags & _FIN:
                        await self._data(number & 0x7FFFFFFF, flags, b"")
        except struct.error as error:
            raise ProtocolError(str(error)) from None

    async def _syn(self, number: int, flags: int, headers: Mapping[str, str]) -> None:
        if not number % 2 or number in self._streams:
            await self._send_control(RST_STREAM, struct.pack(">II", number, _PROTOCOL_ERROR))
            return
        stream = Stream(self, number, headers)
        if not self._opened(stream):
            await self._send_control(RST_STREAM, struct.pack(">II", number, REFUSED))
            return
        self._streams[number] = stream
        if flags & _FIN:
            await stream.take(b"", last=True)
        await self._send_control(SYN_REPLY, struct.pack(">I", number) + self._block({}))

    def _headers(self, block: bytes) -> Mapping[str, str]:
        """The names and values of a header block; names are in lower case, of several values the first counts."""
        try:
            raw = self._inflate.decompress(block, _HEADERS_LIMIT)
        except zlib.error as error:
            raise ProtocolError(f"a header block: {error}") from None
        if self._inflate.unconsumed_tail:
            raise ProtocolError("a header block is too large")
        found: dict[str, str] = {}
        (count,) = struct.unpack_from(">I", raw)
        at = 4
        for _ in range(count):
            words = []
            for _ in range(2):
                (length,) = struct.unpack_from(">I", raw, at)
                words.append(raw[at + 4 : at + 4 + length].decode("latin-1"))
                at += 4 + length
            found[words[0].lower()] = words[1].partition("\0")[0]
        return found

    def _block(self, headers: Mapping[str, str]) -> bytes:
        raw = struct.pack(">I", len(headers))
        for word in (word for pair in headers.items() for word in pair):
            raw += struct.pack(">I", len(word)) + word.encode("latin-1")
        return self._deflate.compress(raw) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    async def _send_control(self, kind: int, body: bytes) -> None:
        await self._send(struct.pack(">HHI", _VERSION, kind, len(body)) + body)

    async def send_data(self, number: int, data: bytes, flags: int = 0) -> None:
        """A data frame."""
        await self._send(struct.pack(">II", number, flags << 24 | len(data)) + data)

    def close(self) -> None:
        """The client has left: every stream ends."""
        for stream in self._streams.values():
            stream.give_up()
        self._streams.clear()
