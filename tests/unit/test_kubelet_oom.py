"""oom_score_adj by quality of service, and what can be set of it."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.kubelet import oom
from tests.fakes.engine_views import c, pod

GIB = 1 << 30
SURE = {"cpu": "1", "memory": "1Gi"}


def score(spec: dict[str, Any], *others: dict[str, Any], **more: Any) -> int:
    return oom.oom_score_adj(pod(spec, *others, **more), spec, 8 * GIB)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, 1000),
        ({"limits": SURE, "requests": SURE}, -997),
        ({"requests": {"cpu": "1"}}, 999),
        ({"requests": {"memory": "1"}}, 999),
        ({"requests": {"memory": "2Gi"}}, 750),
        ({"limits": {"memory": "2Gi"}}, 750),
        ({"requests": {"memory": "1Gi"}, "limits": {"memory": "4Gi"}}, 875),
        ({"requests": {"memory": "8Gi"}}, 3),
        ({"requests": {"memory": "99Gi"}}, 3),
    ],
)
def test_scores(resources: dict[str, Any], expected: int) -> None:
    assert score(c("a", resources=resources)) == expected


def test_the_pods_class_counts_for_each_of_its_containers() -> None:
    burstable = c("b", resources={"requests": {"memory": "4Gi"}})
    assert score(c("a"), burstable) == 999
    assert score(burstable, c("a")) == 500


def test_a_sidecar_is_as_safe_as_the_container_that_it_serves() -> None:
    sidecar = c("s", restartPolicy="Always")
    safe = c("a", resources={"requests": {"memory": "6Gi"}})
    assert oom.oom_score_adj(pod(safe, c("b"), initContainers=[sidecar]), sidecar, 8 * GIB) == 250
    init = c("i")
    assert oom.oom_score_adj(pod(safe, initContainers=[init]), init, 8 * GIB) == 999


def test_what_the_node_cannot_do_without() -> None:
    assert score(c("a"), priorityClassName="system-node-critical") == -997


@pytest.mark.parametrize(
    ("may_lower", "own", "wanted", "expected"),
    [
        (True, 0, -997, -997),
        (False, 0, -997, 0),
        (False, -998, -997, -997),
        (False, 200, 3, 200),
        (False, 0, 1000, 1000),
    ],
)
def test_what_can_be_set(
    monkeypatch: pytest.MonkeyPatch, may_lower: bool, own: int, wanted: int, expected: int
) -> None:
    monkeypatch.setattr(oom, "_may_lower", lambda: may_lower)
    monkeypatch.setattr(oom, "_own_score", lambda: own)
    assert oom.attainable(wanted) == expected


def test_what_this_process_is_allowed_is_read_from_the_kernel() -> None:
    before = oom._own_score()
    assert -1000 <= before <= 1000
    lower = max(-1000, before - 1)
    try:
        with open("/proc/self/oom_score_adj", "w") as own:
            own.write(str(lower))
    except PermissionError:
        assert not oom._may_lower()
        assert oom.attainable(lower) == before
    else:
        with open("/proc/self/oom_score_adj", "w") as own:
            own.write(str(before))
        assert oom.attainable(lower) == lower
