"""Holds a value against a schema, with the field paths and causes of upstream's validator."""

from __future__ import annotations

from typing import Any

import orjson

from minikube_py.api.errors import FieldError, duplicate, invalid, not_supported, required
from minikube_py.apiserver.custom import formats, regex
from minikube_py.apiserver.custom.structural import Schema

NOWHERE = "<nil>"
"""The field that upstream names for a failed junctor, whose place is in the message."""


def validate(value: Any, schema: Schema, path: str = "") -> list[FieldError]:
    """What is wrong with `value`, whose place is `path`."""
    errs: list[FieldError] = []
    _check(value, schema, path, errs)
    return errs


def validate_update(new: Any, old: Any, schema: Schema, path: str = "") -> list[FieldError]:
    """The same of a changed value: what was wrong before and has not changed is let through (ratcheting).

    Values are compared along members of objects and along elements of lists of type map, which have a key.
    """
    errs = validate(new, schema, path)
    if errs and old is not None:
        errs = []
        _check(new, schema, path, errs, old)
    return errs


def validate_lists(value: Any, schema: Schema, path: str = "") -> list[FieldError]:
    """Elements of sets and of lists of type map that are there twice."""
    errs: list[FieldError] = []
    _lists(value, schema, path, errs)
    return errs


_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
_ABSENT = object()


def _same(a: Any, b: Any) -> bool:
    return orjson.dumps(a, option=orjson.OPT_SORT_KEYS) == orjson.dumps(b, option=orjson.OPT_SORT_KEYS)


def _type_error(path: str, wanted: str, found: str) -> FieldError:
    detail = f'{path} in body must be of type {wanted}: "{found}"'
    return FieldError("FieldValueTypeInvalid", path or NOWHERE, detail, found)


def _check(value: Any, schema: Schema, path: str, errs: list[FieldError], old: Any = _ABSENT) -> None:
    if old is not _ABSENT and _same(value, old):
        return
    if value is None:
        if not schema.nullable and schema.types:
            errs.append(_type_error(path, ",".join(schema.types), "null"))
        _enum(value, schema, path, errs)
        return
    kind = type(value)
    if schema.types and not _typed(value, kind, schema, path, errs):
        return
    if schema.enum is not None:
        _enum(value, schema, path, errs)
    if kind is str:
        _text(value, schema, path, errs)
    elif kind is dict:
        _object(value, schema, path, errs, old)
    elif kind is list:
        _array(value, schema, path, errs, old)
    elif kind is not bool:
        _number(value, schema, path, errs)
    if schema.all_of or schema.any_of or schema.one_of or schema.negated is not None:
        _junctors(value, schema, path, errs, old)


def _typed(value: Any, kind: type, schema: Schema, path: str, errs: list[FieldError]) -> bool:
    found = _TYPES[kind]
    types = schema.types
    if found in types or (found == "integer" and "number" in types):
        return True
    if found == "number" and "integer" in types and float(value).is_integer():
        return True
    errs.append(_type_error(path, ",".join(types), found))
    return False


def _enum(value: Any, schema: Schema, path: str, errs: list[FieldError]) -> None:
    allowed = schema.enum
    if allowed is None or any(_same(value, a) for a in allowed):
        return
    shown = [a if isinstance(a, str) else orjson.dumps(a).decode() for a in allowed]
    errs.append(not_supported(path, value, shown))


def _text(value: str, schema: Schema, path: str, errs: list[FieldError]) -> None:
    where = f"{path} in body"
    if schema.max_length is not None and len(value) > schema.max_length:
        detail = f"may not be more than {schema.max_length} bytes"
        errs.append(FieldError("FieldValueTooLong", path, detail, value))
    if schema.min_length is not None and len(value) < schema.min_length:
        errs.append(invalid(path, value, f"{where} should be at least {schema.min_length} chars long"))
    if schema.pattern and regex.compile_go(schema.pattern).search(value) is None:
        errs.append(invalid(path, value, f"{where} should match '{schema.pattern}'"))
    if schema.format and not schema.int_or_string and not formats.matches(schema.format, value):
        shown = orjson.dumps(value).decode()
        errs.append(
            FieldError("FieldValueTypeInvalid", path, f"{where} must be of type {schema.format}: {shown}", value)
        )


def _number(value: int | float, schema: Schema, path: str, errs: list[FieldError]) -> None:
    where = f"{path} in body"
    low, high, step = schema.minimum, schema.maximum, schema.multiple_of
    if step is not None and not _multiple(value, step):
        errs.append(invalid(path, value, f"{where} should be a multiple of {_plain(step)}"))
    if high is not None and (value >= high if schema.exclusive_maximum else value > high):
        than = "less than" if schema.exclusive_maximum else "less than or equal to"
        errs.append(invalid(path, value, f"{where} should be {than} {_plain(high)}"))
    if low is not None and (value <= low if schema.exclusive_minimum else value < low):
        than = "greater than" if schema.exclusive_minimum else "greater than or equal to"
        errs.append(invalid(path, value, f"{where} should be {than} {_plain(low)}"))


