"""Every field of every served kind, held against JSON schemas that somebody else derived from Kubernetes 1.36.

The source is the package kubernetes-validate, whose schemas come from Kubernetes' own OpenAPI document; nothing of it
is used to generate this project's types.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from minikube_py.api.schema import List, Map, Node, Scalar, Struct
from minikube_py.apiserver.kinds import KINDS
from minikube_py.apiserver.kinds.base import Kind

SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.36.0-local"
Schema = dict[str, Any]

SCALARS: dict[str, tuple[set[str], str]] = {
    "string": ({"string"}, ""), "bool": ({"boolean"}, ""), "int32": ({"integer"}, "int32"),
    "int64": ({"integer"}, "int64"), "float64": ({"number"}, "double"), "bytes": ({"string"}, "byte"),
    "Quantity": ({"string", "number"}, ""), "IntOrString": ({"string", "integer"}, ""),
    "Time": ({"string"}, "date-time"), "MicroTime": ({"string"}, "date-time"), "Duration": ({"string"}, ""),
    "FieldsV1": ({"object"}, ""), "RawExtension": ({"object"}, ""), "JSON": (set(), ""), "any": (set(), ""),
}  # fmt: skip
"""Our scalars as JSON schema types and formats; no type: anything."""

UNTYPED = {"JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"}
"""Types whose JSON form is written by hand upstream: their schema says nothing."""


@cache
def definitions() -> dict[str, Schema]:
    found: dict[str, Schema] = json.loads((SCHEMAS / "_definitions.json").read_text())["$defs"]
    return found


def resolve(schema: Schema) -> Schema:
    while "$ref" in schema:
        schema = definitions()[schema["$ref"].rpartition("/")[2]]
    return schema


def types(schema: Schema) -> tuple[set[str], str]:
    """The JSON types that a schema allows, null left out, and its format."""
    alternatives = schema.get("oneOf") or [schema]
    found: set[str] = set()
    for one in alternatives:
        said = one.get("type", [])
        found |= set([said] if isinstance(said, str) else said)
    return found - {"null"}, schema.get("format", "")


def differences(node: Node, schema: Schema, path: str, seen: set[str]) -> Iterator[str]:
    """What is missing, too much or otherwise in our node, as sentences."""
    schema = resolve(schema)
    match node:
        case Scalar():
            wanted, given = SCALARS[node.name], types(schema)
            if wanted != given and not (wanted[0] == given[0] and not given[1]):
                yield f"{path}: {node.name} is {wanted}, the schema says {given}"
        case List():
            if types(schema)[0] != {"array"}:
                yield f"{path}: a list, the schema says {types(schema)}"
            else:
                yield from differences(node.of, schema["items"], f"{path}[]", seen)
        case Map():
            if types(schema)[0] != {"object"}:
                yield f"{path}: a map, the schema says {types(schema)}"
            else:
                yield from differences(node.of, schema.get("additionalProperties", {}), f"{path}{{}}", seen)
        case Struct():
            if node.openapi.rpartition(".")[2] in UNTYPED or node.openapi in seen:
                return
            seen.add(node.openapi)
            properties = schema.get("properties", {})
            for name in sorted(properties.keys() - node.fields.keys()):
                yield f"{path}.{name}: missing"
            for name in sorted(node.fields.keys() - properties.keys()):
                yield f"{path}.{name}: not in Kubernetes"
            for name in node.fields.keys() & properties.keys():
                yield from differences(node.fields[name].node, properties[name], f"{path}.{name}", seen)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.resource.plural}.{kind.resource.api_version}")
def test_no_field_is_missing_or_of_another_type(kind: Kind) -> None:
    assert list(differences(kind.struct, definitions()[kind.struct.openapi], kind.resource.kind, set())) == []


def test_the_comparison_sees_what_is_wrong() -> None:
    struct = next(k for k in KINDS if k.resource.plural == "configmaps").struct
    wrong: Schema = {"properties": {"data": {"type": "array"}, "kind": {"type": "string"}, "extra": {"type": "string"}}}
    found = list(differences(struct, wrong, "x", set()))
    assert "x.extra: missing" in found and "x.immutable: not in Kubernetes" in found
    assert any(sentence.startswith("x.data: a map, the schema says") for sentence in found)
