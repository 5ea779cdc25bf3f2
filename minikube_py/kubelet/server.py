"""The kubelet's HTTPS server, under the real kubelet's paths: logs, exec, port forwarding, pods, health, stats.

Only the API server may ask: a client certificate of the cluster's CA is required, and it must be the API server's
or an administrator's.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

import orjson

from minikube_py.api import errors, times
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.health import Health
from minikube_py.daemon.metrics import CONTENT_TYPE, Registry
from minikube_py.kubelet import portforward
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.runtime.base import EngineUnavailable, LogOptions, NotFound, Runtime, RuntimeFault
from minikube_py.kubelet.streams import choose_subprotocol, serve_session, stream_options

log = logs.get("kubelet.server")

Object = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Query = Sequence[tuple[str, str]]

API_SERVER = "kube-apiserver-kubelet-client"
ADMIN_GROUPS = frozenset(("system:masters", "kubeadm:cluster-admins"))
GRACE_SECONDS = 1


class Pods(Protocol):
    """What the server needs to know of the kubelet's Pods."""

    def all(self) -> Sequence[Object]:
        """Every Pod that this kubelet has, with the status that it has last computed."""
        ...

    def get(self, namespace: str, name: str) -> Object | None: ...

    def sandbox_id(self, namespace: str, name: str) -> str | None:
        """The engine's id of the sandbox that the Pod runs in."""
        ...

    def container_id(self, namespace: str, name: str, container: str, *, previous: bool = False) -> str | None:
        """The engine's id of the container's newest attempt that was started, or of the one before it."""
        ...


class Stats(Protocol):
    """What the server tells of the node's and the containers' use of CPU and memory."""

    def summary(self) -> Object:
        """The Summary of stats/v1alpha1, of which nothing but CPU and memory is known."""
        ...

    def resource_metrics(self) -> str:
        """The same in Prometheus' text."""
        ...


