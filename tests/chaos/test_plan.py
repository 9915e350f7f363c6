"""The plan of a run follows from its seed, and the logbook survives the death of who writes it."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chaos import logbook
from chaos.logbook import LogbookWriter, SpoolSaid
from chaos.plan import Kind, plan


@given(st.integers(0, 1000), st.floats(5, 300), st.integers(1, 5))
def test_a_plan_follows_from_its_seed_and_gives_each_part_one_fault_at_a_time(
    seed: int, duration_s: float, gateways: int
) -> None:
    def planned() -> list[object]:
        return [*plan(seed=seed, duration_s=duration_s, kinds=tuple(Kind), gateways=gateways, every_s=2.0)]

    faults = plan(seed=seed, duration_s=duration_s, kinds=tuple(Kind), gateways=gateways, every_s=2.0)
    assert planned() == faults == sorted(faults)
    assert all(f.at_s + f.for_s <= duration_s and 0 <= f.gateway < gateways for f in faults)
    for victim in {fault.victim for fault in faults}:
        its = [fault for fault in faults if fault.victim == victim]
        assert all(one.at_s + one.for_s <= other.at_s for one, other in pairwise(its))


def test_a_plan_has_only_the_kinds_asked_for_and_all_of_them() -> None:
    kinds = (Kind.CUT_LINK, Kind.KILL_HEADEND, Kind.STALL_POSTGRES)
    faults = plan(seed=1, duration_s=60, kinds=kinds, gateways=2, every_s=2.0)
    assert {fault.kind for fault in faults} == set(kinds)


def test_a_logbook_tells_what_was_kept_from_what_was_only_intended(tmp_path: Path) -> None:
    book = LogbookWriter(tmp_path)
    first = book.write("intent", spool="s", records=[{"frame": 7, "mw": {"a": 1.5}}, {"event": "e"}])
    book.write("done", of=first, last=12)
    book.write("intent", spool="s", records=[{"frame": 8, "mw": {"a": None}}])
    book.write("spool", spool="s", first_seq=3, dropped=2)
    write = book.write("write", asset="a", dispatch="d", mw=5.0)
    book.write("written", of=write, applied=True)
    book.write("write", asset="a", dispatch=None, mw=None)
    produced = logbook.read([tmp_path])
    assert {key: (mw, trace.seq) for key, (mw, trace) in produced.samples.items()} == {
        ("a", 7): (1.5, 11),
        ("a", 8): (None, None),
    }
    assert produced.events["e"].seq == 12
    assert produced.spools == {"s": SpoolSaid(3, 2)}
    assert [(w.dispatch, w.applied) for w in produced.writes] == [("d", True), (None, None)]


def test_the_last_line_of_a_logbook_may_be_torn(tmp_path: Path) -> None:
    LogbookWriter(tmp_path).write("intent", spool="s", records=[{"event": "e"}])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes() + b'{"n": 2, "what": "do')
    assert logbook.read([tmp_path]).events["e"].kept is False
