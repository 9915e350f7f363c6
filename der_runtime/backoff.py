"""How long to wait before trying again, so that a fleet does not come back all at once."""

import math
import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Jittered exponential backoff; seconds.

    The first attempt after a success is immediate. The wait before attempt *n* + 1 is drawn evenly from
    ``[base / 2, base]`` with ``base = min(first_s * 2 ** (n - 1), cap_s)``.
    """

    first_s: float = 0.5
    cap_s: float = 30.0
    rng: random.Random = field(default_factory=random.Random)
    _base_s: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.cap_s < math.inf:
            raise ValueError(f"expected 0 < first_s <= cap_s, got {self.first_s} and {self.cap_s}")

    def next_s(self) -> float:
        """The wait before the next attempt."""
        if self._base_s is None:
            self._base_s = self.first_s
            return 0.0
        base_s = self._base_s
        self._base_s = min(base_s * 2, self.cap_s)
        return self.rng.uniform(base_s / 2, base_s)

    def reset(self) -> None:
        """It worked: the next attempt is immediate again, and the waits start over."""
        self._base_s = None
