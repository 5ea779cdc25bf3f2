"""Label selectors: `a=b,c!=d,e in (x,y),f notin (z),g,!h` and LabelSelector objects, compiled for matching."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from minikube_py.api import errors, names

Labels = Mapping[str, str] | None

IN: Final = "in"
NOT_IN: Final = "notin"
EQUALS: Final = "="
DOUBLE_EQUALS: Final = "=="
NOT_EQUALS: Final = "!="
EXISTS: Final = "exists"
NOT_EXISTS: Final = "!"
GREATER: Final = "gt"
LESS: Final = "lt"

_SYMBOLS = {"=": EQUALS, "==": DOUBLE_EQUALS, "!=": NOT_EQUALS, ">": GREATER, "<": LESS}
_BINARY = (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS)
_integer = re.compile(r"[+-]?[0-9]+").fullmatch


class _SyntaxError(Exception):
    """What is wrong with the text of a selector."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term: `operator` is one of this module's constants, `values` are in order and distinct."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return "!" + self.key
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(self.values)})"
            case "gt":
                return f"{self.key}>{self.values[0]}"
            case "lt":
                return f"{self.key}<{self.values[0]}"
            case _:
                return f"{self.key}{self.operator}{self.values[0]}"

    def test(self) -> Callable[[Mapping[str, str]], bool]:
        """The compiled predicate over a set of labels."""
        key, values = self.key, frozenset(self.values)
        match self.operator:
            case "exists":
                return lambda labels: key in labels
            case "!":
                return lambda labels: key not in labels
            case "=" | "==" | "in":
                return lambda labels: labels.get(key) in values
            case "!=" | "notin":
                return lambda labels: labels.get(key) not in values
            case "gt":
                bound = int(self.values[0])
                return lambda labels: (n := _int64(labels.get(key))) is not None and n > bound
            case _:
                bound = int(self.values[0])
                return lambda labels: (n := _int64(labels.get(key))) is not None and n < bound


class Selector:
    """A conjunction of requirements. Without any it matches everything.

    `matches(labels)` is compiled once. `exact` are the equality requirements (key -> the one value that it must
    have): every match carries them, so an index over any of them narrows the search.
    """

    __slots__ = ("_text", "exact", "matches", "requirements")

    matches: Callable[[Labels], bool]

    def __init__(self, requirements: Iterable[Requirement] = ()) -> None:
        self.requirements: tuple[Requirement, ...] = tuple(sorted(requirements, key=lambda r: r.key))
        self.exact: dict[str, str] = {}
        self._text: str | None = None
        rest: list[Callable[[Mapping[str, str]], bool]] = []
        for r in self.requirements:
            if r.operator in (EQUALS, DOUBLE_EQUALS, IN) and len(r.values) == 1 and r.key not in self.exact:
                self.exact[r.key] = r.values[0]
            else:
                rest.append(r.test())
        self.matches = _compile(self.exact, rest)

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.requirements and self is not NOTHING

    def __str__(self) -> str:
        """The canonical text, which `parse` reads back: terms in the order of their keys, values in order."""
        if self._text is None:
            self._text = ",".join(map(str, self.requirements))
        return self._text

    def __repr__(self) -> str:
        return "Selector(nothing)" if self is NOTHING else f"Selector({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selector):
            return NotImplemented
        if self is NOTHING or other is NOTHING:
            return self is other
        return self.requirements == other.requirements

    def __hash__(self) -> int:
        return hash(self.requirements)


def _compile(exact: dict[str, str], rest: list[Callable[[Mapping[str, str]], bool]]) -> Callable[[Labels], bool]:
    none: Mapping[str, str] = {}
    if not exact and not rest:
        return lambda labels: True
    if not rest:
        if len(exact) == 1:
            ((key, value),) = exact.items()
            return lambda labels: bool(labels) and labels.get(key) == value  # type: ignore[union-attr]
        items = exact.items()
        return lambda labels: bool(labels) and items <= labels.items()  # type: ignore[union-attr]
    if not exact and len(rest) == 1:
        only = rest[0]
        return lambda labels: only(labels or none)

    wanted = tuple(exact.items())

    def matches(labels: Labels) -> bool:
        found = labels or none
        for key, value in wanted:
            if found.get(key) != value:
                return False
        for test in rest:  # noqa: SIM110 - all() over a generator costs twice as much
            if not test(found):
                return False
        return True

    return matches


EVERYTHING: Final = Selector()
NOTHING: Final = Selector()
NOTHING.matches = lambda labels: False


def _int64(text: str | None) -> int | None:
    """Digits with an optional sign within 64 bits, or None: what a comparison accepts."""
    if text is None or len(text) > 64 or not _integer(text):
        return None
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else None


def _requirement(key: str, operator: str, values: Iterable[str], path: str = "") -> Requirement:
    """A checked requirement; raises _SyntaxError with all that is wrong, in upstream's order and wording."""
    found = tuple(sorted(set(values)))
    prefix = path + "." if path else ""
    wrong: list[errors.FieldError] = []
    if why := names.qualified_name(key):
        wrong.append(errors.invalid(prefix + "key", key, "; ".join(why)))
    at = prefix + "values"
    if operator in (IN, NOT_IN):
        if not found:
            wrong.append(errors.invalid(at, [], "for 'in', 'notin' operators, values set can't be empty"))
    elif operator in (EXISTS, NOT_EXISTS):
        if found:
            text = "values set must be empty for exists and does not exist"
            wrong.append(errors.invalid(at, list(found), text))
    elif operator in (GREATER, LESS):
        text = "for 'Gt', 'Lt' operators, the value must be an integer"
        wrong += [errors.invalid(f"{at}[{i}]", v, text) for i, v in enumerate(found) if _int64(v) is None]
    for i, value in enumerate(found):
        if why := names.label_value(value):
            wrong.append(errors.invalid(f"{at}[{i}][{key}]", value, "; ".join(why)))
    if wrong:
        raise _SyntaxError(_aggregate(wrong))
    return Requirement(key, operator, found)


