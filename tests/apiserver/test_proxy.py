"""`pods/proxy`, `services/proxy` and `nodes/proxy` over real connections: the API server in front, a server behind."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from minikube_py.api import errors
from minikube_py.apiserver import paths
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.server import Server
from minikube_py.apiserver.subresources import locate
from tests.apiserver.conftest import PODS, Api, Object, pod
from tests.fakes.cluster import cluster

SERVICES = "/api/v1/namespaces/default/services"
ENDPOINTS = "/api/v1/namespaces/default/endpoints"
GO_ON = web.AppKey("GO_ON", asyncio.Event)


async def echo(request: web.Request) -> web.StreamResponse:
    """Says what came."""
    body = await request.read()
    return web.json_response({
        "method": request.method, "path": request.raw_path, "body": body.decode(),
        "headers": {name.lower(): value for name, value in request.headers.items()},
    }, headers={"X-Mine": "yes", "Connection": "x-hop", "X-Hop": "dropped"})  # fmt: skip


async def redirect(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": request.query["to"], "Set-Cookie": "a=b"})


async def squeezed(request: web.Request) -> web.Response:
    return web.Response(body=gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"})


async def slow(request: web.Request) -> web.StreamResponse:
    """Says one word, and the next when it has been asked for it."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"first ")
    await request.app[GO_ON].wait()
    await answer.write(b"second")
    return answer


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("chat",))
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"you said {message.data}")
    return socket


class World:
    def __init__(self, api: Api, url: str, port: int, client: aiohttp.ClientSession, behind: web.Application) -> None:
        self.api, self.url, self.port, self.client, self.behind = api, url, port, client, behind

    async def pod(self, name: str = "p", ip: str = "127.0.0.1", port: int | None = None) -> str:
        """A Pod at the address of the server behind; the path of its proxy."""
        ports = [{"containerPort": port or self.port}]
        obj = pod(name, containers=[{"name": "c", "image": "web:1", "ports": ports}])
        await self.api.ok("POST", PODS, obj)
        patch = {"status": {"podIPs": [{"ip": ip}], "podIP": ip}}
        merge = "application/merge-patch+json"
        await self.api.ok("PATCH", f"{PODS}/{name}/status", patch, content_type=merge)
        return f"{PODS}/{name}/proxy"

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.client.request(method, self.url + path, allow_redirects=False, **options) as answer:
            return answer.status, json.loads(await answer.read())


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[int]:
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    # The only address that every machine has is one that is refused.
    monkeypatch.setattr(locate, "proxyable", lambda address: bool(address))
    behind = web.Application()
    behind[GO_ON] = asyncio.Event()
    behind.router.add_get("/redirect", redirect)
    behind.router.add_get("/squeezed", squeezed)
    behind.router.add_get("/slow", slow)
    behind.router.add_get("/talk", talk)
    behind.router.add_route("*", "/{rest:.*}", echo)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = {**(scope.get("state") or {}), "peer": {"user": "admin", "groups": ("system:masters",)}}
        await made.server.app(scope, receive, send)

    async with cluster() as made, served(behind) as port, aiohttp.ClientSession(auto_decompress=False) as client:
        front, ready = Server(app, host="127.0.0.1", port=0, tls=None), asyncio.Event()
        serving = asyncio.create_task(front.serve_until_cancelled(ready))
        await ready.wait()
        try:
            yield World(Api(made), f"http://127.0.0.1:{front.port}", port, client, behind)
        finally:
            behind[GO_ON].set()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_any_method_with_its_body(world: World, method: str) -> None:
    path = await world.pod()
    status, heard = await world.ask(method, f"{path}/a%2Fb//c/?x=%20y&z", data=b"body")
    assert (status, heard["method"], heard["path"], heard["body"]) == (200, method, "/a%2Fb//c/?x=%20y&z", "body")


async def test_head(world: World) -> None:
    path = await world.pod()
    async with world.client.head(f"{world.url}{path}/a") as answer:
        assert (answer.status, await answer.read(), answer.headers["x-mine"]) == (200, b"", "yes")


async def test_headers(world: World) -> None:
    path = await world.pod()
    sent = {
        "Authorization": "Bearer secret", "X-Own": "1", "X-Forwarded-For": "10.1.1.1", "X-Forwarded-Host": "forged",
        "Connection": "x-drop", "X-Drop": "1",
    }  # fmt: skip
    async with world.client.get(f"{world.url}{path}/a", headers=sent) as answer:
        heard = json.loads(await answer.read())["headers"]
        assert answer.headers["x-mine"] == "yes" and "x-hop" not in answer.headers
    assert heard["x-own"] == "1" and "authorization" not in heard and "x-drop" not in heard
    assert heard["x-forwarded-for"] == "10.1.1.1, 127.0.0.1"
    assert heard["x-forwarded-uri"] == f"{path}/a" and heard["x-forwarded-proto"] == "http"
    assert heard["x-forwarded-host"] == world.url.removeprefix("http://")


