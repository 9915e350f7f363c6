"""What every ``EventStore`` must do."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from der_core.errors import Rejected
from der_core.events import Event, EventKind, Severity
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


async def test_first_acknowledgement_counts(stores: Stores) -> None:
    happened = records.event(0)
    await put(stores, happened)
    first = await stores.events.acknowledge(happened.id, records.at(10))
    second = await stores.events.acknowledge(happened.id, records.at(20))
    assert first == second == StoredEvent(happened, records.at(10))
    assert await stores.events.acknowledge(uuid4(), records.at(30)) is None


async def test_open_alarms_are_those_raised_and_not_cleared(stores: Stores) -> None:
    raised = records.event(1, kind=EventKind.RAISED)
    cleared = [
        records.event(2, kind=EventKind.RAISED, asset_id=B),
        records.event(3, kind=EventKind.CLEARED, asset_id=B),
    ]
    again = [
        records.event(4, kind=EventKind.RAISED, asset_id=None, code="spool_full"),
        records.event(5, kind=EventKind.CLEARED, asset_id=None, code="spool_full"),
        records.event(6, kind=EventKind.RAISED, asset_id=None, code="spool_full"),
    ]
    await put(stores, *again, records.event(9), *cleared, raised)
    await stores.events.acknowledge(raised.id, records.at(20))
    assert await stores.events.open_alarms() == [StoredEvent(raised, records.at(20)), StoredEvent(again[2])]


async def test_of_open_alarms_the_order_counts_in_which_they_came_for_clocks_differ(stores: Stores) -> None:
    first, cleared = records.event(10, kind=EventKind.RAISED), records.event(20, kind=EventKind.CLEARED)
    by_a_late_clock = records.event(5, kind=EventKind.RAISED)
    await put(stores, first)
    await put(stores, cleared, by_a_late_clock)
    assert await stores.events.open_alarms() == [StoredEvent(by_a_late_clock)]
    await put(stores, records.event(1, kind=EventKind.CLEARED))
    assert await stores.events.open_alarms() == []


async def test_malformed_cursor_is_rejected(stores: Stores) -> None:
    with pytest.raises(Rejected, match="cursor"):
        await stores.events.page(EventQuery(limit=10, cursor="nonsense"))
