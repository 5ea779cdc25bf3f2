"""Random requests: no 5xx, and whatever was accepted is served, tabled and accepted again unchanged."""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minikube_py.api import scheme
from minikube_py.api.schema import List, Map, Node, Scalar, Struct
from minikube_py.apiserver.kinds import KINDS
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.daemon.clock import settle
from tests.apiserver.conftest import Answer, Api, Object, RawExchange, pod
from tests.fakes.cluster import cluster

MERGE = "application/merge-patch+json"
PATCHES = (
    MERGE, "application/strategic-merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml",
)  # fmt: skip
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def bounded(examples: int) -> settings:
    """The same examples in every CI run, others at a developer's every run; FUZZ=10 makes ten times as many."""
    return settings(
        max_examples=examples * int(os.environ.get("FUZZ", "1")), deadline=None, database=None,
        derandomize="CI" in os.environ and "FUZZ" not in os.environ,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )  # fmt: skip


class Server:
    """A server in a loop of its own, for tests that are no coroutines."""

    def __init__(self, runner: asyncio.Runner, api: Api) -> None:
        self._runner = runner
        self.api = api

    def ask(self, method: str, path: str, query: str = "", body: Any = b"", media: str = "application/json",
            **headers: str) -> Answer:  # fmt: skip
        """The answer to a request; fails the test when there is none or a 5xx that is no documented one."""
        answer = self._runner.get_loop().run_until_complete(self._ask(method, path, query, body, media, headers))
        assert answer.status < 500 or answer.status == 504, (method, path, query, body, media, headers, answer)
        if answer.status >= 400:
            status = answer.json
            assert (status["kind"], status["code"]) == ("Status", answer.status) and status["message"]
        return answer

    async def _ask(self, method: str, path: str, query: str, body: Any, media: str, headers: dict[str, str]) -> Answer:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        pairs = [(k.replace("_", "-").encode(), v.encode("utf-8", "replace")) for k, v in headers.items()]
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": quote(path).encode(),
            "query_string": query.encode("latin-1", "replace"), "http_version": "1.1", "root_path": "",
            "scheme": "https", "headers": [(b"content-type", media.encode("utf-8", "replace")), *pairs],
            "server": ("s", 1), "client": ("c", 1), "state": {"peer": {"user": "admin", "groups": ("system:masters",)}},
        }  # fmt: skip
        exchange = RawExchange({"type": "http.request", "body": sent, "more_body": False})
        asking = asyncio.ensure_future(self.api.cluster.server.app(scope, exchange.receive, exchange.send))
        await settle()
        if not asking.done():
            await self.api.clock.advance("4s")
        assert asking.done(), f"{method} {path}?{query} hangs"
        await asking
        head = {name.decode(): value.decode("latin-1") for name, value in exchange.sent[0]["headers"]}
        return Answer(exchange.statuses[0], head, b"".join(m["body"] for m in exchange.sent[1:]))


@contextmanager
def serving() -> Iterator[Server]:
    with asyncio.Runner() as runner:
        made: asyncio.Future[Api] = runner.get_loop().create_future()
        over = asyncio.Event()

        async def hold() -> None:
            async with cluster() as one:
                made.set_result(Api(one))
                await over.wait()

        run: Callable[[Awaitable[Any]], Any] = runner.get_loop().run_until_complete
        holding = runner.get_loop().create_task(hold())
        yield Server(runner, run(made))
        over.set()
        run(holding)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


