"""A version's OpenAPI schema in the form that pruning, defaulting and validation walk, and what makes it structural."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minikube_py.api.errors import FieldError, forbidden, invalid, required
from minikube_py.apiserver.custom import regex

Json = dict[str, Any]

ROOT, ITEM, FIELD = "at the root", "for specified array items", "for specified object fields"

META = ("apiVersion", "kind", "metadata")


class Schema:
    """One node, compiled from a JSONSchemaProps that passed the rules; junctors hold nodes without a type."""

    __slots__ = (
        "additional", "all_of", "any_of", "closed", "default", "embedded", "enum", "exclusive_maximum",
        "exclusive_minimum", "format", "has_default", "has_defaults", "int_or_string", "items", "keys", "list_type",
        "map_atomic", "max_items", "max_length", "max_properties", "maximum", "min_items", "min_length",
        "min_properties", "minimum", "multiple_of", "negated", "nullable", "one_of", "pattern", "preserve",
        "properties", "required", "types",
    )  # fmt: skip

    def __init__(self, props: Mapping[str, Any]) -> None:
        get = props.get
        self.int_or_string: bool = bool(get("x-kubernetes-int-or-string"))
        kind = get("type") or ""
        self.types: tuple[str, ...] = (kind,) if kind else ("integer", "string") if self.int_or_string else ()
        self.format: str = get("format") or ""
        self.nullable: bool = bool(get("nullable"))
        self.has_default: bool = get("default") is not None
        self.default: Any = get("default")
        self.properties: dict[str, Schema] = {n: Schema(p) for n, p in (get("properties") or {}).items()}
        more = get("additionalProperties")
        self.additional: Schema | None = Schema(more) if isinstance(more, dict) else None
        self.closed: bool = more is False
        items = get("items")
        self.items: Schema | None = Schema(items) if isinstance(items, dict) else None
        self.required: Sequence[str] = get("required") or ()
        self.enum: Sequence[Any] | None = get("enum") or None
        self.pattern: str = get("pattern") or ""
        self.minimum: float | None = get("minimum")
        self.maximum: float | None = get("maximum")
        self.exclusive_minimum: bool = bool(get("exclusiveMinimum"))
        self.exclusive_maximum: bool = bool(get("exclusiveMaximum"))
        self.multiple_of: float | None = get("multipleOf")
        self.min_length: int | None = get("minLength")
        self.max_length: int | None = get("maxLength")
        self.min_items: int | None = get("minItems")
        self.max_items: int | None = get("maxItems")
        self.min_properties: int | None = get("minProperties")
        self.max_properties: int | None = get("maxProperties")
        self.all_of: list[Schema] = [Schema(p) for p in get("allOf") or ()]
        self.any_of: list[Schema] = [Schema(p) for p in get("anyOf") or ()]
        self.one_of: list[Schema] = [Schema(p) for p in get("oneOf") or ()]
        negated = get("not")
        self.negated: Schema | None = Schema(negated) if negated is not None else None
        self.preserve: bool = bool(get("x-kubernetes-preserve-unknown-fields"))
        self.embedded: bool = bool(get("x-kubernetes-embedded-resource"))
        self.list_type: str = get("x-kubernetes-list-type") or "atomic"
        self.keys: tuple[str, ...] = tuple(get("x-kubernetes-list-map-keys") or ())
        self.map_atomic: bool = get("x-kubernetes-map-type") == "atomic"
        self.has_defaults: bool = self.has_default or any(child.has_defaults for child in self._children())
        """Whether a default is anywhere in it: defaulting need not look into others."""

    def _children(self) -> Iterator[Schema]:
        yield from self.properties.values()
        for child in (self.additional, self.items):
            if child is not None:
                yield child


def structural_errors(props: Json, path: str) -> list[FieldError]:
    """What keeps a whole JSONSchemaProps from being structural, sorted by text, as upstream reports it."""
    errs = _invariants(props, ROOT, path)
    errs += _complete(props, props, path, path)
    return sorted(errs, key=str)


def _key(path: str, name: str) -> str:
    return f"{path}.properties[{name}]"


_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]


def _invariants(s: Json, level: str, path: str) -> list[FieldError]:
    errs: list[FieldError] = []
    kind = s.get("type") or ""
    items, more = s.get("items"), s.get("additionalProperties")
    properties: dict[str, Json] = s.get("properties") or {}
    embedded, preserve = s.get("x-kubernetes-embedded-resource"), s.get("x-kubernetes-preserve-unknown-fields")
    either = s.get("x-kubernetes-int-or-string")
    if kind == "array" and items is None:
        errs.append(required(f"{path}.items", "must be specified"))
    if isinstance(items, dict):
        errs += _invariants(items, ITEM, f"{path}.items")
    for name, child in properties.items():
        errs += _invariants(child, FIELD, _key(path, name))
    if more is not None:
        if level == ROOT:
            errs.append(forbidden(f"{path}.additionalProperties", "must not be used at the root"))
        if isinstance(more, dict):
            errs += _invariants(more, FIELD, f"{path}.additionalProperties")
        if embedded:
            detail = "must not be used if x-kubernetes-embedded-resource is set"
            errs.append(forbidden(f"{path}.additionalProperties", detail))
    if either:
        for flag in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
            if s.get(flag):
                errs.append(invalid(f"{path}.{flag}", True, "must be false if x-kubernetes-int-or-string is true"))
    errs += _values(s, path, s.get("anyOf") == _INT_OR_STRING, True)
    if embedded and kind != "object":
        detail = "must be object if x-kubernetes-embedded-resource is true"
        errs.append(invalid(f"{path}.type", kind, detail) if kind else required(f"{path}.type", detail))
    elif not kind and not either and not preserve:
        errs.append(required(f"{path}.type", f"must not be empty {level}"))
    if level == ROOT and kind not in ("", "object"):
        errs.append(invalid(f"{path}.type", kind, "must be object at the root"))
    if level == ROOT or embedded:
        for name in ("kind", "apiVersion"):
            if name in properties and properties[name].get("type") != "string":
                errs.append(invalid(f"{_key(path, name)}.type", properties[name].get("type") or "", "must be string"))
    if "metadata" in properties:
        errs += _metadata(properties["metadata"], level, bool(embedded), _key(path, "metadata"))
    if embedded and not preserve and not properties:
        detail = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        errs.append(required(f"{path}.properties", detail))
    return errs


def _metadata(s: Json, level: str, embedded: bool, path: str) -> list[FieldError]:
    errs: list[FieldError] = []
    if (level == ROOT or embedded) and s.get("type") != "object":
        errs.append(invalid(f"{path}.type", s.get("type") or "", "must be object"))
    if level == ROOT:
        left = {k for k, v in s.items() if v and k not in ("type", "default", "properties")}
        if left or set(s.get("properties") or ()) - {"name", "generateName"}:
            detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            errs.append(forbidden(path, detail))
    return errs


def _values(v: Json, path: str, skip_any: bool, root: bool) -> list[FieldError]:
    """The rules for what restricts values, here and below the junctors."""
    errs: list[FieldError] = []
    if not skip_any:
        for i, inner in enumerate(v.get("anyOf") or ()):
            errs += _nested(inner, f"{path}.anyOf[{i}]", False)
    for i, inner in enumerate(v.get("allOf") or ()):
        # `allOf` may begin with the pattern that says int-or-string in plain OpenAPI.
        first = root and i == 0 and inner.get("anyOf") == _INT_OR_STRING
        errs += _nested(inner, f"{path}.allOf[{i}]", first)
    for i, inner in enumerate(v.get("oneOf") or ()):
        errs += _nested(inner, f"{path}.oneOf[{i}]", False)
    if v.get("not") is not None:
        errs += _nested(v["not"], f"{path}.not", False)
    if pattern := v.get("pattern"):
        try:
            regex.compile_go(pattern)
        except ValueError as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            errs.append(invalid(f"{path}.pattern", pattern, detail))
    return errs


_FORBIDDEN_NESTED = (
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("externalDocs", "must be undefined to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
)


def _nested(v: Json, path: str, skip_any: bool) -> list[FieldError]:
    errs = _values(v, path, skip_any, False)
    if isinstance(v.get("items"), dict):
        errs += _nested(v["items"], f"{path}.items", False)
    for name, child in (v.get("properties") or {}).items():
        errs += _nested(child, _key(path, name), False)
    for name, detail in _FORBIDDEN_NESTED:
        if v.get(name) not in (None, "", [], False) or (name == "additionalProperties" and v.get(name) is False):
            errs.append(forbidden(f"{path}.{name}", detail))
    if "metadata" in (v.get("properties") or {}):
        errs.append(forbidden(_key(path, "metadata"), "must not be specified in a nested context"))
    return errs


def _complete(s: Json, values: Json, s_path: str, v_path: str) -> list[FieldError]:
    """Every field that a junctor speaks of is declared outside of the junctors too."""
    errs = _complete_values(values, s, s_path, v_path)
    if isinstance(s.get("items"), dict):
        errs += _complete(s["items"], s["items"], f"{s_path}.items", f"{v_path}.items")
    for name, child in (s.get("properties") or {}).items():
        errs += _complete(child, child, _key(s_path, name), _key(v_path, name))
    if isinstance(s.get("additionalProperties"), dict):
        more = s["additionalProperties"]
        errs += _complete(more, more, f"{s_path}.additionalProperties", f"{v_path}.additionalProperties")
    return errs


def _complete_values(v: Json, s: Json | None, s_path: str, v_path: str) -> list[FieldError]:
    errs: list[FieldError] = []
    for word in ("allOf", "anyOf", "oneOf"):
        for i, inner in enumerate(v.get(word) or ()):
            errs += _complete_nested(inner, s, s_path, f"{v_path}.{word}[{i}]")
    if v.get("not") is not None:
        errs += _complete_nested(v["not"], s, s_path, f"{v_path}.not")
    return errs


def _complete_nested(v: Json, s: Json | None, s_path: str, v_path: str) -> list[FieldError]:
    if s is None:
        return [required(s_path, f"because it is defined in {v_path}")]
    errs = _complete_values(v, s, s_path, v_path)
    if isinstance(v.get("items"), dict):
        items = s.get("items")
        errs += _complete_nested(
            v["items"], items if isinstance(items, dict) else None, f"{s_path}.items", f"{v_path}.items"
        )
    for name, child in (v.get("properties") or {}).items():
        declared = (s.get("properties") or {}).get(name)
        errs += _complete_nested(child, declared, _key(s_path, name), _key(v_path, name))
    return errs
