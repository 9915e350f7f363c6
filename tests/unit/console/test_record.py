"""What the page of one dispatch says of its life."""

from typing import Any

import pytest

from der_client.models import Dispatch
from der_console.feeds.record import record_cells, steps

NOW = 1_800_000_000.0


def record(*states: str, **values: Any) -> Dispatch:
    made: Any = {
        "id": "d",
        "target": "site",
        "asset_id": None,
        "site_id": "s",
        "requested_mw": 12.0,
        "mw": 12.0,
        "clamped": False,
        "duration_s": None,
        "state": states[-1],
        "submitted_at": "2027-01-15T08:00:00Z",
        "expires_at": "2027-01-15T08:05:00Z",
        "active_at": None,
        "ended_at": None,
        "allocations": [],
        "unserved_mw": None,
        "transitions": [
            {"state": s, "at": "2027-01-15T08:00:00.5Z", "reason": None, "by": "agent s"} for s in states
        ],
        "warnings": [],
        **values,
    }
    return made  # type: ignore[no-any-return]


def test_what_was_requested_is_shown_as_it_was_sent() -> None:
    cells = record_cells(
        record("submitted", requested_mw=-123.4567), "GT-BESS-B", "Gateway-Test", {}, now=NOW
    )
    assert cells["title"]["t"] == "−123.4567 MW to GT-BESS-B"
    assert cells["requested"] == {"t": "−123.4567", "d": "in"}


def test_an_agent_is_called_by_its_site_whatever_it_was_told_to_do() -> None:
    to_asset = record("submitted", "active", target="asset", asset_id="a")
    (step, _) = record_cells(to_asset, "GT-BESS-B", "Gateway-Test", {}, now=NOW)["steps"]["rows"]
    assert step["by"] == "by agent Gateway-Test"


def test_what_is_to_come_is_shown_after_what_has_been() -> None:
    shown = steps(record("submitted", "queued", duration_s=60.0), "Gateway-Test")
    assert [step["t"] for step in shown] == [
        "submitted",
        "queued",
        "sent",
        "acknowledged",
        "active",
        "completed",
    ]
    assert ["at" in step for step in shown] == [True, True, False, False, False, False]
    assert shown[0]["by"] == "by agent Gateway-Test"


def test_an_open_ended_one_has_no_end_to_come_and_an_ended_one_nothing() -> None:
    assert steps(record("submitted", "queued"), "x")[-1]["t"] == "active"
    ended = steps(record("submitted", "queued", "expired"), "x")
    assert (len(ended), ended[-1]["s"]) == (3, "bad")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ""),
        ({"active_at": "2027-01-15T08:00:00Z"}, "in force for 0 s"),
        ({"active_at": "2027-01-15T08:00:00Z", "duration_s": 900.0}, "ends in 15 min"),
        (
            {"active_at": "2027-01-15T07:00:00Z", "ended_at": "2027-01-15T08:00:00Z"},
            "was in force for 60 min",
        ),
    ],
)
def test_how_long_it_lasts(values: Any, words: str) -> None:
    assert record_cells(record("submitted", "active", **values), "x", "y", {}, now=NOW)["left"]["t"] == words


def test_moments_of_other_days_have_their_date() -> None:
    active = record("submitted", "active", active_at="2027-01-15T08:00:00Z")
    for days, words in ((0, "08:00:00 UTC"), (1, "2027-01-15 08:00:00 UTC")):
        cells = record_cells(active, "x", "y", {}, now=NOW + days * 86_400)
        assert cells["active"]["t"] == words


def test_what_is_not_known_yet_is_unknown() -> None:
    cells = record_cells(record("submitted", mw=None), "x", "y", {}, now=NOW)
    assert (cells["allocated"]["s"], cells["unserved"]["s"], cells["active"]["s"]) == ("unknown",) * 3
    assert cells["open"]["t"]