async def test_a_body_in_pieces_is_passed_on_in_pieces(world: World) -> None:
    path = await world.pod()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 100_000

    status, heard = await world.ask("POST", f"{path}/a", data=pieces())
    assert status == 200 and len(heard["body"]) == 300_000
    assert "content-length" not in heard["headers"]


async def test_an_answer_is_passed_on_as_it_comes(world: World) -> None:
    path = await world.pod()
    async with asyncio.timeout(20), world.client.get(f"{world.url}{path}/slow") as answer:
        assert await answer.content.readany() == b"first "
        world.behind[GO_ON].set()
        assert await answer.content.read() == b"second"


async def test_a_client_that_leaves_ends_the_request_behind(world: World) -> None:
    path = await world.pod()
    async with world.client.get(f"{world.url}{path}/slow") as answer:
        await answer.content.readany()
        answer.close()
    async with asyncio.timeout(20):
        while left := [t for t in asyncio.all_tasks() if t.get_name().startswith("proxy")]:
            await asyncio.wait(left, timeout=1)


async def test_what_is_squeezed_stays_squeezed(world: World) -> None:
    path = await world.pod()
    async with world.client.get(f"{world.url}{path}/squeezed") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(await answer.read()) == b"hello"


@pytest.mark.parametrize(
    ("to", "shown"),
    [
        ("/login?x=1", "{path}/login?x=1"),
        ("http://{host}/login/", "{path}/login/"),
        ("relative", "relative"),
        ("http://elsewhere.example/login", "http://elsewhere.example/login"),
        ("{path}/login", "{path}/login"),
    ],
)
async def test_redirects_lead_back_through_the_proxy(world: World, to: str, shown: str) -> None:
    path = await world.pod()
    names = {"path": path, "host": f"127.0.0.1:{world.port}"}
    async with world.client.get(
        f"{world.url}{path}/redirect", params={"to": to.format(**names)}, allow_redirects=False
    ) as answer:
        assert answer.status == 302 and answer.headers["location"] == shown.format(**names)
        assert answer.headers["set-cookie"] == "a=b"
    async with world.client.get(f"{world.url}{path}/a") as answer:
        assert "cookie" not in json.loads(await answer.read())["headers"]


async def test_without_a_slash_the_client_is_sent_to_the_slash(world: World) -> None:
    path = await world.pod()
    async with world.client.get(f"{world.url}{path}?a=b", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["location"]) == (301, f"{path}/?a=b")
    status, heard = await world.ask("POST", path, data=b"x")
    assert (status, heard["path"]) == (200, "/")


async def test_websockets(world: World) -> None:
    path = await world.pod()
    async with asyncio.timeout(20), world.client.ws_connect(f"{world.url}{path}/talk", protocols=["chat"]) as socket:
        assert socket.protocol == "chat"
        await socket.send_str("hello")
        assert (await socket.receive()).data == "you said hello"


async def test_ports_and_schemes(world: World) -> None:
    path = await world.pod(port=1)
    root = path.removesuffix("/proxy")
    for name in (f"{root}:{world.port}", f"{PODS}/http:p:{world.port}", f"{PODS}/:p:{world.port}"):
        assert (await world.ask("GET", f"{name}/proxy/a"))[0] == 200
    status, heard = await world.ask("GET", f"{path}/a")
    assert (status, heard["reason"]) == (503, "ServiceUnavailable")
    assert heard["message"].startswith("error trying to reach service: ")
    assert (await world.ask("GET", f"{PODS}/https:p:{world.port}/proxy/a"))[0] == 503
    assert (await world.ask("GET", f"{PODS}/ftp:p:1/proxy/a"))[0] == 400
    assert (await world.ask("GET", f"{PODS}/absent/proxy/a"))[0] == 404


async def test_addresses_that_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = await world.pod()
    status, heard = await world.ask("GET", f"{path}/a")
    assert (status, heard["message"]) == (400, "address not allowed")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True), ("192.168.0.1", True), ("8.8.8.8", True), ("fd00::1", True),
        ("127.0.0.1", False), ("127.9.9.9", False), ("::1", False), ("169.254.169.254", False), ("fe80::1", False),
        ("224.0.0.1", False), ("0.0.0.0", False), ("255.255.255.255", False), ("", False), ("localhost", False),
        ("::ffff:127.0.0.1", False), ("::ffff:169.254.169.254", False),
    ],
)  # fmt: skip
def test_which_addresses_may_be_proxied_to(address: str, allowed: bool) -> None:
    assert locate.proxyable(address) is allowed


