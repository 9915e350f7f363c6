"""What every ``Journal`` must do."""

from uuid import UUID

from der_headend.ports import Batch, EventQuery
from kit import records
from kit.stores import Stores

SPOOL, OTHER_SPOOL = UUID(int=1), UUID(int=2)


async def test_mark_of_unknown_spool_is_zero(stores: Stores) -> None:
    assert await stores.journal.mark(SPOOL) == 0


async def test_mark_is_stored_with_its_batch(stores: Stores) -> None:
    happened = records.event(0)
    await stores.journal.commit(Batch(events=[happened], marks={SPOOL: 7, OTHER_SPOOL: 3}))
    assert await stores.journal.mark(SPOOL) == 7
    assert await stores.journal.mark(OTHER_SPOOL) == 3
    assert [e.event for e in (await stores.events.page(EventQuery(limit=10))).items] == [happened]


async def test_mark_never_goes_back(stores: Stores) -> None:
    await stores.journal.commit(Batch(marks={SPOOL: 7}))
    await stores.journal.commit(Batch(marks={SPOOL: 5}))
    assert await stores.journal.mark(SPOOL) == 7


async def test_empty_batch_is_no_harm(stores: Stores) -> None:
    await stores.journal.commit(Batch())
    assert (await stores.events.page(EventQuery(limit=10))).items == []
