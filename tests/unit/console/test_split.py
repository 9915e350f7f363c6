"""The rows and bars of a split."""

from typing import Any

from der_client.models import Asset, Preview, PreviewShare
from der_console.feeds.split import Scale, preview_cells, preview_notes


def asset(**values: Any) -> Asset:
    return {"id": "a", "min_mw": -20.0, "max_mw": 60.0, **values}  # type: ignore[typeddict-item]


def share(**values: Any) -> PreviewShare:
    return {
        "asset_id": "a",
        "asset_name": "A",
        "capacity_mwhr": 1.0,
        "weight": 0.5,
        "raw_mw": 30.0,
        "clamped_mw": 30.0,
        "mw": 30.0,
        "reason": None,
        **values,  # type: ignore[typeddict-item]
    }


def preview(*shares: PreviewShare, **values: Any) -> Preview:
    return {
        "target": "site",
        "asset_id": None,
        "site_id": "s",
        "requested_mw": 30.0,
        "mw": 30.0,
        "clamped": False,
        "allocations": list(shares),
        "unserved_mw": 0.0,
        "skipped": [],
        "warnings": [],
        **values,  # type: ignore[typeddict-item]
    }


def test_a_bar_goes_from_zero_to_the_power_on_the_track_of_the_limits() -> None:
    cell = Scale([asset()], [30.0]).bar(20.0, wanted_mw=60.0, asset=asset())
    assert cell["bar"] == {"zero": 25.0, "from": 25.0, "to": 50.0, "track": [0.0, 100.0], "mark": 100.0}
    assert cell["d"] == "out"


def test_a_bar_of_charging_ends_at_zero_and_of_the_unknown_has_no_length() -> None:
    scale = Scale([asset()], [])
    charging = scale.bar(-20.0, wanted_mw=None, asset=None)["bar"]
    assert (charging["from"], charging["to"], charging["track"], charging["mark"]) == (0.0, 25.0, None, None)
    unknown = scale.bar(None, wanted_mw=None, asset=asset())
    assert unknown["bar"]["from"] == unknown["bar"]["to"]
    assert "d" not in unknown


def test_nothing_to_scale_by_is_no_error() -> None:
    assert Scale([], [0.0, None]).bar(0.0, wanted_mw=0.0, asset=None)["bar"]["zero"] == 50.0


def test_what_is_cut_comes_first_and_is_pointed_out() -> None:
    cut = share(asset_id="b", asset_name="B", raw_mw=78.0, clamped_mw=60.0, mw=60.0)
    cells = preview_cells(preview(share(mw=32.0), cut), {"a": asset()})
    first, second = cells["split"]["rows"]
    assert (first["id"], first["clamped"]["s"], first["note"]["t"]) == ("b", "warn", "held to its limits")
    assert (second["residual"]["t"], second["note"]["t"]) == ("+2.00", "")


def test_notes_say_what_is_not_served_and_who_gets_nothing() -> None:
    notes = preview_notes(
        preview(
            share(raw_mw=78.0, clamped_mw=60.0),
            unserved_mw=-30.0,
            skipped=[{"asset_id": "c", "asset_name": "C", "reason": "agent_offline"}],
            warnings=["told by the headend"],
        )
    )
    assert notes == [
        "−30.00 MW would be unserved: the assets are at their limits.",
        "told by the headend",
        "1 asset would be held to its limits.",
        "1 asset would get no share.",
    ]


def test_where_nobody_is_connected_it_is_said_that_it_would_wait() -> None:
    skipped = [{"asset_id": "c", "asset_name": "C", "reason": "agent_offline"}]
    first, *_ = preview_notes(preview(mw=0.0, unserved_mw=30.0, skipped=skipped))
    assert first.startswith("No agent is connected. Sent now it would wait")
    skipped[0]["reason"] = "asset_offline"
    first, *_ = preview_notes(preview(mw=0.0, unserved_mw=30.0, skipped=skipped))
    assert first == "Nobody could take any of it now."
