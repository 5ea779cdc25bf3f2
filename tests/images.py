"""The images that tests run containers from, built once per session by the script that everybody uses."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

BUSYBOX, WEB, PAUSE = "minikube-py/busybox:1", "minikube-py/web:1", "minikube-py/pause:1"
BUILD = Path(__file__).parent.parent / "deploy" / "images" / "build.sh"


@functools.cache
def _problem() -> str:
    if shutil.which("docker") is None:
        return "docker is not installed"
    answered = subprocess.run(["docker", "version"], capture_output=True, text=True, timeout=60, check=False)
    if answered.returncode:
        return f"no Docker engine answers: {answered.stderr.strip()}"
    built = subprocess.run([str(BUILD)], capture_output=True, text=True, timeout=300, check=False)
    return f"{BUILD.name} failed: {built.stderr.strip()}" if built.returncode else ""


def need_docker() -> None:
    """Skip the test where there is no engine or no image; in CI that is a failure."""
    if problem := _problem():
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
