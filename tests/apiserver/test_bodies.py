"""Request bodies: three encodings, what the schema does not know, what is no object at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minikube_py.api import protobuf, scheme
from tests.apiserver.conftest import CONFIGMAPS, PODS, Api, RawExchange, pod

YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
DELETE_OPTIONS = "meta/v1.DeleteOptions"

Object = dict[str, Any]


def config_map(name: str = "a", **more: Any) -> Object:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, **more}


def encoded(obj: Object, type_name: str = "core/v1.Pod") -> bytes:
    return protobuf.encode(obj, scheme.struct(type_name))


async def revision(api: Api) -> str:
    return str((await api.ok("GET", CONFIGMAPS))["metadata"]["resourceVersion"])


async def refused(api: Api, raw: Any, code: int, reason: str, media: str = "application/json", query: str = "") -> str:
    """Post to the ConfigMaps what must not be taken; the message."""
    before = await revision(api)
    answer = await api.ask("POST", CONFIGMAPS + query, raw, content_type=media)
    assert (answer.status, answer.reason) == (code, reason), answer
    status = answer.json
    assert (status["kind"], status["apiVersion"], status["status"], status["code"]) == ("Status", "v1", "Failure", code)
    assert answer.headers["content-type"] == "application/json"
    assert await revision(api) == before, "nothing is stored"
    return str(status["message"])


@pytest.mark.parametrize("media", ["application/json", "", "application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_json(api: Api, media: str) -> None:
    made = await api.ask("POST", CONFIGMAPS, config_map(data={"k": "ü"}), content_type=media)
    assert (made.status, made.json["data"]) == (201, {"k": "ü"})
    assert made.headers["content-type"] == "application/json"


@pytest.mark.parametrize("media", [YAML, "application/x-yaml", "text/yaml"])
async def test_yaml(api: Api, media: str) -> None:
    text = b"# a comment\nmetadata:\n  name: a\n  labels: {on: 'yes'}\ndata:\n  k: |\n    two\n    lines\n"
    made = await api.ask("POST", CONFIGMAPS, text, content_type=media)
    assert (made.status, made.json["data"]) == (201, {"k": "two\nlines\n"})
    wrong = await refused(api, b"metadata: {name: b}\ndata: {k: yes}\n", 400, "BadRequest", media)
    assert "cannot unmarshal bool into Go struct field" in wrong


async def test_protobuf(api: Api) -> None:
    body = {**pod(), "kind": "Pod", "apiVersion": "v1"}
    made = await api.ask("POST", PODS, encoded(body), content_type=PROTOBUF)
    assert (made.status, made.json["spec"]["containers"][0]["image"]) == (201, "web:1")
    made.json["metadata"]["labels"] = {"a": "b"}
    changed = {**made.json, "metadata": {**made.json["metadata"], "labels": {"a": "b"}}}
    updated = await api.ask("PUT", f"{PODS}/p", encoded(changed), content_type=PROTOBUF)
    assert (updated.status, updated.json["metadata"]["labels"]) == (200, {"a": "b"})
    wrong_kind = encoded({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}}, "core/v1.Secret")
    assert "Secret" in await refused(api, wrong_kind, 400, "BadRequest", PROTOBUF)
    for raw in (b"k8s\0", b"k8s\0\xff\xff", b"k9s\0" + encoded(body)[4:], encoded(body)[:-3], b"\n"):
        await refused(api, raw, 400, "BadRequest", PROTOBUF)


async def test_delete_options_in_every_encoding(api: Api) -> None:
    made = await api.ok("POST", PODS, pod(nodeName="n"))
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 9}
    marked = await api.ask("DELETE", f"{PODS}/p", encoded(options, DELETE_OPTIONS), content_type=PROTOBUF)
    assert (marked.status, marked.json["metadata"]["deletionGracePeriodSeconds"]) == (200, 9)
    marked = await api.ask("DELETE", f"{PODS}/p", b"gracePeriodSeconds: 8\n", content_type=YAML)
    assert marked.json["metadata"]["deletionGracePeriodSeconds"] == 8
    other = {**options, "preconditions": {"uid": "none"}}
    lost = await api.ask("DELETE", f"{PODS}/p", encoded(other, DELETE_OPTIONS), content_type=PROTOBUF)
    assert (lost.status, lost.reason) == (409, "Conflict")
    assert f"UID in precondition: none, UID in object meta: {made['metadata']['uid']}" in lost.json["message"]
    for raw, media, code in (
        (b"[]", "application/json", 400), (b"{", "application/json", 400), (b'{"gracePeriodSeconds":"x"}', "", 400),
        (b'{"kind":"Pod","apiVersion":"v1"}', "", 400), (b'{"propagationPolicy":"Sideways"}', "", 422),
        (b'{"dryRun":["Some"]}', "", 422), (b'{"dryRun":"All"}', "", 400), (b'{"preconditions":[]}', "", 400),
        (b'{"propagationPolicy":"Orphan","orphanDependents":true}', "", 422), (b"x", "text/plain", 415),
    ):  # fmt: skip
        answer = await api.ask("DELETE", f"{PODS}/p", raw, content_type=media)
        assert answer.status == code, (raw, answer)
    assert (await api.ok("GET", f"{PODS}/p"))["metadata"]["deletionGracePeriodSeconds"] == 8


async def warnings(api: Api, raw: bytes, media: str, query: str = "") -> list[str]:
    """The warnings of a POST that is taken; an answer has one header for each."""
    scope = {
        "type": "http", "method": "POST", "path": CONFIGMAPS, "query_string": query.encode(),
        "headers": [(b"content-type", media.encode())],
        "state": {"peer": {"user": "admin", "groups": ("system:masters",)}},
    }  # fmt: skip
    exchange = RawExchange(part(raw, False))
    await api.cluster.server.app(scope, exchange.receive, exchange.send)
    assert exchange.statuses == [201]
    return [value.decode() for name, value in exchange.sent[0]["headers"] if name == b"warning"]


@pytest.mark.parametrize("media", ["application/json", YAML])
async def test_field_validation(api: Api, media: str) -> None:
    raw = (
        b'{"metadata":{"name":"a","colour":"red"},"data":{"k":"1","k":"2"},"spec":{},'
        b'"immutable":false,"immutable":false}'
    )
    strict = await refused(api, raw, 400, "BadRequest", media, "?fieldValidation=Strict")
    assert "strict decoding error: " in strict
    assert 'duplicate field "data.k"' in strict and 'duplicate field "immutable"' in strict
    assert 'unknown field "metadata.colour", unknown field "spec"' in strict, "all at once"
    once = b'{"metadata":{"name":"a","colour":"red"},"spec":{}}'
    strict = await refused(api, once, 400, "BadRequest", media, "?fieldValidation=Strict")
    assert 'strict decoding error: unknown field "metadata.colour", unknown field "spec"' in strict
    assert sorted(await warnings(api, raw, media, "fieldValidation=Warn")) == [
        '299 - "duplicate field \\"data.k\\""',
        '299 - "duplicate field \\"immutable\\""',
        '299 - "unknown field \\"metadata.colour\\""',
        '299 - "unknown field \\"spec\\""',
    ]
    made = await api.ok("GET", f"{CONFIGMAPS}/a")
    assert made["data"] == {"k": "2"}, "the last one counts"
    assert "spec" not in made and "colour" not in made["metadata"]
    assert await warnings(api, raw.replace(b'"a"', b'"b"'), media, "fieldValidation=Ignore") == []
    assert len(await warnings(api, raw.replace(b'"a"', b'"c"'), media)) == 4, "Warn is the default"
    answer = await api.ask("POST", f"{CONFIGMAPS}?fieldValidation=Loud", config_map("d"))
    assert (answer.status, answer.reason) == (422, "Invalid")
    (cause,) = answer.json["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("FieldValueNotSupported", "fieldValidation")
    assert cause["message"] == 'Unsupported value: "Loud": supported values: "Ignore", "Warn", "Strict"'


async def test_thousands_of_unknown_fields_do_not_make_thousands_of_headers(api: Api) -> None:
    body = {**config_map(), **{f"f{i}": {"x" * 50: i} for i in range(5000)}}
    found = await warnings(api, json.dumps(body).encode(), "application/json")
    assert len(found) > 10 and sum(map(len, found)) < 6_000


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        ({"kind": "Secret"}, "Secret"),
        ({"kind": "configmap"}, "configmap"),
        ({"apiVersion": "v2"}, "v2"),
        ({"apiVersion": "apps/v1"}, "apps/v1"),
        ({"kind": 7}, "string"),
        ({"apiVersion": ["v1"]}, "string"),
        ({"metadata": []}, "cannot unmarshal array into Go struct field"),
        ({"metadata": "x"}, "cannot unmarshal string into Go struct field"),
        ({"metadata": {"name": 7}}, "cannot unmarshal number into Go struct field"),
        ({"metadata": {"name": "a", "labels": {"a": True}}}, "cannot unmarshal bool into Go struct field"),
        ({"metadata": {"name": "a", "labels": ["a"]}}, "cannot unmarshal array into Go struct field"),
        ({"metadata": {"name": "a", "creationTimestamp": "yesterday"}}, "parsing time"),
        ({"metadata": {"name": "a", "generation": "1"}}, "cannot unmarshal string into Go struct field"),
        ({"metadata": {"name": "a", "generation": 1.5}}, "cannot unmarshal number 1.5 into Go struct field"),
        ({"metadata": {"name": "a", "generation": 2**63}}, "cannot unmarshal number 9223372036854775808"),
        ({"metadata": {"name": "a", "ownerReferences": {}}}, "cannot unmarshal object into Go struct field"),
        ({"metadata": {"name": "a", "ownerReferences": [1]}}, "cannot unmarshal number into Go struct field"),
        ({"data": {"a": 1}}, "cannot unmarshal number into Go struct field ConfigMap.data"),
        ({"data": "x"}, "cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string"),
        ({"binaryData": {"a": "%%%"}}, "illegal base64 data"),
        ({"immutable": "yes"}, "cannot unmarshal string into Go struct field ConfigMap.immutable of type bool"),
        ({"metadata": {"name": "a", "resourceVersion": "5"}}, "resourceVersion should not be set on objects to be"),
        ({"metadata": {"name": "a", "namespace": "b"}}, "does not match the namespace sent on the request"),
    ],
)
async def test_objects_of_the_wrong_kind_or_type(api: Api, obj: Object, text: str) -> None:
    assert text in await refused(api, {**config_map(), **obj}, 400, "BadRequest")


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"  \n", b"[]", b"null", b"true", b"7", b'"x"', b"[{}]", b"{", b"{}}", b"{'a':1}", b"{\"a\":NaN}",
        b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":01}', b'{"a":1e}', b"\xff\xfe{}", b'{"a":"\xc3"}',
        b'{"a":"\\ud800"}', b'{"a":"\x00"}', b"\x00", b"[" * 100_000, b'{"a":' * 500 + b"1" + b"}" * 500,
        b"\xef\xbb\xbf{}", b"kind: ConfigMap",
    ],
)  # fmt: skip
async def test_what_is_no_json_object(api: Api, raw: bytes) -> None:
    message = await refused(api, raw, 400, "BadRequest")
    assert message


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"- a", b"x", b"7", b"~", b"a: b: c", b"a: [", b"\xff", b"a: &a [*a]", b"--- {}\n--- {}\n", b"%YAML 9\n",
        b"a: !!python/object:os.system x", b"? {a: b}\n: c", b"a: *none", b"\t", b"{" * 3000, b"a: " + b"[" * 100_000,
        b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("l"))
        ),
    ],
)  # fmt: skip
async def test_what_is_no_yaml_object(api: Api, raw: bytes) -> None:
    await refused(api, raw, 400, "BadRequest", YAML)


async def test_deep_nesting_within_and_beyond(api: Api) -> None:
    def nested(depth: int) -> bytes:
        return b'{"metadata":{"name":"a"},"x":' + b"[" * depth + b"]" * depth + b"}"

    assert (await api.ask("POST", f"{CONFIGMAPS}?dryRun=All", nested(100))).status == 201
    for depth in (300, 1100, 100_000):
        await refused(api, nested(depth), 400, "BadRequest")
    fields = b'{"f:a":' * 5000 + b"{}" + b"}" * 5000
    managed = b'{"metadata":{"name":"a","managedFields":[{"operation":"Update","fieldsV1":%b}]}}' % fields
    await refused(api, managed, 400, "BadRequest")


async def test_huge_numbers(api: Api) -> None:
    digits = b"9" * 100_000
    for value in (digits, b"-" + digits, b"1e999", b"1e-999", b"9223372036854775808", b"18446744073709551616"):
        raw = b'{"metadata":{"name":"p"},"spec":{"terminationGracePeriodSeconds":%b,"containers":[]}}' % value
        answer = await api.ask("POST", PODS, raw)
        assert (answer.status, answer.reason) == (400, "BadRequest"), value[:20]
    quantity = pod()
    for value in ("9" * 5000, "1e1000000000", "1E18Ei", "-1", 10**400, 1.5e300, "0.0000000000001", "1e-1000000"):
        quantity["spec"]["containers"][0]["resources"] = {"limits": {"cpu": value}}
        answer = await api.ask("POST", f"{PODS}?dryRun=All", quantity)
        assert answer.status in (201, 400, 422), (value, answer)


async def test_a_body_that_is_too_large(api: Api) -> None:
    raw = json.dumps(config_map(data={"k": "x" * 10_000_000})).encode()
    message = await refused(api, raw, 413, "RequestEntityTooLarge")
    assert "limit is 3145728" in message
    answer = await api.ask("PATCH", f"{CONFIGMAPS}/a", raw, content_type="application/merge-patch+json")
    assert (answer.status, answer.reason) == (413, "RequestEntityTooLarge")
    answer = await api.ask("DELETE", f"{CONFIGMAPS}/a", raw)
    assert (answer.status, answer.reason) == (413, "RequestEntityTooLarge")
    fits = json.dumps(config_map(data={"k": "x" * 1_000_000})).encode()
    assert (await api.ask("POST", CONFIGMAPS, fits)).status == 201
    over = await api.ask("POST", CONFIGMAPS, config_map("b", data={"k": "x" * 1_048_577}))
    assert (over.status, over.reason) == (422, "Invalid")
    assert over.json["details"]["causes"][0]["reason"] == "FieldValueTooLong"


def part(body: bytes, more: bool) -> Object:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    ("length", "messages", "code"),
    [
        (b"5", [part(b'{"metadata":', True), part(b'{"name":"a"}}', False)], 201),
        (b"-1", [part(b'{"metadata":{"name":"a"}}', False)], 201),
        (b"99999999999999999999", [part(b"{}", False)], 413),
        (b"x", [part(b'{"metadata":{"name":"a"}}', False)], 201),
        (b"10", [part(b'{"met', True)], 400),
        (b"10", [], 400),
        (b"10", [part(b"x" * 1_000_000, True)] * 5, 413),
        (b"0", [part(b"", False)], 400),
    ],
)
async def test_content_length_is_not_believed(api: Api, length: bytes, messages: list[Object], code: int) -> None:
    before = int(await revision(api))
    scope = {
        "type": "http", "method": "POST", "path": CONFIGMAPS, "query_string": b"", "headers": [
            (b"content-type", b"application/json"), (b"content-length", length),
        ], "state": {"peer": {"user": "admin", "groups": ("system:masters",)}},
    }  # fmt: skip
    exchange = RawExchange(*messages)
    await api.cluster.server.app(scope, exchange.receive, exchange.send)
    assert exchange.statuses == [code]
    assert int(await revision(api)) == before + (code == 201)


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "multipart/form-data", "json", "application/cbor"])
async def test_unknown_media_types(api: Api, media: str) -> None:
    message = await refused(api, config_map(), 415, "UnsupportedMediaType", media)
    assert "application/json" in message and YAML in message and PROTOBUF in message
    made = await api.config_map("a")
    answer = await api.ask("PUT", f"{CONFIGMAPS}/a", made, content_type=media)
    assert (answer.status, answer.reason) == (415, "UnsupportedMediaType")


async def test_put_bodies(api: Api) -> None:
    made = await api.config_map("a")
    before = await revision(api)
    for obj, code, text in (
        ({**made, "metadata": {**made["metadata"], "name": "b"}}, 400, "the name of the object (b) does not match"),
        ({**made, "metadata": {**made["metadata"], "namespace": "b"}}, 400, "the namespace of the object (b) does not"),
        ({**made, "metadata": {}}, 400, "the name of the object (a based on URL) was undeterminable"),
        ({**made, "kind": "Secret"}, 400, "Secret"),
        ({**made, "metadata": {**made["metadata"], "resourceVersion": "x"}}, 409, "the object has been modified"),
        ({**made, "metadata": {**made["metadata"], "creationTimestamp": "2020-01-01T00:00:00Z"}}, 422, "immutable"),
        ({**made, "data": {"a/b": "x"}}, 422, "a valid config key must consist of"),
    ):
        answer = await api.ask("PUT", f"{CONFIGMAPS}/a", obj)
        assert answer.status == code, answer
        assert text in answer.json["message"]
    for raw in (b"", b"[]", b"null", b"{"):
        assert (await api.ask("PUT", f"{CONFIGMAPS}/a", raw)).status == 400
    assert await revision(api) == before


async def test_an_object_may_have_a_megabyte_and_a_half(api: Api) -> None:
    root = "/apis/apps/v1/namespaces/default/controllerrevisions"
    fits = {"metadata": {"name": "a"}, "revision": 1, "data": {"text": "x" * (1536 * 1024 - 2000)}}
    await api.ok("POST", root, fits)
    for method, path in (("POST", root), ("PATCH", f"{root}/a")):
        body = {"metadata": {"name": "b" if method == "POST" else "a", "annotations": {"a": "x" * 4000}}}
        body |= {"revision": 1, "data": fits["data"]} if method == "POST" else {}
        media = "application/json" if method == "POST" else "application/merge-patch+json"
        answer = await api.ask(method, path, body, content_type=media)
        assert (answer.status, answer.reason) == (413, "RequestEntityTooLarge"), answer
        assert "xxx" not in answer.json["message"]
    assert (await api.ask("GET", f"{root}/b")).status == 404
    assert "annotations" not in (await api.ok("GET", f"{root}/a"))["metadata"]
