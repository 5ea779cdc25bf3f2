"""What the fuzz tests share: a server with custom resources in it, and what must be true of every answer."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import kubernetes_validate
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from minikube_py.api.schema import List, Map, Node, Scalar, Struct
from minikube_py.apiserver.kinds import KINDS
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.daemon.clock import settle
from tests.apiserver import crd_samples
from tests.apiserver.conftest import Answer, Api, Object, RawExchange
from tests.apiserver.fuzz_values import member
from tests.fakes.cluster import cluster
from tests.samples import sample

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
PATCHES = (MERGE, STRATEGIC, JSON_PATCH, APPLY)
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
ADMIN = {"user": "admin", "groups": ("system:masters",)}
SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.36.0-local-strict"

seeds = st.integers(0, 2**32 - 1)


def several(most: int) -> st.SearchStrategy[list[int]]:
    """Seeds, each for one change."""
    return st.lists(seeds, min_size=1, max_size=most)


def bounded(examples: int) -> settings:
    """The same examples in every CI run, others at a developer's every run; FUZZ=10 makes ten times as many."""
    return settings(
        max_examples=max(1, int(examples * float(os.environ.get("FUZZ", "1")))), deadline=None, database=None,
        derandomize="CI" in os.environ and "FUZZ" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@dataclass(frozen=True)
class Served:
    """A served kind with a good object of it."""

    kind: Kind
    obj: Object
    status: Object | None

    @property
    def label(self) -> str:
        resource = self.kind.resource
        return f"{resource.plural}.{resource.group}/{resource.version}"

    @cached_property
    def path(self) -> str:
        """Where its objects are."""
        resource = self.kind.resource
        root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        return f"{root}/namespaces/default/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def struct(self) -> Struct:
        return self.kind.struct

    @property
    def typed(self) -> Object:
        """The good object with kind and apiVersion."""
        resource = self.kind.resource
        return {"apiVersion": resource.api_version, "kind": resource.kind, **self.obj}


def definitions() -> list[Object]:
    """One definition with everything, and one of two versions whose objects may have anything in them."""
    gadget: Object = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    strict: Object = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "default": {},
                "properties": {
                    "size": {"type": "integer", "format": "int32", "default": 1},
                    "at": {"type": "string", "format": "date-time", "nullable": True},
                    "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
                    "either": {"x-kubernetes-int-or-string": True, "default": "50%"},
                    "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
                    "names": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 2},
                },
            }
        },
    }
    return [
        crd_samples.full(),
        crd_samples.crd(
            crd_samples.version("v1", gadget, subresources={"status": {}}),
            {**crd_samples.version("v1beta1", strict), "storage": False},
            plural="gadgets", kind="Gadget", group="wide.example.com", scope="Cluster",
        ),
    ]  # fmt: skip


CUSTOM_OBJECTS: dict[str, tuple[Object, Object | None]] = {
    "crontabs": (
        crd_samples.crontab(
            "sample", image="i", replicas=1, policy="Allow", port=1, free={"a": [1]}, labels={"a": "b"}, tags=["a"],
            steps=[{"name": "a", "seconds": 1}],
            template={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {}},
        ),
        {"replicas": 1, "selector": "a=b", "conditions": [{"type": "Ready", "status": "True"}]},
    ),
    "gadgets": ({"metadata": {"name": "sample"}, "spec": {"size": 2, "names": ["a"]}}, None),
}  # fmt: skip


