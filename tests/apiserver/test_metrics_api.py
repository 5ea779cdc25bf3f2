"""metrics.k8s.io over servers that answer like kubelets: what is asked of whom, and what is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web

from minikube_py.apiserver.metrics_api import NODE_METRICS, POD_METRICS
from minikube_py.apiserver.subresources.summaries import read
from tests.apiserver.conftest import Api, Object, pod
from tests.contract.test_every_resource import columns_of
from tests.fakes.cluster import cluster

ROOT = "/apis/metrics.k8s.io/v1beta1"
PODS = "/api/v1/namespaces/default/pods"
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
TIME, OLDER = "2029-12-31T23:59:50Z", "2029-12-31T23:59:40Z"
MIB = 1 << 20


def figures(cores: int | None = 250_000_000, memory: int = 8 * MIB, time: str = TIME, window: str = "14.9s") -> Object:
    """The `cpu` and `memory` of a Summary; no cores: measured once so far."""
    cpu: Object = {"time": time, "usageCoreNanoSeconds": 10**9}
    if cores is not None:
        cpu |= {"usageNanoCores": cores, "window": window}
    return {"cpu": cpu, "memory": {"time": time, "workingSetBytes": memory, "usageBytes": 2 * memory}}


def running(name: str, containers: Mapping[str, Object], namespace: str = "default") -> Object:
    """A Pod of a Summary."""
    ref = {"name": name, "namespace": namespace, "uid": "u"}
    return {"podRef": ref, "containers": [{"name": one, **found} for one, found in containers.items()]}


class Kubelet:
    """Answers with `status` and `summary`, once it is `let`."""

    def __init__(self) -> None:
        self.summary: Any = {"node": {"nodeName": "n", **figures(123_456_789, 100 * MIB)}, "pods": []}
        self.status = 200
        self.asked: list[str] = []
        self.hears = asyncio.Event()
        self.let = asyncio.Event()
        self.let.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(str(request.rel_url))
        self.hears.set()
        await self.let.wait()
        if isinstance(self.summary, str):
            return web.Response(text=self.summary, status=self.status)
        return web.json_response(self.summary, status=self.status)


class World:
    def __init__(self, api: Api) -> None:
        self.api = api
        self.kubelets: dict[str, Kubelet] = {}
        self._runners: list[web.AppRunner] = []

    async def node(self, name: str, labels: Mapping[str, str] | None = None) -> Kubelet:
        """A Node, and the server that its status names."""
        kubelet = Kubelet()
        app = web.Application()
        app.router.add_get("/stats/summary", kubelet.answer)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runners.append(runner)
        await self.bare_node(name, runner.addresses[0][1], labels)
        self.kubelets[name] = kubelet
        return kubelet

    async def bare_node(self, name: str, port: int, labels: Mapping[str, str] | None = None) -> None:
        await self.api.ok("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": dict(labels or {})}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        await self.status(f"/api/v1/nodes/{name}", status)

    async def status(self, path: str, status: Object) -> None:
        media = "application/merge-patch+json"
        await self.api.ok("PATCH", f"{path}/status", {"status": status}, content_type=media)

    async def pod(self, name: str, node: str, *, phase: str = "Running", labels: Object | None = None) -> None:
        obj = pod(name, nodeName=node)
        obj["metadata"]["labels"] = labels or {}
        await self.api.ok("POST", PODS, obj)
        await self.status(f"{PODS}/{name}", {"phase": phase})

    async def names(self, path: str) -> list[str]:
        return [item["metadata"]["name"] for item in (await self.api.ok("GET", ROOT + path))["items"]]

    async def close(self) -> None:
        for kubelet in self.kubelets.values():
            kubelet.let.set()
        for runner in self._runners:
            await runner.cleanup()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with cluster() as made:
        world = World(Api(made))
        try:
            yield world
        finally:
            await world.close()


async def test_a_node(world: World) -> None:
    kubelet = await world.node("n1", {"zone": "a"})
    found = await world.api.ok("GET", f"{ROOT}/nodes/n1")
    labels = found["metadata"].pop("labels")
    assert found == {
        "kind": "NodeMetrics", "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {"name": "n1", "creationTimestamp": "2030-01-01T00:00:00Z"},
        "timestamp": TIME, "window": "14.9s", "usage": {"cpu": "123456789n", "memory": "100Mi"},
    }  # fmt: skip
    assert labels["zone"] == "a"
    assert kubelet.asked == ["/stats/summary?only_cpu_and_memory=true"]
    listed = await world.api.ok("GET", f"{ROOT}/nodes")
    assert listed == {
        "kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {},
        "items": [{**found, "metadata": {**found["metadata"], "labels": labels}}],
    }  # fmt: skip


async def test_a_pod_with_two_containers(world: World) -> None:
    kubelet = await world.node("n1")
    await world.pod("web", "n1", labels={"app": "web"})
    kubelet.summary["pods"] = [
        running("web", {"c": figures(), "d": figures(1_500_001, 3 * MIB + 1024, OLDER, "15.2s")}),
        running("web", {"c": figures(9, 9)}, namespace="other"),
    ]
    found = await world.api.ok("GET", f"{ROOT}/namespaces/default/pods/web")
    assert found == {
        "kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {
            "name": "web", "namespace": "default", "creationTimestamp": "2030-01-01T00:00:00Z",
            "labels": {"app": "web"},
        },
        "timestamp": OLDER, "window": "15.2s",
        "containers": [
            {"name": "c", "usage": {"cpu": "250m", "memory": "8Mi"}},
            {"name": "d", "usage": {"cpu": "1500001n", "memory": "3073Ki"}},
        ],
    }  # fmt: skip
    for path in ("/pods", "/namespaces/default/pods"):
        listed = await world.api.ok("GET", ROOT + path)
        assert listed["kind"] == "PodMetricsList" and listed["items"] == [found]
    assert await world.names("/namespaces/other/pods") == []
    table = await world.api.ok("GET", f"{ROOT}/pods", headers=TABLE)
    assert [row["cells"] for row in table["rows"]] == [["web", "251500001n", "11265Ki", "15.2s"]]
    one = await world.api.ok("GET", f"{ROOT}/namespaces/default/pods/web?includeObject=Object", headers=TABLE)
    assert one["rows"][0]["object"] == found


async def test_selectors_and_who_is_asked(world: World) -> None:
    first, second = await world.node("n1", {"zone": "a"}), await world.node("n2", {"zone": "b"})
    for name, node in (("p1", "n1"), ("p2", "n1"), ("p3", "n2")):
        await world.pod(name, node, labels={"app": name})
        world.kubelets[node].summary["pods"].append(running(name, {"c": figures()}))
    assert await world.names("/nodes") == ["n1", "n2"]
    assert await world.names("/pods") == ["p1", "p2", "p3"]
    first.asked.clear()
    second.asked.clear()
    assert await world.names("/nodes?labelSelector=zone%3Db") == ["n2"]
    assert await world.names("/nodes?fieldSelector=metadata.name%3Dn2") == ["n2"]
    assert await world.names("/pods?labelSelector=app+in+(p3)") == ["p3"]
    assert await world.names("/pods?labelSelector=app%3Dnone") == []
    assert (first.asked, len(second.asked)) == ([], 3)
    assert await world.names("/pods?fieldSelector=metadata.name!%3Dp3") == ["p1", "p2"]
    assert await world.names("/pods?fieldSelector=metadata.namespace%3Ddefault,metadata.name%3Dp1") == ["p1"]
    answer = await world.api.ask("GET", f"{ROOT}/pods?fieldSelector=spec.nodeName%3Dn1")
    assert answer.status == 400 and "spec.nodeName" in answer.json["message"]


async def test_nothing_known_yet_is_not_found(world: World) -> None:
    kubelet = await world.node("n1")
    for name in ("new", "half", "gone"):
        await world.pod(name, "n1")
    await world.pod("done", "n1", phase="Succeeded")
    kubelet.summary = {
        "node": {"nodeName": "n1", **figures(None)},
        "pods": [
            running("new", {"c": figures(None)}), running("half", {"c": figures(), "d": {}}),
            running("done", {"c": figures()}),
        ],
    }  # fmt: skip
    assert await world.names("/nodes") == [] and await world.names("/pods") == []
    for path, message in (
        ("/nodes/n1", 'nodemetrics.metrics.k8s.io "n1" not found'),
        ("/nodes/n2", 'nodes "n2" not found'),
        *((f"/namespaces/default/pods/{p}", f'podmetrics.metrics.k8s.io "default/{p}" not found')
          for p in ("new", "half", "gone")),
        ("/namespaces/default/pods/done", 'pods "done" not found'),
        ("/namespaces/other/pods/half", 'pods "half" not found'),
    ):  # fmt: skip
        answer = await world.api.ask("GET", ROOT + path)
        assert (answer.status, answer.reason, answer.json["message"]) == (404, "NotFound", message)


async def test_a_zero_rate_is_a_figure_and_no_memory_is_none(world: World) -> None:
    kubelet = await world.node("n1")
    for name in ("idle", "dead"):
        await world.pod(name, "n1")
    kubelet.summary["pods"] = [running("idle", {"c": figures(0)}), running("dead", {"c": figures(5, 0)})]
    (found,) = (await world.api.ok("GET", f"{ROOT}/pods"))["items"]
    assert found["metadata"]["name"] == "idle" and found["containers"][0]["usage"]["cpu"] == "0"


@pytest.mark.parametrize(
    "broken",
    ["no JSON", [], {}, {"node": 5}, {"node": {}, "pods": [{}]}, {"node": {}, "pods": 7},
     {"node": figures(1) | {"cpu": {"time": "noon", "usageNanoCores": 1}}},
     {"node": {"cpu": {"time": TIME, "usageNanoCores": "1", "window": "1s"}, "memory": {"workingSetBytes": 5}}},
     {"node": figures(1, window="a while")}],
)  # fmt: skip
async def test_a_kubelet_that_talks_nonsense_is_left_out(world: World, broken: Any) -> None:
    await world.node("good")
    (await world.node("bad")).summary = broken
    assert await world.names("/nodes") == ["good"]


async def test_a_kubelet_that_refuses_or_is_away_is_left_out(world: World) -> None:
    await world.node("good")
    (await world.node("forbidden")).status = 403
    away = await world.node("away")
    await world.bare_node("closed", 9)
    await world.api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "no-address"}})
    away.let.clear()
    asking = asyncio.create_task(world.names("/nodes"))
    await asyncio.wait_for(away.hears.wait(), 30)
    done, _ = await asyncio.wait([asking], timeout=0)
    assert not done, "it has a few seconds for its answer"
    await world.api.clock.advance(6)
    assert await asyncio.wait_for(asking, 30) == ["good"]


async def test_kubelets_are_asked_side_by_side(world: World) -> None:
    kubelets = [await world.node(f"n{i}") for i in range(3)]
    for kubelet in kubelets:
        kubelet.let.clear()
    asking = asyncio.create_task(world.names("/nodes"))
    await asyncio.wait_for(asyncio.gather(*(k.hears.wait() for k in kubelets)), 30)
    for kubelet in kubelets:
        kubelet.let.set()
    assert await asyncio.wait_for(asking, 30) == ["n0", "n1", "n2"]


async def test_who_may(world: World) -> None:
    await world.node("n1")
    await world.pod("web", "n1")
    jane = world.api.cluster.transport("jane", ("system:authenticated",))
    for path in ("/nodes", "/nodes/n1", "/nodes/absent", "/pods", "/namespaces/default/pods/web"):
        answer = await world.api.ask("GET", ROOT + path, transport=jane)
        assert answer.status == 403 and 'in API group "metrics.k8s.io"' in answer.json["message"]
    rules = [
        {"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["metrics.k8s.io"], "resources": ["nodes"], "verbs": ["list"], "resourceNames": ["n1"]},
    ]
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    await world.api.ok("POST", f"{rbac}/namespaces/default/roles", {"metadata": {"name": "top"}, "rules": rules[:1]})
    group = {"apiGroup": "rbac.authorization.k8s.io"}
    await world.api.ok("POST", f"{rbac}/clusterroles", {"metadata": {"name": "one"}, "rules": rules[1:]})
    await world.api.ok("POST", f"{rbac}/clusterrolebindings", {
        "metadata": {"name": "one"}, "roleRef": {**group, "kind": "ClusterRole", "name": "one"},
        "subjects": [{**group, "kind": "User", "name": "jane"}],
    })  # fmt: skip
    assert (await world.api.ask("GET", f"{ROOT}/nodes", transport=jane)).status == 403
    only = f"{ROOT}/nodes?fieldSelector=metadata.name%3Dn1"
    assert (await world.api.ask("GET", only, transport=jane)).status == 200
    await world.api.ok("POST", f"{rbac}/namespaces/default/rolebindings", {
        "metadata": {"name": "top"}, "roleRef": {**group, "kind": "Role", "name": "top"},
        "subjects": [{**group, "kind": "User", "name": "jane"}],
    })  # fmt: skip
    assert (await world.api.ask("GET", f"{ROOT}/namespaces/default/pods", transport=jane)).status == 200
    assert (await world.api.ask("GET", f"{ROOT}/pods", transport=jane)).status == 403
    assert (await world.api.ask("GET", f"{ROOT}/namespaces/default/pods?watch=1", transport=jane)).status == 403
    assert (await world.api.ask("DELETE", f"{ROOT}/namespaces/default/pods/web", transport=jane)).status == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/nodes", 405), ("PUT", "/nodes/n1", 405), ("PATCH", "/nodes/n1", 405), ("DELETE", "/nodes", 405),
        ("GET", "/nodes?watch=true", 405), ("GET", "/namespaces/default/nodes", 404), ("GET", "/pods/web", 404),
        ("GET", "/nodes/n1/status", 404), ("GET", "/things", 404), ("GET", "/nodes?labelSelector=%2B", 400),
        ("GET", "/nodes?watch=maybe", 400), ("HEAD", "/nodes", 200),
    ],
)  # fmt: skip
async def test_verbs_and_paths(world: World, method: str, path: str, status: int) -> None:
    await world.node("n1")
    assert (await world.api.ask(method, ROOT + path)).status == status


async def test_forms(world: World) -> None:
    await world.node("n1")
    for kind, name in ((NODE_METRICS, "nodes"), (POD_METRICS, "pods")):
        shown = await world.api.ok("GET", f"{ROOT}/{name}", headers=TABLE)
        wanted = [c["name"] for c in columns_of(kind.resource.type)]
        assert [c["name"] for c in shown["columnDefinitions"]] == wanted
    shown = await world.api.ok("GET", f"{ROOT}/nodes/n1", headers=TABLE)
    assert [row["cells"] for row in shown["rows"]] == [["n1", "123456789n", "100Mi", "14.9s"]]
    assert (await world.api.ask("GET", f"{ROOT}/nodes?includeObject=All", headers=TABLE)).status == 400
    partial = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io"
    one = await world.api.ok("GET", f"{ROOT}/nodes/n1", headers={"accept": partial.format("")})
    assert one["kind"] == "PartialObjectMetadata" and "usage" not in one
    many = await world.api.ok("GET", f"{ROOT}/nodes", headers={"accept": partial.format("List")})
    assert [item["metadata"]["name"] for item in many["items"]] == ["n1"]
    assert (await world.api.ask("GET", f"{ROOT}/nodes", headers={"accept": partial.format("")})).status == 406
    yaml = await world.api.ask("GET", f"{ROOT}/nodes/n1", headers={"accept": "application/yaml"})
    assert b"kind: NodeMetrics\n" in yaml.raw


async def test_discovery(world: World) -> None:
    found = (await world.api.ok("GET", ROOT))["resources"]
    assert [{k: r[k] for k in ("name", "singularName", "namespaced", "kind", "verbs")} for r in found] == [
        {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": ["get", "list"]},
        {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]},
    ]
    groups = (await world.api.ok("GET", "/apis"))["groups"]
    assert groups[-1]["name"] == "metrics.k8s.io" and groups[-1]["preferredVersion"]["version"] == "v1beta1"
    service = await world.api.ok("GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io")
    assert (service["spec"]["groupPriorityMinimum"], service["spec"]["versionPriority"]) == (100, 100)


def test_upstreams_kubelets_do_not_tell_the_window() -> None:
    told = figures()
    del told["cpu"]["window"]
    found = read({"node": told}).node
    assert found is not None and found.window == "30s"
