"""The API server as a process, seen from the wire: what well-behaved, rude, slow and vanishing clients get."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.api.resources import NAMESPACES, SERVICEACCOUNTS
from minikube_py.client import kubeconfig
from minikube_py.daemon.clock import RealClock
from tests.contract.client_contract import ClientContract, World
from tests.etcd import free_port
from tests.integration.clusters import ended, start, until

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
TOKEN = "open-sesame"
SECONDS = 30.0

Object = dict[str, Any]


@dataclass
class Wire:
    """One API server process."""

    process: subprocess.Popen[str]
    directory: Path
    port: int
    context: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        self.context = self.context_of("")

    def context_of(self, name: str) -> ssl.SSLContext:
        """Trusts the server, and shows the certificate `name` if there is one."""
        context = ssl.create_default_context(cafile=str(self.directory / "pki" / "ca.crt"))
        if name:
            pair = (self.directory / "pki" / f"{name}.crt", self.directory / "pki" / f"{name}.key")
            context.load_cert_chain(*map(str, pair))
        return context

    @asynccontextmanager
    async def connect(self, context: ssl.SSLContext | None = None) -> AsyncIterator[Line]:
        """A connection, closed at the end whatever the server made of it."""
        chosen = context or self.context
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=chosen, limit=2**26)
        try:
            yield Line(reader, writer)
        finally:
            writer.transport.abort()

    def memory(self) -> int:
        """Bytes in memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


@dataclass(frozen=True)
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Line:
    """One connection, spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, method: str, path: str, body: bytes | None = None, *headers: str, version: str = "1.1",
             token: str = TOKEN) -> None:  # fmt: skip
        """A request head, and the body if there is one."""
        lines = [f"{method} {path} HTTP/{version}", "host: x", *headers]
        if token:
            lines.append(f"authorization: Bearer {token}")
        if body is not None:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    async def head(self) -> tuple[int, dict[str, str]]:
        text = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), SECONDS)).decode("latin-1")
        first, *lines = text.strip().split("\r\n")
        return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}

    async def got(self, method: str = "GET") -> Got:
        """The next whole answer."""
        status, headers = await self.head()
        if method == "HEAD":
            return Got(status, headers, b"")
        if "content-length" in headers:
            body = await asyncio.wait_for(self.reader.readexactly(int(headers["content-length"])), SECONDS)
        else:
            assert headers["transfer-encoding"] == "chunked"
            body = b"".join([piece async for piece in self.chunks()])
        return Got(status, headers, body)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces of a chunked body up to its end."""
        while size := int(await asyncio.wait_for(self.reader.readline(), SECONDS), 16):
            piece = await self.reader.readexactly(size + 2)
            assert piece[size:] == b"\r\n"
            yield piece[:size]
        assert await self.reader.readexactly(2) == b"\r\n"

    async def ask(self, method: str, path: str, body: bytes | None = None, *headers: str) -> Got:
        self.send(method, path, body, *headers)
        return await self.got(method)

    async def closed(self) -> bytes:
        """What still comes before the server closes; a reset is an end, too."""
        with suppress(ConnectionError, ssl.SSLError):
            return await asyncio.wait_for(self.reader.read(), SECONDS)
        return b""


def config_map(name: str, size: int = 1, **metadata: Any) -> bytes:
    return json.dumps({"metadata": {"name": name, **metadata}, "data": {"k": "v" * size}}).encode()


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Wire]:
    tokens = directory / "tokens.csv"
    tokens.write_text(f'{TOKEN},admin,u1,"system:masters"\n')
    port = free_port()
    data = directory / "data"
    with ended(
        start("apiserver", "--data-dir", str(data), "--secure-port", str(port), "--token-auth-file", str(tokens))
    ) as process:

        def answers() -> bool:
            with suppress(OSError):
                import socket

                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            return process.poll() is not None

        until(answers, 20, "the API server listens")
        assert process.poll() is None, process.stdout and process.stdout.read()
        yield Wire(process, data, port)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with running(tmp_path_factory.mktemp("wire")) as made:
        yield made


async def test_keep_alive(wire: Wire) -> None:
    async with wire.connect() as line:
        for i in range(20):
            got = await line.ask("POST", CONFIGMAPS, config_map(f"keep-{i}"))
            assert (got.status, "connection" in got.headers) == (201, False)
            assert (await line.ask("GET", f"{CONFIGMAPS}/keep-{i}")).json == got.json
        assert (await line.ask("GET", "/version")).status == 200
        last = await line.ask("GET", "/healthz", None, "connection: close")
        assert (last.body, last.headers["connection"]) == (b"ok", "close")
        assert await line.closed() == b""


