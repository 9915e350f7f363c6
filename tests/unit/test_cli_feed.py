"""``der events --follow``: what is shown of a stream, also of one that breaks."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from der_cli import feed as feeding
from der_cli.feed import REMEMBERED, feed
from der_client import Connected, EventRaised, HeadendUnreachable, Interrupted, Missed, StreamEvent
from der_client.models import Event
from kit.fake_headend import NOW
from kit.terminal import Desk


def event(name: str, **other: Any) -> Event:
    made: Event = {
        "id": name,
        "at": NOW,
        "site_id": "S",
        "asset_id": None,
        "severity": "warning",
        "kind": "raised",
        "code": name,
        "message": name,
        "acknowledged_at": None,
    }
    made.update(other)  # type: ignore[typeddict-item]  # the keys are the caller's
    return made


class Log:
    """What the headend would list; ``reading`` counts how often it was asked, ``away`` makes it fail."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.reading = 0
        self.away = False

    def newest(self, most: int) -> Iterable[Event]:
        self.reading += 1
        if self.away:
            raise HeadendUnreachable("http://h", "connection refused")
        return [event(name) for name in reversed(self.names)][:most]


def test_a_gap_in_the_stream_is_filled_and_nothing_is_said_to_be_missed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = Log("old", "older than the first", "first")

    def stream() -> Iterable[StreamEvent]:
        yield Connected()
        yield EventRaised(event("told"))
        log.names += ["told", "in the gap"]
        yield Interrupted("connection refused")
        yield Connected()
        yield EventRaised(event("after"))
        log.names += ["after", "in another"]
        yield Missed(None)
        yield EventRaised(event("in the gap"))

    seen = [e["code"] for e in feed(stream(), newest=log.newest, wanted=lambda _: True, first=1)]
    assert seen == ["first", "told", "in the gap", "after", "in another"]
    told = capsys.readouterr().err
    assert "Connection lost (connection refused); trying again" in told
    assert "missed" not in told


def test_a_gap_that_can_not_be_filled_is_told_and_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("first")

    def stream() -> Iterable[StreamEvent]:
        log.away = True
        yield Connected()
        yield EventRaised(event("after"))

    assert [e["code"] for e in feed(stream(), newest=log.newest, wanted=lambda _: True, first=9)] == [
        "first",
        "after",
    ]
    assert "Some events may have been missed (connection refused)" in capsys.readouterr().err


def test_more_than_is_read_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("first")

    def stream() -> Iterable[StreamEvent]:
        log.names += [str(number) for number in range(REMEMBERED + 1)]
        yield Missed(5)

    assert len(list(feed(stream(), newest=log.newest, wanted=lambda _: True, first=9))) == 1 + REMEMBERED
    assert "More than 1,000 events happened meanwhile" in capsys.readouterr().err


def test_what_is_remembered_has_a_bound_and_what_was_read_last_is_known() -> None:
    known = feeding._Known(3)
    assert all(known.is_new(event(str(number))) for number in range(10_000))
    assert len(known._ids) == 3
    assert not known.is_new(event("9999"))
    assert known.is_new(event("0"))


class TestCommand:
    """``der events --follow`` shows of what happens what it would list."""

    def followed(self, *args: str, happening: Iterable[dict[str, Any]]) -> list[str]:
        events = [event(f"e{number}", **other) for number, other in enumerate(happening)]

        def fed(_stream: object, *, wanted: Callable[[Event], bool], **_of: object) -> Iterable[Event]:
            return filter(wanted, events)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("der_cli.events.feed", fed)
            result = Desk().der("events", "--follow", *args, columns=200)
        assert result.exit_code == 0, result.output
        self.lines = result.stdout.splitlines()
        return [line.split()[-1] for line in self.lines]

    def test_only_alarms_that_are_raised(self) -> None:
        kinds = [{"kind": kind} for kind in ("raised", "cleared", "notice")]
        assert self.followed("--active", happening=kinds) == ["e0"]
        assert self.followed(happening=kinds) == ["e0", "e1", "e2"]

    def test_from_a_time_on(self) -> None:
        times = [{"at": "2026-01-01T09:00:00Z"}, {}]
        assert self.followed("--start", "11:00", happening=times) == ["e1"]

    def test_older_ones_have_their_date(self) -> None:
        self.followed(happening=[{"at": "2025-12-30T09:00:00Z"}, {}])
        assert [line.partition("  ")[0] for line in self.lines] == ["2025-12-30 09:00:00", "12:00:00"]

    def test_an_end_is_wrong_usage(self) -> None:
        result = Desk().der("events", "--follow", "--end", "now", columns=200)
        assert result.exit_code == 2
        assert "what is followed has no end but Ctrl-C" in result.stderr