class KubeletApp:
    """The ASGI application behind the server."""

    def __init__(
        self, pods: Pods, runtime: Runtime, clock: Clock, *,
        health: Health | None = None, metrics: Registry | None = None, stats: Stats | None = None,
    ) -> None:  # fmt: skip
        self._pods = pods
        self._runtime = runtime
        self._clock = clock
        self._health = health or Health()
        self._metrics = metrics
        self._stats = stats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            message = await receive()
            assert message["type"] == "websocket.connect"
        try:
            _authorize(scope)
            await self._route(scope, receive, send)
        except errors.StatusError as error:
            await _refuse(scope, send, error)
        except EngineUnavailable as error:
            await _refuse(scope, send, errors.ServiceUnavailable(str(error)))
        except NotFound as error:
            await _refuse(scope, send, errors.NotFound(str(error)))
        except RuntimeFault as error:
            await _refuse(scope, send, errors.InternalError(f"Internal error occurred: {error}"))

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = [unquote(part) for part in scope["raw_path"].decode("ascii").split("?")[0].strip("/").split("/")]
        query = parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
        reading = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        match parts:
            case ["healthz", *rest] if reading and len(rest) < 2:
                answer = await self._health.answer("healthz", *rest, verbose=("verbose", "") in query)
                if answer is None:
                    raise errors.NotFound("the kubelet has no such health check")
                await _answer(send, answer.status, answer.body.encode(), b"text/plain; charset=utf-8")
            case ["metrics"] if reading and self._metrics is not None:
                await _answer(send, 200, self._metrics.render().encode(), CONTENT_TYPE.encode())
            case ["metrics", "resource"] if reading and self._stats is not None:
                await _answer(send, 200, self._stats.resource_metrics().encode(), CONTENT_TYPE.encode())
            case ["stats", "summary"] if reading and self._stats is not None:
                await _answer(send, 200, orjson.dumps(self._stats.summary()), b"application/json")
            case ["pods"] if reading:
                pods = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(self._pods.all())}
                await _answer(send, 200, orjson.dumps(pods), b"application/json")
            case ["containerLogs", namespace, pod, container] if reading:
                await self._logs(receive, send, (namespace, pod, container), query)
            case [("exec" | "attach") as verb, namespace, pod, container]:
                await self._stream(scope, receive, send, verb, (namespace, pod, container), query)
            case ["portForward", namespace, pod]:
                await self._forward(scope, receive, send, (namespace, pod), query)
            case _:
                raise errors.NotFound("the kubelet does not serve this path")

    def _container(self, target: tuple[str, str, str], *, previous: bool = False) -> str:
        """The engine's id. Raises NotFound, or BadRequest in upstream's words for what has not started."""
        namespace, name, container = target
        pod = self._pods.get(namespace, name)
        if pod is None:
            raise errors.not_found("", "pods", name)
        if container not in _container_names(pod):
            raise errors.BadRequest(f'container "{container}" in pod "{name}" is not available')
        found = self._pods.container_id(namespace, name, container, previous=previous)
        if found is not None:
            return found
        if previous:
            raise errors.BadRequest(f'previous terminated container "{container}" in pod "{name}" not found')
        reason = _waiting(pod, container)
        raise errors.BadRequest(f'container "{container}" in pod "{name}" is waiting to start: {reason}')

    async def _logs(self, receive: Receive, send: Send, target: tuple[str, str, str], query: Query) -> None:
        values = dict(reversed(query))
        options = log_options(values, self._clock.now())
        container_id = self._container(target, previous=_flag(values, "previous"))
        await self._runtime.inspect_container(container_id)  # Gone: a Status now, not a broken stream later.
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def copy() -> None:
            async with aclosing(self._runtime.logs(container_id, options)) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        copying = asyncio.create_task(copy(), name="container log")
        leaving = asyncio.create_task(_disconnected(receive), name="container log reader")
        try:
            await asyncio.wait((copying, leaving), return_when=asyncio.FIRST_COMPLETED)
            if copying.done():
                copying.result()
        except RuntimeFault as error:
            # The answer has begun: only breaking it off can say that it is not complete.
            raise ConnectionError(f"the log broke off: {error}") from error
        finally:
            copying.cancel()
            leaving.cancel()
            await asyncio.gather(copying, leaving, return_exceptions=True)

    async def _stream(
        self, scope: Scope, receive: Receive, send: Send, verb: str, target: tuple[str, str, str], query: Query
    ) -> None:
        options = stream_options(query)
        if verb == "exec" and not options.command:
            raise errors.BadRequest("you must specify at least one command for the container")
        container_id = self._container(target)
        seen = await self._runtime.inspect_container(container_id)
        if seen.state != "running":
            raise errors.BadRequest(f'container not found ("{target[2]}"): it is not running')
        if scope["type"] != "websocket":
            raise errors.BadRequest("Upgrade request required: exec and attach are WebSocket streams")
        subprotocol = choose_subprotocol(scope["subprotocols"])
        if verb == "exec":
            session = await self._runtime.exec(container_id, options.command, stdin=options.stdin, tty=options.tty)
        else:
            session = await self._runtime.attach(container_id, stdin=options.stdin, tty=options.tty)
        await serve_session(receive, send, session, options, subprotocol, exec_=verb == "exec")

    async def _forward(self, scope: Scope, receive: Receive, send: Send, target: tuple[str, str], query: Query) -> None:
        namespace, name = target
        if self._pods.get(namespace, name) is None:
            raise errors.not_found("", "pods", name)
        sandbox_id = self._pods.sandbox_id(namespace, name)
        if sandbox_id is None:
            raise errors.BadRequest(f'unable to forward port because pod "{name}" is not running')
        ports = portforward.ports_of(query)
        if scope["type"] != "websocket":
            raise errors.BadRequest("Upgrade request required: port forwarding is a WebSocket stream")
        subprotocol = portforward.choose_subprotocol(scope["subprotocols"])

        async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await self._runtime.dial(sandbox_id, port)

        await portforward.serve(receive, send, subprotocol, ports, dial, f"{namespace}/{name}")


def _container_names(pod: Object) -> set[str]:
    spec = pod.get("spec") or {}
    families = ("containers", "initContainers", "ephemeralContainers")
    return {c["name"] for family in families for c in spec.get(family) or ()}


_PULLING = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}


def _waiting(pod: Object, container: str) -> str:
    status = pod.get("status") or {}
    families = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    for found in (s for family in families for s in status.get(family) or () if s.get("name") == container):
        reason = ((found.get("state") or {}).get("waiting") or {}).get("reason") or "ContainerCreating"
        return _PULLING.get(reason, reason)
    return "ContainerCreating"


def _flag(values: dict[str, str], name: str) -> bool:
    return values.get(name, "false").lower() not in ("false", "0")