class Server:
    """A server in a loop of its own, for tests that are no coroutines."""

    def __init__(self, runner: asyncio.Runner, api: Api) -> None:
        self._loop = runner.get_loop()
        self.api = api
        self.requests = 0

    def run(self, coroutine: Any) -> Any:
        return self._loop.run_until_complete(coroutine)

    @property
    def revision(self) -> int:
        """The store's, which every write makes larger."""
        return self.api.cluster.server.storage.progress.rev

    def ask(self, method: str, path: str, query: str = "", body: Any = b"", media: str = "application/json", *,
            headers: Sequence[tuple[str, str]] = (), peer: Mapping[str, Any] | None = ADMIN) -> Answer:  # fmt: skip
        """The answer to a request. Fails the test when there is none or more than one, when it is a 5xx that is no
        documented one, or a refusal that is no Status or that has changed something."""
        said = (method, path, query, body, media, headers)
        before, now = self.revision, self.api.clock.monotonic()
        answer = self.run(self._ask(method, path, query, body, media, headers, peer))
        assert answer.status < 500 or answer.status == 504 or _documented(path, answer), (said, answer)
        if answer.status >= 400 and method != "HEAD" and not _of_the_backend(path, answer):
            status = answer.json
            assert (status["kind"], status["code"], status["status"]) == ("Status", answer.status, "Failure"), said
            assert status["message"] and isinstance(status["message"], str), said
        if (answer.status >= 400 or method in ("GET", "HEAD")) and self.api.clock.monotonic() == now:
            counting = self.api.cluster.server.storage.caches["resourcequotas"].items  # which shows in their status
            assert self.revision == before or counting, ("what is refused or read changes nothing", said, answer)
        return answer

    async def _ask(
        self, method: str, path: str, query: str, body: Any, media: str, headers: Sequence[tuple[str, str]],
        peer: Mapping[str, Any] | None,
    ) -> Answer:  # fmt: skip
        self.requests += 1
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        pairs = [(k.lower().encode(), v.encode("utf-8", "replace")) for k, v in headers]
        scope: Object = {
            "type": "http", "method": method, "path": path, "raw_path": quote(path).encode(),
            "query_string": query.encode("latin-1", "replace"), "http_version": "1.1", "root_path": "",
            "scheme": "https", "headers": [(b"content-type", media.encode("utf-8", "replace")), *pairs],
            "server": ("s", 1), "client": ("c", 1), "state": {"peer": dict(peer)} if peer is not None else {},
        }  # fmt: skip
        exchange = RawExchange({"type": "http.request", "body": sent, "more_body": False})
        asking = asyncio.ensure_future(self.api.cluster.server.app(scope, exchange.receive, exchange.send))
        await settle()
        if not asking.done():
            await self.api.clock.advance("4s")
            await asyncio.wait({asking}, timeout=20)  # a large answer becomes YAML in a thread
        assert asking.done(), f"{method} {path}?{query} {body!r} {headers} hangs at {asking.get_stack()[-1]}"
        await asking
        await settle()
        assert len(exchange.statuses) == 1, (method, path, query, exchange.sent)
        assert not exchange.sent[-1].get("more_body"), "an answer has an end"
        head = {name.decode().lower(): value.decode("latin-1") for name, value in exchange.sent[0]["headers"]}
        raw = b"".join(m["body"] for m in exchange.sent[1:])
        assert int(head.get("content-length", len(raw))) == len(raw)
        return Answer(exchange.statuses[0], head, raw)

    @cached_property
    def all(self) -> dict[str, Served]:
        """Every served kind by its label, custom resources too."""
        found = [Served(kind, *self._sample(kind)) for kind in self.api.cluster.server.catalog.kinds]
        return {served.label: served for served in found}

    @staticmethod
    def _sample(kind: Kind) -> tuple[Object, Object | None]:
        resource = kind.resource
        if kind.custom is not None:
            return CUSTOM_OBJECTS[resource.plural]
        return sample(resource.group, resource.version, resource.plural)

    def install(self) -> None:
        """Have the custom resources served and a ServiceAccount for Pods, whatever has become of them."""
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        if self.ask("GET", f"{accounts}/default").status == 404:
            account = {"metadata": {"name": "default"}, "automountServiceAccountToken": False}
            assert self.ask("POST", accounts, body=account).status == 201
        for definition in definitions():
            path = f"{crd_samples.CRDS}/{definition['metadata']['name']}"
            if self.ask("GET", path).status == 404:
                assert self.ask("POST", crd_samples.CRDS, body=definition).status == 201

    def create(self, served: Served) -> Object:
        """The good object of a kind, made anew."""
        url = f"{served.path}/{served.name}"
        if self.ask("GET", url).status == 200:
            self.remove(url)
        made = self.ask("POST", served.path, body=served.obj)
        if made.status in (403, 404):
            self.install()
            made = self.ask("POST", served.path, body=served.obj)
        assert made.status == 201, made
        found: Object = self.ask("GET", url).json  # a CustomResourceDefinition has got its conditions
        return found

    def remove(self, path: str) -> None:
        """Take an object away, whatever holds it."""
        answer = self.ask("DELETE", path, "gracePeriodSeconds=0&propagationPolicy=Background")
        if answer.status == 404:
            return
        left = self.ask("GET", path)
        if left.status == 200 and left.json["metadata"].get("finalizers"):
            self.ask("PATCH", path, body={"metadata": {"finalizers": None}}, media=MERGE)
            left = self.ask("GET", path)
        if left.status == 200 and "/namespaces/" in path:
            self.ask("PUT", f"{path}/finalize", body={**left.json, "spec": {}})
            left = self.ask("GET", path)
        assert left.status == 404, (path, answer, left)

    def holds_up(self, served: Served, path: str, found: Object) -> None:
        """What is stored is served, good by Kubernetes' own schema, shown as a row, and can be put back as it is."""
        assert self.ask("GET", path).json == found
        check_schema(served.kind, found)
        row = self.ask("GET", path, headers=[("accept", TABLE)]).json["rows"][0]
        assert len(row["cells"]) == len(served.kind.columns)
        again = self.ask("PUT", path, body=found)
        assert again.status == 200, again
        assert again.json == found, ("putting it back changed something", list(differences(found, again.json)), found)


