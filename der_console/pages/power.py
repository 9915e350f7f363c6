"""The card with power over time, of an asset or a site: live, or a time that a person chooses."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from der_client import HeadendError
from der_console.feeds.past import SPANS, Span, no_past
from der_console.parts.chart import PARTIAL, Chart, Series
from der_console.parts.elements import button, card, tag, words
from der_console.parts.states import busy, pressed
from der_console.reasons import told
from der_console.trends import Columns

_FIRST_S = 1.0

Read = Callable[[Span], Awaitable[Columns]]

SERIES = (
    Series("Lowest", "low"),
    Series("Highest", "high"),
    Series("Power", "power"),
    Series("Setpoint", "setpoint"),
    Series("Limits", "limit"),
    Series("Limits", "limit"),
    Series("SOC", "soc"),
    Series("Not heard", "missing"),
)


class Choice:
    """The time that a person has chosen last: its button is pressed, and the chart has its values or none.

    ``read`` asks the headend for what was measured in a time.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._turn = 0
        self.buttons: Mapping[Span, Element]
        self.said: TextElement
        self.chart: Chart
        self.first: asyncio.Task[None]

    async def show(self, span: Span) -> None:
        """Read it and draw it, unless another was chosen meanwhile."""
        self._turn = turn = self._turn + 1
        for each, made in self.buttons.items():
            pressed(made, yes=each is span)
        self.said.set_text(f"Reading {span.label} …")
        busy(self.chart, yes=True)
        try:
            data = await self._read(span)
            said = "" if data["t"] else "Nothing was measured in this time."
        except HeadendError as error:
            data, said = no_past(), f"What was measured could not be read. {told(error)}"
        if turn != self._turn:
            return
        self.said.set_text(said)
        busy(self.chart, yes=False)
        self.chart.show(data, span_s=span.span_s if span.live else None)


async def power_card(name: str, read: Read, *, channel: str, summed: bool = False) -> None:
    """Draw it. ``read`` asks the headend for what was measured in a time; ``summed``: of several assets."""
    choice = Choice(read)
    with card("Power, setpoint and limits"):
        with tag("div", "row"):
            with tag("div", "segments", role="group", aria_label="Time shown"):
                choice.buttons = {
                    span: button(span.label, partial(choice.show, span), aria_pressed=str(span.live).lower())
                    for span in SPANS
                }
            choice.said = words("", "p", "note", role="status")
        choice.chart = Chart(
            SERIES,
            no_past(),
            label=f"Power, setpoint and limits in MW and state of charge in percent of {name} over time",
            channel=channel,
            span_s=SPANS[0].span_s,
        ).classes("tall")
        if summed:
            words(PARTIAL, "p", "note")

    # The page does not wait for a store that is slow or away; the chart then says that it reads.
    choice.first = asyncio.create_task(choice.show(SPANS[0]), name=f"first power of {name}")
    await asyncio.wait([choice.first], timeout=_FIRST_S)
