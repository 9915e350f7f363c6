"""What every ``TelemetryStore`` must do."""

import math
from collections.abc import Mapping, Sequence
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from der_headend.ports import Batch, History, HistoryQuery, Rows, SiteHistory
from kit.records import rows
from kit.site_sums import ALL, assert_sum_of_assets, site_query
from kit.stores import ASSETS, Stores

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


async def read_site(
    stores: Stores,
    slots: Sequence[int],
    *,
    start_us: int = T0,
    end_us: int = T0 + 60 * MINUTE_US,
    limit: int = 1000,
    bucket_us: int = MINUTE_US,
) -> SiteHistory:
    """With capacities of 1, 2, 3 … MWh, by slot."""
    query = site_query(slots, start_us=start_us, end_us=end_us, bucket_us=bucket_us, limit=limit)
    return await stores.telemetry.site_history(query)


def unknown_as_none(values: Sequence[float]) -> list[float | None]:
    return [None if math.isnan(v) else v for v in values]


def plain(columns: Mapping[str, Sequence[float]]) -> dict[str, list[float | None]]:
    return {name: unknown_as_none(values) for name, values in columns.items()}


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


async def test_time_may_be_asked_for_beyond_any_that_can_be_written(stores: Stores) -> None:
    await put(stores, rows(T0 + 1, [0], {"current_mw": [4.0]}))
    day_us = 24 * 60 * MINUTE_US
    before, after = -719_163 * day_us, 2_932_897 * day_us  # 0000-12-31 and 10000-01-01
    for bucket_us in (None, 60 * MINUTE_US):
        found = await read(stores, 0, start_us=before, end_us=after, bucket_us=bucket_us)
        assert found.columns["current_mw"]["last"].tolist() == [4.0]
    site = await read_site(stores, [0], start_us=before, end_us=after)
    assert site.current_mw.tolist() == [4.0]


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


async def test_nothing_stored_of_a_site_is_nothing_found(stores: Stores) -> None:
    for slots in ([], [0, 1]):
        found = await read_site(stores, slots)
        assert found.timestamps_us.tolist() == []
        assert found.earlier_us is None


async def test_bucket_of_a_site_is_the_sum_of_what_is_known_of_its_assets(stores: Stores) -> None:
    unknown = math.nan
    await put(
        stores,
        rows(T0 + 1, [0, 1], {"current_mw": [1.0, 10.0], "setpoint_mw": [2.0, unknown]}),
        rows(T0 + 2, [0, 1], {"current_mw": [2.0, unknown], "setpoint_mw": [3.0, unknown]}),
        rows(T0 + 3, [0, 3], {"current_mw": [3.0, 99.0], "setpoint_mw": [unknown, 99.0]}),
        rows(T0 + 4, [0, 1], {"soc_mwhr": [0.5, 0.5], "soc_pct": [50.0, 25.0]}),
        rows(T0 + MINUTE_US, [1], {"soc_mwhr": [0.25], "voltage_v": [400.0]}),
        rows(T0 + 3 * MINUTE_US, [0], {"voltage_v": [400.0]}),
    )
    found = await read_site(stores, [0, 1, 2])
    assert found.timestamps_us.tolist() == [T0, T0 + MINUTE_US, T0 + 3 * MINUTE_US]
    assert found.assets.tolist() == [2, 0, 0]
    assert unknown_as_none(found.current_mw.tolist()) == [12.0, None, None]
    assert unknown_as_none(found.setpoint_mw.tolist()) == [3.0, None, None]
    assert unknown_as_none(found.soc_mwhr.tolist()) == [1.0, 0.25, None]
    assert unknown_as_none(found.soc_pct.tolist()) == [pytest.approx(100 / 3), None, None]


async def test_sample_that_comes_again_is_summed_once(stores: Stores) -> None:
    first, second = rows(T0 + 1, [0], {"current_mw": [4.0]}), rows(T0 + 2, [0], {"current_mw": [1.0]})
    await put(stores, first, first, second)
    assert (await read_site(stores, [0])).current_mw.tolist() == [2.5]


async def test_what_is_beyond_all_numbers_is_in_no_sum(stores: Stores) -> None:
    """Two such samples have no mean that is a number."""
    most = 1.7e308
    await put(stores, *(rows(T0 + t, [0, 1], {"current_mw": [most, 1.0]}) for t in range(3)))
    found = await read_site(stores, [0, 1], bucket_us=5 * MINUTE_US)
    assert (found.current_mw.tolist(), found.assets.tolist()) == ([1.0], [1])


async def test_buckets_of_a_site_page_by_page_from_the_newest(stores: Stores) -> None:
    await put(stores, *(rows(T0 + t * MINUTE_US, [t % 2], {"current_mw": [float(t)]}) for t in (0, 1, 4)))
    first = await read_site(stores, [0, 1], limit=2)
    assert first.timestamps_us.tolist() == [T0 + MINUTE_US, T0 + 4 * MINUTE_US]
    assert first.earlier_us == T0 + MINUTE_US
    rest = await read_site(stores, [0, 1], end_us=first.earlier_us, limit=2)
    assert rest.current_mw.tolist() == [0.0]
    assert rest.earlier_us is None


NUMBERS = st.just(math.nan) | st.floats(-100, 100).map(lambda value: round(value, 3))
SIGNALS = ("current_mw", "setpoint_mw", "soc_mwhr", "soc_pct")
MOMENTS = st.dictionaries(
    st.tuples(st.integers(0, 7200), st.integers(0, ASSETS - 1)),
    st.tuples(*[NUMBERS] * len(SIGNALS)),
    max_size=30,
)


TURNS = count()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments=MOMENTS, slots=st.sets(st.integers(0, ASSETS - 1)), limit=st.sampled_from([2, ALL]))
async def test_bucket_of_a_site_equals_the_sum_of_its_assets_buckets(
    stores: Stores, moments: Mapping[tuple[int, int], Sequence[float]], slots: set[int], limit: int
) -> None:
    """Each example has a time of its own in the one store."""
    began_us = T0 + next(TURNS) * 180 * MINUTE_US
    samples = [
        rows(
            began_us + second * 1_000_000,
            [slot],
            {name: [value] for name, value in zip(SIGNALS, values, strict=True)},
        )
        for (second, slot), values in moments.items()
    ]
    if samples:
        await put(stores, *samples)
    for width in (1, 5, 60):
        query = site_query(
            sorted(slots),
            start_us=began_us,
            end_us=began_us + 180 * MINUTE_US,
            bucket_us=width * MINUTE_US,
            limit=limit,
        )
        await assert_sum_of_assets(stores.telemetry, query)