LIKE_UPSTREAM = (
    b"no preferred addresses found for node", b"error dialing backend", b"the spec replicas field",
    b"This pod has more than one PodDisruptionBudget",
)  # fmt: skip
"""What Kubernetes, too, answers a 500 to."""


def _documented(path: str, answer: Answer) -> bool:
    """Of a proxy, a log or a shell there may be nobody to ask."""
    if answer.status in (502, 503):
        return any(f"/{sub}" in path for sub in ("proxy", "log", "exec", "attach", "portforward"))
    return answer.status == 500 and any(said in answer.raw for said in LIKE_UPSTREAM)


def _of_the_backend(path: str, answer: Answer) -> bool:
    return "/proxy" in path and not answer.headers.get("content-type", "").startswith("application/json")


@cache
def _validator(openapi: str) -> Any:
    whole = json.loads((SCHEMAS / "_definitions.json").read_text().replace("_definitions.json#", "#"))
    return jsonschema_rs.validator_for({"$defs": whole["$defs"], "$ref": f"#/$defs/{openapi}"})


def check_schema(kind: Kind, obj: Object) -> None:
    """A built-in kind's object must be good by the schemas that kubernetes-validate has of Kubernetes.

    A required list, map or time may be absent: where nothing asks for more, Go shows null, which no schema allows.
    """
    if kind.custom is None:
        for error in _validator(kind.struct.openapi).iter_errors(obj):
            node: Node | None = kind.struct
            for key in error.instance_path:
                node = member(node, key)
            missing = member(node, getattr(error.kind, "property", None))
            null = isinstance(missing, List | Map) or missing in (Scalar("Time"), Scalar("MicroTime"))
            assert null, (error.message, error.instance_path, obj)


def differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differences(one.get(key), other.get(key), f"{path}.{key}")
    elif one != other:
        yield path, one, other


@contextmanager
def serving() -> Iterator[Server]:
    """A server with the custom resources installed."""
    with asyncio.Runner() as runner:
        made: asyncio.Future[Api] = runner.get_loop().create_future()
        over = asyncio.Event()

        async def hold() -> None:
            async with cluster() as one:
                made.set_result(Api(one))
                await over.wait()

        run: Callable[[Awaitable[Any]], Any] = runner.get_loop().run_until_complete
        holding = runner.get_loop().create_task(hold())
        run(asyncio.wait({holding, made}, return_when=asyncio.FIRST_COMPLETED))
        if holding.done():
            holding.result()
        server = Server(runner, run(made))
        server.install()
        yield server
        over.set()
        run(holding)


LABELS = [
    *sorted(f"{k.resource.plural}.{k.resource.group}/{k.resource.version}" for k in KINDS),
    "crontabs.stable.example.com/v1", "gadgets.wide.example.com/v1", "gadgets.wide.example.com/v1beta1",
]  # fmt: skip
labels = st.sampled_from(LABELS)
