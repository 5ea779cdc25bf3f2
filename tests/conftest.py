"""What all tests share: generated examples are the same in every CI run, and new ones elsewhere."""

from __future__ import annotations

import os
import sys

from hypothesis import settings

settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_unconfigure() -> None:
    fakes = sys.modules.get("tests.fakes.cluster")
    if fakes is not None:
        fakes.forget_signing_key()