def _aggregate(wrong: list[errors.FieldError]) -> str:
    texts = list(dict.fromkeys(map(str, wrong)))
    return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"


_lexemes = re.compile(r"[ \t\r\n]*(?:([^ \t\r\n=!(),<>]+)|(==|!=|[=!(),<>])|$)")


class _Parser:
    """Reads terms from text. `in` and `notin` are words like any other, except where an operator is expected."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            found = _lexemes.match(text, at)
            assert found is not None
            at = found.end()
            if found[1] is not None:
                self.tokens.append(("word", found[1]))
            elif found[2] is not None:
                self.tokens.append((found[2], found[2]))
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def next(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def parse(self) -> list[Requirement]:
        out: list[Requirement] = []
        while True:
            kind, text = self.peek()
            if kind == "end":
                return out
            if kind not in ("word", "!"):
                raise _SyntaxError(f"found '{text}', expected: !, identifier, or 'end of string'")
            try:
                out.append(self._term())
            except _SyntaxError as e:
                raise _SyntaxError(f"unable to parse requirement: {e}") from None
            kind, text = self.next()
            if kind == "end":
                return out
            if kind != ",":
                raise _SyntaxError(f"found '{text}', expected: ',' or 'end of string'")
            kind, text = self.peek()
            if kind not in ("word", "!"):
                raise _SyntaxError(f"found '{text}', expected: identifier after ','")

    def _term(self) -> Requirement:
        kind, key = self.next()
        negated = kind == "!"
        if negated:
            kind, key = self.next()
        if kind != "word":
            raise _SyntaxError(f"found '{key}', expected: identifier")
        if why := names.qualified_name(key):
            raise _SyntaxError(str(errors.invalid("<nil>", key, "; ".join(why))))
        if negated:
            return Requirement(key, NOT_EXISTS)
        if self.peek()[0] in ("end", ","):
            return Requirement(key, EXISTS)
        kind, text = self.next()
        operator = text if kind == "word" and text in (IN, NOT_IN) else _SYMBOLS.get(kind)
        if operator is None:
            raise _SyntaxError(f"found '{text}', expected: {', '.join(_BINARY)}")
        values = self._set() if operator in (IN, NOT_IN) else self._single()
        return _requirement(key, operator, values)

    def _single(self) -> list[str]:
        if self.peek()[0] in ("end", ","):
            return [""]
        kind, text = self.next()
        if kind != "word":
            raise _SyntaxError(f"found '{text}', expected: identifier")
        return [text]

    def _set(self) -> list[str]:
        kind, text = self.next()
        if kind != "(":
            raise _SyntaxError(f"found '{text}' expected: '('")
        if self.peek()[0] == ")":
            self.next()
            return []
        if self.peek()[0] not in ("word", ","):
            raise _SyntaxError(f"found '{self.peek()[1]}', expected: ',', ')' or identifier")
        values: list[str] = []
        while True:
            kind, text = self.peek()
            if kind == "word":
                self.next()
                values.append(text)
            elif kind in (",", ")"):
                values.append("")  # nothing between two separators is the empty value
            else:
                raise _SyntaxError(f"found '{text}', expected: ',', or identifier")
            kind, text = self.next()
            if kind == ")":
                return values
            if kind != ",":
                raise _SyntaxError(f"found '{text}', expected: ',' or ')'")


@lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """The selector that `text` (a `labelSelector` parameter) describes; empty text matches everything.

    The same text gives the same object. Raises errors.BadRequest with upstream's sentence for bad syntax, keys and
    values.
    """
    if not text:
        return EVERYTHING
    try:
        return Selector(_Parser(text).parse())
    except _SyntaxError as e:
        raise errors.BadRequest(str(e)) from None


_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS}


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """The selector of a meta/v1 LabelSelector object. None matches nothing, an empty one everything.

    Raises errors.BadRequest for an unknown operator or values that do not fit it.
    """
    if selector is None:
        return NOTHING
    equal: Mapping[str, str] = selector.get("matchLabels") or {}
    terms: list[Mapping[str, Any]] = selector.get("matchExpressions") or []
    if not equal and not terms:
        return EVERYTHING
    try:
        found = [_requirement(key, EQUALS, (value,)) for key, value in equal.items()]
        for term in terms:
            operator = _OPERATORS.get(term.get("operator", ""))
            if operator is None:
                raise _SyntaxError(f'"{term.get("operator", "")}" is not a valid label selector operator')
            found.append(_requirement(term.get("key", ""), operator, term.get("values") or ()))
    except _SyntaxError as e:
        raise errors.BadRequest(str(e)) from None
    return Selector(found)


def from_set(labels: Mapping[str, str] | None) -> Selector:
    """The selector of a plain map of labels, as Services and ReplicationControllers have: all must be equal.

    The map is taken as it is (it was validated with its object); an empty one matches everything.
    """
    if not labels:
        return EVERYTHING
    return Selector(Requirement(key, EQUALS, (value,)) for key, value in labels.items())