SAMPLES: dict[str, Object] = {
    "Namespace": {},
    "Node": {"spec": {"podCIDR": "10.0.0.0/24", "taints": [{"key": "k", "effect": "NoSchedule"}]}},
    "Pod": {"spec": {**pod()["spec"], "volumes": [{"name": "v", "emptyDir": {}}], "tolerations": [{"key": "a"}]}},
    "ConfigMap": {"data": {"k": "v"}, "binaryData": {"b": "AAAA"}},
    "Secret": {"data": {"k": "djE="}, "type": "Opaque"},
    "Service": {"spec": {"ports": [{"port": 80, "name": "web", "targetPort": 8080}], "selector": {"a": "b"}}},
    "Endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]},
    "Event": {
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "reason": "R", "type": "Normal",
        "message": "m", "count": 1, "lastTimestamp": "2030-01-01T00:00:00Z",
    },
    "Lease": {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2030-01-01T00:00:00.000000Z"}},
    "ServiceAccount": {"secrets": [{"name": "s"}], "automountServiceAccountToken": True},
}  # fmt: skip
BY_KIND = {kind.resource.kind: kind for kind in KINDS}
STATUSES: dict[str, Object] = {
    "Pod": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "podIPs": [{"ip": "10.0.0.9"}],
            "containerStatuses": [{"name": "c", "ready": True, "restartCount": 1, "image": "i", "imageID": "",
                                   "state": {"waiting": {"reason": "Because"}}}]},
    "Node": {"conditions": [{"type": "Ready", "status": "True"}],
             "addresses": [{"type": "InternalIP", "address": "1"}]},
    "Namespace": {"phase": "Active"},
    "Service": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
}  # fmt: skip

text = st.one_of(
    st.sampled_from(["", "a", "b-1", "A b", "x" * 300, "1", "true", "10.96.0.9", "None", "1Gi", "ä", "\x00", "a/b"]),
    st.text(max_size=8),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.integers(-2, 70_000), text,
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6
)
FIT: dict[str, st.SearchStrategy[Any]] = {
    "string": text, "bool": st.booleans(), "int32": st.integers(-2, 70_000), "int64": st.integers(-2, 2**63 - 1),
    "float64": st.floats(allow_nan=False, allow_infinity=False), "bytes": st.sampled_from(["", "AAAA", "djE="]),
    "Quantity": st.sampled_from(["0", "1", "100m", "1Gi", 2, "-1", "1e3"]),
    "IntOrString": st.one_of(st.integers(-1, 70_000), text), "Duration": st.sampled_from(["1s", "1h"]),
    "Time": st.sampled_from(["2030-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]),
    "MicroTime": st.sampled_from(["2030-01-01T00:00:00.000001Z", "0001-01-01T00:00:00.000000Z"]),
    "FieldsV1": st.sampled_from([{}, {"f:a": {}}, {"x": 1}, {"f:data": {"k:{}": {}}}]),
}  # fmt: skip


@st.composite
def fitting(draw: st.DrawFn, node: Node, depth: int = 3) -> Any:
    """A value that the schema allows there, mostly."""
    if draw(st.integers(0, 30)) == 0:
        return draw(anything)
    match node:
        case Scalar():
            return draw(FIT.get(node.name, anything))
        case List():
            return draw(st.lists(fitting(node.of, depth - 1), max_size=2)) if depth else []
        case Map():
            return draw(st.dictionaries(text, fitting(node.of, depth - 1), max_size=2)) if depth else {}
        case Struct():
            if not depth or not node.fields:
                return {}
            names = draw(st.lists(st.sampled_from(sorted(node.fields)), max_size=3, unique=True))
            return {name: draw(fitting(node.fields[name].node, depth - 1)) for name in names}


@st.composite
def mutated(draw: st.DrawFn, obj: Any, node: Node | None, times: int = 3) -> Any:
    """A copy with members set, taken away or turned into something else, mostly as the schema has them."""
    obj = copy.deepcopy(obj)
    for _ in range(draw(st.integers(0, times))):
        here, shape = obj, node
        for _ in range(draw(st.integers(0, 5))):
            if isinstance(here, dict) and here:
                key: Any = draw(st.sampled_from(sorted(here)))
            elif isinstance(here, list) and here:
                key = draw(st.integers(0, len(here) - 1))
            else:
                break
            below = here[key]
            if not isinstance(below, (dict, list)):
                break
            here, shape = below, _member(shape, key)
        if isinstance(here, dict):
            names = st.sampled_from(sorted(shape.fields)) if isinstance(shape, Struct) and shape.fields else text
            key = draw(st.one_of(names, names, names, text, st.sampled_from(sorted(here)) if here else text))
            if draw(st.integers(0, 5)) == 0:
                here.pop(key, None)
                continue
        elif isinstance(here, list):
            key = len(here)
            here.append(None)
        else:
            return draw(anything)
        within = _member(shape, key)
        here[key] = draw(fitting(within) if within is not None else anything)
    return obj


def _member(node: Node | None, key: Any) -> Node | None:
    match node:
        case Struct():
            field = node.fields.get(key)
            return field.node if field is not None else None
        case List() | Map():
            return node.of
    return None


def collection(kind: Kind) -> str:
    resource = kind.resource
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{root}/namespaces/default/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"


def sample(kind: Kind, name: str) -> Object:
    resource = kind.resource
    body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {"name": name, "labels": {"a": "b"}}}
    return {**body, **SAMPLES[resource.kind]}


kind_names = st.sampled_from(sorted(BY_KIND))


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, Object]:
    kind = BY_KIND[draw(kind_names)]
    obj = sample(kind, draw(st.sampled_from(["a", "b", "c-1"])))
    return kind.resource.kind, draw(mutated(obj, scheme.struct(kind.resource.type)))


