"""uvicorn with TLS: client certificates reach the application, and an answer can go out in one write."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from hashlib import sha256
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from minikube_py.apiserver.auth.user import CREDENTIAL_ID
from minikube_py.apiserver.http import RAW, Headers

GRACE_SECONDS = 1
"""How long open watches may hold up the end of the server; their clients resume elsewhere."""


LINGER_SECONDS = 1
"""How long what a client still sends is read, and thrown away, after an answer that closes the connection."""

LATER_SECONDS = 0.2
"""After the first answers: what is not needed for them is loaded then."""


class _RawAnswer:
    """The server's own answer: status, headers and body in one write, past uvicorn's message machinery.

    One write is one TLS record and one system call where uvicorn makes two of each per answer.
    """

    __slots__ = ("_cycle",)

    def __init__(self, cycle: Any) -> None:
        self._cycle = cycle

    async def answer(self, status: int, content_type: bytes, body: bytes, headers: Headers) -> None:
        """The whole answer."""
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        if cycle.waiting_for_100_continue:
            cycle.keep_alive = False  # the client may send its body now, or the next request: nobody could tell
        head = self._head(status, content_type, (*headers, (b"content-length", b"%d" % len(body))))
        cycle.response_complete = True
        cycle.transport.write(head + body if cycle.scope["method"] != "HEAD" else head)
        cycle.message_event.set()
        if cycle.keep_alive:
            cycle.on_response()
        elif cycle.more_body:
            # Closing while the client still sends resets the connection, and the answer is lost with it.
            cycle.flow.resume_reading()
            asyncio.get_running_loop().call_later(LINGER_SECONDS, cycle.transport.close)
        else:
            cycle.transport.close()

    def start(self, content_type: bytes) -> None:
        """The head of an answer without end; `write` and ASGI's own body messages may follow in any order."""
        cycle = self._cycle
        cycle.chunked_encoding = True
        cycle.transport.write(self._head(200, content_type, ((b"transfer-encoding", b"chunked"),)))

    def write(self, data: bytes) -> bool:
        """Send a piece now. False, and nothing is sent, while the client reads too slowly or when it has left."""
        cycle = self._cycle
        if cycle.flow.write_paused or cycle.disconnected:
            return False
        cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def abort(self) -> None:
        """Drop the connection."""
        self._cycle.transport.abort()

    def _head(self, status: int, content_type: bytes, headers: Headers) -> bytes:
        cycle = self._cycle
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        parts = [STATUS_LINE[status], b"content-type: ", content_type, b"\r\ncache-control: no-cache, private\r\n"]
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
            if name == b"connection":
                cycle.keep_alive = False
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        return b"".join(parts)


class Protocol(HttpToolsProtocol):
    """Puts the verified peer into the connection's state, and the raw answer into every scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        certificate = connection.getpeercert() if connection is not None else None
        identity = peer_identity(certificate) if certificate else None
        if identity is not None:
            identity["extra"] = {CREDENTIAL_ID: (f"X509SHA256={sha256(connection.getpeercert(True)).hexdigest()}",)}
            self.app_state = {**self.app_state, "peer": identity}

    def on_headers_complete(self) -> None:
        if self.cycle is not None and self.cycle.response_complete and not self.cycle.keep_alive:
            return  # the last answer said that it is the last
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            cast(dict[str, Any], self.scope)[RAW] = _RawAnswer(self.cycle)


def peer_identity(certificate: dict[str, Any]) -> dict[str, Any] | None:
    """The user of a client certificate as Kubernetes reads it: common name, and organizations as groups.

    None for one without a common name, which identifies nobody.
    """
    fields = [pair for part in certificate.get("subject", ()) for pair in part]
    name = next((value for key, value in fields if key == "commonName"), "")
    if not name:
        return None
    return {"user": name, "groups": tuple(value for key, value in fields if key == "organizationName")}


def tls_context(cert_file: str, key_file: str, client_ca_file: str) -> ssl.SSLContext:
    """A server context that asks for a client certificate and verifies it if one is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_file, key_file)
    if client_ca_file:
        context.load_verify_locations(client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


class Server(uvicorn.Server):
    """A uvicorn server that lives in somebody else's event loop and leaves signals alone."""

    def __init__(self, app: Any, *, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        config = uvicorn.Config(
            app, host=host, port=port, http=Protocol, ws=cast(Any, web_socket), lifespan="off", log_config=None,
            log_level="warning", access_log=False, proxy_headers=False,
            server_header=False, date_header=False, timeout_keep_alive=120,
            timeout_graceful_shutdown=GRACE_SECONDS, ws_max_size=32 * 1024 * 1024, ws_ping_interval=None, backlog=2048,
            ssl_context_factory=(lambda _config, _default: tls) if tls is not None else None,
        )  # fmt: skip
        super().__init__(config)

    async def serve_until_cancelled(self, ready: asyncio.Event, then: Callable[[], object] = lambda: None) -> None:
        """Listen, set `ready`, call `then` a moment later, serve; cancellation closes connections in GRACE_SECONDS.

        Raises OSError when the address cannot be bound.
        """
        config = self.config
        config.load()
        # A bind error is an exception here, not the exit that uvicorn makes of it.
        sock = config_socket(config.host, config.port)
        self.lifespan = config.lifespan_class(config)
        await self.startup(sockets=[sock])
        self.port: int = sock.getsockname()[1]
        ready.set()
        asyncio.get_running_loop().call_later(LATER_SECONDS, then)
        try:
            await self.main_loop()
        finally:
            await asyncio.shield(self.shutdown(sockets=[sock]))


def web_socket(**parts: Any) -> asyncio.Protocol:
    """What takes a connection over that asks for a WebSocket; imported with the first."""
    from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

    return WSProtocol(**parts)


def config_socket(host: str, port: int) -> Any:
    """A listening-to-be TCP socket, IPv4 or IPv6 by the address. Raises OSError naming the address."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from None
    sock.set_inheritable(False)
    return sock
