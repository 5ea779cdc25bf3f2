"""The kubelet's server over real TLS, and the API server's proxies in front of it, with real WebSocket clients."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from minikube_py.api import errors
from minikube_py.apiserver.app import refuse
from minikube_py.apiserver.auth.user import ANONYMOUS
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.server import Server
from minikube_py.apiserver.subresources.kubelets import Kubelets
from minikube_py.apiserver.subresources.log import LogProxy
from minikube_py.apiserver.subresources.streaming import StreamProxy
from minikube_py.daemon import pki
from minikube_py.daemon.clock import RealClock
from minikube_py.daemon.metrics import Registry
from minikube_py.kubelet import server
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.runtime.base import ContainerConfig, LogOptions, PodRef, Runtime, SandboxConfig
from minikube_py.kubelet.runtime.docker import DockerRuntime
from minikube_py.kubelet.runtime.fake import FakeRuntime
from tests.fakes.spdy import FIN, SpdyClient
from tests.images import BUSYBOX, need_docker

Object = dict[str, Any]
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
SPDY = "SPDY/3.1+portforward.k8s.io"
REF = PodRef("default", "web", "uid-web")


def pod(*containers: str, **extra: Any) -> Object:
    return {
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": "web", "namespace": "default", "uid": "uid-web", **extra},
        "spec": {"nodeName": "node", "containers": [{"name": name, "image": BUSYBOX} for name in containers]},
        "status": {},
    }  # fmt: skip


@dataclass
class _Pods:
    pod: Object
    ids: dict[tuple[str, bool], str] = field(default_factory=dict)
    sandbox: str | None = None

    def all(self) -> Sequence[Object]:
        return [self.pod]

    def get(self, namespace: str, name: str) -> Object | None:
        return self.pod if (namespace, name) == ("default", "web") else None

    def sandbox_id(self, namespace: str, name: str) -> str | None:
        return self.sandbox

    def container_id(self, namespace: str, name: str, container: str, *, previous: bool = False) -> str | None:
        return self.ids.get((container, previous))


class _Stats:
    def summary(self) -> Object:
        return {"node": {"nodeName": "node"}, "pods": []}

    def resource_metrics(self) -> str:
        return "scrape_error 0\n"


@dataclass
class World:
    """A kubelet's server over `runtime`, the API server's proxies, and a client of each."""

    runtime: Runtime
    pods: _Pods
    kubelet: str
    api: str
    kubelet_client: ssl.SSLContext
    files: dict[str, str]
    sandbox: str
    node: Object | None

    async def run(self, command: Sequence[str], *, container: str = "main", **config: Any) -> str:
        made = ContainerConfig(REF, container, BUSYBOX, command=command, attempt=len(self.pods.ids), **config)
        container_id = await self.runtime.create_container(self.sandbox, made)
        await self.runtime.start_container(container_id)
        self.pods.ids[container, False] = container_id
        return container_id


class _Api:
    """As much of an API server as the proxies need: the Pod and the Node are given."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.kubelets = Kubelets(tls)
        self.world: World | None = None
        self._log = LogProxy(self.kubelets)
        self._streams = {verb.lower(): StreamProxy(self.kubelets, verb) for verb in ("exec", "attach", "portForward")}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("method", "GET")
        exchange = Exchange(scope, receive, send, ANONYMOUS)
        assert self.world is not None
        verb = scope["path"].rsplit("/", 1)[-1]
        proxy: Any = self._log if verb == "log" else self._streams[verb]
        try:
            await proxy.serve(exchange, self.world.pods.pod, self.world.node)
        except errors.StatusError as error:
            await refuse(exchange, error)


def _context(files: dict[str, str], name: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files["ca.crt"])
    if name:
        context.load_cert_chain(files[f"{name}.crt"], files[f"{name}.key"])
    return context


