"""How the power of a dispatch is, or would be, divided: rows with a bar each. Pure.

Powers in MW, positive = discharge / export, negative = charge / import.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from der_client.models import Allocation, Asset, Dispatch, Preview, PreviewShare
from der_client.reasons import meaning
from der_console import cells
from der_console.cells import Cell
from der_console.parts.listing import rows
from der_core.lifecycle import FINAL_STATES, State

MOST_ROWS = 200
"""More assets than this are not listed; those that need attention come first."""

_NOTHING_MW = 1e-6
_WOULD_WAIT = "No agent is connected. Sent now it would wait for one, 5 minutes at most, and be split then."
_NOBODY = "Nobody could take any of it now."

Row = dict[str, Any]


class Scale:
    """Where a power stands on a bar, in percent of its width: as wide as the widest limits of the assets."""

    def __init__(self, assets: Iterable[Asset], powers: Iterable[float | None]) -> None:
        known = [mw for mw in powers if mw is not None]
        limits = [(asset["min_mw"], asset["max_mw"]) for asset in assets]
        self._low = min([0.0, *known, *(low for low, _ in limits)])
        self._high = max([0.0, *known, *(high for _, high in limits)])

    def bar(self, mw: float | None, *, wanted_mw: float | None, asset: Asset | None) -> Cell:
        """A bar from 0 to ``mw``, on the track of the asset's limits, with a mark at what its weight alone gives."""
        zero = self._at(0.0)
        end = zero if mw is None else self._at(mw)
        made: Cell = {
            "t": "",
            "bar": {
                "zero": zero,
                "from": min(zero, end),
                "to": max(zero, end),
                "track": None if asset is None else [self._at(asset["min_mw"]), self._at(asset["max_mw"])],
                "mark": None if wanted_mw is None else self._at(wanted_mw),
            },
        }
        if mw is not None:
            made["d"] = cells.direction(mw)
        return made

    def _at(self, mw: float) -> float:
        whole = self._high - self._low
        return round((mw - self._low) / whole * 100, 2) if whole else 50.0


def preview_cells(split: Preview, assets: Mapping[str, Asset]) -> dict[str, Cell]:
    """A split that would be made: its rows, what would be allocated and what not."""
    shares = split["allocations"]
    scale = Scale(
        [assets[s["asset_id"]] for s in shares if s["asset_id"] in assets],
        [mw for s in shares for mw in (s["raw_mw"], s["mw"])],
    )
    ordered = sorted(shares, key=lambda share: not _is_cut(share))
    listed = [_share_row(share, scale, assets.get(share["asset_id"])) for share in ordered[:MOST_ROWS]]
    left_out = [
        {
            "id": s["asset_id"],
            "asset": s["asset_name"] or s["asset_id"],
            "note": cells.text(f"gets no share: {meaning(s['reason'])}", look="warn"),
        }
        for s in split["skipped"][:MOST_ROWS]
    ]
    return {
        "split": rows([*listed, *left_out]),
        **_sums(split["requested_mw"], split["mw"], split["unserved_mw"]),
    }


def preview_notes(split: Preview) -> list[str]:
    """What to know before it is sent."""
    cut = sum(_is_cut(share) for share in split["allocations"])
    notes = list(split["warnings"])
    if not split["allocations"]:
        away = all(asset["reason"] == "agent_offline" for asset in split["skipped"])
        notes.insert(0, _WOULD_WAIT if away else _NOBODY)
    elif abs(split["unserved_mw"]) > _NOTHING_MW:
        notes.insert(
            0, f"{cells.signed(split['unserved_mw'])} MW would be unserved: the assets are at their limits."
        )
    if cut:
        notes.append(
            f"{cut} asset{'' if cut == 1 else 's'} would be held to {'its' if cut == 1 else 'their'} limits."
        )
    if split["skipped"]:
        count = len(split["skipped"])
        notes.append(f"{count} asset{'' if count == 1 else 's'} would get no share.")
    if len(split["allocations"]) > MOST_ROWS:
        notes.append(f"{MOST_ROWS} of {len(split['allocations']):,} assets are listed.")
    return notes


def allocation_cells(record: Dispatch, assets: Mapping[str, Asset]) -> dict[str, Cell]:
    """What became of a dispatch, asset by asset."""
    parts = record["allocations"]
    scale = Scale(
        [assets[p["asset_id"]] for p in parts if p["asset_id"] in assets],
        [mw for p in parts for mw in (p["raw_mw"], p["mw"], p["measured_mw"])],
    )
    ordered = sorted(parts, key=lambda part: part["state"] not in {State.FAILED, State.REJECTED})
    listed = [_part_row(part, scale, assets.get(part["asset_id"])) for part in ordered[:MOST_ROWS]]
    return {"parts": rows(listed), **_sums(record["requested_mw"], record["mw"], record["unserved_mw"])}


def state_cell(state: str) -> Cell:
    """A state of a dispatch."""
    if state in {State.FAILED, State.REJECTED, State.EXPIRED}:
        return cells.text(state, look="bad")
    if state == State.ACTIVE:
        return cells.text(state, look="ok")
    return cells.text(state, look="quiet" if state in FINAL_STATES else None)


def _share_row(share: PreviewShare, scale: Scale, asset: Asset | None) -> Row:
    raw, clamped, mw = share["raw_mw"], share["clamped_mw"], share["mw"]
    return {
        "id": share["asset_id"],
        "asset": {"t": share["asset_name"] or share["asset_id"], "h": f"/ui/asset/{share['asset_id']}"},
        "weight": cells.percent(None if share["weight"] is None else share["weight"] * 100),
        "raw": cells.power(raw),
        "clamped": _warned(cells.power(clamped), when=_is_cut(share)),
        "residual": cells.power(None if mw is None or clamped is None else mw - clamped),
        "mw": cells.power(mw),
        "bar": scale.bar(mw, wanted_mw=raw, asset=asset),
        "note": cells.text(_note(share), look="warn"),
    }


def _note(share: PreviewShare) -> str:
    if share["reason"]:
        return meaning(share["reason"])
    return "held to its limits" if _is_cut(share) else ""


def _part_row(part: Allocation, scale: Scale, asset: Asset | None) -> Row:
    return {
        "id": part["asset_id"],
        "asset": {"t": part["asset_name"] or part["asset_id"], "h": f"/ui/asset/{part['asset_id']}"},
        "requested": cells.power(part["raw_mw"]),
        "allocated": cells.power(part["mw"]),
        "applied": cells.power(part["applied_mw"]),
        "measured": cells.power(part["measured_mw"]),
        "bar": scale.bar(
            part["mw"] if part["measured_mw"] is None else part["measured_mw"],
            wanted_mw=part["mw"],
            asset=asset,
        ),
        "state": state_cell(part["state"]),
        "reason": meaning(part["reason"]),
    }


def _sums(requested_mw: float, mw: float | None, unserved_mw: float | None) -> dict[str, Cell]:
    unserved = cells.power(unserved_mw)
    return {
        "requested": cells.asked(requested_mw),
        "allocated": cells.power(mw),
        "unserved": _warned(unserved, when=unserved_mw is not None and abs(unserved_mw) > _NOTHING_MW),
    }


def _warned(cell: Cell, *, when: bool) -> Cell:
    if when:
        cell["s"] = "warn"
    return cell


def _is_cut(share: PreviewShare) -> bool:
    raw, clamped = share["raw_mw"], share["clamped_mw"]
    return raw is not None and clamped is not None and abs(raw - clamped) > _NOTHING_MW
