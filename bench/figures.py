"""What a benchmark found: figures, each with its unit and what is asked of it, and the JSON file they are kept in."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self


class Role(StrEnum):
    """What a figure is to the reader."""

    FIGURE = "figure"
    LIMIT = "limit"
    """What the parts can do by themselves, measured in the same run."""
    RATIO = "ratio"
    """A figure over its limit."""
    CHECK = "check"
    """A count that has to come out, or the run is worth nothing."""
    DETAIL = "detail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number and its unit (empty for a pure number); ``at_least`` and ``at_most`` are what the target asks."""

    name: str
    value: float
    unit: str = ""
    role: Role = Role.FIGURE
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether it is what the target asks; an unknown number (NaN) is not."""
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= self.value <= high

    @property
    def measured(self) -> str:
        """Its value with the unit, for people."""
        return f"{shown(self.value)} {self.unit}".rstrip()

    @property
    def asked(self) -> str:
        """What the target asks, for people; empty if nothing."""
        if self.at_least is not None and self.at_least == self.at_most:
            return f"= {shown(self.at_least)}"
        bounds = (("≥", self.at_least), ("≤", self.at_most))
        return ", ".join(f"{sign} {shown(bound)}" for sign, bound in bounds if bound is not None)

    def __str__(self) -> str:
        return f"{self.name} {self.measured}" + (f" ({self.asked})" if self.asked else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run of one benchmark. ``series`` are the numbers behind a plot; ``quick``: tiny sizes, proves nothing."""

    target: str
    title: str
    command: str
    date: str
    duration_s: float
    quick: bool
    machine: Mapping[str, str]
    figures: Sequence[Figure]
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """``pass`` if every figure is what the target asks, else ``miss``."""
        return "pass" if all(figure.met for figure in self.figures) else "miss"

    def of(self, role: Role) -> list[Figure]:
        """The figures with a role."""
        return [figure for figure in self.figures if figure.role is role]

    def write(self, folder: Path) -> Path:
        """Keep it as ``folder/target.json``, in place of an earlier run."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.target}.json"
        told = {**asdict(self), "verdict": self.verdict}
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """A result that was written."""
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        told.pop("verdict")
        figures = [Figure(**{**each, "role": Role(each["role"])}) for each in told.pop("figures")]
        return cls(**told, figures=figures)


def shown(value: float) -> str:
    """A number for people: three digits that count, thousands apart."""
    if not math.isfinite(value):
        return "?"
    size = abs(value)
    if value == int(value) or size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(size)))}f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` (0 to 1) of all are at or below."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
