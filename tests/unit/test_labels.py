"""Label selectors: grammar, messages, matching, LabelSelector objects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api import errors, labels

WEB = {"app": "web", "tier": "front", "weight": "7"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app=db", False),
        ("app!=db", True),
        ("app!=web", False),
        ("missing!=x", True),
        ("app in (web,db)", True),
        ("app in (db)", False),
        ("missing in (db)", False),
        ("app notin (db)", True),
        ("missing notin (db)", True),
        ("app notin (web)", False),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("weight>6", True),
        ("weight>7", False),
        ("weight<8", True),
        ("app>1", False),
        ("missing<1", False),
        ("app=web,tier=front", True),
        ("app=web,tier=back", False),
        ("app=web,tier in (front, back),!canary", True),
        ("app=web,app=db", False),
        (" app = web , tier notin ( back ) ", True),
        ("missing=", False),
        ("missing in (,x)", False),
    ],
)
def test_matching(text: str, found: bool) -> None:
    assert labels.parse(text).matches(WEB) is found


@pytest.mark.parametrize("text", ["app=web", "app in (a,b)", "app", "a=b,c=d", "x>1", "a=b,c"])
def test_nothing_positive_matches_without_labels(text: str) -> None:
    assert labels.parse(text).matches(None) is False
    assert labels.parse(text).matches({}) is False


def test_negations_match_without_labels() -> None:
    assert labels.parse("!a,b!=c,d notin (e)").matches(None) is True
    assert labels.EVERYTHING.matches(None) is True
    assert labels.NOTHING.matches({"a": "b"}) is False
    assert labels.NOTHING != labels.EVERYTHING
    assert labels.EVERYTHING.empty and not labels.NOTHING.empty


def test_the_empty_value_is_a_value() -> None:
    for text in ("a=", "a==", "a in (,)"):
        assert labels.parse(text).matches({"a": ""}), text
        assert not labels.parse(text).matches({"a": "x"}), text
    assert labels.parse("a in (x,)").requirements[0].values == ("", "x")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("c,b=x,a!=y", "a!=y,b=x,c"),
        ("a in (z,y,z)", "a in (y,z)"),
        ("a==b", "a==b"),
        ("!a", "!a"),
        ("a>1,b<2", "a>1,b<2"),
        ("in=notin", "in=notin"),
        ("in in (in,notin)", "in in (in,notin)"),
        ("example.com/a notin (b)", "example.com/a notin (b)"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(labels.parse(text)) == canonical
    assert labels.parse(canonical) == labels.parse(text)


def test_exact_requirements_for_indexes() -> None:
    assert labels.parse("a=b,c==d,e in (f),g in (h,i),j!=k,l").exact == {"a": "b", "c": "d", "e": "f"}
    assert labels.parse("a=1,a=2").exact == {"a": "1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a=b,,c=d", "found ',', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        (
            "a in ()",
            "unable to parse requirement: values: Invalid value: []: "
            "for 'in', 'notin' operators, values set can't be empty",
        ),
        (
            "a>x",
            'unable to parse requirement: values[0]: Invalid value: "x": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ],
)
def test_syntax_errors(text: str, message: str) -> None:
    with pytest.raises(errors.BadRequest) as e:
        labels.parse(text)
    assert e.value.message == message


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a^=b", 'unable to parse requirement: <nil>: Invalid value: "a^": name part must consist of'),
        ("a=b^", 'unable to parse requirement: values[0][a]: Invalid value: "b^": a valid label must be'),
        ("a=" + "x" * 64, f'unable to parse requirement: values[0][a]: Invalid value: "{"x" * 64}": must be no more'),
        ("-/a", 'unable to parse requirement: <nil>: Invalid value: "-/a": prefix part a lowercase RFC 1123'),
    ],
)
def test_keys_and_values_are_checked(text: str, start: str) -> None:
    with pytest.raises(errors.BadRequest) as e:
        labels.parse(text)
    assert e.value.message.startswith(start)


@given(st.text(max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        selector = labels.parse(text)
    except errors.BadRequest:
        return
    assert labels.parse(str(selector)).requirements == selector.requirements


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}, "a in (x,y)"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}, "a notin (x)"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a"),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a"),
        ({"matchLabels": {"z": "1"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a,z=1"),
    ],
)
def test_label_selector_objects(selector: dict[str, object], text: str) -> None:
    assert str(labels.from_label_selector(selector)) == text


def test_label_selector_extremes() -> None:
    assert labels.from_label_selector(None) is labels.NOTHING
    assert labels.from_label_selector({}).matches({"a": "b"})
    assert labels.from_set(None).empty
    assert labels.from_set({"a": "b"}).exact == {"a": "b"}


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ({"key": "a", "operator": "Like"}, '"Like" is not a valid label selector operator'),
        ({"key": "a", "operator": "In"}, "for 'in', 'notin' operators, values set can't be empty"),
        ({"key": "a", "operator": "Exists", "values": ["x"]}, "values set must be empty for exists and does not exist"),
        ({"key": "a b", "operator": "Exists"}, "name part must consist of"),
    ],
)
def test_bad_label_selector_objects(term: dict[str, object], message: str) -> None:
    with pytest.raises(errors.BadRequest, match=None) as e:
        labels.from_label_selector({"matchExpressions": [term]})
    assert message in e.value.message
