"""What an asset or a site did: samples, or buckets of them, over a span of time.

Takes a question as an operator asks it, says what is wrong with it or asks the store, and gives plain columns: unknown
is ``None``, a state goes by its name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from der_core.assets import Asset
from der_core.errors import Rejected
from der_headend import cursor as cursors
from der_headend.fleet import Fleet, plain_numbers
from der_headend.ports import HistoryQuery, SiteHistory, SiteHistoryQuery, TelemetryStore
from der_runtime.clock import Clock

DEFAULT_SPAN = timedelta(hours=1)
MOST_ASSETS = 10_000
"""The past of a site with more assets than this is not summed up."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


class Resolution(StrEnum):
    """The samples themselves, or the width of a bucket."""

    RAW = "raw"
    ONE_MINUTE = "1m"
    FIVE_MINUTES = "5m"
    ONE_HOUR = "1h"

    @property
    def bucket_us(self) -> int | None:
        """Width of a bucket in microseconds; ``None`` for samples."""
        return _BUCKETS_US[self]


_BUCKETS_US: Mapping[Resolution, int | None] = {
    Resolution.RAW: None,
    Resolution.ONE_MINUTE: 60_000_000,
    Resolution.FIVE_MINUTES: 300_000_000,
    Resolution.ONE_HOUR: 3_600_000_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """Samples of an asset with ``start <= time < end`` (aware): the newest page first, each in order of time.

    Without ``end``: until now; without ``start``: the hour before ``end``. Buckets are whole: ``start`` goes back and
    ``end`` on to the edge of theirs.
    """

    asset_id: UUID
    start: datetime | None = None
    end: datetime | None = None
    resolution: Resolution = Resolution.RAW
    limit: int = 1000
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteHistoryRequest:
    """Buckets of a site with ``start <= beginning < end``; otherwise as ``HistoryRequest``."""

    site_id: UUID
    start: datetime | None = None
    end: datetime | None = None
    resolution: Resolution = Resolution.ONE_MINUTE
    limit: int = 1000
    cursor: str | None = None


Values = Sequence[float | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Samples or buckets in columns.

    ``timestamps_us``: microseconds since 1970, ascending; of a bucket its beginning. ``columns``: by signal and by
    statistic; of a sample, and of a state in a bucket, the only statistic is ``last``.
    """

    asset: Asset
    resolution: Resolution
    timestamps_us: NDArray[np.int64]
    columns: Mapping[str, Mapping[str, Values]]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteHistoryPage:
    """Buckets of a site in columns, as ``ports.SiteHistory`` has them; unknown is ``None``.

    ``sums``: ``current_mw`` (positive = discharge / export), ``setpoint_mw``, ``soc_mwhr``, ``soc_pct``.
    """

    site_id: UUID
    timestamps_us: NDArray[np.int64]
    assets: Sequence[int]
    sums: Mapping[str, Sequence[float | None]]
    next_cursor: str | None


class TelemetryHistory:
    """Answers questions about past telemetry."""

    def __init__(self, *, fleet: Fleet, store: TelemetryStore, clock: Clock) -> None:
        self._fleet = fleet
        self._store = store
        self._clock = clock

    async def read(self, request: HistoryRequest) -> HistoryPage:
        """One page of an asset's history.

        Raises:
            NotFound: ``unknown_asset``.
            Rejected: ``invalid_range`` or ``invalid_cursor``.
            Unavailable: the store is away.
        """
        asset = self._fleet.inventory.known_asset(request.asset_id)
        start_us, end_us = _span(request, self._clock.now())
        found = await self._store.history(
            HistoryQuery(
                slot=self._fleet.slot_of[asset.id],
                start_us=start_us,
                end_us=end_us,
                limit=request.limit,
                bucket_us=request.resolution.bucket_us,
            )
        )
        return HistoryPage(
            asset=asset,
            resolution=request.resolution,
            timestamps_us=found.timestamps_us,
            columns={name: self._plain(name, statistics) for name, statistics in found.columns.items()},
            next_cursor=_cursor(found.earlier_us),
        )

    async def read_site(self, request: SiteHistoryRequest) -> SiteHistoryPage:
        """One page of a site's history.

        Raises:
            NotFound: ``unknown_site``.
            Rejected: ``site_too_large`` (more than ``MOST_ASSETS``), ``invalid_range`` or ``invalid_cursor``.
            Unavailable: the store is away.
        """
        inventory = self._fleet.inventory
        site_id = inventory.known_site(request.site_id).id
        members = inventory.assets_of(site_id)
        if len(members) > MOST_ASSETS:
            raise Rejected(
                "site_too_large",
                f"the history of more than {MOST_ASSETS:,} assets is not summed up; ask for that of single assets",
                field="site_id",
            )
        start_us, end_us = _span(request, self._clock.now())
        found = await self._store.site_history(
            SiteHistoryQuery(
                slots=self._fleet.slots_of(site_id),
                capacity_mwhr=np.array(members.numbers("capacity_mwhr"), np.float64),
                start_us=start_us,
                end_us=end_us,
                limit=request.limit,
                bucket_us=request.resolution.bucket_us or 0,
            )
        )
        return _site_page(site_id, found)

    def _plain(self, signal: str, statistics: Mapping[str, NDArray[np.float64]]) -> Mapping[str, Values]:
        if signal not in self._fleet.states:
            return {name: plain_numbers(values) for name, values in statistics.items()}
        codes: Iterable[float] = statistics["last"].tolist() if "last" in statistics else ()
        return {"last": [self._fleet.state_name(signal, code) for code in codes]}


def _site_page(site_id: UUID, found: SiteHistory) -> SiteHistoryPage:
    return SiteHistoryPage(
        site_id=site_id,
        timestamps_us=found.timestamps_us,
        assets=found.assets.tolist(),
        sums={
            "current_mw": plain_numbers(found.current_mw),
            "setpoint_mw": plain_numbers(found.setpoint_mw),
            "soc_mwhr": plain_numbers(found.soc_mwhr),
            "soc_pct": plain_numbers(found.soc_pct),
        },
        next_cursor=_cursor(found.earlier_us),
    )


def _cursor(earlier_us: int | None) -> str | None:
    return None if earlier_us is None else cursors.encode((str(earlier_us),))


def _span(request: HistoryRequest | SiteHistoryRequest, now: datetime) -> tuple[int, int]:
    end_us = ((request.end or now) - _EPOCH) // _MICROSECOND
    default_us = end_us - DEFAULT_SPAN // _MICROSECOND
    start_us = default_us if request.start is None else (request.start - _EPOCH) // _MICROSECOND
    if start_us >= end_us:
        raise Rejected(
            "invalid_range", "start must be before end (which is now, if it is not given)", field="start"
        )
    if width_us := request.resolution.bucket_us:
        start_us -= start_us % width_us
        end_us += -end_us % width_us
    if request.cursor is not None:
        end_us = max(min(end_us, _position(request.cursor)), start_us)
    return start_us, end_us


def _position(cursor: str) -> int:
    (text,) = cursors.decode(cursor, 1)
    try:
        position = int(text)
    except ValueError:
        raise cursors.invalid_cursor() from None
    if not 0 <= position <= _LAST_US:
        raise cursors.invalid_cursor()
    return position
