"""Leaves ``der demo`` alone for a while and watches it: links, warnings, and the memory of each of its processes.

What is asked is that nothing happens: each agent comes up once, nobody warns, nobody grows. Memory is the resident set.
It is compared between the end of the warm-up, by which caches and pools are filled, and the end of the run; each of
the two is a median of several samples, so that one moment's garbage does not count.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import psutil

from kit.processes import Program, free_port

WARM_UP_SHARE = 0.2
"""The first fifth of a run is warm-up."""

MEDIAN_OF = 5
"""So many samples stand for a moment."""

_STARTED = r"Ctrl-C\s+\(ends all of it\)"
_START_WITHIN_S = 60.0
_END_WITHIN_S = 30.0
_CONNECTED = re.compile(r"  \S+ +connected with \d+ assets")
_LINK_UP = re.compile(r"│.*\] link up ")
_TROUBLE = re.compile(r"\[(warning|error|critical) *\]|Traceback|did not end when asked to")
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """The resident set of one process, in MB, over the run."""

    name: str
    samples_mb: tuple[float, ...]

    @property
    def warm_mb(self) -> float:
        """At the end of the warm-up."""
        start = int(len(self.samples_mb) * WARM_UP_SHARE)
        return median(self.samples_mb[start : start + MEDIAN_OF])

    @property
    def end_mb(self) -> float:
        """At the end of the run."""
        return median(self.samples_mb[-MEDIAN_OF:])

    @property
    def growth_mb(self) -> float:
        """What it grew by after the warm-up."""
        return self.end_mb - self.warm_mb


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen. ``links`` counts how often a link came up, ``sites`` how often it should have."""

    exit_code: int
    sites: int
    links: int
    trouble: tuple[str, ...]
    memory: tuple[Memory, ...]

    def complaints(self, *, most_growth_mb: float | None) -> list[str]:
        """What is not as it should be, for people; ``None`` leaves memory out, as in a run too short to tell."""
        told = [f"trouble in the log: {line}" for line in self.trouble]
        if self.exit_code:
            told.append(f"the demo ended with exit code {self.exit_code}")
        if self.links != self.sites:
            told.append(f"links came up {self.links} times for {self.sites} sites")
        if most_growth_mb is not None:
            told += [
                f"{each.name} grew by {each.growth_mb:.1f} MB after the warm-up, more than {most_growth_mb:g} MB"
                for each in self.memory
                if each.growth_mb > most_growth_mb
            ]
        return told


def run(*, duration_s: float, every_s: float, tell: Callable[[str], None] = lambda _line: None) -> Outcome:
    """Run a demo for ``duration_s``, sampling memory every ``every_s``; ``tell`` hears of the progress."""
    args = ("--http", f"127.0.0.1:{free_port()}", "--grpc", f"127.0.0.1:{free_port()}")
    env = {"SIM_FAULTS_PER_HOUR": "0", "NO_COLOR": "1"}
    with Program.module("der_cli", "demo", *args, "--duration-s", f"{duration_s:g}", env=env) as demo:
        demo.wait_for(_STARTED, deadline_s=_START_WITHIN_S)
        processes = _named(demo.pid)
        samples: dict[str, list[float]] = {name: [] for name in processes}
        end_s = time.monotonic() + duration_s - every_s
        while time.monotonic() < end_s and demo.exit_code is None:
            try:
                now = {name: process.memory_info().rss / _MB for name, process in processes.items()}
            except psutil.NoSuchProcess:
                break
            for name, rss_mb in now.items():
                samples[name].append(rss_mb)
            tell("  ".join(f"{name} {rss_mb:.1f}" for name, rss_mb in now.items()))
            time.sleep(every_s)
        exit_code = demo.wait(deadline_s=_END_WITHIN_S + 2 * every_s)
    return Outcome(
        exit_code=exit_code,
        sites=_count(_CONNECTED, demo.stdout),
        links=_count(_LINK_UP, demo.stdout),
        trouble=tuple(line for line in (*demo.stdout, *demo.stderr) if _TROUBLE.search(line)),
        memory=tuple(Memory(name, tuple(taken)) for name, taken in samples.items() if taken),
    )


def _named(pid: int) -> dict[str, psutil.Process]:
    demo = psutil.Process(pid)
    children = sorted(demo.children(recursive=True), key=lambda child: child.pid)
    agents = [child for child in children if "edge_agent" in child.cmdline()]
    (headend,) = (child for child in children if "der_headend" in child.cmdline())
    return {"der": demo, "headend": headend} | {f"agent {n}": a for n, a in enumerate(agents, 1)}


def _count(pattern: re.Pattern[str], lines: Sequence[str]) -> int:
    return sum(pattern.search(line) is not None for line in lines)