def log_options(values: dict[str, str], now: datetime) -> LogOptions:
    """The options of /containerLogs. Raises BadRequest."""

    def number(name: str) -> int | None:
        text = values.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit():
            raise errors.BadRequest(f"{name} is not a number from 0 on: {text[:32]!r}")
        return int(text)

    since = None
    if (seconds := number("sinceSeconds")) is not None:
        try:
            since = now - timedelta(seconds=seconds)
        except OverflowError:
            since = None  # Longer ago than there is time: everything.
    elif "sinceTime" in values:
        try:
            since = times.parse_time(values["sinceTime"])
        except ValueError as error:
            raise errors.BadRequest(f"sinceTime: {error}") from None
    return LogOptions(
        _flag(values, "follow"), number("tailLines"), since, _flag(values, "timestamps"), number("limitBytes")
    )  # fmt: skip


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, status: int, body: bytes, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(scope: Scope, send: Send, error: errors.StatusError) -> None:
    body = orjson.dumps(error.to_status())
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    prefix = "http"
    if scope["type"] == "websocket":
        prefix = "websocket.http"
        headers.append((b"connection", b"close"))
    await send({"type": f"{prefix}.response.start", "status": error.code, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})


def _authorize(scope: Scope) -> None:
    """Raises Forbidden unless the peer is the API server or an administrator."""
    peer = (scope.get("state") or {}).get("peer") or {}
    if peer.get("user") != API_SERVER and not ADMIN_GROUPS.intersection(peer.get("groups", ())):
        user = peer.get("user") or "system:anonymous"
        raise errors.Forbidden(f"Forbidden (user={user}, verb={scope.get('method', 'GET').lower()}, resource=nodes)")


def tls_context(config: KubeletConfig) -> ssl.SSLContext:
    """Serves with the kubelet's certificate and requires one of the cluster's. Raises ValueError, OSError."""
    if not (config.tls_cert_file and config.tls_private_key_file and config.client_ca_file):
        raise ValueError("the kubelet's server needs --tls-cert-file, --tls-private-key-file and --client-ca-file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for flag, name in (
        ("--tls-cert-file", config.tls_cert_file),
        ("--tls-private-key-file", config.tls_private_key_file),
        ("--client-ca-file", config.client_ca_file),
    ):
        if not Path(name).is_file():  # ssl's own error has no file name
            raise FileNotFoundError(f"the kubelet's server has no file {name} (see {flag})")
    context.load_cert_chain(config.tls_cert_file, config.tls_private_key_file)
    context.load_verify_locations(config.client_ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def serve(
    config: KubeletConfig, pods: Pods, runtime: Runtime, clock: Clock, *,
    health: Health | None = None, metrics: Registry | None = None, stats: Stats | None = None,
    started: Callable[[int], None] | None = None,
) -> None:  # fmt: skip
    """Serve until cancelled; `started` is called with the port. Raises OSError when it cannot listen."""
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class PeerProtocol(HttpToolsProtocol):
        """Puts the identity of the client's certificate into the connection's state."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            certificate = transport.get_extra_info("peercert") or {}
            names = [pair for part in certificate.get("subject", ()) for pair in part]
            user = next((value for key, value in names if key == "commonName"), "")
            groups = tuple(value for key, value in names if key == "organizationName")
            self.app_state = {**self.app_state, "peer": {"user": user, "groups": groups}}

    context = tls_context(config)
    app = KubeletApp(pods, runtime, clock, health=health, metrics=metrics, stats=stats)
    settings = uvicorn.Config(
        app, http=PeerProtocol, ws="wsproto", lifespan="off", log_config=None, log_level="warning", access_log=False,
        server_header=False, date_header=False, timeout_graceful_shutdown=GRACE_SECONDS,
        # A client that is slow to read does not answer pings either: whether it lives, TCP knows better.
        ws_ping_interval=None, ssl_context_factory=lambda _config, _default: context,
    )  # fmt: skip
    settings.load()
    server = uvicorn.Server(settings)
    server.lifespan = settings.lifespan_class(settings)
    sock = _listening(config.address, config.port)
    await server.startup(sockets=[sock])
    try:
        port = int(sock.getsockname()[1])
        log.info("the kubelet's server listens", address=config.address, port=port)
        if started is not None:
            started(port)
        await server.main_loop()
    finally:
        await asyncio.shield(server.shutdown(sockets=[sock]))


def _listening(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from None
    return sock
