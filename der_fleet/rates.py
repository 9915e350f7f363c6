"""How often trouble is asked for."""

from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each kind of trouble comes, per agent and minute."""

    link: float = 0.0
    stale: float = 0.0
    alarm: float = 0.0
    bad: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``link=0.01,alarm=0.1``.

        Raises:
            ValueError: a name that is unknown or a rate that is none.
        """
        known = [each.name for each in fields(cls)]
        rates = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, rate = part.partition("=")
            if name not in known:
                raise ValueError(f"{name!r} is no fault; known are {', '.join(known)}")
            rates[name] = _rate(rate)
        return cls(**rates)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 60.0:  # noqa: PLR2004 - once a second
        raise ValueError(f"{text!r} is no rate; expected a number from 0 to 60 per agent and minute")
    return rate
