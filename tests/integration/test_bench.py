"""The benchmark runs and prints a figure for every row; what the figures are is no test's business."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.integration.clusters import ended, free_port, start, until

ROOT = Path(__file__).parents[2]


def bench(*flags: str) -> list[list[str]]:
    """The table without its head, as columns."""
    command = [sys.executable, "-m", "bench", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [re.split(r"\s{2,}", line) for line in done.stdout.splitlines() if not line.startswith("work ")]


def test_every_row_of_the_table_is_measured() -> None:
    rows = bench("--pods", "60", "--rows", "start,configmaps,delete,pods,memory,patch,get,list,fanout,crds")
    assert len(rows) == 17, rows
    for row in rows:
        assert float(row[-1].replace(",", "")) > 0, row


def test_a_peer_goes_through_the_same_work_in_the_same_run(tmp_path: Path) -> None:
    flags = ("--data-dir", str(tmp_path), "--storage-backend", "memory", "--secure-port", str(free_port()))
    with ended(start("apiserver", *flags)):
        until((tmp_path / "admin.conf").exists, what="the peer's kubeconfig")
        rows = bench("--pods", "60", "--rows", "configmaps,get", "--peer", str(tmp_path / "admin.conf"))
    assert [row[0] for row in rows] == [
        "GET one Pod, 16 clients, /s", "create ConfigMaps, 16 clients, /s", "create Pods, 16 clients, /s"
    ]  # fmt: skip
    for row in rows:
        own, peer = (float(figure.replace(",", "")) for figure in row[-2:])
        assert own > 0 and peer > 0, row
