"""Whether dispatches went where they were meant to, in full, and whether assets do what they were told."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from der_cli.doctor.facts import Facts
from der_cli.doctor.findings import Check, Finding, listing
from der_cli.screen import clock, instant, mw
from der_client.models import Allocation, Dispatch
from der_core.allocation import TOLERANCE_MW
from der_core.lifecycle import State

ROUTE = Check(
    'Dispatch seems to route "wrong"', 'Dispatch seems to route "wrong"', "Dispatches routed as meant"
)
QUEUED = Check("Dispatch stays queued", "Dispatch stays queued", "No dispatch is queued")
SUM = Check(
    "Capacity-weighted split doesn't sum exactly",
    "Capacity-weighted split doesn't sum exactly",
    "Capacity-weighted splits add up",
)
OBEYED = Check(
    "Asset does not do what it was told",
    "Asset does not do what it was told",
    "Assets do what they were told",
)

_PRECEDENCE = "asset_id commands that asset, site_id splits over the site, with both the asset alone is meant"
_SETTLED = timedelta(seconds=60)
_TOLERANCE_MW, _TOLERANCE_SHARE = 0.1, 0.05


def check(facts: Facts) -> Iterator[Finding]:
    """All of them."""
    dispatches = None if facts.headend is None else facts.headend.dispatches
    if not dispatches:
        why = "the headend serves no dispatch history" if dispatches is None else "there was no dispatch yet"
        yield ROUTE.unchecked(f"{why}; {_PRECEDENCE}")
        for each in (QUEUED, SUM, OBEYED):
            yield each.unchecked(why)
        return
    yield _route(dispatches)
    yield _queued(facts, dispatches)
    yield _sum(dispatches)
    yield _obeyed(facts, dispatches)


def _route(dispatches: Sequence[Dispatch]) -> Finding:
    warned = [(d, warning) for d in dispatches for warning in d["warnings"]]
    if warned:
        return ROUTE.warning(
            listing([f"dispatch {d['id']}: {warning}" for d, warning in warned]),
            f"Remember: {_PRECEDENCE}. See whom it moved:",
            f"der dispatches {warned[0][0]['id']}",
        )
    return ROUTE.ok(f"the last {len(dispatches)} dispatches had no warning; {_PRECEDENCE}")


def _queued(facts: Facts, dispatches: Sequence[Dispatch]) -> Finding:
    waiting = [d for d in dispatches if d["state"] in {State.SUBMITTED, State.QUEUED}]
    if waiting:
        return QUEUED.warning(
            f"{len(waiting)} wait for an agent: "
            + listing([f"{d['id']} until {clock(instant(d['expires_at']), facts.now)} UTC" for d in waiting]),
            "They are delivered if the agent connects in time, and expire otherwise. Which links are up:",
            "der agents",
        )
    return QUEUED.ok("none waits for an agent")


def _sum(dispatches: Sequence[Dispatch]) -> Finding:
    sums = {d["id"]: residual for d in dispatches if (residual := _residual_mw(d)) is not None}
    if not sums:
        return SUM.unchecked("no site was dispatched yet")
    off = [
        f"dispatch {each}: {residual:+.9f} MW"
        for each, residual in sums.items()
        if abs(residual) > TOLERANCE_MW
    ]
    if off:
        return SUM.problem(
            f"allocations and unserved_mw differ from what was requested: {listing(off)}",
            "This must not be possible. Please report it, with the agent's log around the dispatch:",
            "der bugreport",
        )
    largest = max(map(abs, sums.values()))
    return SUM.ok(
        f"{len(sums)} site dispatches add up; largest residual {largest:.1e} MW, tolerance {TOLERANCE_MW:g}"
    )


def _residual_mw(dispatch: Dispatch) -> float | None:
    """What allocations and unserved power are more than requested; ``None`` if there is no split to look at."""
    shares = [part["mw"] for part in dispatch["allocations"]]
    known = [share for share in shares if share is not None]
    if (
        dispatch["target"] != "site"
        or dispatch["unserved_mw"] is None
        or not known
        or len(known) < len(shares)
    ):
        return None
    return sum(known) + dispatch["unserved_mw"] - dispatch["requested_mw"]


def _obeyed(facts: Facts, dispatches: Sequence[Dispatch]) -> Finding:
    active = [
        (d, part)
        for d in dispatches
        if d["active_at"] and facts.now - instant(d["active_at"]) > _SETTLED
        for part in d["allocations"]
        if part["state"] == State.ACTIVE
    ]
    measured = sum(part["measured_mw"] is not None for _, part in active)
    off = [(d, part) for d, part in active if _is_off(part)]
    if off:
        return OBEYED.warning(
            listing(
                [
                    f"{p['asset_name']} does {mw(p['measured_mw'])} MW, told {mw(p['applied_mw'])}"
                    for _, p in off
                ]
            ),
            "It may still ramp, or its limits or its SOC hold it back. The record says why:",
            f"der dispatches {off[0][0]['id']}",
        )
    settled_s = _SETTLED.total_seconds()
    if not active:
        return OBEYED.ok(f"no part of a dispatch has been in force for over {settled_s:g} s")
    seen = f"of {len(active)} parts of dispatches in force for over {settled_s:g} s {measured} are measured"
    if not measured:
        return OBEYED.unchecked(seen)
    return OBEYED.ok(f"{seen}, each as it was told")


def _is_off(part: Allocation) -> bool:
    applied, measured = part["applied_mw"], part["measured_mw"]
    if applied is None or measured is None:
        return False
    return abs(measured - applied) > max(_TOLERANCE_MW, _TOLERANCE_SHARE * abs(applied))
