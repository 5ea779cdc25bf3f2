"""What the cells of a table are made of: ages, durations and joined labels, worded as Kubernetes does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

NONE = "<none>"
UNKNOWN = "<unknown>"

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


class Age:
    """A cell that tells how long ago something was; `since` is seconds since the epoch, None a time that is not known.

    Rendered at the moment of sending, so that a row can be computed once per revision of its object.
    """

    __slots__ = ("prefix", "since", "suffix")

    def __init__(self, since: float | None, prefix: str = "", suffix: str = "") -> None:
        self.since, self.prefix, self.suffix = since, prefix, suffix

    def text(self, now: float) -> str:
        """The cell's text when it is `now` (seconds since the epoch)."""
        age = UNKNOWN if self.since is None else human_duration(now - self.since)
        return self.prefix + age + self.suffix

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Age):
            return NotImplemented
        return (self.since, self.prefix, self.suffix) == (other.since, other.prefix, other.suffix)

    def __hash__(self) -> int:
        return hash((self.since, self.prefix, self.suffix))

    def __repr__(self) -> str:
        return f"Age({self.since!r}, {self.prefix!r}, {self.suffix!r})"


def age(time: str | None) -> Age:
    """The age of an RFC 3339 time as an object carries it; empty or None is an unknown one."""
    return Age(datetime.fromisoformat(time).timestamp() if time else None)


def human_duration(seconds: float) -> str:
    """A duration as `kubectl get` shows ages: at most two units, coarser the longer it is."""
    if seconds < 0:
        # A second of clock difference between machines is not worth alarming anyone.
        return "0s" if int(seconds) >= -1 else "<invalid>"
    return _whole(int(seconds))


@lru_cache(maxsize=4096)
def _whole(s: int) -> str:
    if s < 120:
        return f"{s}s"
    if s < 10 * _MINUTE:
        return _two(s, _MINUTE, "m", 1, "s")
    if s < 180 * _MINUTE:
        return f"{s // _MINUTE}m"
    if s < 8 * _HOUR:
        return _two(s, _HOUR, "h", _MINUTE, "m")
    if s < 48 * _HOUR:
        return f"{s // _HOUR}h"
    if s < 192 * _HOUR:
        return _two(s, _DAY, "d", _HOUR, "h")
    if s < 2 * _YEAR:
        return f"{s // _DAY}d"
    if s < 8 * _YEAR:
        return _two(s, _YEAR, "y", _DAY, "d")
    return f"{s // _YEAR}y"


def _two(seconds: int, big: int, big_name: str, small: int, small_name: str) -> str:
    first, rest = divmod(seconds, big)
    second = rest // small
    return f"{first}{big_name}{second}{small_name}" if second else f"{first}{big_name}"


def label_text(labels: Mapping[str, str] | None) -> str:
    """Labels or an equality selector in one line, sorted by key."""
    return ",".join(f"{k}={v}" for k, v in sorted(labels.items())) if labels else NONE
