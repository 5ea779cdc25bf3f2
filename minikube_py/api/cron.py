"""Cron schedules as CronJobs have them: five fields, or a word such as @daily, or @every with a duration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from minikube_py.api.times import parse_duration

_WORDS: Final = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SECOND: Final = 10**9

_is_number = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII).fullmatch
_is_zone_part = re.compile(r"[A-Za-z._0-9+-]{1,14}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class _Bounds:
    least: int
    most: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (_Bounds(0, 59), _Bounds(0, 23), _Bounds(1, 31), _Bounds(1, 12, _MONTHS), _Bounds(0, 6, _DAYS))


@dataclass(frozen=True, slots=True)
class Schedule:
    """The minutes at which something starts, or (`every`, in seconds) how long it waits between two starts.

    `any_day` and `any_weekday` say that the field was `*` or `?`: where neither was, a day that matches one is enough.
    `zone` is the time zone that the text names, empty for none.
    """

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = False
    any_weekday: bool = False
    every: int = 0
    zone: str = ""


def parse(text: str) -> Schedule:
    """The schedule that `text` describes, in the syntax of the library that Kubernetes uses. Raises ValueError."""
    zone = ""
    if text.startswith(("TZ=", "CRON_TZ=")):
        prefix, _, text = text.partition(" ")
        zone = prefix.partition("=")[2]
        load_zone(zone)
        text = text.strip()
    if text.startswith("@"):
        if text.startswith("@every "):
            seconds = parse_duration(text.removeprefix("@every ")) // _SECOND
            return Schedule(every=max(seconds, 1), zone=zone)
        if text not in _WORDS:
            raise ValueError(f"unrecognized descriptor: {text}")
        text = _WORDS[text]
    fields = text.split()
    if len(fields) != len(_FIELDS):
        shown = " ".join(fields)
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{shown}]")
    minutes, hours, days, months, weekdays = map(_field, fields, _FIELDS)
    return Schedule(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
        any_day=_is_star(fields[2]),
        any_weekday=_is_star(fields[4]),
        zone=zone,
    )


def _is_star(field: str) -> bool:
    return any(part.partition("/")[0] in ("*", "?") for part in field.split(","))


def _field(text: str, bounds: _Bounds) -> frozenset[int]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        found |= _range(part, bounds)
    return frozenset(found)


def _range(text: str, bounds: _Bounds) -> set[int]:
    """The numbers of `*`, `?`, `n` or `n-m`, each with an optional `/step`."""
    span, *steps = text.split("/")
    ends = span.split("-")
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    if ends[0] in ("*", "?"):
        first, last = bounds.least, bounds.most
    else:
        first = _number(ends[0], bounds)
        if len(ends) > 2:
            raise ValueError(f"too many hyphens: {text}")
        if len(ends) == 2:
            last = _number(ends[1], bounds)
        else:
            last = bounds.most if steps else first
    step = _number(steps[0], _Bounds(0, 0)) if steps else 1
    if first < bounds.least:
        raise ValueError(f"beginning of range ({first}) below minimum ({bounds.least}): {text}")
    if last > bounds.most:
        raise ValueError(f"end of range ({last}) above maximum ({bounds.most}): {text}")
    if first > last:
        raise ValueError(f"beginning of range ({first}) beyond end of range ({last}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return set(range(first, last + 1, step))


def _number(text: str, bounds: _Bounds) -> int:
    if text.lower() in bounds.names:
        return bounds.least + bounds.names.index(text.lower())
    if not _is_number(text):
        raise ValueError(f"failed to parse int from {text}")
    number = int(text)
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number


def load_zone(name: str) -> ZoneInfo:
    """The time zone of a name of the IANA database. Raises ValueError."""
    for part in name.split("/"):
        if part in (".", "..") or part.startswith("-") or not _is_zone_part(part):
            raise ValueError(f"unknown time zone {name}")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ValueError(f"unknown time zone {name}") from None
