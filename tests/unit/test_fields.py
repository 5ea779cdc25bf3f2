"""Field selectors: grammar, escapes, matching."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api import errors, fields


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("", ()),
        (",", ()),
        ("a=b", (("a", "=", "b"),)),
        ("a==b", (("a", "=", "b"),)),
        ("a!=b", (("a", "!=", "b"),)),
        ("a=", (("a", "=", ""),)),
        ("a=b,c!=d", (("a", "=", "b"), ("c", "!=", "d"))),
        (r"a=b\,c,d=e\=f\\", (("a", "=", "b,c"), ("d", "=", "e=f\\"))),
    ],
)
def test_parsing(text: str, requirements: tuple[tuple[str, str, str], ...]) -> None:
    assert fields.parse(text).requirements == requirements


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(errors.BadRequest) as e:
        fields.parse(text)
    assert e.value.message == message


def test_matching() -> None:
    values = {"metadata.name": "a", "spec.nodeName": ""}
    assert fields.parse("metadata.name=a").matches(values)
    assert not fields.parse("metadata.name=b").matches(values)
    assert fields.parse("metadata.name!=b").matches(values)
    assert fields.parse("spec.nodeName=,metadata.name=a").matches(values)
    assert not fields.parse("spec.nodeName!=,metadata.name=a").matches(values)
    assert fields.parse("missing=").matches(values), "an absent field counts as empty"
    assert fields.EVERYTHING.matches({}) and fields.EVERYTHING.empty
    assert fields.parse("a=1,b!=2,a=3").exact == {"a": "1"}


TERM = st.tuples(st.from_regex(r"[a-z.]+", fullmatch=True), st.sampled_from(["=", "!="]), st.text())


@given(st.lists(TERM, min_size=1))
def test_text_reads_back(terms: list[tuple[str, str, str]]) -> None:
    text = ",".join(f"{field}{op}{fields.escape(value)}" for field, op, value in terms)
    parsed = fields.parse(text)
    assert parsed.requirements == tuple(terms)
    assert fields.parse(str(parsed)) == parsed


@given(st.text())
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        assert fields.parse(str(fields.parse(text))) == fields.parse(text)
    except errors.BadRequest:
        pass
