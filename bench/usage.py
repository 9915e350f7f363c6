"""What processes use: CPU seconds and memory, of a process with all it started."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from types import TracebackType
from typing import Self

import psutil

MIB = 2**20


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children so far, those that have ended included."""
    try:
        main = psutil.Process(pid)
        return sum(_own_cpu_s(process) for process in (main, *main.children(recursive=True)))
    except psutil.NoSuchProcess:
        return float("nan")


def rss_mib(pid: int) -> float:
    """Resident memory in MiB of a process alone."""
    return psutil.Process(pid).memory_info().rss / MIB


class Cpu:
    """CPU seconds of several programs since ``start``, by name."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._before = self._now()
        self._began_s = time.monotonic()

    def used_s(self) -> Mapping[str, float]:
        """CPU seconds each has used since."""
        return {name: now - self._before[name] for name, now in self._now().items()}

    @property
    def wall_s(self) -> float:
        """Seconds since."""
        return time.monotonic() - self._began_s

    def _now(self) -> dict[str, float]:
        return {name: cpu_s(pid) for name, pid in self._pids.items()}


class Sampled:
    """Numbers taken every ``every_s`` in a thread while the block runs; one that can't be taken is left out."""

    def __init__(self, take: Callable[[], float], *, every_s: float) -> None:
        self._take = take
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.at_s: list[float] = []
        """When, in seconds since the block began."""
        self.values: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        began_s = time.monotonic()
        for turn in count():
            if self._over.wait(max(0.0, began_s + turn * self._every_s - time.monotonic())):
                return
            with contextlib.suppress(psutil.Error, OSError, ValueError):
                value = self._take()
                self.at_s.append(time.monotonic() - began_s)
                self.values.append(value)


def slope(at_s: Iterable[float], values: Iterable[float]) -> float:
    """By how much values grow per second, fitted by least squares."""
    points = list(zip(at_s, values, strict=True))
    mean_at = sum(at for at, _ in points) / len(points)
    mean_value = sum(value for _, value in points) / len(points)
    spread = sum((at - mean_at) ** 2 for at, _ in points)
    return sum((at - mean_at) * (value - mean_value) for at, value in points) / spread


def _own_cpu_s(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return times.user + times.system + times.children_user + times.children_system
    return 0.0
