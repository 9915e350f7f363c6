"""The last minutes, as charts draw them."""

from der_console.trends import Trend


def test_what_comes_too_late_is_not_joined() -> None:
    trend = Trend(2)
    assert trend.add(100.0, [1.0, 2.0], holds_s=15) == {"t": [100.0], "s": [[1.0], [2.0]]}
    assert trend.add(102.0, [3.0, None], holds_s=15) == {"t": [102.0], "s": [[3.0], [None]]}
    late = trend.add(160.0, [5.0, 6.0], holds_s=15)
    assert late == {"t": [117.0, 160.0], "s": [[None, 5.0], [None, 6.0]]}
    assert trend.columns()["s"][0] == [1.0, 3.0, None, 5.0]


def test_what_is_not_later_is_not_added_and_what_is_old_goes() -> None:
    trend = Trend(1, kept_s=10)
    trend.add(100.0, [1.0], holds_s=15)
    assert trend.add(100.0, [2.0], holds_s=15) is None
    trend.add(111.0, [3.0], holds_s=15)
    assert trend.columns() == {"t": [111.0], "s": [[3.0]]}