@asynccontextmanager
async def _world(runtime: Runtime, directory: Path) -> AsyncIterator[World]:
    ca = pki.new_ca("test-ca")
    pairs = {
        "ca": ca,
        "server": pki.issue(ca, "system:node:node", sans=pki.Sans(ips=("127.0.0.1",)), server=True),
        "api": pki.issue(ca, "kube-apiserver-kubelet-client", client=True),
        "admin": pki.issue(ca, "someone", ("system:masters",), client=True),
        "user": pki.issue(ca, "jane", ("developers",), client=True),
    }
    files = {}
    for name, pair in pairs.items():
        for suffix, data in (("crt", pair.cert_pem), ("key", pair.key_pem)):
            path = directory / f"{name}.{suffix}"
            path.write_bytes(data)
            files[path.name] = str(path)
    config = KubeletConfig(
        root_dir=str(directory), address="127.0.0.1", port=0, tls_cert_file=files["server.crt"],
        tls_private_key_file=files["server.key"], client_ca_file=files["ca.crt"],
    )  # fmt: skip
    pods, metrics = _Pods(pod("main")), Registry()
    metrics.counter("kubelet_things_total", "Things.").inc()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    api, ready = _Api(_context(files, "api")), asyncio.Event()
    front = Server(api, host="127.0.0.1", port=0, tls=None)
    sandbox = await runtime.run_sandbox(SandboxConfig(REF))
    pods.sandbox = sandbox.id
    async with asyncio.TaskGroup() as group:
        back = server.serve(
            config, pods, runtime, RealClock(), metrics=metrics, stats=_Stats(), started=port.set_result
        )  # fmt: skip
        tasks = [group.create_task(back), group.create_task(front.serve_until_cancelled(ready))]
        await asyncio.wait_for(asyncio.gather(port, ready.wait()), 30)
        node = {
            "metadata": {"name": "node"},
            "status": {
                "addresses": [
                    {"type": "Hostname", "address": "nowhere"},
                    {"type": "InternalIP", "address": "127.0.0.1"},
                ],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": port.result()}},
            },
        }
        api.world = World(
            runtime, pods, f"https://127.0.0.1:{port.result()}",
            f"http://127.0.0.1:{front.port}/api/v1/namespaces/default/pods/web", _context(files, "api"), files,
            sandbox.id, node,
        )  # fmt: skip
        try:
            yield api.world
        finally:
            await api.kubelets.close()
            for task in tasks:
                task.cancel()
            await runtime.remove_sandbox(sandbox.id)
            await runtime.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with _world(FakeRuntime(RealClock()), tmp_path) as world:
        yield world


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
async def any_world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    runtime: Runtime = FakeRuntime(RealClock())
    if request.param == "docker":
        need_docker()
        runtime = DockerRuntime(RealClock(), instance=f"test-{secrets.token_hex(4)}")
    async with _world(runtime, tmp_path) as world:
        yield world


async def gone(*names: str) -> None:
    """Wait until no task with such a word in its name is left."""
    async with asyncio.timeout(30):
        while left := [t for t in asyncio.all_tasks() if any(name in t.get_name() for name in names)]:
            await asyncio.wait(left, timeout=1)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    # A refused WebSocket's connection is closed by the server; this client would use it again.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield session


async def talk(
    socket: aiohttp.ClientWebSocketResponse, *frames: bytes
) -> tuple[dict[int, bytes], Object | None, int | None]:
    """Send frames, read to the end: the bytes of each channel, the Status, the close code."""
    for frame in frames:
        await socket.send_bytes(frame)
    channels: dict[int, bytes] = {}
    async with asyncio.timeout(60):
        async for message in socket:
            channels[message.data[0]] = channels.get(message.data[0], b"") + message.data[1:]
    status = channels.pop(3, None)
    return channels, json.loads(status) if status else None, socket.close_code


SUCCESS = {"metadata": {}, "status": "Success"}
EXIT_3 = {
    "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
    "message": "command terminated with non-zero exit code: command terminated with exit code 3",
    "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
}  # fmt: skip


