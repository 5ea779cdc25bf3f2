"""Kubernetes' times and durations as text: RFC 3339 in UTC, and Go durations such as 1h30m0s."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)\Z",
    re.ASCII,
)
_ZERO: Final = datetime(1, 1, 1, tzinfo=UTC)


def format_time(moment: datetime) -> str:
    """A meta/v1 Time: `2030-01-02T03:04:05Z`, the fraction cut off. `moment` must be aware."""
    return f"{_utc(moment).isoformat()[:19]}Z"


def format_micro(moment: datetime) -> str:
    """A meta/v1 MicroTime: always six digits of fraction. `moment` must be aware."""
    moment = _utc(moment)
    return f"{_padded(moment)[:-1]}.{moment.microsecond:06d}Z"


@lru_cache(maxsize=4096)
def parse_time(text: str) -> datetime:
    """The moment that an RFC 3339 text names, in UTC; digits beyond microseconds are cut off. Remembered.

    Raises ValueError.
    """
    match = _RFC3339.match(text)
    if match is None:
        raise ValueError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": the text is no RFC 3339 time')
    seconds, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(seconds + ("+00:00" if zone == "Z" else zone))
        if fraction:
            moment = moment.replace(microsecond=int(fraction[:6].ljust(6, "0")))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f'parsing time "{text}": {error}') from None


@lru_cache(maxsize=4096)
def canonical_time(text: str) -> str | None:
    """`text` as a Time is written, None for the zero time (Kubernetes writes null). Remembered. Raises ValueError."""
    if len(text) == 20 and text[19] == "Z" and text[0] != "0":
        # Already in the form that we write: only the ranges are left to check.
        if _RFC3339.match(text) is None:
            parse_time(text)
        try:
            datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f'parsing time "{text}": {error}') from None
        return text
    moment = parse_time(text)
    return None if moment.replace(microsecond=0) == _ZERO else format_time(moment)


def canonical_micro(text: str) -> str | None:
    """`text` as a MicroTime is written, None for the zero time. Raises ValueError."""
    moment = parse_time(text)
    return None if moment == _ZERO else format_micro(moment)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is ambiguous")
    return moment.astimezone(UTC)


def _padded(moment: datetime) -> str:
    # strftime's %Y does not pad years below 1000 on every platform.
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


_UNIT_NANOS: Final = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def parse_duration(text: str) -> int:
    """Nanoseconds in a Go duration ("1h30m", "-1.5s", "0"). Raises ValueError."""
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return 0
    total, end = 0, 0
    for part in _DURATION_PART.finditer(body[:200]):
        if part.start() != end:
            break
        end = part.end()
        whole, _, fraction = part[1].partition(".")
        unit = _UNIT_NANOS[part[2]]
        total += int(whole or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
    nanos = -total if text[:1] == "-" else total
    if not body or end != len(body) or not -(2**63) <= nanos < 2**63:
        raise ValueError(f'time: invalid duration "{text}"')
    return nanos


def format_duration(nanos: int) -> str:
    """The text that Go writes for a duration: 1h30m0s, 1.5s, 250ms, 0s."""
    if nanos == 0:
        return "0s"
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    if nanos < 10**9:
        unit = next(u for u in ("ms", "µs", "ns") if nanos >= _UNIT_NANOS[u])
        return f"{sign}{_decimal(nanos, _UNIT_NANOS[unit])}{unit}"
    seconds, rest = divmod(nanos, 60 * 10**9)
    hours, minutes = divmod(seconds, 60)
    text = _decimal(rest, 10**9) + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else sign + text


def _decimal(number: int, by: int) -> str:
    whole, rest = divmod(number, by)
    return f"{whole}.{str(rest).zfill(len(str(by)) - 1).rstrip('0')}" if rest else str(whole)
