"""Times and durations as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minikube_py.api import times

MOMENT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_times_are_written_in_utc_without_fraction() -> None:
    assert times.format_time(MOMENT) == "2030-01-02T03:04:05Z"
    assert times.format_time(MOMENT.astimezone(timezone(timedelta(hours=5)))) == "2030-01-02T03:04:05Z"
    assert times.format_time(datetime(7, 1, 1, tzinfo=UTC)) == "0007-01-01T00:00:00Z"
    assert times.format_micro(MOMENT) == "2030-01-02T03:04:05.678901Z"
    assert times.format_micro(MOMENT.replace(microsecond=0)) == "2030-01-02T03:04:05.000000Z"
    with pytest.raises(ValueError, match="without a zone"):
        times.format_time(datetime(2030, 1, 1))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2030-01-02T03:04:05Z", "2030-01-02T03:04:05Z"),
        ("2030-01-02T03:04:05.678901234Z", "2030-01-02T03:04:05Z"),
        ("2030-01-02T05:04:05+02:00", "2030-01-02T03:04:05Z"),
        ("2030-01-01T20:04:05.5-07:00", "2030-01-02T03:04:05Z"),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_canonical_time(text: str, want: str | None) -> None:
    assert times.canonical_time(text) == want


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2030-01-02",
        "2030-01-02T03:04:05",
        "2030-13-02T03:04:05Z",
        "2030-01-32T03:04:05Z",
        "2030-01-02t03:04:05Z",
        "2030-01-02 03:04:05Z",
        "2030-01-02T03:04:05Z\n",
        "0000-01-01T00:00:00Z",
        "2030-01-02T03:04:05+99:00",
        "2030-1-02T03:04:050Z",
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_bad_times_are_refused(text: str) -> None:
    for read in (times.parse_time, times.canonical_time, times.canonical_micro):
        with pytest.raises(ValueError, match="parsing time"):
            read(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_micro_round_trip(moment: datetime) -> None:
    assert times.parse_time(times.format_micro(moment)) == moment
    assert times.parse_time(times.format_time(moment)) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "nanos", "want"),
    [
        ("0", 0, "0s"),
        ("1h", 3600 * 10**9, "1h0m0s"),
        ("1h30m", 5400 * 10**9, "1h30m0s"),
        ("90s", 90 * 10**9, "1m30s"),
        ("1.5s", 1_500_000_000, "1.5s"),
        ("250ms", 250_000_000, "250ms"),
        ("-1m", -60 * 10**9, "-1m0s"),
        ("1ns", 1, "1ns"),
        ("1.5us", 1500, "1.5µs"),
        ("+5m", 300 * 10**9, "5m0s"),
        (".5h", 1800 * 10**9, "30m0s"),
    ],
)
def test_durations(text: str, nanos: int, want: str) -> None:
    assert times.parse_duration(text) == nanos
    assert times.format_duration(nanos) == want


@pytest.mark.parametrize("text", ["", "1", "s", "1x", "1h ", "--1s", "1h-1m", "9999999999h", "-"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        times.parse_duration(text)


@given(st.integers(-(2**63), 2**63 - 1))
@example(-(2**63))
def test_duration_round_trip(nanos: int) -> None:
    assert times.parse_duration(times.format_duration(nanos)) == nanos
