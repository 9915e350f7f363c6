"""Programs that tests need and that Python's packages do not bring along."""

import os
import shutil

import pytest


def tool(name: str) -> str:
    """The path of a program; the test is skipped where it is missing, but fails under CI, which installs it."""
    path = shutil.which(name)
    if path is not None:
        return path
    missing = f"`{name}` is not installed; `tools/ci_packages` installs it where apt-get does"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(missing)
    pytest.skip(missing)
