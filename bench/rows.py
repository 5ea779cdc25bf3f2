"""The rows of the API server's table: each puts one server through one piece of work."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Iterator

from bench.wire import Connection, Target

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
    labels = {"app": "bench", "tier": "web", "number": name}
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


async def list_seconds(target: Target, query: str, times: int = 7) -> tuple[float, int]:
    """(median seconds, bytes) of a LIST of all Pods of the namespace."""
    connection = await target.connect()
    took, size = [], 0
    for _ in range(times):
        began = time.perf_counter()
        answer = await connection.ask(target.request("GET", f"{root('pods')}{query}"))
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
