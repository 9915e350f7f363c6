"""Sums over a site of any size take no room for each of its assets."""

import tracemalloc
from uuid import UUID

import numpy as np
import pytest

from der_core.assets import Inventory, Site
from der_headend.fleet import Fleet
from der_headend.ports import Rows
from der_headend.rest.views.sums import Sums
from kit.headend import SITE, battery

AT_ONCE, PIECES = 100, 50
ASSETS = [battery(UUID(int=n), "", SITE, 2.0, 5.0) for n in range(AT_ONCE)]
SLOTS = np.arange(AT_ONCE)


def fleet() -> Fleet:
    """Each asset at 0.1 MW with 0.7 MWh stored, measured at 1."""
    found = Fleet(Inventory([Site(SITE, "", "")], ASSETS))
    columns = {"current_mw": np.full(AT_ONCE, 0.1), "soc_mwhr": np.full(AT_ONCE, 0.7)}
    found.apply([Rows(timestamps_us=np.ones(AT_ONCE, np.int64), slots=SLOTS, columns=columns)], [SLOTS])
    return found


def test_pieces_add_up_to_the_whole() -> None:
    sums = Sums(fleet(), oldest_us=0)
    for _ in range(PIECES):
        sums.add(SLOTS, [True] * AT_ONCE)
    assert sums.fields() == {
        "current_mw": pytest.approx(500.0),
        "soc_mwhr": pytest.approx(3500.0),
        "soc_pct": pytest.approx(35.0),
        "headroom_up_mw": pytest.approx(24_500.0),
        "headroom_down_mw": pytest.approx(25_500.0),
        "assets_online": 5000,
        "assets_heard": 5000,
        "unheard_since": None,
    }


def test_a_piece_more_takes_no_more_room() -> None:
    sums = Sums(fleet(), oldest_us=0)
    sums.add(SLOTS, [True] * AT_ONCE)
    tracemalloc.start()
    try:
        for _ in range(PIECES):
            sums.add(SLOTS, [True] * AT_ONCE)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 8 * AT_ONCE * PIECES


def test_of_no_asset_nothing_is_known() -> None:
    silent = Sums(fleet(), oldest_us=2)
    for sums in (silent, Sums(fleet(), oldest_us=0)):
        sums.add(SLOTS, [sums is silent] * AT_ONCE)
        fields = sums.fields()
        assert {
            fields[name]
            for name in ("current_mw", "soc_mwhr", "soc_pct", "headroom_up_mw", "headroom_down_mw")
        } == {None}
        assert (fields["assets_heard"], fields["unheard_since"]) == (0, "1970-01-01T00:00:00.000001Z")
