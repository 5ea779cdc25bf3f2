"""The rows of the API server's table: each puts one server through one piece of work."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Iterator

from bench.wire import Connection, Target, load

NAMESPACE = "bench"


def pod(name: str) -> bytes:
    """A Pod of about 2 KB, as a ReplicaSet would make it."""
    container = {
        "name": "app", "image": "registry.example/app:1.2.3", "command": ["/bin/app", "--listen", ":8080"],
        "env": [{"name": f"SETTING_{i}", "value": f"value-{i}"} for i in range(2)],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }  # fmt: skip
    spec = {"containers": [container], "volumes": [{"name": "scratch", "emptyDir": {}}], "schedulerName": "nobody"}
    labels = {"app": "bench", "tier": "web", "number": name, "shard": name[-2:].strip("-")}
    metadata = {"name": name, "labels": labels}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).encode()


def config_map(name: str, value: str = "x") -> bytes:
    data = {"key": value, "text": "a line of text\n" * 20}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}).encode()


def root(plural: str) -> str:
    return f"/api/v1/namespaces/{NAMESPACE}/{plural}"


async def prepare(target: Target) -> None:
    """The namespace that everything happens in."""
    connection = await target.connect()
    body = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}).encode()
    await connection.ask(target.request("POST", "/api/v1/namespaces", body))
    # A server with the ServiceAccount plugin refuses Pods until the account is there.
    account = json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}).encode()
    await connection.ask(target.request("POST", root("serviceaccounts"), account))
    _close(connection)


def _close(connection: Connection) -> None:
    if connection.transport is not None:
        connection.transport.abort()


def creates(target: Target, plural: str, prefix: str, count: int) -> Iterator[bytes]:
    make = pod if plural == "pods" else config_map
    return iter([target.request("POST", root(plural), make(f"{prefix}-{i}")) for i in range(count)])


def gets(target: Target, name: str) -> Iterator[bytes]:
    return itertools.repeat(target.request("GET", f"{root('pods')}/{name}"))


def patches(target: Target, prefix: str, count: int) -> Iterator[bytes]:
    """A strategic merge patch of each Pod, as controllers send them."""
    body = json.dumps({"metadata": {"annotations": {"bench": "patched"}}, "status": {}}).encode()
    media = "application/strategic-merge-patch+json"
    return iter([target.request("PATCH", f"{root('pods')}/{prefix}-{i}", body, media) for i in range(count)])


def deletes(target: Target, plural: str, prefix: str, count: int) -> Iterator[bytes]:
    return iter([target.request("DELETE", f"{root(plural)}/{prefix}-{i}") for i in range(count)])


def definition(number: int) -> bytes:
    """A CustomResourceDefinition of about 4 KB, with a schema, columns and a status sub-resource."""
    texts = {
        f"setting{i}": {"type": "string", "description": "One of the settings.", "maxLength": 63} for i in range(20)
    }
    spec = {"type": "object", "required": ["replicas"], "properties": {
        "replicas": {"type": "integer", "minimum": 0, "default": 1},
        "template": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "ports": {"type": "array", "items": {"type": "object", "properties": {"port": {"type": "integer"}}}}, **texts,
    }}  # fmt: skip
    status = {"type": "object", "properties": {"ready": {"type": "integer"}, "phase": {"type": "string"}}}
    version = {
        "name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
        "additionalPrinterColumns": [{"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"}],
    }  # fmt: skip
    group, plural = f"group{number % 50}.bench.example.com", f"things{number}"
    names = {"plural": plural, "singular": f"thing{number}", "kind": f"Thing{number}", "listKind": f"Thing{number}List"}
    return json.dumps({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }).encode()  # fmt: skip


async def custom_resources(target: Target, count: int) -> tuple[float, float]:
    """(CRDs created a second, seconds of an aggregated discovery once the last of them is listed)."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    _, took = await load(target, iter([target.request("POST", path, definition(i)) for i in range(count)]), 4, 201)
    connection = await target.connect()
    media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    request = target.request("GET", "/apis", accept=media)
    deadline = time.perf_counter() + 60
    while (body := (await connection.ask(request)).body).count(b'"resource":"things') < count:
        if time.perf_counter() > deadline:
            raise RuntimeError(f"{body.count(b'things')} of {count} custom resources are in discovery after a minute")
        await asyncio.sleep(0.05)
    seconds = []
    for _ in range(7):
        began = time.perf_counter()
        await connection.ask(request)
        seconds.append(time.perf_counter() - began)
    _close(connection)
    return count / took, statistics.median(seconds)


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def list_seconds(
    target: Target, query: str, times: int = 7, accept: str = "application/json"
) -> tuple[float, int]:
    """(median seconds, bytes) of a LIST of all Pods of the namespace."""
    connection = await target.connect()
    took, size = [], 0
    for _ in range(times):
        began = time.perf_counter()
        answer = await connection.ask(target.request("GET", f"{root('pods')}{query}", accept=accept))
        took.append(time.perf_counter() - began)
        assert answer.status == 200, answer
        size = len(answer.body)
    _close(connection)
    return statistics.median(took), size


