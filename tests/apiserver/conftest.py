"""A fresh API server in this process for each test: memory store, virtual time, raw requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import settle
from tests.fakes.cluster import Cluster, cluster

if TYPE_CHECKING:
    from tests.apiserver.fuzzing import Server

Object = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """An answer with its JSON body."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def reason(self) -> str:
        return str(self.json.get("reason", ""))


class Api:
    """Raw requests to the server under test, as an administrator unless told otherwise."""

    def __init__(self, made: Cluster) -> None:
        self.cluster = made
        self.clock = made.clock
        self.transport = made.transport()

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        transport: AppTransport | None = None,
    ) -> Answer:
        """`path` may carry a query; a body that is no bytes is sent as JSON."""
        path, _, text = path.partition("?")
        query = parse_qsl(text, keep_blank_values=True)
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": content_type} if sent is not None else {}
        answer = await (transport or self.transport).request(
            method, path, query=query, headers={**given, **(headers or {})}, body=sent
        )
        return Answer(answer.status, dict(answer.headers), answer.body)

    async def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The JSON body of an answer that must be good."""
        answer = await self.ask(method, path, body, **more)
        assert answer.status in (200, 201), answer
        return answer.json

    async def config_map(self, name: str, **metadata: Any) -> Object:
        obj = {"metadata": {"name": name, **metadata}, "data": {"k": "v"}}
        found: Object = await self.ok("POST", CONFIGMAPS, obj)
        return found


CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


def pod(name: str = "p", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "web:1"}], **spec}}


class Watching:
    """A watch that collects its events in the background."""

    def __init__(self, api: Api, path: str) -> None:
        self._api, self._path = api, path
        self._headers: dict[str, str] = {}
        self.events: list[tuple[str, Object]] = []
        self.ended = False
        self.status = 0

    async def __aenter__(self) -> Watching:
        self._task = asyncio.create_task(self._run())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await settle()

    async def _run(self) -> None:
        path, _, text = self._path.partition("?")
        query = [("watch", "1"), *parse_qsl(text)]
        async with self._api.transport.stream("GET", path, query=query, headers=self._headers) as stream:
            self.status = stream.status
            left = b""
            async for chunk in stream:
                *lines, left = (left + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    self.events.append((event["type"], event["object"]))
        assert not left, "a watch must end between two events"
        self.ended = True

    async def seen(self) -> list[tuple[str, str]]:
        """What has come so far, as (type, name)."""
        await settle()
        return [(type_, obj["metadata"].get("name", "")) for type_, obj in self.events]


class RawExchange:
    """A request of ASGI messages as given, whatever its headers claim, and the messages that answer it."""

    def __init__(self, *messages: Object) -> None:
        self._messages = list(messages)
        self.sent: list[Object] = []

    async def receive(self) -> Object:
        return self._messages.pop(0) if self._messages else {"type": "http.disconnect"}

    async def send(self, message: Object) -> None:
        self.sent.append(message)

    @property
    def statuses(self) -> list[int]:
        return [m["status"] for m in self.sent if m["type"] == "http.response.start"]


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with cluster() as made:
        yield Api(made)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Server]:
    """A server that all the random cases of a file share."""
    from tests.apiserver.fuzzing import serving

    with serving() as one:
        yield one