async def service(world: World, *, endpoints: list[Object] | None = None) -> str:
    ports = [{"name": "web", "port": 80, "targetPort": world.port}, {"name": "other", "port": 81}]
    await world.api.ok("POST", SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": ports}})
    if endpoints is not None:
        await world.api.ok("POST", ENDPOINTS, {"metadata": {"name": "s"}, "subsets": endpoints})
    return f"{SERVICES}/s"


async def test_services_through_their_endpoints(world: World) -> None:
    ports = [{"name": "web", "port": world.port}, {"name": "other", "port": 1}]
    # 192.0.2.0/24 is for documentation: nobody answers there.
    path = await service(
        world,
        endpoints=[{"addresses": [{"ip": "192.0.2.1"}], "notReadyAddresses": [{"ip": "192.0.2.2"}], "ports": ports}],
    )
    found = await locate_service(world, "s:web")
    assert found == f"http://192.0.2.1:{world.port}"
    assert await locate_service(world, "https:s:80") == f"https://192.0.2.1:{world.port}"
    for name, why in (
        ("", 'no endpoints available for service "s"'),
        (":82", 'no service port 82 found for service "s"'),
    ):
        status, heard = await world.ask("GET", f"{path}{name}/proxy/")
        assert (status, heard["message"]) == (503, why)


async def locate_service(world: World, name: str) -> str:
    catalog = world.api.cluster.server.catalog
    services = catalog.get("", "v1", "services")
    assert services is not None
    return (await locate.service(catalog, services, Target("", "v1", "default", "services", name, "proxy"))).root


async def test_a_service_without_endpoints(world: World) -> None:
    path = await service(world)
    status, heard = await world.ask("GET", f"{path}:web/proxy/")
    assert (status, heard["reason"]) == (503, "ServiceUnavailable")
    assert (await world.ask("GET", f"{SERVICES}/absent/proxy/"))[0] == 404


async def test_services_through_their_slices(world: World) -> None:
    path = await service(world, endpoints=[{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"name": "web", "port": 1}]}])
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"

    def piece(name: str, of: str, address: str, ready: bool) -> Object:
        return {
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": of}}, "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": ready}}],
            "ports": [{"name": "web", "port": 8080}],
        }  # fmt: skip

    await world.api.ok("POST", slices, piece("other", "another", "192.0.2.9", True))
    assert await locate_service(world, "s:web") == "http://192.0.2.1:1"
    await world.api.ok("POST", slices, piece("a", "s", "192.0.2.3", False))
    assert (await world.ask("GET", f"{path}:web/proxy/"))[0] == 503, "slices, where there are any, say it all"
    await world.api.ok("POST", slices, piece("b", "s", "192.0.2.4", True))
    assert await locate_service(world, "s:web") == "http://192.0.2.4:8080"


def test_slices_say_which_endpoints_are_ready() -> None:
    found = {
        "ports": [{"name": "web", "port": 8080}, {"port": 9090}],
        "endpoints": [
            {"addresses": ["10.0.0.1"], "conditions": {"ready": True}}, {"addresses": ["10.0.0.2"]},
            {"addresses": ["10.0.0.3"], "conditions": {"ready": False}},
        ],
    }  # fmt: skip
    assert list(locate._of_slice(found, "web")) == [("10.0.0.1", 8080), ("10.0.0.2", 8080)]
    assert list(locate._of_slice(found, "")) == [("10.0.0.1", 9090), ("10.0.0.2", 9090)]


async def test_nodes(world: World) -> None:
    made = await world.api.cluster.add_node("n")
    made["status"] |= {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": world.port}},
    }  # fmt: skip
    await world.api.ok("PUT", "/api/v1/nodes/n/status", made)
    for name in ("n", f"n:{world.port}", f"http:n:{world.port}"):
        status, heard = await world.ask("GET", f"/api/v1/nodes/{name}/proxy/pods?x=1")
        assert (status, heard["path"]) == (200, "/pods?x=1")
    assert (await world.ask("GET", "/api/v1/nodes/n:1/proxy/pods"))[0] == 503
    assert (await world.ask("GET", "/api/v1/nodes/absent/proxy/pods"))[0] == 404


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/api/v1/nodes/n/proxy", Target("", "v1", "", "nodes", "n", "proxy")),
        ("/api/v1/nodes/n/proxy/", Target("", "v1", "", "nodes", "n", "proxy")),
        ("/api/v1/nodes/n/proxy//a/", Target("", "v1", "", "nodes", "n", "proxy")),
        ("/api/v1/namespaces/x/pods/https:p:1/proxy/a/b", Target("", "v1", "x", "pods", "https:p:1", "proxy")),
        ("/api/v1/namespaces/x/pods/proxy", Target("", "v1", "x", "pods", "proxy")),
        ("/api/v1/namespaces/proxy/pods/p/log", Target("", "v1", "proxy", "pods", "p", "log")),
        ("/api/v1/namespaces//pods/p/proxy/a", None),
        ("/api/v1/namespaces/x/pods//p/log", None),
        ("/apis//v1/pods/p/proxy/a", None),
    ],
)
def test_paths(path: str, found: Target | None) -> None:
    assert paths.parse(path) == found


def test_names() -> None:
    assert locate.split("p", "pod") == ("http", "p", "")
    assert locate.split("https:p:", "pod") == ("https", "p", "")
    for wrong in ("a:b:c:d", "", ":80", "ftp:p:80"):
        with pytest.raises(errors.BadRequest, match="invalid pod request"):
            locate.split(wrong, "pod")
