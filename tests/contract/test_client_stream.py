"""The stream of the fake headend is that of the real one: one suite, run on both."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from typing import TypeVar

import pytest

from der_client import (
    Connected,
    DispatchChanged,
    EventRaised,
    HeadendClient,
    Interrupted,
    Link,
    LinkChanged,
    Missed,
    StreamEvent,
    Telemetry,
    models,
)
from der_client.fake import BATTERY_A, BATTERY_B, BATTERY_C, CAMPUS_A, GATEWAY_SITE
from kit.json_types import fits
from kit.live_headend import Headend

T = TypeVar("T")
Stream = Generator[StreamEvent, None, None]


@pytest.fixture
def events(client: HeadendClient) -> Iterator[Stream]:
    """The stream, with what is known at the beginning already read."""
    with closing(client.stream(telemetry_s=0.2)) as stream:
        assert next(stream) == Connected()
        assert len(next_of(stream, Telemetry).samples) == 5
        yield stream


def next_of(stream: Stream, kind: type[T]) -> T:
    """The next event of a kind; those of other kinds are passed over."""
    return next(event for event in stream if isinstance(event, kind))


def test_the_stream_tells_what_happens(headend: Headend, client: HeadendClient, events: Stream) -> None:
    record = client.dispatch(site_id=GATEWAY_SITE, mw=12, wait="active")
    changed = list(islice((e for e in events if isinstance(e, DispatchChanged)), 4))
    assert {change.dispatch["id"] for change in changed} == {record["id"]}
    assert [change.dispatch["state"] for change in changed] == ["queued", "sent", "acknowledged", "active"]
    assert all(fits(change.dispatch, models.Dispatch) for change in changed)
    headend.advance(1)
    samples = next_of(events, Telemetry).samples
    assert {s["asset_id"] for s in samples} <= {BATTERY_A, BATTERY_B, BATTERY_C}
    assert all(fits(sample, models.Sample) for sample in samples)
    headend.raise_event("inverter_trip", asset_id=BATTERY_A)
    raised = next_of(events, EventRaised).event
    assert fits(raised, models.Event)
    assert raised["code"] == "inverter_trip"
    headend.disconnect(GATEWAY_SITE)
    session = next_of(events, LinkChanged).session
    assert fits(session, Link)
    assert (session["connected"], session["site_id"]) == (False, GATEWAY_SITE)


def test_the_stream_can_be_narrowed(headend: Headend, client: HeadendClient) -> None:
    with ExitStack() as stack:
        streams = [
            stack.enter_context(closing(client.stream(asset_id=BATTERY_A))),
            stack.enter_context(closing(client.stream(site_id=GATEWAY_SITE))),
        ]
        of_asset, of_site = (next_of(stream, Telemetry).samples for stream in streams)
        assert [sample["asset_id"] for sample in of_asset] == [BATTERY_A]
        assert len(of_site) == 3
        for place, asset_id in enumerate((CAMPUS_A, BATTERY_B, BATTERY_A)):
            headend.raise_event(f"event {place}", asset_id=asset_id)
        first = [next_of(stream, EventRaised).event["code"] for stream in streams]
    assert first == ["event 2", "event 1"]


def test_the_stream_goes_on_where_it_was_cut_off(
    headend: Headend, client: HeadendClient, events: Stream
) -> None:
    headend.raise_event("before", asset_id=BATTERY_A)
    assert next_of(events, EventRaised).event["code"] == "before"
    headend.interrupt()
    headend.raise_event("meanwhile", asset_id=BATTERY_A)
    assert isinstance(next(events), Interrupted)
    following = [event for event in islice(events, 3) if not isinstance(event, Telemetry)]
    assert following[0] == Connected()
    assert isinstance(following[1], EventRaised)
    assert following[1].event["code"] == "meanwhile"


def test_the_stream_says_if_nobody_knows_what_was_missed(headend: Headend, events: Stream) -> None:
    headend.interrupt(forget=True)
    assert isinstance(next(events), Interrupted)
    assert [next(events), next(events)] == [Connected(), Missed(None)]
    assert len(next_of(events, Telemetry).samples) == 5