async def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    async with wire.connect() as line:
        for i in range(50):
            line.send("POST", CONFIGMAPS, config_map(f"pipe-{i}"))
            line.send("GET", f"{CONFIGMAPS}/pipe-{i}")
            line.send("GET", "/version" if i % 2 else f"{CONFIGMAPS}/none")
        for i in range(50):
            assert (await line.got()).json["metadata"]["name"] == f"pipe-{i}"
            assert (await line.got()).json["metadata"]["name"] == f"pipe-{i}"
            assert (await line.got()).status == (200 if i % 2 else 404)


async def test_http_1_0(wire: Wire) -> None:
    async with wire.connect() as line:
        line.send("GET", "/api/v1/namespaces/default", version="1.0")
        got = await line.got()
        assert (got.status, got.headers["connection"]) == (200, "close")
        assert got.json["metadata"]["name"] == "default"
        assert await line.closed() == b""


async def test_expect_100_continue(wire: Wire) -> None:
    body = config_map("expected")
    async with wire.connect() as line:
        line.send("POST", CONFIGMAPS, None, "expect: 100-continue", "content-type: application/json",
                  f"content-length: {len(body)}")  # fmt: skip
        assert (await line.head())[0] == 100
        line.writer.write(body)
        assert (await line.got()).status == 201
        refused = await line.ask("GET", f"{CONFIGMAPS}/expected")
        assert refused.status == 200, "the connection goes on"
    async with wire.connect() as line:
        line.send("POST", "/api/v1/unicorns", None, "expect: 100-continue", "content-length: 9999")
        got = await line.got()
        assert (got.status, got.headers["connection"]) == (404, "close"), "no one can tell what would follow"
        assert await line.closed() == b""
    async with wire.connect() as line:
        line.send("GET", f"{CONFIGMAPS}?watch=1&timeoutSeconds=1&resourceVersion=0", None, "expect: 100-continue")
        assert (await line.head())[0] == 200
        lines = b"".join([piece async for piece in line.chunks()])
        assert all(json.loads(text)["type"] == "ADDED" for text in lines.splitlines())


async def test_ten_megabytes_are_refused_and_the_refusal_arrives(wire: Wire) -> None:
    body = config_map("large", 10_000_000)
    for headers in ((), ("expect: 100-continue",)):
        async with wire.connect() as line:
            line.send("POST", CONFIGMAPS, body, *headers)
            got = await line.got()
            assert (got.status, got.json["reason"]) == (413, "RequestEntityTooLarge")
            assert got.headers["connection"] == "close"
            assert await line.closed() == b""
    async with wire.connect() as line:
        line.send("POST", CONFIGMAPS, None, "transfer-encoding: chunked", "content-type: application/json")
        for start_at in range(0, len(body), 500_000):
            piece = body[start_at : start_at + 500_000]
            line.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        line.writer.write(b"0\r\n\r\n")
        assert (await line.got()).status == 413
    async with wire.connect() as line:
        assert (await line.ask("GET", f"{CONFIGMAPS}/large")).status == 404


async def test_what_no_parser_takes(wire: Wire) -> None:
    for raw in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n",
                b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"GET ? HTTP/1.1\r\nhost: x\r\n\r\n",
                b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"):  # fmt: skip
        async with wire.connect() as line:
            line.writer.write(raw)
            assert (await line.closed()).startswith(b"HTTP/1.1 400"), raw
    async with wire.connect() as line:
        got = await line.ask("GET", f"{CONFIGMAPS}?labelSelector=" + "a" * 200_000)
        assert got.status == 400


async def test_a_content_length_that_is_too_short(wire: Wire) -> None:
    body = config_map("short")
    async with wire.connect() as line:
        head = f"POST {CONFIGMAPS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 5\r\n\r\n"
        line.writer.write(head.encode() + body)
        assert (await line.got()).status == 400
        assert await line.closed() == b"", "the rest is no request"
    async with wire.connect() as line:
        assert (await line.ask("GET", f"{CONFIGMAPS}/short")).status == 404


