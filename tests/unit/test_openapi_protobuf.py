"""The protobuf form of the OpenAPI 2 document, read back by a reader that knows nothing of its messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minikube_py.api.protobuf.wire import read_varint
from minikube_py.apiserver import openapi, openapi_protobuf
from minikube_py.apiserver.kinds import KINDS

INFO, PATHS, DEFINITIONS = 2, 8, 9
Message = dict[int, list[Any]]


def read(data: bytes) -> Message:
    """Field number to its values: numbers, or bytes."""
    found: Message = {}
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at, len(data))
        value, at = read_varint(data, at, len(data))
        if tag & 7 == 2:
            at, value = at + value, data[at : at + value]  # type: ignore[assignment]
            assert at <= len(data)
        else:
            assert tag & 7 == 0
        found.setdefault(tag >> 3, []).append(value)
    return found


def named(values: list[bytes]) -> dict[str, Message]:
    """A list of (name, value) messages as a mapping."""
    pairs = [read(value) for value in values]
    return {pair[1][0].decode(): read(pair[2][0]) for pair in pairs}


def extension(message: Message, number: int, name: str) -> Any:
    """The value of a vendor extension, which travels as YAML (here: JSON)."""
    return json.loads(named(message[number])[name][2][0])


@pytest.fixture(scope="module")
def swagger() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi.v2_document(KINDS))
    return found


@pytest.fixture(scope="module")
def document() -> Message:
    return read(openapi.v2_protobuf(KINDS))


def test_it_holds_every_path_and_definition(swagger: dict[str, Any], document: Message) -> None:
    assert document[1] == [b"2.0"] and read(document[INFO][0])[1] == [b"Kubernetes"]
    assert list(named(read(document[PATHS][0])[2])) == list(swagger["paths"])
    assert list(named(read(document[DEFINITIONS][0])[1])) == list(swagger["definitions"])


def test_a_definition_has_its_properties_and_its_kind(swagger: dict[str, Any], document: Message) -> None:
    name = "io.k8s.api.core.v1.ConfigMap"
    schema = named(read(document[DEFINITIONS][0])[1])[name]
    kinds = extension(schema, 31, "x-kubernetes-group-version-kind")
    assert kinds == [{"group": "", "kind": "ConfigMap", "version": "v1"}]
    properties = named(read(schema[25][0])[1])
    assert list(properties) == list(swagger["definitions"][name]["properties"])
    data = properties["data"]
    assert read(data[22][0])[1] == [b"object"]
    assert read(read(read(data[21][0])[1][0])[22][0])[1] == [b"string"]
    assert properties["metadata"][1] == [b"#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]


def test_an_operation_has_its_parameters(document: Message) -> None:
    post = read(named(read(document[PATHS][0])[2])["/api/v1/namespaces/{namespace}/pods"][4][0])
    parameters = [read(read(item)[1][0]) for item in post[8]]
    plain = [read(p[2][0]) for p in parameters if 2 in p]
    queries = [read(p[3][0])[4][0] for p in plain if 3 in p]
    assert b"fieldValidation" in queries and b"dryRun" in queries
    body = next(read(p[1][0]) for p in parameters if 1 in p)
    assert body[2] == [b"body"] and read(body[5][0])[1] == [b"#/definitions/io.k8s.api.core.v1.Pod"]
    assert extension(post, 13, "x-kubernetes-action") == "post"


def test_a_member_without_a_field_number_is_an_error() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        openapi_protobuf.encode({"swagger": "2.0", "nonsense": True})
