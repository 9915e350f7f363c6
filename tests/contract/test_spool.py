"""What every spool must do."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.spools import MAKERS, SpoolMaker

BUDGET = 64 * 1024


@pytest.fixture(params=MAKERS)
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SpoolMaker]:
    maker = MAKERS[request.param](tmp_path)
    yield maker
    await maker.close()


async def test_numbers_begin_at_one_and_have_no_gaps(make: SpoolMaker) -> None:
    spool = make(BUDGET)
    assert (spool.status().first_seq, spool.status().next_seq) == (1, 1)
    assert await spool.append([b"a", b"b"]) == 2
    assert await spool.append([b"c"]) == 3
    assert [(record.seq, record.body) for record in await spool.read(0, 10)] == [
        (1, b"a"),
        (2, b"b"),
        (3, b"c"),
    ]
    assert spool.status().next_seq == 4


async def test_reading_starts_above_a_number_and_is_limited(make: SpoolMaker) -> None:
    spool = make(BUDGET)
    await spool.append([b"a", b"b", b"c"])
    assert [record.seq for record in await spool.read(1, 10)] == [2, 3]
    assert [record.seq for record in await spool.read(0, 2)] == [1, 2]
    assert await spool.read(3, 10) == ()
    assert await spool.read(99, 10) == ()


async def test_reading_takes_nothing_away(make: SpoolMaker) -> None:
    spool = make(BUDGET)
    await spool.append([b"a"])
    assert list(await spool.read(0, 10)) == list(await spool.read(0, 10))


async def test_acknowledged_records_are_gone_and_numbers_go_on(make: SpoolMaker) -> None:
    spool = make(BUDGET)
    await spool.append([b"a", b"b", b"c"])
    await spool.acknowledge(2)
    status = spool.status()
    assert (status.first_seq, status.next_seq, status.records, status.dropped) == (3, 4, 1, 0)
    await spool.acknowledge(1)
    assert [record.seq for record in await spool.read(0, 10)] == [3]
    await spool.acknowledge(3)
    status = spool.status()
    assert (status.first_seq, status.next_seq, status.records, status.bytes) == (4, 4, 0, 0)
    await spool.append([b"d"])
    assert [record.seq for record in await spool.read(0, 10)] == [4]


async def test_beyond_its_budget_it_drops_the_oldest_and_counts(make: SpoolMaker) -> None:
    spool = make(BUDGET)
    for n in range(100):
        await spool.append([bytes([n]) * 4096])
    status = spool.status()
    assert status.bytes <= BUDGET
    assert status.dropped == 100 - status.records
    assert status.dropped > 0
    kept = await spool.read(0, 1000)
    assert kept[-1].seq == 100
    assert kept[0].seq == status.first_seq == status.dropped + 1


async def test_tiny_records_cannot_outgrow_the_budget(make: SpoolMaker) -> None:
    spool = make(BUDGET)
    await spool.append([b""] * 10_000)
    assert spool.status().bytes <= BUDGET
    assert spool.status().records < 1000


async def test_each_spool_has_a_name_of_its_own(make: SpoolMaker) -> None:
    assert make(BUDGET).spool_id != make(BUDGET).spool_id


async def test_notes_may_go_along_or_alone(make: SpoolMaker) -> None:
    spool = make(BUDGET)
    assert await spool.append([], {"a": b"1"}) == 0
    assert await spool.append([b"a"], {"a": None, "b": b"2"}) == 1
    assert spool.status().records == 1


async def test_room_for_new_records_is_made_by_the_oldest(make: SpoolMaker) -> None:
    spool = make(BUDGET)
    for n in range(20):
        await spool.append([bytes([n]) * 4000] * 8)
        kept = await spool.read(0, 1000)
        assert [record.seq for record in kept[-8:]] == list(range(8 * n + 1, 8 * n + 9))


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=30)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["append", "acknowledge", "read"]), st.integers(0, 40)), max_size=30
    )
)
async def test_like_a_list(name: str, steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        maker = MAKERS[name](Path(folder))
        spool, next_seq = maker(10_000_000), 1
        model: list[int] = []
        for step, n in steps:
            if step == "append":
                await spool.append([b"x"] * n)
                model += range(next_seq, next_seq + n)
                next_seq += n
            elif step == "acknowledge":
                await spool.acknowledge(n)
                model = [seq for seq in model if seq > n]
            above = n if step == "read" else 0
            assert [record.seq for record in await spool.read(above, 9)] == [s for s in model if s > above][
                :9
            ]
            assert [record.seq for record in await spool.read(0, 10_000)] == model
            assert spool.status().first_seq == (model[0] if model else next_seq)
        await maker.close()
