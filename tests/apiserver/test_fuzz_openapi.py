"""schemathesis against the served OpenAPI: its cases get answers that the document declares, and no 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote, unquote

import jsonschema_rs
import pytest
import schemathesis
import yaml
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.core import NotSet

from tests.apiserver.fuzzing import Object, Served, Server, bounded, seeds

LISTED = "/openapi/v3"


class Document:
    """The OpenAPI document of one group-version."""

    def __init__(self, raw: Object) -> None:
        self.raw = raw
        self._validators: dict[str, Any] = {}
        schema = schemathesis.openapi.from_dict(raw)
        self.operations = [found.ok() for found in schema.get_all_operations()]
        self._null = set(_may_be_null(raw["components"]["schemas"]))

    @cache  # noqa: B019
    def _components(self) -> Any:
        return _as_json_schema(self.raw["components"])

    def declared(self, path: str, method: str) -> Object:
        responses: Object = self.raw["paths"][path][method.lower()]["responses"]
        return responses

    def check(self, path: str, method: str, status: int, body: bytes) -> None:
        """An answer that went well must be declared with its status, and be what is declared.

        For deletions Kubernetes' document says Status, while what goes on existing for a while is answered as it is.
        """
        if status == 204 and path.endswith("/log"):  # a Pod without a Node has none, which no document says upstream
            return
        declared = self.declared(path, method)
        assert str(status) in declared, (method, path, status, sorted(declared))
        content = declared[str(status)].get("content", {}).get("application/json")
        if content is None or "schema" not in content or method == "DELETE":
            return
        key = json.dumps(content["schema"], sort_keys=True)
        if key not in self._validators:
            whole = {**_as_json_schema(content["schema"]), "components": self._components()}
            self._validators[key] = jsonschema_rs.Draft4Validator(whole)
        for error in self._validators[key].iter_errors(json.loads(body)):
            missing = getattr(error.kind, "property", "")
            assert missing in self._null, (method, path, status, error.message, list(error.instance_path), body)


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` in JSON schema's words."""
    if isinstance(node, list):
        return [_as_json_schema(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    found = {name: _as_json_schema(inner) for name, inner in node.items()}
    return {"anyOf": [found, {"type": "null"}]} if found.pop("nullable", None) is True else found


def _may_be_null(schemas: Object) -> Iterator[str]:
    """Required members that Go shows as null, and we not at all: lists, maps and times without a value."""
    for schema in schemas.values():
        for name in schema.get("required", ()):
            member = schema["properties"].get(name, {})
            whole = {**member, **(member.get("allOf") or [{}])[0]}
            times = whole.get("$ref", "").endswith(("v1.Time", "v1.MicroTime"))
            if times or whole.get("type") == "array" or "additionalProperties" in whole:
                yield name


@pytest.fixture(scope="module")
def documents(fuzzed: Server) -> list[Document]:
    paths = fuzzed.ask("GET", LISTED).json["paths"]
    return [Document(fuzzed.ask("GET", f"{LISTED}/{path}").json) for path in paths if path.count("/") >= 1]


def test_everything_served_has_operations(fuzzed: Server, documents: list[Document]) -> None:
    there = {path for document in documents for path in document.raw["paths"]}
    for served in fuzzed.all.values():
        assert served.path.replace("/default/", "/{namespace}/") in there


def _addressed(template: str, parameters: Object, served: dict[str, Served]) -> tuple[str, Served | None]:
    """The path, with a namespace and a name that there are."""
    collection = template.partition("/{name}")[0].replace("{namespace}", "default")
    found = served.get(collection)
    path = template.replace("{namespace}", "default")
    if found is not None:
        path = path.replace("{name}", found.name)
    for name, value in parameters.items():
        path = path.replace(f"{{{name}}}", unquote(str(value)))
    return path, found


@bounded(900)
@given(st.data(), seeds, st.booleans())
def test_declared_operations(fuzzed: Server, documents: list[Document], data: Any, seed: int, there: bool) -> None:
    document = documents[seed % len(documents)]
    operation = document.operations[seed // 64 % len(document.operations)]
    case = data.draw(operation.as_strategy())
    by_path = {served.path: served for served in fuzzed.all.values()}
    path, served = _addressed(operation.path, case.path_parameters or {}, by_path)
    if served is not None and there and fuzzed.ask("GET", f"{served.path}/{served.name}").status == 404:
        fuzzed.create(served)
    pairs = [(name, value) for name, value in (case.query or {}).items()]
    query = "&".join(f"{quote(str(name))}={quote(str(value))}" for name, value in pairs)
    media = case.media_type or "application/json"
    body: bytes = b""
    if not isinstance(case.body, NotSet):
        if isinstance(case.body, bytes):
            body = case.body
        else:
            body = (yaml.safe_dump(case.body) if "yaml" in media else json.dumps(case.body)).encode("utf-8", "replace")
    headers = [(str(name), str(value)) for name, value in (case.headers or {}).items()]
    answer = fuzzed.ask(case.method.upper(), path, query, body, media, headers=headers)
    watching = str((case.query or {}).get("watch", "")) in ("true", "1", "t", "T", "True", "TRUE")
    if answer.status < 300 and not watching and not operation.path.endswith("/proxy"):
        document.check(operation.path, case.method, answer.status, answer.raw)
