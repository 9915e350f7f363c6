"""Between question and answer: what is sent again and when, page after page, and a stream that heals itself.

Written once as coroutines; see ``der_client.binding`` for how a blocking client runs them.

A question is put again if the connection could not be made or broke, and if the headend said that a part is away and
when to come back, as long as there is some left of the time the caller gave. Not after a timeout: that time is over.
"""

import json
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, TypeVar

import httpx

from der_client.errors import MAY_PASS, HeadendError, HeadendUnreachable
from der_client.failures import short, why
from der_client.network import Network
from der_client.questions import Listing, Question, Subscription
from der_client.responses import check_stream, next_cursor, problem_of, retry_after_s
from der_client.sse import Message, Messages
from der_client.stream_events import (
    Connected,
    DispatchChanged,
    EventRaised,
    Interrupted,
    LinkChanged,
    Missed,
    StreamEvent,
    Telemetry,
)

T = TypeVar("T")

OnRetry = Callable[[HeadendError, float], None]
"""Is told, before a question is put again, why it must be, and in how many seconds that will be."""

_ATTEMPTS = 4
_FIRST_PAUSE_S = 0.1
_FIRST_STREAM_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_CONNECT_TIMEOUT_S = 3.0
_SILENCE_S = 35.0
"""A stream that was quiet for so long is dead: the headend shows every 15 s that it lives."""

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout)
_BROKE = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)


class Exchange:
    """Puts questions to the headend at ``base_url`` over a network; of lists ``page`` entries at once."""

    def __init__(
        self, network: Network, *, base_url: str, timeout_s: float, page: int, on_retry: OnRetry | None
    ) -> None:
        self._network = network
        self._on_retry = on_retry or _untold
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._page = page

    async def answer(self, question: Question[T]) -> T:
        """The answer to a question.

        Raises:
            HeadendError: the headend says no, or nothing answers.
        """
        return question.read(await self._response(question))

    async def entries(self, listing: Listing[T]) -> AsyncGenerator[T, None]:
        """The entries of all pages; raises as ``answer`` does."""
        left, cursor = listing.limit, None
        while left is None or left > 0:
            size = self._page if left is None else min(left, self._page)
            question = listing.page(size, cursor)
            response = await self._response(question)
            page = question.read(response)
            for entry in page:
                yield entry
            cursor = next_cursor(response)
            if cursor is None:
                return
            left = None if left is None else left - len(page)

    async def events(self, subscription: Subscription) -> AsyncGenerator[StreamEvent, None]:
        """What happens, for ever.

        Raises:
            HeadendProblem: the headend says no, and would say so again.
        """
        last_id: str | None = None
        connected = False
        pauses = _pauses(_FIRST_STREAM_PAUSE_S)
        while True:
            try:
                async with self._network.open(self._subscribe(subscription, last_id)) as opened:
                    check_stream(opened.response)
                    pauses = _pauses(_FIRST_STREAM_PAUSE_S)
                    yield Connected()
                    if connected and last_id is None:
                        yield Missed(None)
                    connected = True
                    messages = Messages()
                    while piece := await opened.read():
                        for message in messages.feed(piece):
                            last_id = message.last_id or last_id
                            event = _event(message)
                            if event is not None:
                                yield event
                    reason = "the headend has ended the stream"
            except httpx.HTTPError as error:
                reason = why(error)
            except MAY_PASS as error:
                reason = short(error)
            except (json.JSONDecodeError, LookupError):
                reason = "what the headend has sent cannot be read"
                last_id = None  # it would send the same again; from now on, and `Missed` says so
            yield Interrupted(reason)
            await self._network.sleep(next(pauses))

    async def _response(self, question: Question[Any]) -> httpx.Response:
        pauses = _pauses(_FIRST_PAUSE_S)
        left_s, maybe_done = self._timeout_s + question.patience_s, False
        for attempts_left in range(_ATTEMPTS - 1, -1, -1):
            pause_s = next(pauses)
            began_s = time.monotonic()
            try:
                response = await self._network.send(self._request(question, within_s=left_s))
                left_s -= time.monotonic() - began_s
                wanted_s = retry_after_s(response)
                if wanted_s is None or not attempts_left or wanted_s + pause_s >= left_s:
                    return response
                pause_s += wanted_s
                trouble: HeadendError = problem_of(response)
            except httpx.HTTPError as error:
                left_s -= time.monotonic() - began_s
                maybe_done = maybe_done or (question.writes and not isinstance(error, _NEVER_LEFT))
                again = isinstance(error, _NEVER_LEFT + _BROKE) and attempts_left and pause_s < left_s
                trouble = HeadendUnreachable(self._base_url, why(error), maybe_done=maybe_done)
                if not again:
                    raise trouble from error
            left_s -= pause_s
            self._on_retry(trouble, pause_s)
            await self._network.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _request(self, question: Question[Any], *, within_s: float) -> httpx.Request:
        return httpx.Request(
            question.method,
            self._base_url + question.path,
            params=dict(question.params) or None,
            json=question.json,
            headers={"accept": "application/json, application/problem+json"},
            extensions=_timeouts(within_s, read_s=within_s),
        )

    def _subscribe(self, subscription: Subscription, last_id: str | None) -> httpx.Request:
        resume = {} if last_id is None else {"last-event-id": last_id}
        return httpx.Request(
            "GET",
            f"{self._base_url}/stream",
            params=dict(subscription.params) or None,
            headers={"accept": "text/event-stream, application/problem+json", **resume},
            extensions=_timeouts(self._timeout_s, read_s=_SILENCE_S),
        )


def _untold(_trouble: HeadendError, _pause_s: float) -> None:
    pass


def _timeouts(within_s: float, *, read_s: float) -> dict[str, Any]:
    connect_s = min(within_s, _CONNECT_TIMEOUT_S)
    return {"timeout": httpx.Timeout(within_s, connect=connect_s, read=read_s).as_dict()}


def _event(message: Message) -> StreamEvent | None:
    """What a message says; ``None`` for one this client does not know."""
    match message.name:
        case "telemetry":
            return Telemetry(json.loads(message.data))
        case "dispatch":
            return DispatchChanged(json.loads(message.data))
        case "event":
            return EventRaised(json.loads(message.data))
        case "link":
            return LinkChanged(json.loads(message.data))
        case "lost":
            return Missed(json.loads(message.data)["count"])
    return None


def _pauses(first_s: float) -> Iterator[float]:
    """Longer and longer, each somewhere between its half and its whole, so that many callers do not come at once."""
    longest_s = first_s
    while True:
        yield random.uniform(longest_s / 2, longest_s)
        longest_s = min(2 * longest_s, _LONGEST_PAUSE_S)
