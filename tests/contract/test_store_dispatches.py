"""What every ``DispatchStore`` must do."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from der_core.dispatch import Dispatch, Target
from der_core.errors import Rejected
from der_core.lifecycle import State
from der_headend.ports import Batch, DispatchQuery
from kit import records
from kit.records import OTHER_SITE, SITE, A, B, C
from kit.stores import Stores


async def put(stores: Stores, *dispatches: Dispatch) -> None:
    await stores.journal.commit(Batch(dispatches={d.id: d for d in dispatches}))


async def ids(stores: Stores, query: DispatchQuery) -> Sequence[UUID]:
    return [d.id for d in (await stores.dispatches.page(query)).items]


async def test_what_was_put_is_got(stores: Stores) -> None:
    record = records.dispatch(0, assets=(A, B), target=Target.SITE)
    await put(stores, record)
    assert await stores.dispatches.get(record.id) == record
    assert await stores.dispatches.get(uuid4()) is None


async def test_newest_record_of_a_dispatch_counts(stores: Stores) -> None:
    record = records.dispatch(0)
    await put(stores, record)
    await put(stores, records.ended(record))
    await put(stores, records.ended(record))
    assert await stores.dispatches.get(record.id) == records.ended(record)
    assert await ids(stores, DispatchQuery(limit=10)) == [record.id]


async def test_a_record_that_gained_a_part_is_stored_as_it_is_now(stores: Stores) -> None:
    of_b = records.dispatch(0, assets=(B,))
    await put(stores, of_b)
    of_site = replace(records.dispatch(0, assets=(A, B), target=Target.SITE), id=of_b.id, requested_mw=7.0)
    await put(stores, of_site)
    assert await stores.dispatches.get(of_b.id) == of_site


async def test_unfinished_ones_come_oldest_first(stores: Stores) -> None:
    newer, older, over = records.dispatch(20), records.dispatch(10), records.dispatch(0)
    await put(stores, newer, older, records.ended(over))
    assert await stores.dispatches.unfinished() == [older, newer]


async def test_pages_are_newest_first_and_complete(stores: Stores) -> None:
    stored = [records.dispatch(n // 2) for n in range(7)]  # pairs share their moment
    await put(stores, *stored)
    seen: list[UUID] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = await stores.dispatches.page(DispatchQuery(limit=3, cursor=cursor))
        seen += [d.id for d in page.items]
        cursor, pages = page.next_cursor, pages + 1
    assert seen == [d.id for d in sorted(stored, key=lambda d: (d.submitted_at, d.id), reverse=True)]
    assert pages == 3


async def test_newest_are_so_many(stores: Stores) -> None:
    oldest, newest, middle = records.dispatch(0), records.dispatch(20), records.ended(records.dispatch(10))
    await put(stores, oldest, newest, middle)
    assert await stores.dispatches.newest(2) == [newest, middle]
    assert await stores.dispatches.newest(5) == [newest, middle, oldest]


async def test_page_that_is_just_full_has_no_next(stores: Stores) -> None:
    await put(stores, records.dispatch(0), records.dispatch(1))
    assert (await stores.dispatches.page(DispatchQuery(limit=2))).next_cursor is None


async def test_new_ones_do_not_shift_the_pages(stores: Stores) -> None:
    first, second = records.dispatch(1), records.dispatch(2)
    await put(stores, first, second)
    page = await stores.dispatches.page(DispatchQuery(limit=1))
    await put(stores, records.dispatch(3))
    assert await ids(stores, DispatchQuery(limit=5, cursor=page.next_cursor)) == [first.id]


async def test_filters(stores: Stores) -> None:
    of_a = records.dispatch(1)
    of_site = records.dispatch(2, assets=(A, B), target=Target.SITE)
    elsewhere = records.ended(records.dispatch(3, assets=(C,), site_id=OTHER_SITE))
    await put(stores, of_a, of_site, elsewhere)
    assert await ids(stores, DispatchQuery(limit=10, asset_id=A)) == [of_site.id, of_a.id]
    assert await ids(stores, DispatchQuery(limit=10, asset_id=B)) == [of_site.id]
    assert await ids(stores, DispatchQuery(limit=10, site_id=SITE)) == [of_site.id, of_a.id]
    assert await ids(stores, DispatchQuery(limit=10, state=State.CANCELLED)) == [elsewhere.id]
    assert await ids(stores, DispatchQuery(limit=10, site_id=SITE, state=State.CANCELLED)) == []


async def test_start_is_inclusive_and_end_exclusive(stores: Stores) -> None:
    stored = [records.dispatch(n) for n in range(4)]
    await put(stores, *stored)
    found = await ids(stores, DispatchQuery(limit=10, start=records.at(1), end=records.at(3)))
    assert found == [stored[2].id, stored[1].id]


@pytest.mark.parametrize(
    "cursor", ["", "x", "%%%", "bm8", "ä", "MQ", "MQoy", "OTk5OTk5OTk5OTk5OTk5OTk5OTkKMDA"]
)
async def test_malformed_cursor_is_rejected(stores: Stores, cursor: str) -> None:
    with pytest.raises(Rejected) as caught:
        await stores.dispatches.page(DispatchQuery(limit=10, cursor=cursor))
    assert (caught.value.code, caught.value.field) == ("invalid_cursor", "cursor")
