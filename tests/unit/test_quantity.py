"""Quantities: parsing, canonical text, arithmetic, rounding."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api.quantity import Quantity, canonical, parse


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("0", "0"),
        ("0Gi", "0"),
        ("-0", "0"),
        ("1", "1"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("100m", "100m"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.", "1"),
        ("+1", "1"),
        ("-1.5", "-1500m"),
        ("1000m", "1"),
        ("0.1n", "1n"),
        ("1Ki", "1Ki"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("1023", "1023"),
        ("1024", "1024"),
        ("0.5Ki", "512"),
        ("0.1Ki", "102400m"),
        ("100Mi", "100Mi"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("12e6", "12e6"),
        ("1e4", "10e3"),
        ("1e-3", "1e-3"),
        ("1E", "1E"),
        ("1000000", "1M"),
        ("1000Ki", "1000Ki"),
        ("2048", "2048"),
        ("9223372036854775807", "9223372036854775807"),
        ("99999999999999999999", "9223372036854775807"),
        ("-99999999999999999999", "-9223372036854775807"),
        ("1e1000", "9223372036854775807"),
        ("1e-1000", "1e-9"),
        ("100E", "9223372036854775807"),
        ("0.000000001", "1n"),
        ("128974848", "128974848"),
        ("129e6", "129e6"),
        ("123Mi", "123Mi"),
        ("0.00000001Ki", "10240n"),
    ],
)
def test_canonical_text(text: str, want: str) -> None:
    assert parse(text).canonical() == want
    assert canonical(text) == want
    assert parse(want) == parse(text)


@pytest.mark.parametrize(
    "text", ["", ".", "x", "1 ", " 1", "1i", "1KI", "1ki", "1.2.3", "--1", "1e", "1e5m", "١", "1\n", "1Mi5"]
)
def test_bad_text_is_refused_in_upstreams_words(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        parse(text)


def test_numbers_are_accepted_as_json_allows() -> None:
    assert parse(5).canonical() == "5"
    assert parse(0.1).canonical() == "100m"
    assert parse(1e-05).canonical() == "10u"
    assert parse(1e30).canonical() == "9223372036854775807"
    with pytest.raises(ValueError, match="not bool"):
        parse(True)


def test_rounding_goes_away_from_zero() -> None:
    assert parse("1m").value() == 1
    assert parse("-1m").value() == -1
    assert parse("1500m").value() == 2
    assert parse("1u").milli_value() == 1
    assert parse("2").milli_value() == 2000


def test_arithmetic_and_order() -> None:
    total = parse("1Gi") + parse("512Mi")
    assert total.canonical() == "1536Mi"
    assert (parse("1") - parse("250m")).canonical() == "750m"
    assert (Quantity() + parse("1Ki")).canonical() == "1Ki"
    assert -parse("1") < parse("0") < parse("1m") < parse("1") <= parse("1000m") < parse("1Ki")
    assert hash(parse("1")) == hash(parse("1000m"))
    assert parse("1") != "1"
    assert not parse("0") and parse("1n")


@given(st.integers(-(10**18), 10**18), st.sampled_from(["n", "u", "m", "", "k", "Ki", "Mi"]))
def test_canonical_keeps_the_amount(number: int, suffix: str) -> None:
    unit = {
        "n": Fraction(1, 10**9),
        "u": Fraction(1, 10**6),
        "m": Fraction(1, 1000),
        "": 1,
        "k": 1000,
        "Ki": 1024,
        "Mi": 2**20,
    }
    quantity = parse(f"{number}{suffix}")
    exact = max(-(2**63 - 1), min(2**63 - 1, number * Fraction(unit[suffix])))
    assert Fraction(quantity.nano, 10**9) == exact
    again = parse(quantity.canonical())
    assert again == quantity and again.canonical() == quantity.canonical()