class _Watcher(asyncio.Protocol):
    """Counts watch events by their lines, and notes when each came."""

    def __init__(self) -> None:
        self.events = 0
        self.times: list[float] = []
        self.seen = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        found = data.count(b'"type":"MODIFIED"')
        if found:
            self.events += found
            self.times.append(time.perf_counter())


async def fan_out(target: Target, watchers: int, updates: int) -> tuple[float, float]:
    """(events a second in a burst, median milliseconds from the write to the event at 20 updates/s)."""
    connection = await target.connect()
    await connection.ask(target.request("POST", root("configmaps"), config_map("watched")))
    answer = await connection.ask(target.request("GET", f"{root('configmaps')}/watched"))
    revision = json.loads(answer.body)["metadata"]["resourceVersion"]
    open_watches: list[_Watcher] = []
    for _ in range(watchers):
        _, watcher = await asyncio.get_running_loop().create_connection(
            _Watcher, target.host, target.port, ssl=target.tls, server_hostname=target.host if target.tls else None
        )
        assert watcher.transport is not None
        query = f"?watch=1&resourceVersion={revision}&fieldSelector=metadata.name%3Dwatched"
        watcher.transport.write(target.request("GET", root("configmaps") + query))
        open_watches.append(watcher)
    await asyncio.sleep(1.0)

    def patch(i: int) -> bytes:
        body = json.dumps({"data": {"key": f"{time.time_ns()}-{i}"}}).encode()
        return target.request("PATCH", f"{root('configmaps')}/watched", body, "application/merge-patch+json")

    async def until(count: int) -> None:
        while min(w.events for w in open_watches) < count:  # noqa: ASYNC110 - cheaper than an event per watcher and line
            await asyncio.sleep(0.001)

    delays: list[float] = []
    for i in range(40):
        for w in open_watches:
            w.times.clear()
        sent = time.perf_counter()
        await connection.ask(patch(i))
        await asyncio.wait_for(until(i + 1), 10)
        delays += [w.times[0] - sent for w in open_watches if w.times]
        await asyncio.sleep(max(0.0, 0.05 - (time.perf_counter() - sent)))
    base = 40
    writers = [connection, *[await target.connect() for _ in range(3)]]
    numbers = iter(range(base, base + updates))

    async def write(writer: Connection) -> None:
        for i in numbers:
            answer = await writer.ask(patch(i))
            assert answer.status == 200, answer

    began = time.perf_counter()
    await asyncio.gather(*(write(w) for w in writers))
    await asyncio.wait_for(until(base + updates), 60)
    rate = watchers * updates / (time.perf_counter() - began)
    for w in writers[1:]:
        _close(w)
    for w in open_watches:
        if w.transport is not None:
            w.transport.abort()
    _close(connection)
    return rate, statistics.median(delays) * 1000