def holds_up(server: Server, kind: Kind, path: str, found: Object) -> None:
    """What is stored is served, shown as a row, and can be put back as it is."""
    assert server.ask("GET", path).json == found
    row = server.ask("GET", path, accept=TABLE).json["rows"][0]
    assert len(row["cells"]) == len(kind.columns)
    again = server.ask("PUT", path, body=found)
    assert (again.status, again.json) == (200, found), again


def remove(server: Server, path: str) -> None:
    """Take an object away, whatever holds it."""
    answer = server.ask("DELETE", path, "gracePeriodSeconds=0")
    if answer.status == 200 and answer.json.get("metadata", {}).get("finalizers"):
        server.ask("PATCH", path, body={"metadata": {"finalizers": None}}, media=MERGE)
    left = server.ask("GET", path)
    if left.status == 200:  # a Namespace
        server.ask("PUT", f"{path}/finalize", body={**left.json, "spec": {}})
        assert server.ask("GET", path).status == 404


@bounded(500)
@given(objects())
def test_created_objects(server: Server, made: tuple[str, Object]) -> None:
    kind, obj = BY_KIND[made[0]], made[1]
    answer = server.ask("POST", collection(kind), body=obj)
    if answer.status != 201:
        return
    found = answer.json
    path = f"{collection(kind)}/{found['metadata']['name']}"
    try:
        holds_up(server, kind, path, found)
        listed = server.ask("GET", collection(kind)).json
        assert found in listed["items"]
        assert server.ask("GET", collection(kind), accept=TABLE).status == 200
    finally:
        remove(server, path)


operations = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]),
            "path": st.sampled_from([
                "/metadata/labels/a", "/metadata/annotations", "/metadata", "/metadata/finalizers", "/spec", "/data",
                "/data/k", "/spec/ports/0", "/spec/ports/-", "/spec/containers/0/image", "", "/", "/a~1b", "spec",
                "/metadata/finalizers/-", "/status", "/kind", "/metadata/managedFields", "/metadata/managedFields/0",
            ]),
        },
        optional={"value": anything, "from": st.sampled_from(["/metadata/labels", "/metadata", "/data", "", "/none"])},
    ),
    max_size=4,
)  # fmt: skip


@st.composite
def patches(draw: st.DrawFn) -> tuple[str, str, str, Any]:
    name = draw(kind_names)
    kind = BY_KIND[name]
    struct = scheme.struct(kind.resource.type)
    media = draw(st.sampled_from(PATCHES))
    with_status = kind.resource.kind in STATUSES
    subresource = draw(st.sampled_from(["", "/status"] if with_status else [""]))
    if media == PATCHES[2]:
        return name, subresource, media, draw(st.one_of(operations, operations, operations, anything))
    body = sample(kind, "a") if media == PATCHES[3] or draw(st.booleans()) else {"metadata": {"labels": {"x": "y"}}}
    if subresource:
        body["status"] = STATUSES[kind.resource.kind]
    body = draw(mutated(body, struct))
    if media == PATCHES[1] and isinstance(body, dict) and draw(st.booleans()):
        directives = ["$patch", "$retainKeys", "$setElementOrder/ports", "$deleteFromPrimitiveList/finalizers"]
        where = draw(st.sampled_from([key for key, value in body.items() if isinstance(value, dict)] or [""]))
        value = draw(st.one_of(st.sampled_from(["replace", "delete", ["a"], [{"port": 1}]]), anything))
        (body[where] if where else body)[draw(st.sampled_from(directives))] = value
    return name, subresource, media, body


