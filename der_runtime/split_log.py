"""How a site's megawatts were split, in the log: a line per asset, then the sum."""

from collections.abc import Mapping
from uuid import UUID

from der_core.allocation import TOLERANCE_MW, Split
from der_runtime.logs import get_logger

_log = get_logger(__name__)


def log_split(dispatch_id: UUID, split: Split, names: Mapping[UUID, str]) -> None:
    """Log a split. Powers in MW, positive = discharge / export, rounded to the watt."""
    for share in split.shares:
        _log.info(
            "split",
            dispatch_id=str(dispatch_id),
            asset=names[share.asset_id],
            capacity_mwhr=_round(share.capacity_mwhr),
            weight=_round(share.weight),
            raw_mw=_round(share.raw_mw),
            clamped_mw=_round(share.clamped_mw),
            residual_mw=_round(share.residual_mw),
            final_mw=_round(share.mw),
            **({"note": share.reason} if share.reason else {}),
        )
    _log.info(
        "split sum",
        dispatch_id=str(dispatch_id),
        requested_mw=_round(split.requested_mw),
        allocated_mw=_round(split.allocated_mw),
        unserved_mw=_round(split.unserved_mw),
        tolerance_mw=TOLERANCE_MW,
    )


def _round(value: float) -> float:
    return round(value, 6) + 0.0  # + 0.0: no negative zero
