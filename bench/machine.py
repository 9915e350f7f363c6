"""On what was measured: the machine, the versions, the state of the checkout."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psutil

from kit.postgres import PostgresMissing, find_binaries
from kit.processes import REPOSITORY

_PACKAGES = ("grpcio", "protobuf", "numpy", "asyncpg", "fastapi", "uvicorn", "uvloop")


def machine() -> Mapping[str, str]:
    """What a reader has to know to compare figures."""
    return {
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: version(name) for name in _PACKAGES},
        "postgresql": _postgresql(),
        "commit": _output("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _postgresql() -> str:
    try:
        return _output(str(find_binaries() / "postgres"), "--version").split(")")[1].split()[0]
    except PostgresMissing:
        return "none"


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
