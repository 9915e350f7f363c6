"""What every ``EventStore`` must do."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from der_core.errors import Rejected
from der_core.events import Event, Severity
from der_headend.ports import Batch, EventQuery, StoredEvent
from kit import records
from kit.records import OTHER_SITE, SITE, A, B
from kit.stores import Stores


async def put(stores: Stores, *events: Event) -> None:
    await stores.journal.commit(Batch(events=list(events)))


async def found(stores: Stores, query: EventQuery) -> Sequence[Event]:
    return [stored.event for stored in (await stores.events.page(query)).items]


async def test_pages_are_newest_first_whatever_order_they_came_in(stores: Stores) -> None:
    late, early, middle = records.event(9), records.event(1), records.event(5)
    await put(stores, late, early)
    await put(stores, middle)
    first = await stores.events.page(EventQuery(limit=2))
    assert [s.event for s in first.items] == [late, middle]
    assert await found(stores, EventQuery(limit=2, cursor=first.next_cursor)) == [early]


async def test_event_that_comes_again_is_stored_once(stores: Stores) -> None:
    happened = records.event(0)
    await put(stores, happened)
    await stores.events.acknowledge(happened.id, records.at(1))
    await put(stores, happened)
    page = await stores.events.page(EventQuery(limit=10))
    assert page.items == [StoredEvent(happened, records.at(1))]


async def test_filters(stores: Stores) -> None:
    of_a = records.event(1, severity=Severity.CRITICAL)
    of_agent = records.event(2, asset_id=None)
    elsewhere = records.event(3, asset_id=B, site_id=OTHER_SITE, severity=Severity.INFO)
    await put(stores, of_a, of_agent, elsewhere)
    assert await found(stores, EventQuery(limit=10, asset_id=A)) == [of_a]
    assert await found(stores, EventQuery(limit=10, site_id=SITE)) == [of_agent, of_a]
    assert await found(stores, EventQuery(limit=10, severity=Severity.INFO)) == [elsewhere]
    assert await found(stores, EventQuery(limit=10, start=records.at(2), end=records.at(3))) == [of_agent]


async def test_acknowledged_or_not(stores: Stores) -> None:
    seen, unseen = records.event(1), records.event(2)
    await put(stores, seen, unseen)
    await stores.events.acknowledge(seen.id, records.at(3))
    assert await found(stores, EventQuery(limit=10, acknowledged=True)) == [seen]
    assert await found(stores, EventQuery(limit=10, acknowledged=False)) == [unseen]


async def test_chosen_ones_with_filters_and_pages(stores: Stores) -> None:
    first, second, third, other = (records.event(at) for at in range(4))
    await put(stores, first, second, third, other)
    chosen = frozenset({first.id, second.id, third.id, uuid4()})
    page = await stores.events.page(EventQuery(limit=2, ids=chosen))
    assert [stored.event for stored in page.items] == [third, second]
    assert await found(stores, EventQuery(limit=2, ids=chosen, cursor=page.next_cursor)) == [first]
    assert await found(stores, EventQuery(limit=2, ids=chosen, end=records.at(1))) == [first]
    assert await found(stores, EventQuery(limit=2, ids=frozenset())) == []


async def test_first_acknowledgement_counts(stores: Stores) -> None:
    happened = records.event(0)
    await put(stores, happened)
    first = await stores.events.acknowledge(happened.id, records.at(10))
    second = await stores.events.acknowledge(happened.id, records.at(20))
    assert first == second == StoredEvent(happened, records.at(10))
    assert await stores.events.acknowledge(uuid4(), records.at(30)) is None


async def test_malformed_cursor_is_rejected(stores: Stores) -> None:
    with pytest.raises(Rejected, match="cursor"):
        await stores.events.page(EventQuery(limit=10, cursor="nonsense"))
