"""The benchmark runs and prints a figure for every row; what the figures are is no test's business."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_row_of_the_table_is_measured() -> None:
    command = [sys.executable, "-m", "bench", "--pods", "60", "--rows", "start,configmaps,pods,get,list,fanout"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if not line.startswith("work ")]
    assert len(rows) == 9, done.stdout
    for row in rows:
        figure = float(re.split(r"\s{2,}", row)[-1].replace(",", ""))
        assert figure > 0, row
