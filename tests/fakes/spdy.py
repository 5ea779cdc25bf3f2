"""The client's side of SPDY/3.1 as kubectl speaks it, written for tests: frames out, frames in."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from minikube_py.kubelet.spdy import DICTIONARY

FIN = 1


class SpdyClient:
    """Makes the bytes of frames, and takes apart those that came."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._pending = b""

    def control(self, kind: int, body: bytes, flags: int = 0) -> bytes:
        return struct.pack(">HHI", 0x8003, kind, flags << 24 | len(body)) + body

    def block(self, headers: dict[str, str]) -> bytes:
        raw = struct.pack(">I", len(headers))
        for name, value in headers.items():
            raw += struct.pack(">I", len(name)) + name.encode() + struct.pack(">I", len(value)) + value.encode()
        return self._deflate.compress(raw) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def syn(self, stream: int, headers: dict[str, str], flags: int = 0) -> bytes:
        return self.control(1, struct.pack(">IIH", stream, 0, 0) + self.block(headers), flags)

    def pair(self, port: int, number: int = 0) -> bytes:
        """The two streams of one forwarded connection: 4n+1 for errors, 4n+3 for data, as kubectl numbers them."""
        headers = {"Port": str(port), "Requestid": str(number)}
        error = self.syn(4 * number + 1, headers | {"Streamtype": "error"}, FIN)
        return error + self.syn(4 * number + 3, headers | {"Streamtype": "data"})

    def data(self, stream: int, data: bytes, flags: int = 0) -> bytes:
        return struct.pack(">II", stream, flags << 24 | len(data)) + data

    def reset(self, stream: int) -> bytes:
        return self.control(3, struct.pack(">II", stream, 5))

    def frames(self, data: bytes) -> Iterator[tuple[str, int, int, bytes]]:
        """(name, stream or id, flags, body) of every whole frame so far."""
        self._pending += data
        while len(self._pending) >= 8:
            first, rest = struct.unpack_from(">II", self._pending)
            length, flags = rest & 0xFFFFFF, rest >> 24
            if len(self._pending) < 8 + length:
                return
            body, self._pending = self._pending[8 : 8 + length], self._pending[8 + length :]
            if not first >> 31:
                yield "data", first, flags, body
                continue
            assert first >> 16 == 0x8003
            name = {2: "reply", 3: "reset", 6: "ping"}[first & 0xFFFF]
            (number,) = struct.unpack_from(">I", body)
            if name == "reply":
                assert self._inflate.decompress(body[4:]) == b"\0\0\0\0"
            yield name, number, flags, body[4:]
