"""Counters, gauges and histograms, and their text exposition in Prometheus' format (version 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeVar

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = tuple[str, ...]
M = TypeVar("M", bound="Metric")


class Metric:
    """One family. Label values are given in the order of `labels`; an update is one dict operation."""

    kind = ""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name, self.help, self.labels = name, help, tuple(labels)

    def lines(self) -> list[str]:
        raise NotImplementedError

    def _pairs(self, values: Labels, *extra: tuple[str, str]) -> str:
        if len(values) != len(self.labels):
            raise ValueError(f"metric {self.name} has labels {self.labels}, not {len(values)} of them")
        pairs = [*zip(self.labels, values, strict=True), *extra]
        return "{" + ",".join(f'{k}="{_escape(v)}"' for k, v in pairs) + "}" if pairs else ""


class Counter(Metric):
    """A count that only grows."""

    kind = "counter"

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help, labels)
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}

    def inc(self, *labels: str, by: float = 1.0) -> None:
        self._values[labels] = self._values.get(labels, 0.0) + by

    def value(self, *labels: str) -> float:
        return self._values.get(labels, 0.0)

    def lines(self) -> list[str]:
        return [f"{self.name}{self._pairs(k)} {_number(v)}" for k, v in self._values.items()]


class Gauge(Counter):
    """A number that goes up and down; `read` makes it come from a function at exposition."""

    kind = "gauge"

    def set(self, value: float, *labels: str) -> None:
        self._values[labels] = value

    def read(self, function: Callable[[], float]) -> None:
        self._read = function

    def lines(self) -> list[str]:
        if (read := getattr(self, "_read", None)) is not None:
            self._values[()] = read()
        return super().lines()


class Histogram(Metric):
    """Observations counted in buckets, whose upper bounds are inclusive."""

    kind = "histogram"

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> None:
        super().__init__(name, help, labels)
        self.buckets = tuple(sorted(buckets))
        self._series: dict[Labels, list[float]] = {}  # one count per bucket, +Inf, then the sum

    def observe(self, value: float, *labels: str) -> None:
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = [0.0] * (len(self.buckets) + 2)
        series[bisect_left(self.buckets, value)] += 1
        series[-1] += value

    def count(self, *labels: str) -> int:
        return int(sum(self._series.get(labels, [0.0])[:-1]))

    def lines(self) -> list[str]:
        out = []
        for values, series in self._series.items():
            total = 0.0
            for bound, count in zip((*map(_number, self.buckets), "+Inf"), series, strict=False):
                total += count
                out.append(f"{self.name}_bucket{self._pairs(values, ('le', bound))} {_number(total)}")
            out.append(f"{self.name}_sum{self._pairs(values)} {_number(series[-1])}")
            out.append(f"{self.name}_count{self._pairs(values)} {_number(total)}")
        return out


class Registry:
    """The families of one process. Asking for a known name gives the known family, so modules need no shared state."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        return self._add(Counter(name, help, labels))

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        return self._add(Gauge(name, help, labels))

    def histogram(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> Histogram:
        found = self._add(Histogram(name, help, labels, buckets))
        if found.buckets != tuple(sorted(buckets)):
            raise ValueError(f"metric {name} exists with buckets {found.buckets}")
        return found

    def _add(self, new: M) -> M:
        known = self._families.setdefault(new.name, new)
        if type(known) is not type(new) or known.labels != new.labels:
            raise ValueError(f"metric {new.name} exists as a {known.kind} with labels {known.labels}")
        return known

    def render(self) -> str:
        """Every family's text."""
        out = []
        for family in sorted(self._families.values(), key=lambda f: f.name):
            help = family.help.replace("\\", "\\\\").replace("\n", "\\n")
            out += [f"# HELP {family.name} {help}", f"# TYPE {family.name} {family.kind}", *family.lines()]
        return "\n".join(out) + "\n" if out else ""


REGISTRY = Registry()
"""The process's own registry, for metrics that no daemon owns."""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
