"""The card with power over time, of an asset or a site: live, or a time that a person chooses."""

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui.element import Element

from der_client import HeadendError
from der_console.feeds.past import SPANS, Span, no_past
from der_console.parts.chart import PARTIAL, Chart, Series
from der_console.parts.elements import button, card, tag, words
from der_console.trends import Columns

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


async def power_card(
    name: str, read: Callable[[Span], Awaitable[Columns]], *, channel: str, summed: bool = False
) -> None:
    """Draw it. ``read`` asks the headend for what was measured in a time; ``summed``: of several assets."""

    async def show(span: Span) -> None:
        for each, pressed in buttons.items():
            pressed.props(f"aria-pressed={str(each is span).lower()}")
        try:
            data = await read(span)
        except HeadendError as error:
            said.set_text(f"What was measured could not be read: {error}")
            return
        said.set_text("" if data["t"] else "Nothing was measured in this time.")
        chart.show(data, span_s=span.span_s if span.live else None)

    with card("Power, setpoint and limits"):
        with tag("div", "segments", role="group", aria_label="Time shown"):
            buttons = {span: _choice(span, partial(show, span)) for span in SPANS}
        said = words("", "p", "note", role="status")
        chart = Chart(
            SERIES,
            no_past(),
            label=f"Power, setpoint and limits in MW and state of charge in percent of {name} over time",
            channel=channel,
            span_s=SPANS[0].span_s,
        ).classes("tall")
        if summed:
            words(PARTIAL, "p", "note")

    await show(SPANS[0])


def _choice(span: Span, on_click: Callable[[], Awaitable[None]]) -> Element:
    return button(span.label, on_click, aria_pressed=str(span.live).lower())