@bounded(700)
@given(patches(), st.sampled_from(["", "&force=true", "&dryRun=All", "&fieldValidation=Strict"]))
def test_patched_objects(server: Server, chosen: tuple[str, str, str, Any], option: str) -> None:
    name, subresource, media, body = chosen
    kind = BY_KIND[name]
    path = f"{collection(kind)}/a"
    made = server.ask("POST", collection(kind), body=sample(kind, "a"))
    assert made.status == 201
    try:
        answer = server.ask("PATCH", path + subresource, f"fieldManager=fuzz{option}", body, media)
        found = server.ask("GET", path).json
        if answer.status != 200 or "dryRun" in option:
            assert found == made.json, "what is refused changes nothing"
            return
        assert answer.json == found
        holds_up(server, kind, path, found)
        if media == PATCHES[3]:
            again = server.ask("PATCH", path + subresource, f"fieldManager=fuzz{option}", body, media)
            assert (again.status, again.json) == (200, found), "applying again changes nothing"
    finally:
        remove(server, path)


segments = st.sampled_from([
    "api", "apis", "v1", "namespaces", "default", "pods", "configmaps", "nodes", "p", "status", "log", "binding",
    "exec",
    "coordination.k8s.io", "leases", "authorization.k8s.io", "selfsubjectaccessreviews", "authentication.k8s.io",
    "selfsubjectreviews", "selfsubjectrulesreviews", "subjectaccessreviews", "localsubjectaccessreviews", "finalize",
    "openapi", "v2", "v3", "healthz", "livez", "readyz", "version", "metrics", "bindings", "attach", "services", "",
])  # fmt: skip
paths = st.one_of(
    st.lists(segments | text, max_size=7).map(lambda parts: "/" + "/".join(parts)),
    st.builds(lambda a, b: f"/api/v1/namespaces/default/{a}{b}", st.sampled_from(["pods", "configmaps", "events"]),
              st.sampled_from(["", "/p", "/p/status", "/p/log", "/p/exec", "/p/binding", "/p/attach", "/none"])),
)  # fmt: skip
parameters = st.lists(
    st.tuples(
        st.sampled_from([
            "watch", "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector",
            "timeoutSeconds", "allowWatchBookmarks", "sendInitialEvents", "dryRun", "fieldManager", "force", "follow",
            "fieldValidation", "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "includeObject", "tail",
            "tailLines", "container", "command", "stdin", "tty", "verbose", "exclude", "sinceSeconds", "sinceTime",
        ]),
        st.one_of(
            st.sampled_from(["1", "true", "0", "-1", "a=b", "a in (b,c)", "!a", "metadata.name=p", "All", "Exact",
                             "NotOlderThan", "Orphan", "Strict", "None", "Object", "999999999", "a notin (b),c!=d"]),
            st.text(max_size=12), st.text("ab=!,() <>\\.-/", max_size=12),
        ),
    ),
    max_size=4,
).map(lambda pairs: "&".join(f"{name}={quote(value)}" for name, value in pairs))  # fmt: skip
accepts = st.one_of(
    st.sampled_from(["", "*/*", TABLE, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "text/html",
                     "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "application/yaml",
                     "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"]),
    st.text(max_size=20),
)  # fmt: skip
medias = st.one_of(
    st.sampled_from([*PATCHES, "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", ""]),
    st.text(max_size=10),
)
bodies = st.one_of(
    anything, st.binary(max_size=30), st.binary(max_size=30).map(lambda raw: b"k8s\0" + raw),
    st.text("{}[]:,&*!|>-?\"'#%@\n a1", max_size=30).map(str.encode),
    st.just({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}),
    anything.map(lambda spec: {"spec": spec}), anything.map(lambda meta: {"metadata": meta}),
    anything.map(lambda target: {"metadata": {"name": "p"}, "target": target}),
)  # fmt: skip
methods = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])


@bounded(800)
@given(methods, paths, parameters, bodies, medias, accepts, text)
def test_requests(
    server: Server, method: str, path: str, query: str, body: Any, media: str, accept: str, agent: str
) -> None:
    server.ask(method, path, query, body, media, accept=accept, user_agent=agent)
    server.ask("POST", "/api/v1/namespaces/default/pods", body=sample(BY_KIND["Pod"], "p"))
