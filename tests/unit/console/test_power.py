"""Power over a chosen time: what is drawn is what was chosen last."""

import asyncio
from typing import Any

from der_client import HeadendUnreachable
from der_console.feeds.past import LIVE, SPANS, Span, no_past
from der_console.pages.power import Choice
from der_console.trends import Columns
from kit.scripted_headend import until

MONTH = SPANS[-1]
VALUES: Columns = {"t": [1.0], "s": [[2.0] for _ in no_past()["s"]]}


class Part:
    """Stands in for a part of the page; remembers what it shows."""

    def __init__(self) -> None:
        self._props: dict[str, Any] = {}
        self.text = ""
        self.drawn: Columns | None = None
        self.span_s: float | None = None

    def update(self) -> None:
        """Nothing to send it to."""

    def set_text(self, text: str) -> None:
        self.text = text

    def show(self, data: Columns, *, span_s: float | None) -> None:
        self.drawn, self.span_s = data, span_s


class Card:
    """A choice whose reads wait until the test answers them."""

    def __init__(self) -> None:
        self.asked: dict[Span, asyncio.Future[Columns]] = {}
        self.buttons, self.said, self.chart = {span: Part() for span in SPANS}, Part(), Part()
        choice: Any = Choice(self._read)
        choice.buttons, choice.said, choice.chart = self.buttons, self.said, self.chart
        self.choice: Choice = choice

    def chosen(self) -> list[Span]:
        return [span for span, made in self.buttons.items() if made._props["aria-pressed"] == "true"]

    async def _read(self, span: Span) -> Columns:
        self.asked[span] = asyncio.get_running_loop().create_future()
        return await self.asked[span]


async def test_what_comes_late_is_not_drawn_below_another_button() -> None:
    card = Card()
    async with asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(card.choice.show(MONTH))
        await until(lambda: MONTH in card.asked)
        quick = tasks.create_task(card.choice.show(LIVE))
        await until(lambda: LIVE in card.asked)
        card.asked[LIVE].set_result(VALUES)
        await quick
        card.asked[MONTH].set_result(no_past())
        await slow
    assert card.chosen() == [LIVE]
    assert (card.chart.drawn, card.chart.span_s, card.said.text) == (VALUES, LIVE.span_s, "")


async def test_it_says_that_it_reads_and_what_could_not_be_read() -> None:
    card = Card()
    card.chart.drawn = VALUES
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(card.choice.show(MONTH))
        await until(lambda: MONTH in card.asked)
        assert (card.said.text, card.chart._props["aria-busy"]) == ("Reading 30 d …", "true")
        card.asked[MONTH].set_exception(HeadendUnreachable("http://h", "connection refused"))
        await reading
    assert card.said.text.startswith("What was measured could not be read. The headend does not answer")
    assert (card.chart.drawn, card.chart.span_s) == (no_past(), None)
    assert card.chart._props["aria-busy"] == "false"
