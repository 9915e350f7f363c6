"""The subscription: what comes over the wire as events, and what the client does when the line breaks."""

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import islice, pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_client import (
    Connected,
    EventRaised,
    HeadendClient,
    Interrupted,
    Missed,
    NotFound,
    StreamEvent,
    Telemetry,
)
from der_client.sse import Message, Messages
from kit.fake_headend import problem


class Line(httpx.BaseTransport):
    """Each time the stream is asked for, the next of ``answers``: what is sent until it ends, or breaks."""

    def __init__(self, *answers: list[bytes | Exception] | httpx.Response | Exception) -> None:
        self._answers = iter(answers)
        self.asked: list[str | None] = []
        self.slept: list[float] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers.get("last-event-id"))
        answer = next(self._answers)
        if isinstance(answer, httpx.Response):
            return answer
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(
            200, headers={"content-type": "text/event-stream; charset=utf-8"}, stream=Body(answer)
        )

    def events(self, count: int) -> list[StreamEvent]:
        with (
            HeadendClient("http://headend", transport=self, sleep=self.slept.append) as client,
            closing(client.stream()) as events,
        ):
            return list(islice(events, count))


class Body(httpx.SyncByteStream):
    def __init__(self, pieces: list[bytes | Exception]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def sent(name: str, data: object, id: str) -> bytes:
    return f"id: {id}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()


PING = b": ping\nid: run-1\n\n"


def test_a_line_that_ends_is_made_again_from_where_it_was() -> None:
    line = Line([PING, sent("event", {"code": "a"}, "run-2")], [sent("event", {"code": "b"}, "run-3")], [])
    assert line.events(7) == [
        Connected(),
        EventRaised({"code": "a"}),  # type: ignore[typeddict-item]  # as much as matters
        Interrupted("the headend has ended the stream"),
        Connected(),
        EventRaised({"code": "b"}),  # type: ignore[typeddict-item]  # as above
        Interrupted("the headend has ended the stream"),
        Connected(),
    ]
    assert line.asked == [None, "run-2", "run-3"]


def test_the_id_of_a_comment_is_a_place_too() -> None:
    line = Line([PING], [])
    line.events(3)
    assert line.asked == [None, "run-1"]


def test_without_a_place_nobody_knows_what_was_missed() -> None:
    assert Line([], [PING]).events(4)[2:] == [Connected(), Missed(None)]


def test_what_can_not_be_read_is_missed_and_not_asked_for_again() -> None:
    line = Line([PING, b"id: run-2\nevent: link\ndata: {broken\n\n"], [PING])
    assert line.events(4)[-2:] == [Connected(), Missed(None)]
    assert line.asked == [None, None]


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "connection refused"),
        (httpx.ReadTimeout("quiet"), "no answer within the time limit"),
        (problem(503, "store_unavailable", "the store is away"), "the store is away"),
        (problem(500, "internal_error", "a mistake"), "a mistake"),
        (httpx.Response(502, text="bad gateway"), "something else is listening there (502, text/plain)"),
        (httpx.Response(200, json={}), "something else is listening there (200, application/json)"),
        ([PING, httpx.ReadError("reset")], "the connection broke"),
        (
            [PING, httpx.RemoteProtocolError("peer closed connection without sending complete message body")],
            "it broke off in the middle of an answer",
        ),
        ([PING, b"event: link\ndata: {broken\n\n"], "what the headend has sent cannot be read"),
    ],
)
def test_what_may_pass_is_tried_again(
    failure: httpx.Response | Exception | list[bytes | Exception], why: str
) -> None:
    line = Line(failure, [PING], [PING])
    first = next(event for event in line.events(4) if event != Connected())
    assert first == Interrupted(why)
    assert len(line.slept) >= 1


def test_what_would_not_pass_is_raised() -> None:
    line = Line(problem(404, "unknown_asset", "no such asset"))
    with pytest.raises(NotFound):
        line.events(1)
    assert line.slept == []


def test_pauses_grow_to_a_limit_and_begin_anew_after_success() -> None:
    refused = httpx.ConnectError("refused")
    line = Line(*[refused] * 8, [PING], refused, [PING])
    line.events(8 + 2 + 1 + 1)
    assert 0.25 <= line.slept[0] <= 0.5 <= line.slept[1] <= 1.0
    assert all(5 <= pause <= 10 for pause in line.slept[6:8])
    assert line.slept[8] <= 0.5


def test_what_a_newer_headend_announces_is_passed_over() -> None:
    assert Line([sent("weather", {}, "run-1"), sent("telemetry", [], "run-2")]).events(2) == [
        Connected(),
        Telemetry([]),
    ]


@given(st.lists(st.integers(0, 200)), st.sampled_from(["\n", "\r\n"]))
def test_messages_are_the_same_however_they_are_cut(cuts: list[int], newline: str) -> None:
    text = (
        "\ufeff: hello\n\nevent: a\ndata: 1\ndata:2\n\nid: 7\n\ndata: \u2028 \u0085 ü\nunknown\nid: 8\0\n\nevent: b\n\n"
        "retry: 5\ndata\n\ndata: unfinished"
    ).replace("\n", newline)
    body = text.encode()
    places = sorted({0, len(body), *(cut % len(body) for cut in cuts)})
    reader = Messages()
    pieces = [body[start:end] for start, end in pairwise(places)]
    assert [message for piece in pieces for message in reader.feed(piece)] == [
        Message("a", "1\n2", None),
        Message("message", "", "7"),
        Message("message", "\u2028 \u0085 ü", "7"),
        Message("message", "", "7"),
    ]