class TestKubelet:
    async def test_who_may_ask(self, world: World, client: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientError):
            async with client.get(f"{world.kubelet}/pods", ssl=_context(world.files)) as answer:
                await answer.read()
        for name, status in (("user", 403), ("admin", 200), ("api", 200)):
            async with client.get(f"{world.kubelet}/pods", ssl=_context(world.files, name)) as answer:
                assert answer.status == status
                body = await answer.json()
        assert body["kind"] == "PodList" and body["items"] == [world.pods.pod]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{world.kubelet}/exec/default/web/main?command=true&output=1",
                                    ssl=_context(world.files, "user"), protocols=[V4])  # fmt: skip
        assert refused.value.status == 403

    @pytest.mark.parametrize(
        ("path", "status", "text"),
        [
            ("healthz", 200, "ok"),
            ("healthz/ping", 200, "ok"),
            ("healthz/nothing", 404, "no such health check"),
            ("metrics", 200, "kubelet_things_total 1"),
            ("nothing", 404, "does not serve"),
            ("stats/summary", 200, '{"node":{"nodeName":"node"},"pods":[]}'),
            ("stats/summary?only_cpu_and_memory=true", 200, '"nodeName":"node"'),
            ("metrics/resource", 200, "scrape_error 0"),
            *((path, 404, "does not serve") for path in ("stats", "stats/summary/x", "metrics/cadvisor")),
            ("containerLogs/default/absent/main", 404, 'pods \\"absent\\" not found'),
            ("containerLogs/default/web/other", 400, "not available"),
            ("containerLogs/default/web/main", 400, "is waiting to start: ContainerCreating"),
            ("containerLogs/default/web/main?previous=true", 400, "previous terminated container"),
            ("containerLogs/default/web/main?tailLines=-1", 400, "tailLines"),
            ("containerLogs/default/web/main?sinceTime=yesterday", 400, "sinceTime"),
            ("exec/default/web/main?command=true", 400, "at least 1 of stdin"),
            ("exec/default/web/main?output=1", 400, "at least one command"),
        ],
    )
    async def test_paths(self, world: World, client: aiohttp.ClientSession, path: str, status: int, text: str) -> None:
        async with client.get(f"{world.kubelet}/{path}", ssl=world.kubelet_client) as answer:
            assert answer.status == status
            assert text in await answer.text()

    async def test_a_stream_needs_a_websocket_and_a_known_subprotocol(
        self, world: World, client: aiohttp.ClientSession
    ) -> None:
        await world.run(["sleep", "60"])
        url = f"{world.kubelet}/exec/default/web/main?command=true&output=1"
        async with client.get(url, ssl=world.kubelet_client) as answer:
            assert answer.status == 400 and "Upgrade request required" in await answer.text()
        for offered in (["base64.channel.k8s.io"], []):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect(url, ssl=world.kubelet_client, protocols=offered)
            assert refused.value.status == 400

    async def test_no_client_ca_no_server(self, world: World, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="--client-ca-file"):
            server.tls_context(KubeletConfig(root_dir=str(tmp_path), tls_cert_file="a", tls_private_key_file="b"))

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        files = {name: tmp_path / name for name in ("tls_cert_file", "tls_private_key_file", "client_ca_file")}
        config = KubeletConfig(root_dir=str(tmp_path), **{name: str(path) for name, path in files.items()})
        for name, path in files.items():
            with pytest.raises(FileNotFoundError, match=f"{path} .*--{name.replace('_', '-')}"):
                server.tls_context(config)
            path.touch()


