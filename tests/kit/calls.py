"""What a piece of work costs, in calls and objects: a guard that tells the same whatever else the machine does."""

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType


def calls_of(work: Callable[[], object]) -> int:
    """How many Python functions are called while ``work`` runs; what is written in C does not count."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    _observed(work, note)
    return count


@dataclass(frozen=True, slots=True)
class Cost:
    """``calls``: of functions, Python's and C's. ``objects``: how many more small ones there were at most at once."""

    calls: int
    objects: int


def cost_of(work: Callable[[], object]) -> Cost:
    """What ``work`` costs; objects are counted whenever a function returns."""
    calls = 0
    objects = before = sys.getallocatedblocks()

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls, objects
        if event in ("call", "c_call"):
            calls += 1
        else:
            objects = max(objects, sys.getallocatedblocks())

    _observed(work, note)
    return Cost(calls, objects - before)


def _observed(work: Callable[[], object], note: Callable[[FrameType, str, object], None]) -> None:
    """Do it with the collector at rest, which would call whoever asked to be told of it (hypothesis does)."""
    before = sys.getprofile()
    gc.disable()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
