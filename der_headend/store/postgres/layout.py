"""How telemetry lies in partitions, by the size of the fleet (measured in ADR 0020)."""

from datetime import timedelta

from der_headend.store.postgres.partitions import Table
from der_headend.store.postgres.samples import TABLE

SMALL_FLEET = 100_000
"""Up to so many assets a partition is indexed from the beginning."""

ROWS_WHILE_HOT = 20_000_000
"""So many rows a hot partition of a larger fleet holds at most: a reader looks through some tens of megabytes of it."""

_TICK_S = 4
_MINUTES = (60, 30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1)


def telemetry_table(*, assets: int, keep: timedelta | None, small_fleet: int = SMALL_FLEET) -> Table:
    """The table of samples for a fleet that reports every four seconds."""
    if assets <= small_fleet:
        return Table(TABLE, timedelta(hours=1), keep, index="(asset, at)")
    rows_per_minute = assets * 60 // _TICK_S
    minutes = next((m for m in _MINUTES if m * rows_per_minute <= ROWS_WHILE_HOT), _MINUTES[-1])
    return Table(
        TABLE,
        timedelta(minutes=minutes),
        keep,
        # An asset has some tens of samples in such a partition: not worth keeping them in order of time.
        index="(asset)",
        # Each COPY is in order of asset: so are its pages, and a few of them hold what there is of one asset. To look
        # at the time as well would cost more than it spares.
        hot="using brin (asset) with (pages_per_range = 4)",
    )