class TestLog:
    async def test_options_reach_the_runtime(self, world: World, client: aiohttp.ClientSession) -> None:
        await world.run(["sh", "-c", "echo one; echo two; echo three >&2"])
        for query, expected in (
            ("", "one\ntwo\nthree\n"),
            ("tailLines=2", "two\nthree\n"),
            ("limitBytes=5", "one\nt"),
            ("sinceSeconds=3600&container=main", "one\ntwo\nthree\n"),
            ("sinceTime=2999-01-01T00:00:00Z", ""),
            ("follow=true", "one\ntwo\nthree\n"),
        ):
            async with client.get(f"{world.api}/log?{query}") as answer:
                assert (answer.status, await answer.text()) == (200, expected), query
                assert answer.content_type == "text/plain"

    async def test_following_shows_lines_as_they_come_and_stops_with_the_client(
        self, world: World, client: aiohttp.ClientSession
    ) -> None:
        container = await world.run(["cat"], stdin=True)
        session = await world.runtime.attach(container, stdin=True, tty=False)
        async with client.get(f"{world.api}/log?follow=true") as answer:
            assert answer.status == 200
            for line in (b"one\n", b"two\n"):
                await session.write(line)
                assert await asyncio.wait_for(answer.content.readline(), 30) == line
        await session.close()
        await gone("container log", "log proxy")

    @pytest.mark.parametrize(
        ("query", "status", "text"),
        [
            ("tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
            ("limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
            ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
            ("sinceSeconds=1&sinceTime=2030-01-01T00:00:00Z", 422, "[]: Forbidden: at most one of `sinceTime` or"),
            ("tailLines=many", 400, "invalid syntax"),
            ("tailLines=99999999999999999999", 400, "invalid syntax"),
            ("sinceTime=now", 400, "parsing time"),
            ("stream=Stdout", 422, "stream: Unsupported value"),
            ("insecureSkipTLSVerifyBackend=true", 400, "not supported"),
            ("container=other", 400, "container other is not valid for pod web"),
            ("", 400, 'container "main" in pod "web" is waiting to start: ContainerCreating'),
            ("previous=true", 400, 'previous terminated container "main" in pod "web" not found'),
        ],
    )
    async def test_refusals(
        self, world: World, client: aiohttp.ClientSession, query: str, status: int, text: str
    ) -> None:
        async with client.get(f"{world.api}/log?{query}") as answer:
            read = await answer.json()
            assert (answer.status, read["kind"], read["code"]) == (status, "Status", status)
            assert text in read["message"]

    async def test_why_it_waits(self, world: World, client: aiohttp.ClientSession) -> None:
        waiting = {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
        world.pods.pod["status"] = {"containerStatuses": [waiting]}
        async with client.get(f"{world.api}/log") as answer:
            assert "is waiting to start: trying and failing to pull image" in (await answer.json())["message"]

    async def test_pods_without_a_place(self, world: World, client: aiohttp.ClientSession) -> None:
        del world.pods.pod["spec"]["nodeName"]
        async with client.get(f"{world.api}/log") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        async with client.get(f"{world.api}/exec?command=true&stdout=true") as answer:
            assert answer.status == 400
            assert (await answer.json())["message"] == "pod web does not have a host assigned"
        world.pods.pod["spec"]["nodeName"] = "gone"
        world.node = None
        for verb in ("log", "exec?command=true&stdout=true"):
            async with client.get(f"{world.api}/{verb}") as answer:
                assert answer.status == 404

    async def test_a_kubelet_that_is_away(self, world: World, client: aiohttp.ClientSession) -> None:
        assert world.node is not None
        world.node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] = 1
        for verb in ("log", "exec?command=true&stdout=true"):
            async with client.get(f"{world.api}/{verb}") as answer:
                assert answer.status == 500 and "error dialing backend" in (await answer.json())["message"]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{world.api}/exec?command=true&stdout=true", protocols=[V5])
        assert refused.value.status == 500

    async def test_which_container(self, world: World, client: aiohttp.ClientSession) -> None:
        world.pods.pod = pod("main", "side")
        world.pods.pod["spec"]["initContainers"] = [{"name": "first"}]
        text = (
            "a container name must be specified for pod web, choose one of: [main side]"
            " or one of the init containers: [first]"
        )
        for verb in ("log", "exec?command=true&stdout=true"):
            async with client.get(f"{world.api}/{verb}") as answer:
                assert (answer.status, (await answer.json())["message"]) == (400, text)
        world.pods.pod["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "side"}
        await world.run(["echo", "hello"], container="side")
        async with client.get(f"{world.api}/log?follow=1") as answer:
            assert await answer.text() == "hello\n"


class TestExec:
    @pytest.mark.parametrize("subprotocol", [V5, V4])
    async def test_output_and_exit_code(self, world: World, client: aiohttp.ClientSession, subprotocol: str) -> None:
        await world.run(["sleep", "60"])
        query = [("command", w) for w in ("sh", "-c", "echo out; echo err >&2; exit 3")]
        query += [("stdout", "true"), ("stderr", "true"), ("container", "main")]
        async with client.ws_connect(f"{world.api}/exec", params=query, protocols=[subprotocol]) as socket:
            assert socket.protocol == subprotocol
            assert await talk(socket) == ({1: b"out\n", 2: b"err\n"}, EXIT_3, 1000)

    async def test_the_newer_protocol_is_preferred(self, world: World, client: aiohttp.ClientSession) -> None:
        await world.run(["sleep", "60"])
        async with client.ws_connect(f"{world.api}/exec?command=true&stdout=1", protocols=[V4, "x", V5]) as socket:
            assert socket.protocol == V5
            assert await talk(socket) == ({1: b""}, SUCCESS, 1000)

    async def test_bytes_both_ways_until_stdin_is_closed(self, any_world: World, client: aiohttp.ClientSession) -> None:
        world = any_world
        await world.run(["sleep", "60"])
        sent = bytes(range(256)) * 4096
        frames = [b"\x00" + sent[at : at + 32768] for at in range(0, len(sent), 32768)]
        url = f"{world.api}/exec?command=cat&stdin=true&stdout=true&stderr=true"
        async with client.ws_connect(url, protocols=[V5]) as socket:
            talking = asyncio.create_task(talk(socket))
            for frame in [*frames, b"\xff\x00"]:
                await socket.send_bytes(frame)
            channels, status, code = await talking
        assert channels == {1: sent} and status == SUCCESS and code == 1000

    async def test_text_frames_are_input_too(self, world: World, client: aiohttp.ClientSession) -> None:
        await world.run(["sleep", "60"])
        async with client.ws_connect(f"{world.api}/exec?command=sh&stdin=1&stdout=1", protocols=[V4]) as socket:
            await socket.send_str("\x00echo hello; exit 3\n")
            assert await talk(socket) == ({1: b"hello\n"}, EXIT_3, 1000)

    async def test_a_terminal_and_its_size(self, world: World, client: aiohttp.ClientSession) -> None:
        await world.run(["sleep", "60"])
        url = f"{world.api}/exec?command=sh&stdin=true&stdout=true&stderr=true&tty=true"
        async with client.ws_connect(url, protocols=[V5]) as socket:
            frames = (b"\x04nonsense", b'\x04{"Width":0,"Height":0}', b'\x04{"Width":101,"Height":41}')
            channels, status, _ = await talk(socket, *frames, b"\x00stty size; exit 3\n")
        assert channels == {1: b"41 101\r\n"} and status == EXIT_3

    async def test_large_output_reaches_a_slow_client(self, world: World, client: aiohttp.ClientSession) -> None:
        await world.run(["sleep", "60"])
        query = [("command", w) for w in ("head", "-c", "20000000", "/dev/zero")] + [("stdout", "true")]
        got = 0
        async with client.ws_connect(f"{world.api}/exec", params=query, protocols=[V5]) as socket:
            async for message in socket:
                if message.data[0] == 1:
                    got += len(message.data) - 1
        assert got == 20_000_000

    async def test_a_client_that_leaves_ends_the_session(self, world: World, client: aiohttp.ClientSession) -> None:
        await world.run(["sleep", "60"])
        async with client.ws_connect(f"{world.api}/exec?command=cat&stdin=1&stdout=1", protocols=[V5]) as socket:
            await socket.send_bytes(b"\x00x")
            assert (await socket.receive()).data == b"\x01"
            assert (await socket.receive()).data == b"\x01x"
        await gone("remote command", "exec from", "fake exec")

    async def test_a_command_that_is_not_there(self, world: World, client: aiohttp.ClientSession) -> None:
        await world.run(["sleep", "60"])
        async with client.ws_connect(f"{world.api}/exec?command=nope&stdout=1", protocols=[V5]) as socket:
            channels, status, _ = await talk(socket)
        assert b"nope" in channels[1] and status is not None
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "126"}]

    async def test_refusals_come_as_a_status_also_after_the_fall_back(
        self, world: World, client: aiohttp.ClientSession
    ) -> None:
        spdy = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}

        async def both(query: str) -> str:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect(f"{world.api}/exec?{query}", protocols=[V5])
            async with client.post(f"{world.api}/exec?{query}", headers=spdy) as answer:
                assert answer.status == refused.value.status == 400
                return str((await answer.json())["message"])

        assert "is waiting to start: ContainerCreating" in await both("command=true&stdout=1")
        assert await both("command=true&stdout=1&container=x") == "container x is not valid for pod web"
        assert "at least 1 of stdin" in await both("command=true")
        assert "at least one command" in await both("stdout=1")
        container = await world.run(["true"])
        async for _ in world.runtime.logs(container, LogOptions(follow=True)):
            pass
        assert "not running" in await both("command=true&stdout=1")

        await world.run(["sleep", "60"])
        async with client.post(f"{world.api}/exec?command=true&stdout=1", headers=spdy) as answer:
            assert answer.status == 400 and "kubectl 1.31" in (await answer.json())["message"]
        async with client.get(f"{world.api}/exec?command=true&stdout=1") as answer:
            assert answer.status == 400 and (await answer.json())["message"] == "Upgrade request required"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{world.api}/exec?command=true&stdout=1", protocols=["channel.k8s.io"])
        assert refused.value.status == 400


