"""Metrics and their exposition, read back by an independent look at the format."""

from __future__ import annotations

import re

import pytest

from minikube_py.daemon.metrics import Registry

LINE = re.compile(r'[a-zA-Z_:][\w:]*(\{([a-z_]\w*="(\\.|[^"\\\n])*",?)*\})? (\+Inf|NaN|[-+.\de]+)')


def test_counters_and_gauges() -> None:
    registry = Registry()
    requests = registry.counter("requests_total", "Requests by verb.", ("verb", "code"))
    requests.inc("GET", "200")
    requests.inc("GET", "200", by=2)
    requests.inc("PUT", "409")
    registry.counter("plain_total", "Never\nseen \\ yet.")
    open_watches = registry.gauge("open_watches", "Watches.")
    open_watches.set(5)
    open_watches.inc(by=-1.5)
    registry.gauge("size", "From a function.").read(lambda: 1e20)
    assert requests.value("GET", "200") == 3
    assert registry.render() == (
        "# HELP open_watches Watches.\n# TYPE open_watches gauge\nopen_watches 3.5\n"
        "# HELP plain_total Never\\nseen \\\\ yet.\n# TYPE plain_total counter\nplain_total 0\n"
        "# HELP requests_total Requests by verb.\n# TYPE requests_total counter\n"
        'requests_total{verb="GET",code="200"} 3\nrequests_total{verb="PUT",code="409"} 1\n'
        "# HELP size From a function.\n# TYPE size gauge\nsize 1e+20\n"
    )


def test_histograms_count_inclusively_and_cumulatively() -> None:
    registry = Registry()
    seconds = registry.histogram("seconds", "Time.", ("verb",), buckets=(0.1, 1, 5))
    for value in (0.1, 0.2, 1, 99):
        seconds.observe(value, "GET")
    assert seconds.count("GET") == 4 and seconds.count("PUT") == 0
    assert registry.render().splitlines()[2:] == [
        'seconds_bucket{verb="GET",le="0.1"} 1',
        'seconds_bucket{verb="GET",le="1"} 3',
        'seconds_bucket{verb="GET",le="5"} 3',
        'seconds_bucket{verb="GET",le="+Inf"} 4',
        'seconds_sum{verb="GET"} 100.3',
        'seconds_count{verb="GET"} 4',
    ]


def test_label_values_are_escaped() -> None:
    registry = Registry()
    registry.counter("c", "h", ("v",)).inc('a"b\\c\nd')
    line = registry.render().splitlines()[-1]
    assert line == 'c{v="a\\"b\\\\c\\nd"} 1' and LINE.fullmatch(line)


def test_asking_again_gives_the_same_and_disagreeing_is_refused() -> None:
    registry = Registry()
    assert registry.counter("c", "h") is registry.counter("c", "other words")
    with pytest.raises(ValueError, match="metric c exists as a counter"):
        registry.gauge("c", "h")
    with pytest.raises(ValueError, match="labels"):
        registry.counter("c", "h", ("verb",))
    histogram = registry.histogram("h", "h", buckets=(1, 2))
    assert registry.histogram("h", "h", buckets=(2, 1)) is histogram
    with pytest.raises(ValueError, match="buckets"):
        registry.histogram("h", "h", buckets=(1, 2, 3))
    assert Registry().render() == ""


def test_the_wrong_number_of_labels_does_not_render() -> None:
    registry = Registry()
    registry.counter("c", "h", ("verb",)).inc()
    with pytest.raises(ValueError, match=r"labels \('verb',\)"):
        registry.render()