async def test_clients_that_leave(wire: Wire) -> None:
    async with wire.connect() as line:
        made = [await line.ask("POST", CONFIGMAPS, config_map(f"leave-{i}", 900_000)) for i in range(6)]
        assert {got.status for got in made} == {201}
        before = wire.open_files()
        for _ in range(10):
            async with wire.connect() as leaver:  # mid-body
                leaver.send("POST", CONFIGMAPS, None, "content-length: 999")
                leaver.writer.write(b'{"metadata":')
                await leaver.writer.drain()
            async with wire.connect() as leaver:  # mid-list
                leaver.send("GET", CONFIGMAPS)
                await leaver.reader.readexactly(1000)
            async with wire.connect() as leaver:  # mid-watch
                leaver.send("GET", f"{CONFIGMAPS}?watch=1")
                await leaver.reader.readexactly(1000)
        await asyncio.to_thread(until, lambda: wire.open_files() <= before, 10, "no connection is left over")
        assert (await line.ask("GET", "/readyz")).body == b"ok"
        gauge = (await line.ask("GET", "/metrics")).body.decode()
        assert "apiserver_current_inflight_requests 1\n" in gauge
        for i in range(6):
            assert (await line.ask("DELETE", f"{CONFIGMAPS}/leave-{i}")).status == 200


