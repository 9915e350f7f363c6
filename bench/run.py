"""One run of one benchmark: its sizes, what it prints, the figures it finds, and all it started, which ends with it."""

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bench.figures import Figure, Role

T = TypeVar("T")


class BenchFailed(Exception):
    """The benchmark could not be run to its end; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can be asked of a run; ``None``: the benchmark's own. ``fleet``: more arguments of the fleet simulator."""

    quick: bool = False
    repeat: int = 3
    duration_s: float | None = None
    assets: int | None = None
    rate: float | None = None
    rows: int | None = None
    fleet: str = ""


@dataclass(slots=True)
class Run:
    """A context manager: processes and folders that were put on ``stack`` go when the block is left, also by Ctrl-C."""

    target: str
    options: Options
    stack: ExitStack = field(default_factory=ExitStack)
    figures: list[Figure] = field(default_factory=list)
    series: dict[str, Sequence[float]] = field(default_factory=dict)
    began_s: float = field(default_factory=time.monotonic)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stack.close()

    def part(self) -> "Run":
        """A part of this run: what it starts ends with its own block, what it finds is of the whole."""
        return replace(self, stack=ExitStack())

    def pick(self, asked: T | None, *, full: T, quick: T) -> T:
        """A size: what was asked for on the command line, else one of the two."""
        if asked is not None:
            return asked
        return quick if self.options.quick else full

    def folder(self) -> Path:
        """A folder for files that nobody needs afterwards."""
        made = tempfile.TemporaryDirectory(prefix=f"bench-{self.target}-")
        return Path(self.stack.enter_context(made))

    def say(self, line: str) -> None:
        """Tell how far it is."""
        sys.stderr.write(f"[{self.target} {time.monotonic() - self.began_s:6.1f} s] {line}\n")
        sys.stderr.flush()

    def figure(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """What the target is about."""
        self._note(Figure(name=name, value=value, unit=unit, at_least=at_least, at_most=at_most))

    def limit(self, name: str, value: float, unit: str) -> None:
        """What the parts can do by themselves."""
        self._note(Figure(name=name, value=value, unit=unit, role=Role.LIMIT))

    def ratio(
        self, name: str, value: float, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """A figure over its limit."""
        self._note(Figure(name=name, value=value, role=Role.RATIO, at_least=at_least, at_most=at_most))

    def check(self, name: str, value: float, *, expected: float) -> None:
        """A count that has to come out."""
        self._note(
            Figure(name=name, value=value, role=Role.CHECK, at_least=expected, at_most=expected),
        )

    def detail(self, name: str, value: float, unit: str) -> None:
        """What helps to understand the rest."""
        self._note(Figure(name=name, value=value, unit=unit, role=Role.DETAIL))

    def _note(self, figure: Figure) -> None:
        self.figures.append(figure)
        self.say(f"{figure.role:6} {figure}")
