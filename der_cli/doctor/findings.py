"""What a check of the doctor says."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it is, in the order in which it matters least to most."""

    OK = "ok"
    UNCHECKED = "not checked"
    WARNING = "warning"
    PROBLEM = "problem"

    @property
    def healthy(self) -> bool:
        """Whether there is nothing to do."""
        return self in {Verdict.OK, Verdict.UNCHECKED}


@dataclass(frozen=True, slots=True)
class Check:
    """What is looked for; ``section`` is the heading of the runbook that explains it, ``good`` says it is not there."""

    name: str
    section: str
    good: str

    def ok(self, seen: str) -> "Finding":
        """Nothing is wrong."""
        return Finding(self, Verdict.OK, seen)

    def unchecked(self, why: str) -> "Finding":
        """It cannot be known from here, or there is nothing to look at."""
        return Finding(self, Verdict.UNCHECKED, why)

    def warning(self, seen: str, advice: str, *commands: str) -> "Finding":
        """Something may be wrong, or soon will be."""
        return Finding(self, Verdict.WARNING, seen, advice, commands)

    def problem(self, seen: str, advice: str, *commands: str) -> "Finding":
        """Something is wrong."""
        return Finding(self, Verdict.PROBLEM, seen, advice, commands)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: what was seen, what to do, and commands to copy."""

    check: Check
    verdict: Verdict
    seen: str
    advice: str = ""
    commands: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """The issue by the runbook's name or, where all is well, that it is."""
        return self.check.good if self.verdict is Verdict.OK else self.check.name

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "name": self.check.name,
            "heading": self.heading,
            "section": self.check.section,
            "verdict": self.verdict.value,
            "seen": self.seen,
            "advice": self.advice,
            "commands": list(self.commands),
        }


def listing(entries: list[str], *, most: int = 3) -> str:
    """Some of many, and how many more there are."""
    more = len(entries) - most
    return "; ".join(entries[:most]) + (f"; and {more} more" if more > 0 else "")