class Follower:
    """A watch read by hand."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.names: list[str] = []

    async def begin(self, query: str) -> None:
        self.line.send("GET", f"{CONFIGMAPS}?watch=1&{query}")
        assert (await self.line.head())[0] == 200

    async def read(self, count: int) -> None:
        """Read until `count` events have come."""
        left = b""
        if len(self.names) >= count:
            return
        async for piece in self.line.chunks():
            *lines, left = (left + piece).split(b"\n")
            self.names += [json.loads(text)["object"]["data"]["k"][:20] for text in lines]
            if len(self.names) >= count and not left:
                return


def patch(line: Line, name: str, value: str) -> None:
    body = json.dumps({"data": {"k": value}}).encode()
    head = (
        f"PATCH {CONFIGMAPS}/{name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
        f"content-type: application/merge-patch+json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    line.writer.write(head.encode() + body)


async def test_two_hundred_watchers_see_the_same(wire: Wire) -> None:
    async with contextlib.AsyncExitStack() as stack:
        writer = await stack.enter_async_context(wire.connect())
        made = await writer.ask("POST", CONFIGMAPS, config_map("fan"))
        revision = made.json["metadata"]["resourceVersion"]
        followers = [Follower(await stack.enter_async_context(wire.connect())) for _ in range(200)]
        await asyncio.gather(
            *(f.begin(f"resourceVersion={revision}&fieldSelector=metadata.name%3Dfan") for f in followers)
        )
        for i in range(30):
            patch(writer, "fan", f"{i}")
        for _ in range(30):
            assert (await writer.got()).status == 200
        await asyncio.gather(*(f.read(30) for f in followers))
        assert all(f.names == [str(i) for i in range(30)] for f in followers)


async def test_a_client_that_does_not_read_holds_up_nobody(wire: Wire) -> None:
    async with wire.connect() as writer, wire.connect() as slow, wire.connect() as fast:
        made = await writer.ask("POST", CONFIGMAPS, config_map("slow"))
        query = f"resourceVersion={made.json['metadata']['resourceVersion']}&fieldSelector=metadata.name%3Dslow"
        lazy, quick = Follower(slow), Follower(fast)
        await lazy.begin(query)
        await quick.begin(query)
        slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
        before = wire.memory()
        count = 400
        for i in range(count):
            patch(writer, "slow", f"{i:019} " + "x" * 100_000)
            assert (await writer.got()).status == 200
            await quick.read(i + 1)
        assert wire.memory() - before < 200_000_000, "40 MB of events, not a copy for each"
        slow.reader._transport.resume_reading()  # type: ignore[attr-defined]
        await lazy.read(count)
        assert lazy.names == quick.names == [f"{i:019} " for i in range(count)], "late, but whole and in order"


async def test_a_watch_that_nobody_reads_still_ends(wire: Wire) -> None:
    """Its time is over while the server waits for the client to read: the connection is cut a little later."""
    async with wire.connect() as writer, wire.connect() as slow:
        made = await writer.ask("POST", CONFIGMAPS, config_map("stuck"))
        lazy = Follower(slow)
        selector = "fieldSelector=metadata.name%3Dstuck"
        await lazy.begin(f"timeoutSeconds=2&resourceVersion={made.json['metadata']['resourceVersion']}&{selector}")
        slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
        held = wire.open_files()
        for i in range(60):
            patch(writer, "stuck", f"{i} " + "x" * 200_000)
            assert (await writer.got()).status == 200
        await asyncio.to_thread(until, lambda: wire.open_files() < held, 15, "the connection is gone")


async def test_head(wire: Wire) -> None:
    async with wire.connect() as line:
        for path in ("/version", "/healthz", "/api/v1", CONFIGMAPS, "/api/v1/namespaces/default", "/openapi/v3"):
            got = await line.ask("HEAD", path)
            assert got.status == 200, path
            whole = await line.ask("GET", path)
            if "content-length" in got.headers:
                assert int(got.headers["content-length"]) == len(whole.body), path
        assert (await line.ask("HEAD", f"{CONFIGMAPS}/none")).status == 404
        assert (await line.ask("HEAD", f"{CONFIGMAPS}?watch=1")).status == 405
        assert (await line.ask("GET", "/version")).status == 200


async def test_with_and_without_a_client_certificate(wire: Wire) -> None:
    review = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with wire.connect(wire.context_of("admin")) as line:
        line.send("POST", review, b"{}", token="")
        found = (await line.got()).json["status"]["userInfo"]
        assert (found["username"], found["groups"]) == ("kubernetes-admin", ["system:masters", "system:authenticated"])
        ((credential,),) = found["extra"].values()
        assert credential.startswith("X509SHA256=")
    async with wire.connect() as line:
        line.send("GET", "/version", token="")
        assert (await line.got()).status == 200
        line.send("GET", CONFIGMAPS, token="")
        got = await line.got()
        assert (got.status, got.json["reason"]) == (403, "Forbidden")
        line.send("GET", "/version", token="wrong")
        got = await line.got()
        assert (got.status, "www-authenticate" in got.headers) == (401, True)


async def test_a_certificate_of_another_authority_gets_nowhere(wire: Wire, tmp_path: Path) -> None:
    from minikube_py.daemon import pki

    pair = pki.issue(pki.new_ca("another"), "kubernetes-admin", organizations=("system:masters",), client=True)
    cert, key = tmp_path / "c.crt", tmp_path / "c.key"
    cert.write_bytes(pair.cert_pem)
    key.write_bytes(pair.key_pem)
    context = wire.context_of("")
    context.load_cert_chain(str(cert), str(key))
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        async with wire.connect(context) as line:
            line.send("GET", CONFIGMAPS, token="")
            await line.got()


async def test_plain_http_and_half_open_connections(wire: Wire) -> None:
    half_open = [await asyncio.open_connection("127.0.0.1", wire.port) for _ in range(50)]
    half_open[0][1].write(b"\x16\x03")  # the beginning of a handshake, and no more
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n")
    with suppress(ConnectionError):
        assert b"gitVersion" not in await asyncio.wait_for(reader.read(), SECONDS)
    writer.transport.abort()
    async with wire.connect() as slow, wire.connect() as line:
        slow.writer.write(b"GET /version HTT")
        started = time.monotonic()
        assert (await line.ask("GET", "/version")).status == 200
        assert time.monotonic() - started < 5
        slow.writer.write(b"P/1.1\r\nhost: x\r\n\r\n")
        assert (await slow.got()).status == 200
    for _, other in half_open:
        other.transport.abort()
    assert wire.process.poll() is None


async def test_a_signal_ends_open_watches_soon(tmp_path: Path) -> None:
    with running(tmp_path) as wire:
        async with contextlib.AsyncExitStack() as stack:
            lines = [await stack.enter_async_context(wire.connect()) for _ in range(20)]
            for line in lines:
                await Follower(line).begin("timeoutSeconds=600")
            idle = await stack.enter_async_context(wire.connect())
            assert (await idle.ask("GET", "/version")).status == 200
            started = time.monotonic()
            wire.process.send_signal(signal.SIGTERM)
            await asyncio.gather(*(line.closed() for line in [*lines, idle]))
            code = await asyncio.to_thread(wire.process.wait, 10)
            assert (code, time.monotonic() - started < 6) == (0, True)
        assert wire.process.stdout is not None
        log = wire.process.stdout.read()
        assert "Traceback" not in log, log


class TestClientContract(ClientContract):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        """A server process of its own, reached over the wire as the administrator."""
        with running(tmp_path) as wire:
            clock = RealClock()
            transport = kubeconfig.load(wire.directory / "admin.conf").transport(clock=clock)
            world = World(transport, clock)
            for name in ("default", "kube-system"):
                with suppress(errors.AlreadyExists):
                    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                    await world.client.create(NAMESPACES, obj)
            # What the controller manager makes, and Pods are refused without.
            account = {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": "default"},
            }
            account |= {"automountServiceAccountToken": False}
            await world.client.create(SERVICEACCOUNTS, account)
            yield world
            await transport.close()
