"""What a CustomResourceDefinition's schema may say beyond being structural: vocabulary, extensions, defaults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.apiserver.custom import default as defaulting
from minikube_py.apiserver.custom import formats
from minikube_py.apiserver.custom.prune import prune
from minikube_py.apiserver.custom.resource_meta import head_errors, validate_embedded
from minikube_py.apiserver.custom.structural import META, Json, Schema, structural_errors
from minikube_py.apiserver.custom.validate import validate, validate_lists

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_ROOT_WITH_STATUS = frozenset(
    {
        "description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
        "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required", "items",
        "properties", "externalDocs", "example", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
    }
)  # fmt: skip
_NUMBER_FORMATS = frozenset({"int32", "int64", "float", "double"})
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def schema_errors(props: Json, path: str, status: bool) -> list[FieldError]:
    """What is wrong with a version's openAPIV3Schema; `status` says whether the version has that sub-resource."""
    errs: list[FieldError] = []
    if status:
        if props.get("type") != "object":
            detail = (
                'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
            )
            errs.append(invalid(f"{path}.type", props.get("type") or "", detail))
        elif strange := sorted(k for k, v in props.items() if v and k not in _ROOT_WITH_STATUS):
            allowed = " ".join(sorted(_ROOT_WITH_STATUS))
            detail = (
                f"only [{allowed}] fields are allowed at the root of the schema if the status subresource is enabled"
            )
            errs.append(invalid(path, {name: props[name] for name in strange}, detail))
    if props.get("nullable"):
        errs.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    structural = structural_errors(props, path)
    vocabulary = list(_vocabulary(props, path, _Place(root=True)))
    errs += structural
    errs += vocabulary
    if not structural and not vocabulary and _has(props, "default"):
        errs += _default_errors(props, Schema(props), path, root=True, meta=False)
    return errs


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a schema stands: at the root, inside apiVersion, kind or metadata, where defaults are not allowed."""

    root: bool = False
    meta: bool = False
    no_default: str | None = None


def _vocabulary(s: Json, path: str, place: _Place) -> Iterator[FieldError]:
    kind = s.get("type") or ""
    if kind == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    elif kind and kind not in TYPES:
        yield not_supported(f"{path}.type", kind, TYPES)
    if s.get("default") is not None and place.no_default is not None:
        yield forbidden(f"{path}.default", f"must not be set {place.no_default}".rstrip())
    for word in ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"):
        if s.get(word) not in (None, "", {}):
            yield forbidden(f"{path}.{word}", f"{word} is not supported")
    if isinstance(s.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.meta and s.get("x-kubernetes-embedded-resource"):
        yield forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta")
    if s.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", detail)
    yield from _extensions(s, path, kind)
    yield from _rules(s, path)
    yield from _below(s, path, place)


def _below(s: Json, path: str, place: _Place) -> Iterator[FieldError]:
    properties, more = s.get("properties") or {}, s.get("additionalProperties")
    inner = replace(place, root=False)
    if more is not None and more is not True and properties:
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if isinstance(more, dict):
        below = replace(inner, no_default="inside additionalProperties applying to object metadata")
        yield from _vocabulary(more, f"{path}.additionalProperties", below if place.meta else inner)
    for name, child in properties.items():
        below = inner
        if (place.root or s.get("x-kubernetes-embedded-resource")) and name in META:
            below = replace(inner, meta=True)
            if place.root:
                below = replace(below, no_default=f"in top-level {name}")
        yield from _vocabulary(child, f"{path}.properties[{name}]", below)
    if isinstance(s.get("items"), dict):
        yield from _vocabulary(s["items"], f"{path}.items", inner)
    if s.get("not") is not None:
        yield from _vocabulary(s["not"], f"{path}.not", inner)
    for word in ("allOf", "oneOf", "anyOf"):
        for i, child in enumerate(s.get(word) or ()):
            yield from _vocabulary(child, f"{path}.{word}[{i}]", inner)


def _extensions(s: Json, path: str, kind: str) -> Iterator[FieldError]:
    if s.get("x-kubernetes-preserve-unknown-fields") is False:
        yield invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    map_type = s.get("x-kubernetes-map-type")
    if map_type is not None:
        if kind != "object":
            detail = "must be object if x-kubernetes-map-type is specified"
            yield invalid(f"{path}.type", kind, detail) if kind else required(f"{path}.type", detail)
        if map_type not in ("atomic", "granular"):
            yield not_supported(f"{path}.x-kubernetes-map-type", map_type, ["atomic", "granular"])
    list_type, keys = s.get("x-kubernetes-list-type"), s.get("x-kubernetes-list-map-keys") or []
    items = s.get("items")
    if list_type is not None:
        if kind != "array":
            detail = "must be array if x-kubernetes-list-type is specified"
            yield invalid(f"{path}.type", kind, detail) if kind else required(f"{path}.type", detail)
        elif list_type == "set" and isinstance(items, dict):
            yield from _set_items(items, f"{path}.items")
        if list_type not in ("atomic", "set", "map"):
            yield not_supported(f"{path}.x-kubernetes-list-type", list_type, ["atomic", "set", "map"])
    if keys and list_type != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        where = f"{path}.x-kubernetes-list-type"
        yield required(where, detail) if list_type is None else invalid(where, list_type, detail)
    if list_type == "map":
        yield from _map_list(s, keys, items, path)
    if list_type in ("set", "map") and isinstance(items, dict) and items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {list_type}")


def _set_items(items: Json, path: str) -> Iterator[FieldError]:
    detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
    inner = items.get("x-kubernetes-list-type")
    if items.get("type") == "array" and inner not in (None, "atomic"):
        yield invalid(f"{path}.x-kubernetes-list-type", inner, detail)
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        yield invalid(f"{path}.x-kubernetes-map-type", items.get("x-kubernetes-map-type"), detail)


def _map_list(s: Json, keys: list[str], items: Any, path: str) -> Iterator[FieldError]:
    if not keys:
        detail = "must not be empty if x-kubernetes-list-type is map"
        yield required(f"{path}.x-kubernetes-list-map-keys", detail)
    if items is None:
        yield required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    if not isinstance(items, dict):
        return
    if items.get("type") != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        yield invalid(f"{path}.items.type", items.get("type") or "", detail)
        return
    properties, needed = items.get("properties") or {}, items.get("required") or ()
    where = f"{path}.x-kubernetes-list-map-keys"
    if len(set(keys)) != len(keys):
        yield invalid(where, keys, "must not contain duplicate entries")
    for key in dict.fromkeys(keys):
        child = properties.get(key)
        place = f"{path}.items.properties[{key}]"
        if child is None:
            yield invalid(where, keys, "entries must all be names of item properties")
            continue
        if child.get("type") in ("array", "object"):
            detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{place}.type", child["type"], detail)
        if key not in needed and child.get("default") is None:
            detail = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            yield required(f"{place}.default", detail)
        if child.get("nullable"):
            detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            yield forbidden(f"{place}.nullable", detail)


def _rules(s: Json, path: str) -> Iterator[FieldError]:
    """The form of validation rules; their expressions are not looked at."""
    for i, rule in enumerate(s.get("x-kubernetes-validations") or ()):
        where = f"{path}.x-kubernetes-validations[{i}]"
        text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
        if not text:
            yield required(f"{where}.rule", "rule is not specified")
        elif message and not message.strip():
            yield invalid(f"{where}.message", message, "must be non-empty if specified")
        elif any(c in message.strip() for c in "\r\n"):
            yield invalid(f"{where}.message", message, "must not contain line breaks")
        elif any(c in text for c in "\r\n") and not message.strip():
            yield required(f"{where}.message", "message must be specified if rule contains line breaks")
        if rule.get("messageExpression") and not rule["messageExpression"].strip():
            yield required(f"{where}.messageExpression", "messageExpression must be non-empty if specified")
        if rule.get("reason") is not None and rule["reason"] not in _REASONS:
            yield not_supported(f"{where}.reason", rule["reason"], _REASONS)
        field = rule.get("fieldPath") or ""
        if field and not field.strip():
            yield invalid(f"{where}.fieldPath", field, "must be non-empty if specified")
        if any(c in field for c in "\r\n"):
            yield invalid(f"{where}.fieldPath", field, "must not contain line breaks")


def _default_errors(props: Json, schema: Schema, path: str, *, root: bool, meta: bool) -> list[FieldError]:
    """Every default is valid by its own schema and has no members that it does not declare."""
    errs: list[FieldError] = []
    where = f"{path}.default"
    if schema.has_default:
        value = defaulting.copy(schema.default)
        unknown: list[str] = []
        prune(value, schema, unknown, root=schema.embedded)
        if unknown and not meta:
            errs.append(invalid(where, schema.default, "must not have unknown fields"))
        else:
            if schema.embedded and isinstance(value, dict):
                errs += head_errors(value, where)
            errs += validate_embedded({"default": value}, _holding(schema), path)
            errs += validate(value, schema, where)
            errs += validate_lists(value, schema, where)
    if schema.items is not None:
        errs += _default_errors(props["items"], schema.items, f"{path}.items", root=False, meta=meta)
    for name, child in schema.properties.items():
        inside = meta or (schema.embedded and name in META)
        place = f"{path}.properties[{name}]"
        errs += _default_errors(props["properties"][name], child, place, root=False, meta=inside)
    return errs


def _holding(schema: Schema) -> Schema:
    """A schema with one member, `default`, of which only what is below is an embedded resource."""
    holder = Schema({})
    holder.properties = {"default": schema}
    return holder


def _has(props: Any, word: str) -> bool:
    return any(s.get(word) is not None for s, _ in walk(props, ""))


def walk(props: Json, path: str) -> Iterator[tuple[Json, str]]:
    """Every schema in a schema, with its path."""
    yield props, path
    for word in ("items", "additionalProperties", "not"):
        if isinstance(props.get(word), dict):
            yield from walk(props[word], f"{path}.{word}")
    for name, child in (props.get("properties") or {}).items():
        yield from walk(child, f"{path}.properties[{name}]")
    for word in ("allOf", "anyOf", "oneOf"):
        for i, child in enumerate(props.get(word) or ()):
            yield from walk(child, f"{path}.{word}[{i}]")


def schema_warnings(props: Json, path: str) -> Iterator[str]:
    """What is stored but not acted upon: validation rules, and formats that nobody knows."""
    for s, where in walk(props, path):
        if s.get("x-kubernetes-validations"):
            yield f"x-kubernetes-validations at {where} are stored but not evaluated by this server"
        form = s.get("format") or ""
        if form and form not in _NUMBER_FORMATS and not formats.known(form):
            yield f"{where}.format: unrecognized format {orjson.dumps(form).decode()}"
