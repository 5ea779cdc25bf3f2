"""Cron schedules: which texts are some, and which minutes they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api import cron


def test_fields() -> None:
    found = cron.parse("*/20 8-10,22 1,15 jan-MAR,12 Mon-fri")
    assert found.minutes == {0, 20, 40}
    assert found.hours == {8, 9, 10, 22}
    assert found.days == {1, 15}
    assert found.months == {1, 2, 3, 12}
    assert found.weekdays == {1, 2, 3, 4, 5}
    assert not found.any_day and not found.any_weekday
    stars = cron.parse("5/30 ? * * ?")
    assert stars.minutes == {5, 35} and stars.hours == set(range(24))
    assert stars.any_day and stars.any_weekday


@pytest.mark.parametrize(
    ("text", "same"),
    [("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@weekly", "0 0 * * 0"), ("@yearly", "0 0 1 1 *")],
)
def test_words(text: str, same: str) -> None:
    assert cron.parse(text) == cron.parse(same)


def test_every_and_zones() -> None:
    assert cron.parse("@every 1h30m").every == 5400
    assert cron.parse("@every 10ms").every == 1
    assert cron.parse("CRON_TZ=Europe/Berlin 0 6 * * *").zone == "Europe/Berlin"
    assert cron.parse("TZ=UTC @daily").hours == {0}


@pytest.mark.parametrize(
    "text",
    [
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "5-3 * * * *",
        "*/0 * * * *", "1/2/3 * * * *", "1-2-3 * * * *", "x * * * *", "-1 * * * *", "* * * foo *", "@never", "@every x",
        "TZ=Nowhere/City * * * * *", "TZ=0", "TZ=../etc/passwd * * * * *", "\u0661 * * * *",
    ],
)  # fmt: skip
def test_bad_schedules(text: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        cron.parse(text)


@pytest.mark.parametrize("name", ["", "/UTC", "a//b", "..", "Europe", "Mars/Olympus", "x" * 15, "Europe/Berl\u00efn"])
def test_bad_zones(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        cron.load_zone(name)


@given(st.text(alphabet="0123456789*/-,? @TZ=abcjn", max_size=20))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    try:
        found = cron.parse(text)
    except ValueError:
        return
    assert found.every or found.minutes <= set(range(60))
