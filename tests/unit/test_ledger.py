"""The memory of handled dispatches: bounded, and it never forgets what is open."""

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from der_core.dispatch import AllocationReport, Command
from der_core.lifecycle import State
from edge_agent.control import SiteControl
from edge_agent.decisions import Decision
from edge_agent.ledger import REMEMBERED_PARTS, Ledger
from kit.control_bench import A, B, Bench, C

AT = datetime(2026, 1, 1, tzinfo=UTC)


def part(asset_id: UUID, state: State = State.COMPLETED) -> AllocationReport:
    return AllocationReport(asset_id=asset_id, state=state)


def test_oldest_dispatches_are_forgotten_first() -> None:
    ledger = Ledger(limit=4)
    for n in range(10):
        ledger.note(UUID(int=n), part(A))
        ledger.note(UUID(int=n), part(B))
        ledger.forget()
    assert len(ledger) == 4
    assert ledger.parts(UUID(int=7)) == ()
    assert [p.asset_id for p in ledger.parts(UUID(int=8))] == [A, B]


def test_open_dispatch_is_never_forgotten() -> None:
    ledger = Ledger(limit=2)
    ledger.note(UUID(int=0), part(A, State.ACTIVE))
    for n in range(1, 10):
        ledger.note(UUID(int=n), part(B))
        ledger.forget()
    assert ledger.part(UUID(int=0), A) is not None
    assert len(ledger) == 2


def test_full_ledger_fits_a_small_machine() -> None:
    tracemalloc.start()
    ledger = Ledger()
    for n in range(2 * REMEMBERED_PARTS):
        told = f"the driver answered {n} MW"
        ledger.note(UUID(int=n), replace(part(A, State.FAILED), mw=float(n), raw_mw=n + 0.5, note=told))
        ledger.forget()
    ledger.take_changes(AT)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(ledger) == REMEMBERED_PARTS
    assert held < 6_000_000


def test_control_remembers_a_dispatch_in_force_beyond_the_limit() -> None:
    bench = Bench()
    bench.control = SiteControl(bench.assets, failsafe_after_s=60, ledger=Ledger(limit=3))
    first = UUID(int=1)
    bench.command(first, 5.0, A)
    for n in range(2, 50):
        bench.command(UUID(int=n), 1.0, B)
    written = len(bench.writes)
    bench.command(first, 5.0, A)
    assert len(bench.writes) == written
    assert bench.told(first, A)[-1] == "active"


def restarted(bench: Bench) -> Bench:
    """An agent that starts with what another one's ledger held when it was killed."""
    ledger = Ledger()
    ledger.restore(known for known in bench.control._ledger.take_changes(AT).values() if known is not None)
    after = Bench()
    after.control = SiteControl(after.assets, failsafe_after_s=60, ledger=ledger)
    after.carry_out(after.control.start(after.now))
    return after


def test_changes_are_handed_out_once_and_whole() -> None:
    ledger = Ledger(limit=2)
    ledger.note(UUID(int=1), part(A, State.ACKNOWLEDGED))
    ledger.note(UUID(int=1), part(B, State.ACKNOWLEDGED))
    ledger.note_unserved(UUID(int=1), 3.0)
    ((dispatch_id, known),) = ledger.take_changes(AT).items()
    assert known is not None
    assert (dispatch_id, known.unserved_mw, len(known.allocations)) == (UUID(int=1), 3.0, 2)
    assert ledger.take_changes(AT) == {}
    ledger.note(UUID(int=1), part(A))
    ledger.note(UUID(int=1), part(B))
    ledger.note(UUID(int=2), part(C))
    ledger.forget()
    assert ledger.take_changes(AT)[UUID(int=1)] is None


def test_what_was_restored_is_no_change() -> None:
    ledger = Ledger()
    ledger.note(UUID(int=1), part(A))
    again = Ledger()
    again.restore(known for known in ledger.take_changes(AT).values() if known is not None)
    assert again.parts(UUID(int=1)) == (part(A),)
    assert again.take_changes(AT) == {}


def test_restarted_agent_ends_what_was_in_force_and_applies_nothing_twice() -> None:
    bench = Bench()
    bench.command(UUID(int=1), 12.0, A, B, C, site_wide=True)
    bench.command(UUID(int=2), 5.0, A)
    after = restarted(bench)
    assert after.told(UUID(int=2), A) == ["failed: agent_restarted"]
    assert after.told(UUID(int=1), B) == ["failed: agent_restarted"]
    assert after.told(UUID(int=1), A) == []
    assert after.setpoints == {A: None, B: None, C: None}
    written = len(after.writes)
    after.command(UUID(int=2), 5.0, A)
    after.command(UUID(int=1), 12.0, A, B, C, site_wide=True)
    assert len(after.writes) == written
    assert after.told(UUID(int=2), A) == ["failed: agent_restarted"] * 2
    assert after.told(UUID(int=1), A) == [f"superseded: superseded_by {UUID(int=2)}"]
    assert after.in_force() == {}


def test_killed_between_acknowledging_and_writing_it_was_never_applied_and_is_not_later() -> None:
    bench = Bench()
    order = bench.control.command
    bench.control.command = lambda *args, **kwargs: _nothing_written(order(*args, **kwargs))  # type: ignore[method-assign]  # the process dies here
    bench.command(UUID(int=1), 5.0, A)
    assert bench.setpoints == {}
    after = restarted(bench)
    after.command(UUID(int=1), 5.0, A)
    assert after.setpoints == {A: None, B: None, C: None}
    assert after.told(UUID(int=1), A) == ["failed: agent_restarted"] * 2


def test_killed_while_a_newer_command_took_the_place_of_an_older_one_the_older_one_gave_way() -> None:
    bench = Bench()
    bench.command(UUID(int=1), 12.0, A, B, C, site_wide=True)
    newer = Command(dispatch_id=UUID(int=2), mw=5.0, site_wide=False, asset_ids=(A,))
    decision = bench.control.command(newer, bench.conditions, arrived_s=bench.t, now=bench.now)
    assert [write.asset_id for write in decision.writes] == [A]
    after = restarted(bench)
    assert after.told(UUID(int=1), A) == [f"superseded: superseded_by {UUID(int=2)}"]
    assert after.told(UUID(int=1), B) == ["failed: agent_restarted"]
    assert after.told(UUID(int=2), A) == ["failed: agent_restarted"]
    assert after.in_force() == {}


def _nothing_written(decision: Decision) -> Decision:
    return replace(decision, writes=())
