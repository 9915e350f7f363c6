"""Which part of a history a list shows."""

from der_console.feeds.dispatches import DispatchesWanted
from der_console.feeds.events import EventsWanted
from der_console.targets import Target

NORTH = Target("site", "north-id", "North", "site, 3 assets")


def test_what_differs_is_another_topic_and_what_is_called_otherwise_is_not() -> None:
    chosen = [
        DispatchesWanted(),
        DispatchesWanted(state="active"),
        DispatchesWanted(target=NORTH),
        DispatchesWanted().more(),
        EventsWanted(),
        EventsWanted(severity="info"),
        EventsWanted(acknowledged=False),
    ]
    assert len({wanted.key for wanted in chosen}) == len(chosen)
    renamed = Target("site", "north-id", "Far north", "site, 4 assets")
    assert EventsWanted(target=renamed).key == EventsWanted(target=NORTH).key


def test_more_is_asked_for_up_to_a_bound() -> None:
    wanted = DispatchesWanted()
    while wanted.may_be_more(wanted.limit):
        assert wanted.more().limit > wanted.limit
        wanted = wanted.more()
    assert wanted.limit == DispatchesWanted.MOST
    assert not EventsWanted().may_be_more(EventsWanted().limit - 1)
    assert (EventsWanted(target=NORTH).site_id, EventsWanted(target=NORTH).asset_id) == ("north-id", None)
