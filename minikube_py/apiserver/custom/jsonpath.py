"""The JSON paths of printer columns: kubectl's template language without ranges and functions.

.spec.replicas   .metadata.labels.app\\.kubernetes\\.io/name   .spec['a b']   .items[0]   .items[-1:]   .items[*].name
..name           .status.conditions[?(@.type=="Ready")].status
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import orjson

Step = Callable[[Any], Iterator[Any]]

_NAME = re.compile(r"(?:\\.|[^.\[\]'\"(){}?*\s\\])+")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d*))?", re.ASCII)
_FILTER = re.compile(r"\?\(\s*@(.*?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?))?\s*\)", re.DOTALL)


@lru_cache(maxsize=4096)
def parse(text: str) -> Callable[[Any], list[Any]]:
    """What finds the values of a path in an object, in order. Raises ValueError for what is no path of this subset."""
    if not text.startswith("."):
        raise ValueError("must be a simple json path starting with .")
    steps = tuple(_steps(text))

    def find(obj: Any) -> list[Any]:
        values = [obj]
        for step in steps:
            values = [inner for value in values for inner in step(value)]
        return values

    return find


def text_of(values: Sequence[Any]) -> str:
    """Found values as a template prints them: joined by blanks, objects and lists as JSON."""
    return " ".join(_show(v) for v in values)


def _show(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    return orjson.dumps(value).decode()


def _steps(text: str) -> Iterator[Step]:
    at = 0
    while at < len(text):
        if text[at] == ".":
            if text.startswith("..", at):
                yield _everything
                at += 1
            if at + 1 == len(text):
                if at == 0:
                    return  # "." is the object itself
                raise ValueError(f"the path ends after a dot: {text}")
            if text[at + 1] == "[":
                at += 1
            elif text[at + 1] == "*":
                yield _children
                at += 2
            else:
                found = _NAME.match(text, at + 1)
                if found is None:
                    raise ValueError(f"a name is missing after the dot at {at}: {text}")
                yield _member(re.sub(r"\\(.)", r"\1", found[0]))
                at = found.end()
        elif text[at] == "[":
            end = _closing(text, at)
            yield _bracket(text[at + 1 : end].strip(), text)
            at = end + 1
        else:
            raise ValueError(f"unexpected {text[at]!r} at {at}: {text}")


def _closing(text: str, at: int) -> int:
    depth, quote, i = 0, "", at
    while i < len(text):
        c = text[i]
        if quote:
            if c == "\\":
                i += 1
            elif c == quote:
                quote = ""
        elif c in "'\"":
            quote = c
        elif c == "[":
            depth += 1
        elif c == "]":
            depth -= 1
            if not depth:
                return i
        i += 1
    raise ValueError(f"unterminated array: {text}")


def _bracket(inside: str, text: str) -> Step:
    if inside == "*":
        return _children
    if inside.startswith("?"):
        return _filter(inside, text)
    steps: list[Step] = []
    at = 0
    while True:
        quoted = _QUOTED.match(inside, at)
        if quoted is not None:
            steps.append(_member(_unquote(quoted)))
            at = quoted.end()
        else:
            end = inside.find(",", at)
            steps.append(_index(inside[at : end if end >= 0 else len(inside)].strip(), text))
            at = end if end >= 0 else len(inside)
        rest = inside[at:].lstrip()
        if not rest:
            break
        if not rest.startswith(","):
            raise ValueError(f"invalid array index {inside}: {text}")
        at = len(inside) - len(rest) + 1
        at += len(inside[at:]) - len(inside[at:].lstrip())
    if len(steps) == 1:
        return steps[0]
    return lambda value: (inner for step in steps for inner in step(value))


def _unquote(found: re.Match[str]) -> str:
    return re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2])


def _index(inside: str, text: str) -> Step:
    if re.fullmatch(r"-?\d+", inside, re.ASCII):
        place = int(inside)

        def one(value: Any) -> Iterator[Any]:
            if isinstance(value, list) and -len(value) <= place < len(value):
                yield value[place]

        return one
    parts = _SLICE.fullmatch(inside)
    if parts is None:
        raise ValueError(f"invalid array index {inside}: {text}")
    low, high, step = (int(p) if p else None for p in parts.groups())
    if step is not None and step <= 0:
        raise ValueError(f"step must be > 0: {text}")
    return lambda value: iter(value[low:high:step] if isinstance(value, list) else ())


def _member(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _children(value: Any) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())


def _everything(value: Any) -> Iterator[Any]:
    yield value
    for inner in _children(value):
        yield from _everything(inner)


def _filter(inside: str, text: str) -> Step:
    found = _FILTER.fullmatch(inside)
    if found is None:
        raise ValueError(f"invalid filter {inside}: {text}")
    left, operator, right = found.groups()
    if not operator and re.search("[=<>!]", left):
        raise ValueError(f"invalid filter {inside}: {text}")
    steps = tuple(_steps(left)) if left else ()
    other: Any = None
    if operator:
        quoted = _QUOTED.fullmatch(right)
        if quoted is not None:
            other = _unquote(quoted)
        else:
            try:
                other = orjson.loads(right)
            except ValueError:
                raise ValueError(f"invalid filter {inside}: {text}") from None

    def chosen(value: Any) -> bool:
        values = [value]
        for step in steps:
            values = [inner for v in values for inner in step(v)]
        if not values:
            return False
        return not operator or _compare(values[0], operator, other)

    return lambda value: (v for v in (value if isinstance(value, list) else ()) if chosen(v))


def _compare(value: Any, operator: str, other: Any) -> bool:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (value, other))
    if not numbers and type(value) is not type(other):
        return False
    if operator == "==":
        return bool(value == other)
    if operator == "!=":
        return bool(value != other)
    if not numbers and not isinstance(value, str):
        return False
    if operator == "<":
        return bool(value < other)
    if operator == "<=":
        return bool(value <= other)
    return bool(value > other) if operator == ">" else bool(value >= other)
