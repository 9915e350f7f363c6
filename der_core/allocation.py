"""The split: how a site's megawatts become setpoints of its assets.

Each asset's raw share is ``mw x weight / sum of weights``. It is clamped to what the asset can do now; what the clamps
cut off is given to those with room, in proportion to their room, until it is placed or nobody has room. What nobody
can take is ``unserved_mw``. So the allocations and ``unserved_mw`` always add up to what was asked for, and because
the work goes in order of asset id with ``math.fsum``, the same input gives the same output to the last bit, in
whatever order it came.

One pass over the room places everything: asset *i* gets ``left x room_i / sum of room``, which is at most ``room_i`` as
long as ``left`` is at most the sum, and if it is more everybody is full.

The work goes column by column, for a site may have ten thousand assets and an operator waits for it: per asset there is
no call of a Python function, only one tuple is made (``Share``).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from der_core.assets import Limits

TOLERANCE_MW = 1e-6
"""Within this, the allocations and ``unserved_mw`` add up to the requested power."""

_ROUNDING_MW = TOLERANCE_MW / 1000
"""What is left over below this is an error of floating point and not power that somebody could take."""

_WHOLE = 1.5 * 2.0**52
"""Added to a number and taken away again it rounds that to a whole one: above this a double has no digits behind the
point. ``round`` does the same and takes five times as long."""

_LARGE_MW = 1e200
"""A power beyond this is shown as it is: it could not be multiplied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An asset that can take a share.

    ``limits`` is what it can do now (``der_core.assets.limits_now``); ``soc_pct`` and the SOC bounds are only looked at
    by the weighting that equalises SOC.
    """

    asset_id: UUID
    capacity_mwhr: float
    limits: Limits
    soc_pct: float | None = None
    min_soc_pct: float = 0.0
    max_soc_pct: float = 100.0


class Share(NamedTuple):
    """What one asset gets, and how it came about. Powers in MW, positive = discharge / export.

    ``weight`` is the share of the sum of weights in [0, 1]; ``raw_mw`` what the weight alone gives; ``clamped_mw``
    that, within limits; ``residual_mw`` what it took over from others; ``mw`` the final allocation.
    """

    asset_id: UUID
    capacity_mwhr: float
    weight: float
    raw_mw: float
    clamped_mw: float
    residual_mw: float
    mw: float
    reason: str | None


_NO_REASON: list[str | None] = [None]

_share = partial(tuple.__new__, Share)
"""``Share._make``, without its call of a Python function for each."""


@dataclass(frozen=True, slots=True)
class Split:
    """The shares in order of asset id, and the power in MW that nobody could take."""

    requested_mw: float
    shares: tuple[Share, ...]
    unserved_mw: float

    @property
    def allocated_mw(self) -> float:
        """Sum of the final allocations."""
        return math.fsum(share.mw for share in self.shares)


class Weighting(StrEnum):
    """By what the shares are weighted."""

    CAPACITY = "capacity"
    HEADROOM = "headroom"
    SOC = "soc"


def by_capacity(_mw: float, candidates: Sequence[Candidate]) -> list[float]:
    """In proportion to capacity (MWh)."""
    return [c.capacity_mwhr for c in candidates]


def by_headroom(mw: float, candidates: Sequence[Candidate]) -> list[float]:
    """In proportion to the power (MW) left in the asked direction."""
    return [max(c.limits.max_mw, 0.0) if mw >= 0 else max(-c.limits.min_mw, 0.0) for c in candidates]


def by_soc(mw: float, candidates: Sequence[Candidate]) -> list[float]:
    """In proportion to the energy (MWh) that can still be taken or given, so that states of charge draw together.

    An asset whose SOC is unknown counts as half full.
    """
    known = [(c.min_soc_pct + c.max_soc_pct) / 2 if c.soc_pct is None else c.soc_pct for c in candidates]
    if mw >= 0:
        usable = [soc_pct - c.min_soc_pct for soc_pct, c in zip(known, candidates, strict=True)]
    else:
        usable = [c.max_soc_pct - soc_pct for soc_pct, c in zip(known, candidates, strict=True)]
    return [
        c.capacity_mwhr * usable_pct / 100.0 if usable_pct > 0.0 else 0.0
        for usable_pct, c in zip(usable, candidates, strict=True)
    ]


WEIGHTINGS: Mapping[Weighting, Callable[[float, Sequence[Candidate]], list[float]]] = {
    Weighting.CAPACITY: by_capacity,
    Weighting.HEADROOM: by_headroom,
    Weighting.SOC: by_soc,
}


def split(mw: float, candidates: Iterable[Candidate], *, weighting: Weighting = Weighting.CAPACITY) -> Split:
    """Split ``mw`` (MW, positive = discharge / export) over the candidates.

    Where no candidate has a weight the shares are equal. With no candidates everything is unserved.
    """
    ordered = sorted(candidates, key=attrgetter("asset_id.int"))
    limits = [c.limits for c in ordered]
    lowest, highest = [each.min_mw for each in limits], [each.max_mw for each in limits]
    weights = _normalised(WEIGHTINGS[weighting](mw, ordered))
    raw = [mw * weight for weight in weights]
    clamped = _clamped(raw, lowest, highest)
    residual = _share_out(mw - math.fsum(clamped), clamped, lowest, highest)
    weighed = _tidy(raw) if abs(mw) < _LARGE_MW else raw
    within, reasons = weighed, _NO_REASON * len(raw)
    if clamped != raw:
        within = _tidy(clamped)
        reasons = [
            None if share == wanted else each.reason
            for share, wanted, each in zip(clamped, raw, limits, strict=True)
        ]
    final = within
    if any(residual):
        final = _tidy([share + extra for share, extra in zip(clamped, residual, strict=True)])
        residual = _tidy(residual)
    granted = _clamped(final, lowest, highest)
    made = zip(
        [c.asset_id for c in ordered],
        [c.capacity_mwhr for c in ordered],
        weights,
        weighed,
        within,
        residual,
        granted,
        reasons,
        strict=True,
    )
    shares = tuple(map(_share, made))
    unserved = mw - math.fsum(granted)
    return Split(mw, shares, 0.0 if abs(unserved) <= TOLERANCE_MW else round(unserved, 9))


def _tidy(powers_mw: Sequence[float]) -> list[float]:
    """To a milliwatt, so that an operator reads 7.2 and not 7.199999999999999; without a negative zero."""
    return [((mw * 1e9 + _WHOLE) - _WHOLE) / 1e9 for mw in powers_mw]


def _clamped(
    powers_mw: Sequence[float], lowest_mw: Sequence[float], highest_mw: Sequence[float]
) -> list[float]:
    return [
        low if mw < low else high if mw > high else mw  # noqa: FURB136 - a call takes as long as all the rest
        for mw, low, high in zip(powers_mw, lowest_mw, highest_mw, strict=True)
    ]


def _normalised(weights: list[float]) -> list[float]:
    total = math.fsum(weights)
    if total > 0:
        return [weight / total for weight in weights]
    return [1.0 / len(weights) for _ in weights]


def _share_out(
    left: float, clamped: Sequence[float], lowest_mw: Sequence[float], highest_mw: Sequence[float]
) -> list[float]:
    nothing = [0.0] * len(clamped)
    if abs(left) <= _ROUNDING_MW:
        return nothing
    bounds = highest_mw if left >= 0 else lowest_mw
    room = [bound - mw for bound, mw in zip(bounds, clamped, strict=True)]
    total = math.fsum(room)
    if total == 0.0:
        return nothing
    portion = min(left / total, 1.0)
    return [portion * r for r in room]
