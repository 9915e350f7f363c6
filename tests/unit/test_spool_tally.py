"""The reckoning of a spool: which numbers it has and how many bytes they take."""

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.spool.tally import OVERHEAD_BYTES, Tally


def tally(records: int = 5, *, max_bytes: int = 1_000_000) -> Tally:
    made = Tally(max_bytes=max_bytes)
    for _ in range(records):
        made.add(100)
    return made


def test_lost_records_leave_a_gap_and_count() -> None:
    made = tally()
    made.lose(3)
    assert (made.first_seq, made.next_seq, made.records, made.dropped) == (1, 6, 4, 1)
    assert made.bytes == 4 * (100 + OVERHEAD_BYTES)


def test_spool_does_not_begin_with_a_gap() -> None:
    made = tally()
    made.lose(1)
    made.lose(2)
    assert made.first_seq == 3
    made.lose(4)
    made.acknowledge(3)
    assert made.first_seq == 5
    made.lose(5)
    assert (made.first_seq, made.next_seq, made.records, made.bytes) == (6, 6, 0, 0)


def test_losing_what_is_gone_or_lost_does_nothing() -> None:
    made = tally()
    made.acknowledge(2)
    made.lose(1)
    made.lose(4)
    made.lose(4)
    assert (made.records, made.dropped) == (2, 1)


def test_gap_of_an_earlier_run_is_taken_over() -> None:
    made = tally(0)
    made.skip_to(7)
    assert (made.first_seq, made.next_seq) == (7, 7)
    assert made.add(1) == 7
    made.skip_to(10)
    assert (made.first_seq, made.next_seq, made.records) == (7, 10, 1)


def test_beyond_the_budget_gaps_are_not_counted_as_dropped() -> None:
    made = tally(5, max_bytes=3 * (100 + OVERHEAD_BYTES))
    made.lose(2)
    made.drop_excess()
    assert (made.first_seq, made.records, made.dropped) == (3, 3, 2)


@given(
    st.lists(st.tuples(st.sampled_from(["add", "lose", "acknowledge", "drop"]), st.integers(0, 60))),
    st.integers(0, 3),
)
def test_like_a_dict(steps: list[tuple[str, int]], batches: int) -> None:
    made = Tally(max_bytes=20 * OVERHEAD_BYTES)
    for _ in range(batches * 5000):  # beyond where it tidies up
        made.add(0)
    made.acknowledge(batches * 5000)
    base = made.next_seq
    model: dict[int, int] = {}
    next_seq, dropped = base, 0
    for step, n in steps:
        if step == "add":
            model[made.add(n)] = n + OVERHEAD_BYTES
            next_seq += 1
        elif step == "lose":
            dropped += model.pop(base + n, 0) > 0
            if base + n < next_seq:
                made.lose(base + n)
        elif step == "acknowledge":
            made.acknowledge(base + n)
            model = {seq: size for seq, size in model.items() if seq > base + n}
        else:
            made.drop_excess()
            while sum(model.values()) > 20 * OVERHEAD_BYTES:
                del model[min(model)]
                dropped += 1
        assert (made.records, made.bytes, made.dropped) == (len(model), sum(model.values()), dropped)
        assert (made.first_seq, made.next_seq) == (min(model, default=next_seq), next_seq)
