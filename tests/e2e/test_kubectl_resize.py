"""kubectl with --subresource=resize: other limits for containers that go on running."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.cluster import until
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import container, pod, shell

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

SMALL = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}
LIMITS = shell(
    "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null;"
    "cut -d' ' -f1 /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
)
"""The limits of memory and cpu, in either version of control groups."""


def resize(kubectl: Kubectl, limits: dict[str, str], code: int = 0) -> Any:
    patch = {"spec": {"containers": [{"name": "main", "resources": {"limits": limits}}]}}
    return kubectl("patch", "pod", "p", "--subresource=resize", "--patch", json.dumps(patch), code=code)


def status(kubectl: Kubectl) -> dict[str, Any]:
    (found,) = kubectl.get("pod", "p")["status"]["containerStatuses"]
    one: dict[str, Any] = found
    return one


def test_limits_of_a_running_container(kubectl: Kubectl) -> None:
    kubectl.create(pod("p", container(resources=SMALL)))
    kubectl.ready("p")
    assert kubectl("exec", "p", "--", *LIMITS).lines == [str(64 << 20), "10000"]
    before = status(kubectl)
    assert before["resources"] == SMALL
    assert resize(kubectl, {"cpu": "500m", "memory": "96Mi"}).out == "pod/p patched\n"
    until(lambda: status(kubectl)["resources"]["limits"] == {"cpu": "500m", "memory": "96Mi"})
    assert kubectl("exec", "p", "--", *LIMITS).lines == [str(96 << 20), "50000"]
    after = status(kubectl)
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)
    assert "Pod resize completed" in kubectl.events("p", "ResizeCompleted")


def test_a_container_that_restarts_for_it(kubectl: Kubectl) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    kubectl.create(pod("p", container(resources=SMALL, resizePolicy=policy)))
    kubectl.ready("p")
    resize(kubectl, {"memory": "96Mi"})
    until(lambda: status(kubectl)["restartCount"] == 1)
    kubectl.ready("p")
    assert kubectl("exec", "p", "--", *LIMITS).lines[0] == str(96 << 20)


def test_what_cannot_be(kubectl: Kubectl) -> None:
    kubectl.create(pod("p", container(resources=SMALL)))
    kubectl.ready("p")
    refused = resize(kubectl, {"cpu": "5m"}, code=1)
    assert "must be less than or equal to cpu limit of 5m" in refused.err
    big = {"spec": {"containers": [{"name": "main", "resources": {
        "requests": {"cpu": "1000"}, "limits": {"cpu": "1000"}}}]}}  # fmt: skip
    kubectl("patch", "pod", "p", "--subresource=resize", "--patch", json.dumps(big))
    assert "Node didn't have enough capacity: cpu" in kubectl.events("p", "ResizeInfeasible")
    conditions = {c["type"]: c for c in kubectl.get("pod", "p")["status"]["conditions"]}
    assert conditions["PodResizePending"]["reason"] == "Infeasible"
    assert status(kubectl)["resources"] == SMALL
    plain = kubectl("patch", "pod", "p", "--patch", json.dumps(big).replace("1000", "2000"), code=1)
    assert "pod updates may not change fields other than" in plain.err
