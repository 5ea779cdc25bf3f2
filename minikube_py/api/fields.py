"""Field selectors: `metadata.name=a,spec.nodeName!=b`, with `\\` escaping `\\`, `,` and `=` in values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Literal

from minikube_py.api import errors

Operator = Literal["=", "!="]

_operator = re.compile(r"!=|==|=").search
_parts = re.compile(r"(?:[^\\,]|\\.|\\$)+", re.DOTALL).findall
_special = re.compile(r"([\\,=])")


class FieldSelector:
    """A conjunction of (field, operator, value); the operator is `=` or `!=`. Without any it matches everything.

    A field that `values` lacks counts as the empty string, as upstream's does.
    """

    __slots__ = ("exact", "matches", "requirements")

    matches: Callable[[Mapping[str, str]], bool]

    def __init__(self, requirements: tuple[tuple[str, Operator, str], ...] = ()) -> None:
        self.requirements: tuple[tuple[str, Operator, str], ...] = requirements
        self.exact: dict[str, str] = {}
        for field, operator, value in requirements:
            if operator == "=":
                self.exact.setdefault(field, value)
        self.matches = _compile(requirements)

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.requirements

    def __str__(self) -> str:
        """The canonical text, which `parse` reads back."""
        return ",".join(f"{field}{op}{escape(value)}" for field, op, value in self.requirements)

    def __repr__(self) -> str:
        return f"FieldSelector({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSelector) and self.requirements == other.requirements

    def __hash__(self) -> int:
        return hash(self.requirements)


def _compile(requirements: tuple[tuple[str, Operator, str], ...]) -> Callable[[Mapping[str, str]], bool]:
    if not requirements:
        return lambda values: True
    if len(requirements) == 1:
        field, operator, wanted = requirements[0]
        if operator == "=":
            return lambda values: values.get(field, "") == wanted
        return lambda values: values.get(field, "") != wanted
    terms = tuple((field, value, op == "=") for field, op, value in requirements)

    def matches(values: Mapping[str, str]) -> bool:
        for field, value, equal in terms:  # noqa: SIM110 - all() over a generator costs twice as much
            if (values.get(field, "") == value) is not equal:
                return False
        return True

    return matches


EVERYTHING: Final = FieldSelector()


@lru_cache(maxsize=1024)
def parse(text: str) -> FieldSelector:
    """The selector that `text` (a `fieldSelector` parameter) describes; empty text matches everything.

    Which fields a kind knows is for the caller to check. Raises errors.BadRequest for bad syntax.
    """
    if not text:
        return EVERYTHING
    found: list[tuple[str, Operator, str]] = []
    for part in _parts(text):
        operator = _operator(part)
        if operator is None:
            raise errors.BadRequest(f"invalid selector: '{text}'; can't understand '{part}'")
        value = _unescape(part[operator.end() :])
        found.append((part[: operator.start()], "!=" if operator[0] == "!=" else "=", value))
    return FieldSelector(tuple(found))


def escape(value: str) -> str:
    """`value` as it is written in a selector."""
    return _special.sub(r"\\\1", value)


def _unescape(text: str) -> str:
    if "\\" not in text and "=" not in text:
        return text
    out: list[str] = []
    characters = iter(text)
    for c in characters:
        if c == "\\":
            escaped = next(characters, "")
            if escaped not in ("\\", ",", "="):
                raise errors.BadRequest(f"invalid field selector: invalid escape sequence: \\{escaped}")
            out.append(escaped)
        elif c == "=":
            raise errors.BadRequest(f"invalid field selector: unescaped character in value: {ord(c)}")
        else:
            out.append(c)
    return "".join(out)
