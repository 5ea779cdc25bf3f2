"""Protobuf: round trips of every kind, and every byte held against google.protobuf with descriptors from the tables."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from protobuf_reference import TYPES, message
from schema_strategies import objects

from minikube_py.api import protobuf, scheme
from minikube_py.api.errors import BadRequest
from minikube_py.api.normalize import normalize
from minikube_py.api.protobuf import wire
from minikube_py.api.protobuf.writer import write_struct

KINDS = [
    name
    for name, entry in TYPES["types"].items()
    if entry.get("kind") and not entry.get("noProto") and not name.startswith(("runtime.", "apidiscovery/"))
]


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(data=st.data())
def test_round_trip_of_every_kind(name: str, data: st.DataObject) -> None:
    struct = scheme.struct(name)
    assert struct.group_version_kind is not None
    group, version, kind = struct.group_version_kind
    obj = data.draw(objects(struct))
    obj |= {"apiVersion": f"{group}/{version}" if group else version, "kind": kind}
    body = protobuf.encode(obj, struct)
    again = protobuf.decode(body)
    normalize(again, struct)
    assert again == normal(obj, name)


def normal(obj: dict[str, Any], name: str) -> dict[str, Any]:
    normalize(obj, scheme.struct(name))
    return obj


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=4, deadline=None, phases=[Phase.generate])
@given(data=st.data())
def test_an_independent_codec_reads_and_writes_the_same_bytes(name: str, data: st.DataObject) -> None:
    raw = write_struct(scheme.struct(name), data.draw(objects(scheme.struct(name))))
    other = message(name)
    other.ParseFromString(raw)
    assert not list(unknown_fields(other))
    assert other.SerializeToString(deterministic=True) == raw


def unknown_fields(found: Any) -> Any:
    from google.protobuf import unknown_fields as uf

    yield from uf.UnknownFieldSet(found)
    for field, value in found.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for one in value if field.is_repeated else [value]:
            yield from unknown_fields(one)


def test_a_pod_built_by_the_independent_codec() -> None:
    pod = message("core/v1.Pod")
    pod.f1.f1 = "web"
    pod.f1.f11["app"] = "web"
    pod.f1.f8.seconds, pod.f1.f8.nanos = 1893456000, 0
    container = pod.f2.f2.add()
    container.f1, container.f2 = "server", "image:1"
    port = container.f6.add()
    port.f3 = 80
    container.f8.f1["cpu"].string = "0.5"
    container.f10.f1.f2.f2.type, container.f10.f1.f2.f2.strVal = 1, "http"
    container.f10.f4 = 10
    pod.f2.f1.add().f1 = "data"
    pod.f2.f1[0].f2.f2.SetInParent()
    pod.f2.f11 = False
    assert read("core/v1.Pod", pod) == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "web", "labels": {"app": "web"}, "creationTimestamp": "2030-01-01T00:00:00Z"},
        "spec": {
            "volumes": [{"name": "data", "emptyDir": {}}],
            "containers": [
                {
                    "name": "server",
                    "image": "image:1",
                    "ports": [{"containerPort": 80}],
                    "resources": {"limits": {"cpu": "500m"}},
                    "livenessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 10},
                }
            ],
        },
    }


RECORDED = json.loads((Path(__file__).parent / "data" / "kubectl_protobuf.json").read_text())


@pytest.mark.parametrize("record", RECORDED, ids=[r["object"]["kind"] for r in RECORDED])
def test_what_kubectl_really_sends(record: dict[str, Any]) -> None:
    """Bodies recorded from kubectl 1.36: `create` of many kinds, `auth can-i`, `create token`."""
    body, obj = base64.b64decode(record["body"]), record["object"]
    found = protobuf.decode(body)
    assert found == obj
    name = scheme.type_for(obj["apiVersion"], obj["kind"])
    assert name is not None
    assert normalize(found, scheme.struct(name)) == []
    assert protobuf.encode(found, scheme.struct(name)) == body


def envelope(raw: bytes, api_version: str = "", kind: str = "") -> bytes:
    meta = (wire.tagged(1, api_version.encode()) + wire.tagged(2, kind.encode())) if kind else b""
    return b"k8s\0" + wire.tagged(1, meta) + wire.tagged(2, raw)


def read(name: str, found: Any) -> dict[str, Any]:
    struct = scheme.struct(name)
    return protobuf.decode(envelope(found.SerializeToString()), struct.group_version_kind)


def test_types_that_come_as_bodies_of_requests() -> None:
    options = message("meta/v1.DeleteOptions")
    options.f1, options.f4 = 0, "Foreground"
    options.f2.f1 = "some-uid"
    assert protobuf.decode(envelope(options.SerializeToString(), "apps/v1", "DeleteOptions")) == {
        "kind": "DeleteOptions",
        "apiVersion": "apps/v1",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "some-uid"},
        "propagationPolicy": "Foreground",
    }
    review = message("authorization/v1.SubjectAccessReview")
    review.f2.f5["scopes"].items.extend(["a", "b"])
    review.f2.f4.append("g")
    assert read("authorization/v1.SubjectAccessReview", review)["spec"] == {
        "groups": ["g"],
        "extra": {"scopes": ["a", "b"]},
    }
    event = message("core/v1.Event")
    event.f10.seconds, event.f10.nanos = 1893456000, 123456789
    assert read("core/v1.Event", event)["eventTime"] == "2030-01-01T00:00:00.123456Z"
    secret = message("core/v1.Secret")
    secret.f2["a"] = b"\x00\xff"
    secret.f2["b"] = b""
    assert read("core/v1.Secret", secret)["data"] == {"a": base64.b64encode(b"\x00\xff").decode(), "b": ""}
    pod = message("core/v1.Pod")
    managed = pod.f1.f17.add()
    managed.f7.Raw = b'{"f:metadata":{}}'
    assert read("core/v1.Pod", pod)["metadata"]["managedFields"] == [{"fieldsV1": {"f:metadata": {}}}]


def test_json_schemas_have_forms_of_their_own() -> None:
    props = message("apiextensions/v1.JSONSchemaProps")
    props.f24.f1.f5 = "string"
    props.f30.f1 = True
    props.f32["a"].f2.append("b")
    props.f8.raw = b'["x"]'
    from minikube_py.api.protobuf.reader import read_struct

    found = read_struct(scheme.struct("apiextensions/v1.JSONSchemaProps"), props.SerializeToString())
    assert found == {
        "items": {"type": "string"},
        "additionalProperties": True,
        "dependencies": {"a": ["b"]},
        "default": ["x"],
    }
    assert (
        read_struct(
            scheme.struct("apiextensions/v1.JSONSchemaProps"),
            write_struct(scheme.struct("apiextensions/v1.JSONSchemaProps"), found),
        )
        == found
    )


def test_integers_are_read_packed_and_unpacked_and_messages_merge() -> None:
    from minikube_py.api.protobuf.reader import read_struct

    context = scheme.struct("core/v1.PodSecurityContext")
    unpacked = wire.tagged_int(4, 7) + wire.tagged_int(4, -1)
    packed = wire.tagged(4, wire.varint(7) + wire.varint(-1))
    assert read_struct(context, unpacked) == read_struct(context, packed) == {"supplementalGroups": [7, -1]}
    pod = scheme.struct("core/v1.Pod")
    twice = wire.tagged(1, wire.tagged(1, b"a")) + wire.tagged(1, wire.tagged(3, b"ns"))
    assert read_struct(pod, twice) == {"metadata": {"name": "a", "namespace": "ns"}}
    assert read_struct(pod, wire.tagged(99, b"new") + wire.tagged_int(98, 1)) == {}


def test_times_at_the_edges() -> None:
    lease = message("coordination/v1.Lease")
    lease.f1.f8.seconds, lease.f1.f8.nanos = 0, 0
    assert read("coordination/v1.Lease", lease)["metadata"] == {"creationTimestamp": "1970-01-01T00:00:00Z"}
    lease.f1.f8.Clear()
    lease.f1.f8.SetInParent()
    assert read("coordination/v1.Lease", lease)["metadata"] == {}
    lease.f1.f8.seconds = 2**62
    with pytest.raises(BadRequest, match="out of range"):
        read("coordination/v1.Lease", lease)


GOOD = protobuf.encode(
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"priority": 1}},
    scheme.struct("core/v1.Pod"),
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"k8s",
        b"k8s\0",
        b"{}",
        b"k8s\0\xff",
        b"k8s\0" + b"\xff" * 30,
        GOOD[:-40],
        envelope(b"", "v1", "Nope"),
        envelope(b"", "", ""),
        envelope(b"\x0a\x05x", "v1", "Pod"),
        envelope(b"\x0b", "v1", "Pod"),
        envelope(b"\x00", "v1", "Pod"),
        envelope(wire.tagged_int(1, 5), "v1", "Pod"),
        envelope(wire.tagged(1, wire.tagged(1, b"\xff")), "v1", "Pod"),
        envelope(wire.tagged(1, wire.tagged_int(1, 5)), "v1", "Pod"),
        envelope(wire.tagged(1, wire.tagged(7, b"")), "v1", "Pod"),
        envelope(b"\x08" + b"\xff" * 11, "v1", "DeleteOptions"),
        b"k8s\0" + wire.tagged(1, wire.tagged(2, b"Pod") + wire.tagged(1, b"v1")) + wire.tagged(4, b"application/json"),
        b"k8s\0" + wire.tagged_int(1, 1),
        b"k8s\0" + wire.tagged(1, wire.tagged_int(2, 1)),
    ],
)
def test_malformed_bodies_are_bad_requests(body: bytes) -> None:
    with pytest.raises(BadRequest):
        protobuf.decode(body)


def test_nesting_bombs_are_bad_requests() -> None:
    for levels in (300, 3000):
        raw = b""
        for _ in range(levels):
            raw = wire.tagged(28, raw)
        spec = wire.tagged(7, wire.tagged(1, b"v1") + wire.tagged(4, wire.tagged(1, raw)))
        with pytest.raises(BadRequest, match=r"deep|recursion"):
            protobuf.decode(envelope(wire.tagged(2, spec), "apiextensions.k8s.io/v1", "CustomResourceDefinition"))
    nested = b"k8s\0" + wire.tagged(2, b"")
    for _ in range(2000):
        event = wire.tagged(1, b"ADDED") + wire.tagged(2, wire.tagged(1, nested))
        nested = envelope(event, "v1", "WatchEvent")
    with pytest.raises(BadRequest):
        protobuf.decode(nested)


@settings(max_examples=300)
@given(
    st.binary(max_size=60),
    st.sampled_from(["Pod", "Node", "Secret", "Event", "DeleteOptions", "Status"]),
    st.booleans(),
)
def test_any_bytes_give_an_object_or_a_bad_request(junk: bytes, kind: str, whole: bool) -> None:
    body = b"k8s\0" + junk if whole else envelope(junk, "v1", kind)
    try:
        obj = protobuf.decode(body, ("", "v1", kind))
    except BadRequest:
        return
    assert orjson.loads(orjson.dumps(obj)) == obj


@settings(max_examples=200)
@given(st.integers(4, len(GOOD) - 1), st.integers(0, 255))
def test_flipped_bytes_give_an_object_or_a_bad_request(at: int, byte: int) -> None:
    try:
        protobuf.decode(GOOD[:at] + bytes([byte]) + GOOD[at + 1 :])
    except BadRequest:
        return
