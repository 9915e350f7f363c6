"""What every ``TelemetryStore`` must do."""

import math
from collections.abc import Mapping, Sequence

from der_headend.ports import Batch, History, HistoryQuery, Rows
from kit.records import rows
from kit.stores import Stores

MINUTE_US = 60_000_000
T0 = 1_767_225_600_000_000
"""2026-01-01, a whole hour."""


async def put(stores: Stores, *moments: Rows) -> None:
    await stores.journal.commit(Batch(rows=list(moments)))


async def read(
    stores: Stores,
    slot: int,
    *,
    start_us: int = T0,
    end_us: int = T0 + 60 * MINUTE_US,
    limit: int = 1000,
    bucket_us: int | None = None,
) -> History:
    return await stores.telemetry.history(
        HistoryQuery(slot=slot, start_us=start_us, end_us=end_us, limit=limit, bucket_us=bucket_us)
    )


def plain(columns: Mapping[str, Sequence[float]]) -> dict[str, list[float | None]]:
    return {name: [None if math.isnan(v) else v for v in values] for name, values in columns.items()}


async def test_nothing_stored_is_nothing_found(stores: Stores) -> None:
    for bucket_us in (None, MINUTE_US):
        found = await read(stores, 0, bucket_us=bucket_us)
        assert found.timestamps_us.tolist() == []
        assert found.earlier_us is None


async def test_samples_of_one_asset_come_back_unknown_where_not_reported(stores: Stores) -> None:
    await put(
        stores,
        rows(T0 + 1, [0, 2], {"current_mw": [1.0, 2.0]}),
        rows(T0 + 2, [2], {"current_mw": [math.nan], "voltage_v": [400.0]}),
    )
    found = await read(stores, 2)
    assert found.timestamps_us.tolist() == [T0 + 1, T0 + 2]
    assert plain({name: s["last"].tolist() for name, s in found.columns.items()}) == {
        "current_mw": [2.0, None],
        "voltage_v": [None, 400.0],
    }
    assert (await read(stores, 0)).timestamps_us.tolist() == [T0 + 1]
    assert (await read(stores, 1)).timestamps_us.tolist() == []


async def test_late_rows_come_out_in_order_of_time(stores: Stores) -> None:
    await put(stores, *(rows(T0 + t, [0], {"current_mw": [float(t)]}) for t in (5, 1, 9, 3)))
    found = await read(stores, 0)
    assert found.timestamps_us.tolist() == [T0 + t for t in (1, 3, 5, 9)]
    assert found.columns["current_mw"]["last"].tolist() == [1.0, 3.0, 5.0, 9.0]


async def test_sample_that_comes_again_is_shown_once(stores: Stores) -> None:
    moment = rows(T0 + 1, [0], {"current_mw": [4.0]})
    await put(stores, moment, moment)
    assert (await read(stores, 0)).timestamps_us.tolist() == [T0 + 1]
    in_buckets = await read(stores, 0, bucket_us=MINUTE_US)
    assert in_buckets.columns["current_mw"]["mean"].tolist() == [4.0]


async def test_start_is_inclusive_and_end_exclusive(stores: Stores) -> None:
    await put(stores, *(rows(T0 + t, [0], {"current_mw": [0.0]}) for t in range(4)))
    found = await read(stores, 0, start_us=T0 + 1, end_us=T0 + 3)
    assert found.timestamps_us.tolist() == [T0 + 1, T0 + 2]


async def test_samples_page_by_page_from_the_newest(stores: Stores) -> None:
    await put(stores, *(rows(T0 + t, [0], {"current_mw": [float(t)]}) for t in range(5)))
    seen: list[list[float]] = []
    end_us: int | None = T0 + MINUTE_US
    while end_us is not None:
        page = await read(stores, 0, end_us=end_us, limit=2)
        seen.append(page.columns["current_mw"]["last"].tolist())
        end_us = page.earlier_us
    assert seen == [[3.0, 4.0], [1.0, 2.0], [0.0]]


async def test_buckets_begin_at_whole_multiples_and_empty_ones_are_left_out(stores: Stores) -> None:
    minutes = {0.25: 1.0, 0.5: 5.0, 0.75: 3.0, 2.5: 7.0}
    await put(stores, *(rows(T0 + int(m * MINUTE_US), [0], {"current_mw": [v]}) for m, v in minutes.items()))
    found = await read(stores, 0, bucket_us=MINUTE_US)
    assert found.timestamps_us.tolist() == [T0, T0 + 2 * MINUTE_US]
    assert {name: values.tolist() for name, values in found.columns["current_mw"].items()} == {
        "mean": [3.0, 7.0],
        "min": [1.0, 7.0],
        "max": [5.0, 7.0],
        "last": [3.0, 7.0],
    }


async def test_unknown_values_do_not_count_in_buckets(stores: Stores) -> None:
    await put(
        stores,
        rows(T0 + 1, [0], {"current_mw": [2.0], "soc_pct": [math.nan]}),
        rows(T0 + 2, [0], {"current_mw": [math.nan], "soc_pct": [math.nan]}),
    )
    found = await read(stores, 0, bucket_us=MINUTE_US)
    for signal, expected in (("current_mw", 2.0), ("soc_pct", None)):
        statistics = plain({name: values.tolist() for name, values in found.columns[signal].items()})
        assert statistics == {name: [expected] for name in ("mean", "min", "max", "last")}


async def test_buckets_page_by_page_from_the_newest(stores: Stores) -> None:
    await put(stores, *(rows(T0 + t * MINUTE_US, [0], {"current_mw": [float(t)]}) for t in (0, 1, 4)))
    first = await read(stores, 0, limit=2, bucket_us=MINUTE_US)
    assert first.timestamps_us.tolist() == [T0 + MINUTE_US, T0 + 4 * MINUTE_US]
    assert first.earlier_us == T0 + MINUTE_US
    rest = await read(stores, 0, end_us=first.earlier_us, limit=2, bucket_us=MINUTE_US)
    assert rest.columns["current_mw"]["last"].tolist() == [0.0]
    assert rest.earlier_us is None
