"""The split: how a site's megawatts become setpoints of its assets.

Each asset's raw share is ``mw x weight / sum of weights``. It is clamped to what the asset can do now; what the clamps
cut off is given to those with room, in proportion to their room, until it is placed or nobody has room. What nobody
can take is ``unserved_mw``. So the allocations and ``unserved_mw`` always add up to what was asked for, and because
the work goes in order of asset id with ``math.fsum``, the same input gives the same output to the last bit, in
whatever order it came.

One pass over the room places everything: asset *i* gets ``left x room_i / sum of room``, which is at most ``room_i`` as
long as ``left`` is at most the sum, and if it is more everybody is full.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from der_core.assets import Limits

TOLERANCE_MW = 1e-6
"""Within this, the allocations and ``unserved_mw`` add up to the requested power."""

_ROUNDING_MW = TOLERANCE_MW / 1000
"""What is left over below this is an error of floating point and not power that somebody could take."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
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
    weights = []
    for c in candidates:
        middle = (c.min_soc_pct + c.max_soc_pct) / 2
        soc = c.soc_pct if c.soc_pct is not None else middle
        usable_pct = soc - c.min_soc_pct if mw >= 0 else c.max_soc_pct - soc
        weights.append(c.capacity_mwhr * max(usable_pct, 0.0) / 100.0)
    return weights


WEIGHTINGS: Mapping[Weighting, Callable[[float, Sequence[Candidate]], list[float]]] = {
    Weighting.CAPACITY: by_capacity,
    Weighting.HEADROOM: by_headroom,
    Weighting.SOC: by_soc,
}


def split(mw: float, candidates: Iterable[Candidate], *, weighting: Weighting = Weighting.CAPACITY) -> Split:
    """Split ``mw`` (MW, positive = discharge / export) over the candidates.

    Where no candidate has a weight the shares are equal. With no candidates everything is unserved.
    """
    ordered = sorted(candidates, key=lambda c: c.asset_id)
    weights = _normalised(WEIGHTINGS[weighting](mw, ordered))
    raw = [mw * weight for weight in weights]
    clamped = [min(max(r, c.limits.min_mw), c.limits.max_mw) for r, c in zip(raw, ordered, strict=True)]
    residual = _share_out(mw - math.fsum(clamped), clamped, ordered)
    shares = tuple(
        Share(
            asset_id=c.asset_id,
            capacity_mwhr=c.capacity_mwhr,
            weight=weight,
            raw_mw=_tidy(r),
            clamped_mw=_tidy(cl),
            residual_mw=_tidy(extra),
            mw=min(max(_tidy(cl + extra), c.limits.min_mw), c.limits.max_mw),
            reason=c.limits.reason if cl != r else None,
        )
        for c, weight, r, cl, extra in zip(ordered, weights, raw, clamped, residual, strict=True)
    )
    unserved = mw - math.fsum(share.mw for share in shares)
    return Split(mw, shares, 0.0 if abs(unserved) <= TOLERANCE_MW else _tidy(unserved))


def _tidy(mw: float) -> float:
    """To a milliwatt, so that an operator reads 7.2 and not 7.199999999999999."""
    return round(mw, 9) + 0.0


def _normalised(weights: list[float]) -> list[float]:
    total = math.fsum(weights)
    if total > 0:
        return [weight / total for weight in weights]
    return [1.0 / len(weights) for _ in weights]


def _share_out(left: float, clamped: Sequence[float], candidates: Sequence[Candidate]) -> list[float]:
    if left >= 0:
        room = [c.limits.max_mw - mw for c, mw in zip(candidates, clamped, strict=True)]
    else:
        room = [c.limits.min_mw - mw for c, mw in zip(candidates, clamped, strict=True)]
    total = math.fsum(room)
    if total == 0.0 or abs(left) <= _ROUNDING_MW:
        return [0.0] * len(room)
    portion = min(left / total, 1.0)
    return [portion * r for r in room]