class TestAttach:
    async def test_attach_reads_and_writes_the_first_process(
        self, any_world: World, client: aiohttp.ClientSession
    ) -> None:
        world = any_world
        await world.run(["cat"], stdin=True, stdin_once=True)
        async with client.ws_connect(f"{world.api}/attach?stdin=1&stdout=1&stderr=1", protocols=[V5]) as socket:
            assert await talk(socket, b"\x00hello\n", b"\xff\x00") == ({1: b"hello\n"}, SUCCESS, 1000)


class TestPortForward:
    async def test_kubectls_tunnel_reaches_the_loopback_of_the_pod(
        self, any_world: World, client: aiohttp.ClientSession
    ) -> None:
        await listen(any_world)
        spdy = SpdyClient()
        async with client.ws_connect(f"{any_world.api}/portforward", protocols=[SPDY]) as socket:
            assert socket.protocol == SPDY
            await socket.send_bytes(spdy.pair(8000) + spdy.data(3, b"hello\n", FIN))
            await socket.send_bytes(spdy.pair(8001, 1))
            heard, closed = {1: b"", 3: b"", 5: b"", 7: b""}, set[int]()
            async with asyncio.timeout(60):
                while len(closed) < 4:
                    for name, number, flags, body in spdy.frames((await socket.receive()).data):
                        if name == "data":
                            heard[number] += body
                            if flags & FIN:
                                closed.add(number)
        assert (heard[1], heard[3]) == (b"", b"hello\n")
        assert b"error forwarding port 8001 to pod default/web" in heard[5] and b"refused" in heard[5]
        await gone("port forward", "portForward")

    async def test_channels(self, any_world: World, client: aiohttp.ClientSession) -> None:
        await listen(any_world)
        async with client.ws_connect(f"{any_world.api}/portforward?ports=8000", protocols=[V4]) as socket:
            await socket.send_bytes(b"\0hello\n")
            async with asyncio.timeout(60):
                heard = [(await socket.receive()).data for _ in range(3)]
        assert heard == [b"\0\x40\x1f", b"\1\x40\x1f", b"\0hello\n"]
        await gone("port forward", "portForward")

    @pytest.mark.parametrize(
        ("query", "protocols"), [("", [V4]), ("?ports=x", [V4]), ("?ports=65536", [SPDY]), ("?ports=80", [V5])]
    )
    async def test_what_is_refused(
        self, world: World, client: aiohttp.ClientSession, query: str, protocols: list[str]
    ) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{world.api}/portforward{query}", protocols=protocols)
        assert refused.value.status == 400

    async def test_a_pod_without_a_sandbox(self, world: World, client: aiohttp.ClientSession) -> None:
        world.pods.sandbox = None
        async with client.get(f"{world.api}/portforward?ports=80") as answer:
            assert answer.status == 400 and "is not running" in await answer.text()


async def listen(world: World) -> None:
    """Something in the Pod that says on port 8000 what it is told."""
    if isinstance(world.runtime, FakeRuntime):
        world.runtime.engine.network.servers[8000] = echo
        return
    await world.run(["nc", "-ll", "-p", "8000", "-e", "cat"])
    assert world.pods.sandbox is not None
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await world.runtime.dial(world.pods.sandbox, 8000)
            except ConnectionRefusedError:
                await RealClock().sleep(0.05)
            else:
                writer.close()
                return


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
