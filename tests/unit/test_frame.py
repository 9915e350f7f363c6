"""Why a frame can't be taken: one case per code."""

import numpy as np
import pytest

from der_core.telemetry import Frame, frame_defect

NOW = 1_700_000_000_000_000
SECOND = 1_000_000


def defect(assets: list[int], columns: dict[int, list[float]], timestamp_us: int = NOW) -> str | None:
    frame = Frame(
        timestamp_us=timestamp_us,
        assets=np.array(assets, dtype=np.int64),
        columns={signal: np.array(values, dtype=np.float64) for signal, values in columns.items()},
    )
    return frame_defect(frame, asset_count=3, signal_count=2, now_us=NOW, max_ahead_us=SECOND)


@pytest.mark.parametrize(
    ("assets", "columns", "timestamp_us", "code"),
    [
        ([0, 1, 2], {0: [1, 2, 3], 1: [1, 2, 3]}, NOW, None),
        ([2, 0], {1: [1, np.nan]}, NOW, None),
        ([1], {}, NOW, None),
        ([1], {0: [1]}, NOW + SECOND, None),
        ([1], {0: [1]}, 1, None),
        ([], {}, NOW, "frame_empty"),
        ([1], {0: [1]}, 0, "timestamp_missing"),
        ([1], {0: [1]}, -NOW, "timestamp_missing"),
        ([1], {0: [1]}, NOW + SECOND + 1, "timestamp_in_future"),
        ([3], {0: [1]}, NOW, "asset_index_out_of_range"),
        ([-1], {0: [1]}, NOW, "asset_index_out_of_range"),
        ([0, 0], {0: [1, 2]}, NOW, "asset_index_repeated"),
        ([1], {2: [1]}, NOW, "signal_index_out_of_range"),
        ([1], {-1: [1]}, NOW, "signal_index_out_of_range"),
        ([0, 1], {0: [1]}, NOW, "column_length_mismatch"),
        ([0, 1], {0: [1, 2], 1: [1, 2, 3]}, NOW, "column_length_mismatch"),
        ([0, 1], {0: []}, NOW, "column_length_mismatch"),
    ],
)
def test_a_frame_is_taken_or_has_a_named_defect(
    assets: list[int], columns: dict[int, list[float]], timestamp_us: int, code: str | None
) -> None:
    assert defect(assets, columns, timestamp_us) == code
