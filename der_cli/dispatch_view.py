"""A dispatch on the terminal: the split before it is sent, its steps as they happen, and the table of its parts."""

from datetime import datetime

from rich.text import Text

from der_cli.screen import SIGN_CONVENTION, clock, exact_mw, instant, mw, number, out, words
from der_cli.table import Column, show
from der_client.models import Allocation, Dispatch, Preview, PreviewShare
from der_client.reasons import meaning
from der_core.lifecycle import FINAL_STATES, State

_NOTHING_MW = 1e-6


def show_preview(split: Preview, *, mw: float) -> None:
    """The split that a dispatch of ``mw`` would have."""
    columns: list[Column[PreviewShare]] = [
        Column("Asset", lambda share: words(share["asset_name"])),
        Column("MWh", lambda share: number(share["capacity_mwhr"]), rank=4, right=True),
        Column("Weight", lambda share: number(share["weight"], 3), rank=3, right=True),
        Column("Raw MW", lambda share: _power(share["raw_mw"]), rank=2, right=True),
        Column("MW", lambda share: _power(share["mw"]), right=True),
        Column("Reason", _reason, rank=1),
    ]
    title = f"{exact_mw(mw)} MW would be split like this"
    show(columns, split["allocations"], title=title, caption=SIGN_CONVENTION)
    for left_out in split["skipped"]:
        _warn(f"{words(left_out['asset_name'])} gets no share: {explained(left_out['reason'])}")
    if split["allocations"]:
        _show_shortfall(split["unserved_mw"])
    else:
        _warn("nobody could take any of it now; sent, it waits for an agent to connect and is split then")
    _show_warnings(split["warnings"])


def show_transitions(record: Dispatch, *, after: int, now: datetime) -> int:
    """The steps that were not shown yet, one line each; how many are shown by now."""
    for step in record["transitions"][after:]:
        at = instant(step["at"])
        line = Text.assemble((f"{clock(at, now)}.{at:%f}"[:-3], "dim"))
        line.append(f"  {words(step['state']):<13}", style=style_of(step["state"]) or "default")
        line.append(f"  {words(step['by'])}", style="dim")
        if step["reason"]:
            line.append(f"  {explained(step['reason'])}")
        out().print(line, soft_wrap=True)
    return len(record["transitions"])


def show_record(record: Dispatch) -> None:
    """The parts of a dispatch, its sums and warnings."""
    columns: list[Column[Allocation]] = [
        Column("Asset", lambda part: words(part["asset_name"])),
        Column("Requested", lambda part: _power(part["raw_mw"]), rank=4, right=True),
        Column("Allocated", lambda part: _power(part["mw"]), rank=1, right=True),
        Column("Applied", lambda part: _power(part["applied_mw"]), right=True),
        Column("Measured", lambda part: _power(part["measured_mw"]), rank=3, right=True),
        Column("State", lambda part: Text(words(part["state"]), style=style_of(part["state"]))),
        Column("Reason", _reason, rank=2),
    ]
    title = f"Dispatch {record['id']}: {words(record['state'])}"
    show(columns, record["allocations"], title=title, caption=SIGN_CONVENTION)
    out().print(
        f"requested {exact_mw(record['requested_mw'])} MW · allocated {_power(record['mw'])} MW · "
        f"unserved {_power(record['unserved_mw'])} MW",
        soft_wrap=True,
    )
    _show_shortfall(record["unserved_mw"])
    _show_warnings(record["warnings"])


def explained(reason: str | None) -> str:
    """A reason in an operator's words, with its code behind them; a dash if there is none."""
    means = meaning(reason)
    return words(reason) if means == (reason or "") else f"{means} ({words(reason)})"


_power = mw  # `mw` is a parameter here


def _reason(part: PreviewShare | Allocation) -> str:
    """Why it got less than its share; what is due to its limits alone has no code."""
    raw, clamped = part["raw_mw"], part["clamped_mw"]
    if part["reason"] or raw is None or clamped is None or abs(raw - clamped) <= _NOTHING_MW:
        return explained(part["reason"])
    return f"clamped to {'max_mw' if raw > clamped else 'min_mw'} {_power(clamped)}"


def _show_shortfall(unserved_mw: float | None) -> None:
    if unserved_mw is not None and abs(unserved_mw) > _NOTHING_MW:
        _warn(f"{_power(unserved_mw)} MW can be served by nobody: the assets are at their limits")


def _show_warnings(warnings: list[str]) -> None:
    for warning in warnings:
        _warn(words(warning))


def _warn(text: str) -> None:
    out().print(Text(f"! {text}", style="yellow"), soft_wrap=True)


def style_of(state: str) -> str:
    """In which colour a state of a dispatch is shown."""
    if state in {State.ACTIVE, State.COMPLETED}:
        return "green"
    return "red" if state in FINAL_STATES else ""