def _multiple(value: int | float, step: float) -> bool:
    """Integers exactly; others by the quotient, as upstream has it."""
    if isinstance(value, int) and float(step).is_integer() and step:
        return value % int(step) == 0
    try:
        return (value / step).is_integer()
    except (ZeroDivisionError, OverflowError):
        return False


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e21 else repr(number)


def _too_many(path: str, count: int, limit: int) -> FieldError:
    detail = f"must have at most {limit} item{'' if limit == 1 else 's'}"
    return FieldError("FieldValueTooMany", path, detail, count)


def _object(value: dict[str, Any], schema: Schema, path: str, errs: list[FieldError], old: Any) -> None:
    count = len(value)
    where = f"{path} in body"
    if schema.min_properties is not None and count < schema.min_properties:
        errs.append(
            invalid(path, schema.min_properties, f"{where} should have at least {schema.min_properties} properties")
        )
    if schema.max_properties is not None and count > schema.max_properties:
        errs.append(_too_many(path, count, schema.max_properties))
    for name in schema.required:
        if name not in value:
            errs.append(required(f"{path}.{name}" if path else name))
    before = old if type(old) is dict else {}
    properties, additional = schema.properties, schema.additional
    for name, inner in value.items():
        child = properties.get(name) or additional
        if child is not None:
            _check(inner, child, f"{path}.{name}" if path else name, errs, before.get(name, _ABSENT))
        elif schema.closed and name not in properties:
            detail = f"{path}.{name} in body is a forbidden property" if path else f"{name} is a forbidden property"
            errs.append(invalid(f"{path}.{name}" if path else name, "", detail))


def _array(value: list[Any], schema: Schema, path: str, errs: list[FieldError], old: Any) -> None:
    count = len(value)
    if schema.min_items is not None and count < schema.min_items:
        errs.append(invalid(path, count, f"{path} in body should have at least {schema.min_items} items"))
    if schema.max_items is not None and count > schema.max_items:
        errs.append(_too_many(path, count, schema.max_items))
    items = schema.items
    if items is None:
        return
    before: dict[bytes, Any] = {}
    if schema.list_type == "map" and type(old) is list:
        before = {_key_of(o, schema): o for o in old if type(o) is dict}
    for i, inner in enumerate(value):
        earlier = before.get(_key_of(inner, schema), _ABSENT) if before and type(inner) is dict else _ABSENT
        _check(inner, items, f"{path}[{i}]", errs, earlier)


def _key_of(item: dict[str, Any], schema: Schema) -> bytes:
    return orjson.dumps([item.get(k) for k in schema.keys])


def _junctors(value: Any, schema: Schema, path: str, errs: list[FieldError], old: Any) -> None:
    def failures(inner: Schema) -> list[FieldError]:
        found: list[FieldError] = []
        _check(value, inner, path, found)
        return found

    place = f'"{path}"'
    if schema.any_of:
        tried = [failures(s) for s in schema.any_of]
        if all(tried):
            errs.append(invalid(NOWHERE, "", f"{place} must validate at least one schema (anyOf)"))
            errs += _fewest(tried)
    if schema.one_of:
        tried = [failures(s) for s in schema.one_of]
        good = sum(1 for found in tried if not found)
        if good != 1:
            why = f"Found {good} valid alternatives" if good else "Found none valid"
            errs.append(invalid(NOWHERE, "", f"{place} must validate one and only one schema (oneOf). {why}"))
            if not good:
                errs += _fewest(tried)
    if schema.all_of:
        tried = [failures(s) for s in schema.all_of]
        wrong = [e for found in tried for e in found]
        if wrong:
            none = ". None validated" if all(tried) else ""
            errs.append(invalid(NOWHERE, "", f"{place} must validate all the schemas (allOf){none}"))
            errs.extend(wrong)
    if schema.negated is not None and not failures(schema.negated):
        errs.append(invalid(NOWHERE, "", f"{place} must not validate the schema (not)"))


def _fewest(tried: list[list[FieldError]]) -> list[FieldError]:
    """The alternative that came nearest."""
    return min(tried, key=len)


def _lists(value: Any, schema: Schema, path: str, errs: list[FieldError]) -> None:
    if type(value) is dict:
        for name, inner in value.items():
            child = schema.properties.get(name) or schema.additional
            if child is not None and type(inner) in (dict, list):
                _lists(inner, child, f"{path}.{name}" if path else name, errs)
    elif type(value) is list and schema.items is not None:
        seen: set[bytes] = set()
        for i, inner in enumerate(value):
            _lists(inner, schema.items, f"{path}[{i}]", errs)
            if schema.list_type == "map" and type(inner) is dict:
                names = {k: inner[k] for k in schema.keys if k in inner}
            elif schema.list_type == "set":
                names = inner
            else:
                continue
            text = orjson.dumps(names, option=orjson.OPT_SORT_KEYS)
            if text in seen:
                errs.append(duplicate(f"{path}[{i}]", names))
            seen.add(text)
