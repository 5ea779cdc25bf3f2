"""`make` and `make help`: the list of what there is to make, taken from the Makefile's comments."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(*goals: str) -> str:
    # No flags of a `make test` around this one: they would change what is printed.
    command = ["env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", *goals]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout


def test_help_names_every_goal_with_what_it_does() -> None:
    goals = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    lines = dict(line.split(None, 2)[1:] for line in make("help").splitlines())  # type: ignore[misc]
    assert sorted(lines) == sorted(goals)
    assert all(len(text) > 10 for text in lines.values())


def test_help_is_what_make_alone_shows() -> None:
    assert make() == make("help")
