"""Samples on their way into rows: brought together, put in order, the ones with more signals apart; none is lost."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from der_core.assets import Inventory
from der_headend.ports import Rows
from der_headend.store.postgres.binary_copy import unix_time
from der_headend.store.postgres.catalogue import Catalogue
from der_headend.store.postgres.samples import ROWS_AT_ONCE, encode, gathered

KEYS = np.array([70_000, 3, 65_536, 131_075, 4, 65_539], np.int32)
"""By slot; some have one half of their bits in common."""

CORE_ALONE, WITH_ANOTHER = ("current_mw",), ("current_mw", "available_mw")

Sample = tuple[int, int, float, float]
"""Slot, time, power, available power."""

SAMPLES = st.tuples(
    st.integers(0, len(KEYS) - 1),
    st.integers(1, 6),
    st.sampled_from([1.0, 2.5, -3.0]),
    st.sampled_from([float("nan"), 0.0, 7.5]),
)
FRAMES = st.lists(st.tuples(st.sampled_from([CORE_ALONE, WITH_ANOTHER]), st.lists(SAMPLES, min_size=1)))


def rows_of(names: tuple[str, ...], samples: list[Sample]) -> Rows:
    slots, times_us, *columns = (np.array(column) for column in zip(*samples, strict=True))
    return Rows(
        timestamps_us=times_us, slots=slots, columns=dict(zip(names, columns[: len(names)], strict=True))
    )


def told(rows: Rows) -> list[tuple[float, ...]]:
    """Slot, time, power, available power of each; unknown as -1."""
    unknown = np.full(rows.size, np.nan)
    columns = [rows.columns.get(name, unknown) for name in WITH_ANOTHER]
    return [
        tuple(sample)
        for sample in np.nan_to_num([rows.slots, rows.timestamps_us, *columns], nan=-1.0).T.tolist()
    ]


@given(FRAMES)
def test_what_is_gathered_is_all_there_in_order_of_asset_and_time(
    frames: list[tuple[tuple[str, ...], list[Sample]]],
) -> None:
    given_ = [rows_of(names, samples) for names, samples in frames]
    parts = list(gathered(given_, KEYS))
    assert sorted(s for rows in parts for s in told(rows)) == sorted(s for rows in given_ for s in told(rows))
    for rows in parts:
        place = list(zip(KEYS[rows.slots].tolist(), rows.timestamps_us.tolist(), strict=True))
        assert place == sorted(place)
        known = ~np.isnan(rows.columns.get("available_mw", np.full(rows.size, np.nan)))
        assert known.all() == ("available_mw" in rows.columns)


def test_samples_without_another_signal_have_shorter_rows() -> None:
    catalogue = Catalogue(inventory=Inventory([], []), states={})
    catalogue.keys = KEYS
    catalogue._places = {"current_mw": -4, "available_mw": 1}
    samples = [(0, 5, 1.0, float("nan")), (1, 5, 2.5, 7.5), (2, 6, -3.0, float("nan"))]
    parts = list(gathered([rows_of(WITH_ANOTHER, samples)], KEYS))
    bare, full = [np.concatenate(list(encode(rows, catalogue))) for rows in parts]
    assert bare["asset"].tolist() == [65_536, 70_000]
    assert unix_time(bare["at"]).tolist() == [6, 5]
    assert bare["current_mw"].tolist() == [-3.0, 1.0]
    assert bare["others length"].tolist() == [-1, -1]
    assert full["asset"].tolist() == [3]
    assert full["others"]["items"]["value"].ravel().tolist() == [7.5]


def test_no_more_is_put_in_order_than_is_asked_for() -> None:
    """So that others have their turn while much is stored."""
    frame = rows_of(CORE_ALONE, [(0, at_us, 1.0, 0.0) for at_us in range(ROWS_AT_ONCE // 4)])
    taken = 0

    def frames() -> Iterator[Rows]:
        nonlocal taken
        for _ in range(40):
            taken += 1
            yield frame

    sizes = [(taken, rows.size) for rows in gathered(frames(), KEYS)]
    assert sizes == [(4 * turn, ROWS_AT_ONCE) for turn in range(1, 11)]
