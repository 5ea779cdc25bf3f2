"""Every command in the README and the docs is run, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.images import need_docker

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
ELSEWHERE = {"make demo": "tests/e2e/test_demo.py", "make test": "this very run"}
"""Commands that are not run here, and what runs them."""


def commands(document: Path) -> list[str]:
    """The lines of the document's bash blocks, in order."""
    blocks = re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", document.read_text(), flags=re.S | re.M)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_readme_has_commands() -> None:
    assert len(commands(ROOT / "README.md")) > 12


@pytest.mark.docker
@pytest.mark.kubectl
@pytest.mark.parametrize("document", [d for d in DOCUMENTS if commands(d)], ids=lambda d: str(d.relative_to(ROOT)))
def test_commands_run(document: Path, tmp_path: Path) -> None:
    need_docker()
    lines = [line for line in commands(document) if line not in ELSEWHERE]
    script = "set -euo pipefail\n" + "\n".join(lines)
    script = script.replace("/tmp/my-cluster", str(tmp_path / "cluster")).replace(
        "6500", os.environ.get("DOCS_PORT", "16500")
    )
    try:
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, f"{script}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
        if document.name == "README.md":
            assert "hello\n" in done.stdout and "Ready" in done.stdout
    finally:
        if (tmp_path / "cluster").exists():
            down = [
                str(ROOT / ".venv/bin/minikube-py"),
                "down",
                "--data-dir",
                str(tmp_path / "cluster"),
                "--delete-data",
            ]
            subprocess.run(down, capture_output=True, timeout=120, check=False)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert "://" in target or (document.parent / target).exists(), target


def test_paths_named_in_the_architecture_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in re.findall(r"`([a-z_]+/[a-z_/]+(?:\.py|/))`", text):
        assert (ROOT / "minikube_py" / name).exists() or (ROOT / name).exists(), name
