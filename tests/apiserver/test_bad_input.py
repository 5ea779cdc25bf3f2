"""Whatever is asked: never a 5xx (but the documented 504), never a hang, and nothing stored that does not hold up."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.apiserver.conftest import CONFIGMAPS, PODS, Answer, Api, Object, RawExchange, pod

LONG = "x" * 5000
CM = {"metadata": {"name": "new"}}


async def raw(
    api: Api, method: str, target: str, body: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Answer:
    """A request line as a server hands it on: path percent-decoded, query as it is."""
    from urllib.parse import unquote

    path, _, query = target.partition("?")
    scope = {
        "type": "http", "method": method, "path": unquote(path), "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"), "http_version": "1.1", "root_path": "", "scheme": "https",
        "headers": [(b"content-type", b"application/json"), *headers], "server": ("s", 1), "client": ("c", 1),
        "state": {"peer": {"user": "admin", "groups": ("system:masters",)}},
    }  # fmt: skip
    exchange = RawExchange({"type": "http.request", "body": body, "more_body": False})
    asking = asyncio.ensure_future(api.cluster.server.app(scope, exchange.receive, exchange.send))
    for _ in range(3):
        await api.clock.advance("2s")  # what waits for a revision gives up after three seconds
    assert asking.done(), f"{method} {target[:100]} hangs"
    await asking
    (status,) = exchange.statuses
    head = {name.decode(): value.decode("latin-1") for name, value in exchange.sent[0]["headers"]}
    return Answer(status, head, b"".join(m["body"] for m in exchange.sent[1:]))


def rev(api: Api) -> int:
    return api.cluster.server.storage.progress.rev


# (method, target, code, reason): what Kubernetes answers, or the plainest Status where it has none.
PATHS = [
    ("GET", "/api/v1/namespaces//pods", 404, "NotFound"),
    ("GET", "/api//v1/pods", 404, "NotFound"),
    ("GET", "//api/v1/pods", 404, "NotFound"),
    ("GET", "/api/v1/pods//", 404, "NotFound"),
    ("GET", "/api/v2/pods", 404, "NotFound"),
    ("GET", "/api/v1/unicorns", 404, "NotFound"),
    ("GET", "/api/v1/namespaces/default/unicorns/x", 404, "NotFound"),
    ("GET", "/apis/no.such.group/v1/pods", 404, "NotFound"),
    ("GET", "/apis/coordination.k8s.io/v9/leases", 404, "NotFound"),
    ("GET", "/apis/coordination.k8s.io/v1/pods", 404, "NotFound"),
    ("GET", "/apis/no.such.group", 404, "NotFound"),
    ("GET", "/apis/no.such.group/v1", 404, "NotFound"),
    ("GET", "/api/v7", 404, "NotFound"),
    ("GET", "/api/v1/namespaces/default/nodes", 404, "NotFound"),
    ("GET", "/api/v1/namespaces/default/nodes/n", 404, "NotFound"),
    ("GET", "/api/v1/namespaces/default/namespaces/x", 404, "NotFound"),
    ("GET", f"{PODS}/a/unicorn", 404, "NotFound"),
    ("GET", f"{PODS}/a/status/deeper", 404, "NotFound"),
    ("GET", f"{CONFIGMAPS}/a/status", 404, "NotFound"),
    ("GET", f"{CONFIGMAPS}/{LONG}", 404, "NotFound"),
    ("GET", f"{CONFIGMAPS}/UPPER_case", 404, "NotFound"),
    ("GET", f"{CONFIGMAPS}/%00", 404, "NotFound"),
    ("GET", f"{CONFIGMAPS}/%2e%2e", 404, "NotFound"),
    ("GET", f"{CONFIGMAPS}/..%2f..%2fsecrets", 404, "NotFound"),
    ("GET", f"{CONFIGMAPS}/%ff%fe", 404, "NotFound"),
    ("GET", f"{CONFIGMAPS}/a%0d%0aset-cookie:x", 404, "NotFound"),
    ("GET", f"{CONFIGMAPS}/%", 404, "NotFound"),
    ("GET", f"/api/v1/namespaces/{LONG}/pods/x", 404, "NotFound"),
    ("GET", "/unknown", 404, "NotFound"),
    ("GET", "/unknown/deeper?x=y", 404, "NotFound"),
    ("GET", "/openapi", 404, "NotFound"),
    ("GET", "/openapi/v9", 404, "NotFound"),
    ("GET", "/openapi/v3/api/v9", 404, "NotFound"),
    ("GET", "/openapi/v3/apis/no.such/v1", 404, "NotFound"),
    ("GET", "/healthz/no-such-check", 404, "NotFound"),
    ("GET", "/healthzz", 404, "NotFound"),
    ("DELETE", f"{CONFIGMAPS}/none", 404, "NotFound"),
    ("DELETE", "/api/v1/namespaces/none", 404, "NotFound"),
    ("POST", "/api/v1/configmaps", 400, "BadRequest"),
    ("GET", "/api/v1/pods/x", 400, "BadRequest"),
    ("DELETE", "/api/v1/configmaps/x", 400, "BadRequest"),
]
METHODS = [
    ("POST", f"{CONFIGMAPS}/a", 405, "MethodNotAllowed"),
    ("PUT", CONFIGMAPS, 405, "MethodNotAllowed"),
    ("PATCH", CONFIGMAPS, 405, "MethodNotAllowed"),
    ("OPTIONS", CONFIGMAPS, 405, "MethodNotAllowed"),
    ("TRACE", CONFIGMAPS, 405, "MethodNotAllowed"),
    ("CONNECT", CONFIGMAPS, 405, "MethodNotAllowed"),
    ("get", CONFIGMAPS, 405, "MethodNotAllowed"),
    ("BREW" * 100, CONFIGMAPS, 405, "MethodNotAllowed"),
    ("DELETE", "/api/v1/namespaces", 405, "MethodNotAllowed"),
    ("DELETE", f"{PODS}/a/status", 405, "MethodNotAllowed"),
    ("POST", f"{PODS}/a/status", 405, "MethodNotAllowed"),
    ("GET", f"{PODS}/a/binding", 405, "MethodNotAllowed"),
    ("DELETE", f"{PODS}/a/log", 405, "MethodNotAllowed"),
    ("POST", "/api/v1/namespaces/default/finalize", 405, "MethodNotAllowed"),
    ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405, "MethodNotAllowed"),
    ("DELETE", "/apis/authorization.k8s.io/v1/subjectaccessreviews", 405, "MethodNotAllowed"),
    ("POST", "/", 405, "MethodNotAllowed"),
    ("POST", "/version", 405, "MethodNotAllowed"),
    ("PUT", "/healthz", 405, "MethodNotAllowed"),
    ("DELETE", "/api/v1", 405, "MethodNotAllowed"),
    ("POST", "/apis", 405, "MethodNotAllowed"),
    ("OPTIONS", "*", 405, "MethodNotAllowed"),
    ("HEAD", f"{CONFIGMAPS}?watch=1", 405, "MethodNotAllowed"),
    ("POST", f"{CONFIGMAPS}?watch=1&x", 400, "BadRequest"),
]  # fmt: skip
QUERIES = [
    ("labelSelector=%3D", 400), ("labelSelector=a%20in", 400), ("labelSelector=a%20in%20(", 400),
    ("labelSelector=a%20in%20()", 400), ("labelSelector=a,,b", 400), ("labelSelector=!!a", 400),
    ("labelSelector=-a%3Db", 400), ("labelSelector=a%3Db%20c", 400), (f"labelSelector={LONG}", 400),
    (f"labelSelector=a%3D{LONG}", 400), ("labelSelector=a%3E1.5", 400), ("labelSelector=a%3Ex", 400),
    ("labelSelector=%00", 400), ("labelSelector=%ff", 400), ("labelSelector=" + "(" * 5000, 400),
    ("fieldSelector=a", 400), ("fieldSelector=metadata.name", 400), ("fieldSelector=metadata.name%3D%5C", 400),
    ("fieldSelector=spec.nope%3Dx", 400), ("fieldSelector=metadata.name%3Da,spec.nope!%3Dx", 400),
    (f"fieldSelector={LONG}%3Db", 400), ("fieldSelector=metadata.name%3Ea", 400),
    ("limit=x", 400), ("limit=1.5", 400), ("limit=99999999999999999999", 400), ("limit=1_0", 400),
    ("limit=%D9%A1", 400), ("limit=%201", 400), ("limit=" + "9" * 5000, 400), ("limit=0x10", 400), ("limit=-1", 200),
    ("timeoutSeconds=x", 400), ("timeoutSeconds=1e3", 400), ("timeoutSeconds=99999999999999999999", 400),
    ("watch=maybe", 400), ("watch=2", 400), ("allowWatchBookmarks=x", 400), ("sendInitialEvents=x", 400),
    ("sendInitialEvents=true", 422), ("watch=1&sendInitialEvents=true", 422),
    ("watch=1&resourceVersionMatch=NotOlderThan", 422),
    ("resourceVersion=x", 400), ("resourceVersion=-1", 400), ("resourceVersion=1.0", 400),
    ("resourceVersion=" + "9" * 5000, 400), ("resourceVersion=9223372036854775808", 400),
    ("resourceVersion=%C2%B2", 400), ("resourceVersion=9223372036854775807", 504),
    ("watch=1&resourceVersion=x", 400), ("watch=1&resourceVersion=9223372036854775807", 504),
    ("resourceVersion=1&resourceVersionMatch=Newest", 422), ("resourceVersionMatch=Exact", 422),
    ("resourceVersion=0&resourceVersionMatch=Exact", 422),
    ("resourceVersion=9223372036854775807&resourceVersionMatch=Exact", 504),
    ("continue=x", 400), ("continue=%00", 400), ("continue=%C3%BC", 400), ("continue=e30", 400),
    ("continue=bnVsbA", 400),
    ("continue=eyJydiI6MX0", 400), (f"continue={LONG}", 400), ("continue=" + "W1t" * 2000, 400),
    ("continue=eyJydiI6MSwic3RhcnQiOjd9", 400), ("continue=eyJydiI6InMiLCJzdGFydCI6ImEifQ", 400),
    ("continue=eyJydiI6LTIsInN0YXJ0IjoiYSJ9", 400), ("continue=eyJydiI6dHJ1ZSwic3RhcnQiOiJhIn0", 400),
    ("continue=eyJydiI6OTIyMzM3MjAzNjg1NDc3NTgwNywic3RhcnQiOiJhIn0", 504),
    ("continue=eyJydiI6MSwic3RhcnQiOiIuLi9zZWNyZXRzL2EifQ&resourceVersion=1", 400),
    ("&&&=&=x&", 200), ("pretty=true", 200), ("unknown=x&unknown=y", 200), ("%zz=%", 200), ("a" * 100_000, 200),
]  # fmt: skip


@pytest.mark.parametrize(("method", "target", "code", "reason"), [*PATHS, *METHODS])
async def test_paths_and_methods(api: Api, method: str, target: str, code: int, reason: str) -> None:
    before = rev(api)
    answer = await raw(api, method, target)
    assert (answer.status, answer.reason) == (code, reason), answer
    assert (answer.json["kind"], answer.json["status"], answer.json["code"]) == ("Status", "Failure", code)
    assert answer.headers["content-type"] == "application/json"
    assert rev(api) == before


@pytest.mark.parametrize(("query", "code"), QUERIES)
async def test_queries(api: Api, query: str, code: int) -> None:
    before = rev(api)
    answer = await raw(api, "GET", f"{CONFIGMAPS}?{query}")
    assert answer.status == code, answer
    if code != 200:
        assert answer.json["kind"] == "Status" and len(answer.raw) < 25_000
    assert rev(api) == before


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("POST", "dryRun=Some", 422), ("POST", "dryRun=true", 422), ("POST", "dryRun=all", 422),
        ("POST", "fieldManager=%01", 422), ("POST", f"fieldManager={LONG}", 422), ("POST", "fieldValidation=x", 422),
        ("PUT", "dryRun=Some", 422), ("PATCH", "dryRun=Some", 422), ("DELETE", "dryRun=Some", 422),
        ("DELETE", "gracePeriodSeconds=x", 400), ("DELETE", "gracePeriodSeconds=99999999999999999999", 400),
        ("DELETE", "propagationPolicy=x", 422), ("DELETE", "orphanDependents=x", 400),
        ("DELETE", "orphanDependents=true&propagationPolicy=Orphan", 422), ("PATCH", "force=true", 422),
        ("GET", "resourceVersion=x", 400), ("GET", "resourceVersion=9223372036854775807", 504),
    ],
)  # fmt: skip
async def test_options_of_single_requests(api: Api, method: str, query: str, code: int) -> None:
    made = await api.config_map("a")
    before = rev(api)
    path = CONFIGMAPS if method == "POST" else f"{CONFIGMAPS}/a"
    body = b'{"metadata":{"name":"%b"}}' % (b"new" if method == "POST" else b"a") if method != "DELETE" else b""
    headers = ((b"content-type", b"application/merge-patch+json"),) if method == "PATCH" else ()
    if headers:
        answer = await api.ask(method, f"{path}?{query}", body, content_type="application/merge-patch+json")
    else:
        answer = await raw(api, method, f"{path}?{query}", body)
    assert answer.status == code, answer
    assert rev(api) == before
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == made


NAMES = ["A", "a_b", "-a", "a-", "a b", "ä", "a/b", "..", ".", "a" * 254, "a\nb", "a\x00b", "%41"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("resource", ["configmaps", "pods", "namespaces", "services", "leases"])
async def test_names_that_are_none(api: Api, resource: str, name: str) -> None:
    before = rev(api)
    paths = {
        "namespaces": "/api/v1/namespaces", "leases": "/apis/coordination.k8s.io/v1/namespaces/default/leases",
    }  # fmt: skip
    spec = {"services": {"ports": [{"port": 80}]}, "pods": pod()["spec"]}.get(resource, {})
    obj: Object = {"metadata": {"name": name}, **({"spec": spec} if spec else {})}
    answer = await api.ask("POST", paths.get(resource, f"/api/v1/namespaces/default/{resource}"), obj)
    assert (answer.status, answer.reason) == (422, "Invalid"), answer
    causes = answer.json["details"]["causes"]
    # A Namespace's name is also a label of its own.
    allowed = {"metadata.labels"} if resource == "namespaces" else set()
    assert {c["field"] for c in causes} - allowed == {"metadata.name"}
    assert {c["reason"] for c in causes} == {"FieldValueInvalid"}
    assert all(c["message"].startswith("Invalid value: ") for c in causes)
    assert answer.json["details"]["name"] == name
    assert rev(api) == before


async def test_no_name_at_all(api: Api) -> None:
    answer = await api.ask("POST", CONFIGMAPS, {"metadata": {}})
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert answer.json["details"]["causes"] == [
        {"reason": "FieldValueRequired", "message": "Required value: name or generateName is required",
         "field": "metadata.name"}
    ]  # fmt: skip
    generated = await api.ask("POST", CONFIGMAPS, {"metadata": {"generateName": "Not-Good-"}})
    assert generated.status == 422
    assert {c["field"] for c in generated.json["details"]["causes"]} == {"metadata.generateName", "metadata.name"}


async def test_a_body_where_none_belongs_is_not_looked_at(api: Api) -> None:
    await api.config_map("a")
    for method, target in (("GET", f"{CONFIGMAPS}/a"), ("GET", CONFIGMAPS), ("HEAD", CONFIGMAPS), ("GET", "/version")):
        assert (await raw(api, method, target, b"\xff{[" * 1000)).status == 200


async def test_watches_on_nothing(api: Api) -> None:
    for target, code in (
        ("/api/v1/unicorns?watch=1", 404), ("/api/v1/namespaces/default/nodes?watch=1", 404),
        ("/api/v1/pods/x?watch=1", 400), (f"{PODS}/x/log?watch=1", 404), ("/version?watch=1", 200),
        (f"{CONFIGMAPS}?watch=1&timeoutSeconds=1", 200), (f"{CONFIGMAPS}?watch=1&timeoutSeconds=-5", 200),
        ("/api/v1/namespaces/nowhere/pods?watch=1&timeoutSeconds=2", 200),
        (f"{CONFIGMAPS}/none?watch=1&timeoutSeconds=3", 200),
    ):  # fmt: skip
        assert (await raw(api, "GET", target)).status == code, target


async def test_headers_that_say_nothing_good(api: Api) -> None:
    for name, value, code in (
        (b"accept", b"", 200), (b"accept", b"\xff\xfe", 406), (b"accept", b";;;,,,", 406),
        (b"accept", b"text/html", 406),
        (b"accept", b"application/json;as=Chair;g=meta.k8s.io;v=v1", 406), (b"accept", b"a" * 50_000, 406),
        (b"accept", b"application/json;as=Table;g=meta.k8s.io;v=v9", 406), (b"accept", b"application/json;q=x;=;", 200),
        (b"accept-encoding", b"\xff", 200), (b"user-agent", b"\x01\xff" * 100, 200), (b"host", b"", 200),
        (b"authorization", b"Basic \xff", 200), (b"content-length", b"x", 200), (b"if-match", b"*", 200),
    ):  # fmt: skip
        answer = await raw(api, "GET", CONFIGMAPS, b"", ((name, value),))
        assert answer.status == code, (name, value[:40], answer)


async def test_an_answer_form_that_is_not_there_is_refused_before_anything_is_stored(api: Api) -> None:
    made = await api.config_map("a")
    before = rev(api)
    merge = {"data": {"x": "y"}}
    for accept in ("text/html", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"):
        for method, path, body, media in (
            ("POST", CONFIGMAPS, CM, "application/json"), ("PUT", f"{CONFIGMAPS}/a", made, "application/json"),
            ("PATCH", f"{CONFIGMAPS}/a", merge, "application/merge-patch+json"), ("DELETE", f"{CONFIGMAPS}/a", {}, ""),
        ):  # fmt: skip
            answer = await api.ask(method, path, body, content_type=media, headers={"accept": accept})
            assert (answer.status, answer.reason) == (406, "NotAcceptable"), (method, accept)
    table = {"accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
    answer = await api.ask("POST", f"{CONFIGMAPS}?includeObject=Half", CM, headers=table)
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert rev(api) == before


async def test_tokens_lead_nowhere_else(api: Api) -> None:
    """A continue token made by hand reaches no other kind's keys."""
    import base64
    import json

    await api.ok("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})
    await api.config_map("a")
    for start in ("../secrets/default/", "", "\x00", "/", "~"):
        token = base64.urlsafe_b64encode(json.dumps({"rv": rev(api), "start": start}).encode()).decode()
        answer = await raw(api, "GET", f"{CONFIGMAPS}?continue={quote(token)}")
        assert answer.status in (200, 400)
        items: list[Any] = answer.json.get("items", [])
        assert {i["metadata"]["name"] for i in items} <= {"a"}
