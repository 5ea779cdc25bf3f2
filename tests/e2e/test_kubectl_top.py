"""kubectl top: what Nodes and Pods really use, by way of the kubelet's own measurements."""

from __future__ import annotations

import pytest

from tests.e2e.cluster import until
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import container, pod, shell

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

BUSY = shell("trap 'exit 0' TERM; while :; do :; done")
BIG = shell("trap 'exit 0' TERM; head -c 40000000 /dev/zero > /dev/shm/x; while :; do sleep 60 & wait $!; done")


def amount(text: str, unit: str) -> int:
    assert text.endswith(unit), text
    return int(text.removesuffix(unit))


def test_top(kubectl: Kubectl) -> None:
    kubectl.create(
        pod("busy", container("loop", BUSY, resources={"limits": {"cpu": "200m"}}), container("idle"),
            labels={"app": "busy"}),
        pod("big", container("big", BIG), labels={"app": "big"}),
    )  # fmt: skip
    kubectl.ready("busy", "big")

    def shown() -> dict[str, tuple[int, int]] | None:
        """Once both Pods have figures, and the newest of the busy one is of a time when it was only busy."""
        result = kubectl("top", "pods", "--no-headers")
        found = {name: (amount(cpu, "m"), amount(memory, "Mi")) for name, cpu, memory in result.rows}
        return found if set(found) == {"busy", "big"} and found["busy"][0] > 100 else None

    found = until(shown, 60, every=1)
    assert found is not None
    # The engine's limit is 200m; a window may begin or end within one of its periods.
    assert 100 < found["busy"][0] <= 230 and found["big"][0] < 100
    assert 38 <= found["big"][1] < 80 and found["busy"][1] < 38

    header, *rows = kubectl("top", "pods", "--containers", "--sort-by=cpu").rows
    assert header == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert rows[0][:2] == ["busy", "loop"]
    assert sorted(row[:2] for row in rows) == [["big", "big"], ["busy", "idle"], ["busy", "loop"]]
    assert [row[0] for row in kubectl("top", "pods", "--sort-by=memory", "--no-headers").rows] == ["big", "busy"]
    assert [row[0] for row in kubectl("top", "pods", "-l", "app=big", "--no-headers").rows] == ["big"]
    assert kubectl("top", "pod", "busy", "--no-headers").rows[0][0] == "busy"
    everywhere = [row[:2] for row in kubectl("top", "pods", "-A", "--no-headers").rows]
    assert [kubectl.namespace, "big"] in everywhere and [kubectl.namespace, "busy"] in everywhere
    assert 'pods "absent" not found' in kubectl("top", "pod", "absent", code=1).err

    (row,) = kubectl("top", "nodes", "--no-headers").rows
    node, cpu, cpu_share, memory, memory_share = row
    assert kubectl("get", "nodes", "-o", "name").out.strip() == f"node/{node}"
    assert amount(cpu, "m") >= 100 and amount(memory, "Mi") > 38
    assert amount(cpu_share, "%") > 0 and 0 < amount(memory_share, "%") <= 100

    headers = kubectl("get", "podmetrics", "busy").rows[0]
    assert headers == ["NAME", "CPU", "MEMORY", "WINDOW"]
    summary = kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary").json()
    assert "busy" in {p["podRef"]["name"] for p in summary["pods"]} and summary["node"]["nodeName"] == node
    text = kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics/resource").out
    labels = f'{{container="loop",namespace="{kubectl.namespace}",pod="busy"}}'
    assert f"container_cpu_usage_seconds_total{labels} " in text and "\nscrape_error 0\n" in text
