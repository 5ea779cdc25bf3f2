"""Sockets inside a container's network: made by a thread that visits the namespace of one of its processes."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import threading

_CLONE_NEWNET = 0x40000000


async def dial_local(pid: int, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to `port` on the loopback address, IPv4 then IPv6, as the process `pid` would. Raises OSError."""
    loop = asyncio.get_running_loop()
    refused: OSError | None = None
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        sock = await asyncio.to_thread(_socket_in, pid, family)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, (address, port))
            return await asyncio.open_connection(sock=sock)
        except OSError as error:
            sock.close()
            refused = refused or error
        except BaseException:
            sock.close()
            raise
    assert refused is not None
    text = os.strerror(refused.errno or 0).lower()
    raise OSError(refused.errno, f"dial tcp 127.0.0.1:{port}: connect: {text}")


def _socket_in(pid: int, family: socket.AddressFamily) -> socket.socket:
    """A TCP socket of the network namespace of `pid`; it stays there, whoever uses it."""
    made: list[socket.socket | OSError] = []

    def visit() -> None:
        # A namespace belongs to a thread; this one ends here, so that there is no way back to fail.
        try:
            with open(f"/proc/{pid}/ns/net", "rb") as namespace:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, f"cannot enter the Pod's network: {os.strerror(number)}")
            made.append(socket.socket(family, socket.SOCK_STREAM))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=visit, name="network namespace")
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]
