"""Questions about past telemetry: what is asked of the store, what is refused, and buckets against brute force."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_core.errors import NotFound, Rejected
from der_headend.cursor import encode
from der_headend.fleet import Fleet
from der_headend.history import HistoryRequest, Resolution, TelemetryHistory
from der_headend.ports import History, HistoryQuery, SiteHistory, SiteHistoryQuery
from der_headend.store.memory.telemetry import MemoryTelemetry
from der_runtime.clock import ManualClock
from kit.headend import INVENTORY, A, B
from kit.records import rows

NOW = datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000


@dataclass
class NotingStore:
    """Notes what it is asked and gives what it was told to give."""

    answer: History = field(default_factory=lambda: History(np.array([], np.int64), {}))
    asked: list[HistoryQuery] = field(default_factory=list)

    async def history(self, query: HistoryQuery) -> History:
        self.asked.append(query)
        return self.answer

    async def site_history(self, query: SiteHistoryQuery) -> SiteHistory:
        raise NotImplementedError


@pytest.fixture
def store() -> NotingStore:
    return NotingStore()


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(INVENTORY)


@pytest.fixture
def history(store: NotingStore, fleet: Fleet) -> TelemetryHistory:
    return TelemetryHistory(fleet=fleet, store=store, clock=ManualClock(NOW))


async def test_by_default_the_samples_of_the_last_hour(
    history: TelemetryHistory, store: NotingStore, fleet: Fleet
) -> None:
    await history.read(HistoryRequest(asset_id=B))
    assert store.asked == [
        HistoryQuery(slot=fleet.slot_of[B], start_us=NOW_US - HOUR_US, end_us=NOW_US, limit=1000)
    ]


async def test_hour_before_a_given_end(history: TelemetryHistory, store: NotingStore) -> None:
    await history.read(HistoryRequest(asset_id=A, end=NOW - timedelta(days=1)))
    assert store.asked[0].end_us - store.asked[0].start_us == HOUR_US


async def test_time_zones_are_understood(history: TelemetryHistory, store: NotingStore) -> None:
    start = datetime(2026, 6, 1, 13, tzinfo=timezone(timedelta(hours=2)))
    await history.read(HistoryRequest(asset_id=A, start=start))
    assert store.asked[0].start_us == NOW_US - HOUR_US - 30_000_000


async def test_buckets_are_whole(history: TelemetryHistory, store: NotingStore) -> None:
    await history.read(HistoryRequest(asset_id=A, resolution=Resolution.ONE_MINUTE))
    asked = store.asked[0]
    assert (asked.start_us, asked.end_us) == (NOW_US - HOUR_US - 30_000_000, NOW_US + 30_000_000)
    assert asked.bucket_us == MINUTE_US


async def test_whole_edges_stay(history: TelemetryHistory, store: NotingStore) -> None:
    start, end = NOW.replace(minute=0, second=0) - timedelta(hours=2), NOW.replace(minute=0, second=0)
    await history.read(HistoryRequest(asset_id=A, start=start, end=end, resolution=Resolution.ONE_HOUR))
    assert store.asked[0].end_us - store.asked[0].start_us == 2 * HOUR_US


@pytest.mark.parametrize(
    ("start", "end"), [(NOW, NOW), (NOW, NOW - timedelta(seconds=1)), (NOW + timedelta(hours=1), None)]
)
async def test_start_must_be_before_end(
    history: TelemetryHistory, store: NotingStore, start: datetime, end: datetime | None
) -> None:
    with pytest.raises(Rejected) as caught:
        await history.read(HistoryRequest(asset_id=A, start=start, end=end))
    assert (caught.value.code, caught.value.field) == ("invalid_range", "start")
    assert store.asked == []


async def test_any_time_that_can_be_written_can_be_asked_for(
    history: TelemetryHistory, store: NotingStore
) -> None:
    ahead, behind = timezone(timedelta(hours=-23)), timezone(timedelta(hours=23))
    request = HistoryRequest(
        asset_id=A,
        start=datetime.min.replace(tzinfo=behind),
        end=datetime.max.replace(tzinfo=ahead),
        resolution=Resolution.ONE_HOUR,
    )
    await history.read(request)
    assert store.asked[0].start_us < 0 < store.asked[0].end_us


async def test_unknown_asset(history: TelemetryHistory) -> None:
    with pytest.raises(NotFound) as caught:
        await history.read(HistoryRequest(asset_id=uuid4()))
    assert caught.value.code == "unknown_asset"


async def test_cursor_goes_on_where_the_page_ended(history: TelemetryHistory, store: NotingStore) -> None:
    store.answer = History(np.array([NOW_US - 5], np.int64), {}, earlier_us=NOW_US - 4)
    first = await history.read(HistoryRequest(asset_id=A))
    await history.read(HistoryRequest(asset_id=A, cursor=first.next_cursor))
    assert (store.asked[1].start_us, store.asked[1].end_us) == (NOW_US - HOUR_US, NOW_US - 4)


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", encode(("x",)), encode(("-1",)), encode(("9" * 40,)), encode(("1", "2"))]
)
async def test_malformed_cursor(history: TelemetryHistory, cursor: str) -> None:
    with pytest.raises(Rejected) as caught:
        await history.read(HistoryRequest(asset_id=A, cursor=cursor))
    assert caught.value.code == "invalid_cursor"


async def test_states_go_by_their_names_and_have_no_mean(
    history: TelemetryHistory, store: NotingStore, fleet: Fleet
) -> None:
    codes = np.array([1.0, math.nan])
    store.answer = History(
        np.array([1, 2], np.int64),
        {
            "status": {"mean": codes, "min": codes, "max": codes, "last": codes},
            "soc_pct": {"mean": np.array([50.0, math.inf])},
        },
    )
    page = await history.read(HistoryRequest(asset_id=A, resolution=Resolution.ONE_MINUTE))
    assert page.columns == {"status": {"last": ["charging", None]}, "soc_pct": {"mean": [50.0, None]}}


samples = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=20 * MINUTE_US),
        st.one_of(st.just(math.nan), st.floats(min_value=-1e6, max_value=1e6)),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda sample: sample[0],
)


@given(samples=samples, resolution=st.sampled_from([r for r in Resolution if r is not Resolution.RAW]))
async def test_buckets_equal_brute_force(
    samples: Sequence[tuple[int, float]], resolution: Resolution
) -> None:
    fleet = Fleet(INVENTORY)
    store = MemoryTelemetry(assets=len(fleet.assets), history_samples=1000)
    begin_us = NOW_US - HOUR_US
    for offset_us, value in samples:
        store.add(rows(begin_us + offset_us, [fleet.slot_of[A]], {"current_mw": [value]}))
    history = TelemetryHistory(fleet=fleet, store=store, clock=ManualClock(NOW))
    page = await history.read(
        HistoryRequest(asset_id=A, start=NOW - timedelta(hours=2), resolution=resolution)
    )

    width_us = resolution.bucket_us
    assert width_us is not None
    expected = {
        bucket * width_us: [value for _, value in group if not math.isnan(value)]
        for bucket, group in groupby(
            sorted((begin_us + offset_us, value) for offset_us, value in samples),
            key=lambda sample: sample[0] // width_us,
        )
    }
    columns = page.columns["current_mw"]
    assert page.timestamps_us.tolist() == list(expected)
    assert columns["min"] == [min(values, default=None) for values in expected.values()]
    assert columns["max"] == [max(values, default=None) for values in expected.values()]
    assert columns["last"] == [values[-1] if values else None for values in expected.values()]
    for mean, values in zip(columns["mean"], expected.values(), strict=True):
        if values:
            assert mean == pytest.approx(math.fsum(values) / len(values), abs=1e-6)
        else:
            assert mean is None
