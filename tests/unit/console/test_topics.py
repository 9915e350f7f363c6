from typing import Any
from unittest.mock import Mock

from der_console import cells
from der_console.topics import Topic


class Page:
    """Stands in for a browser's side of a page."""

    def __init__(self) -> None:
        self.id = "page"
        self.is_deleted = False
        self.outbox = self
        self.scripts: list[str] = []

    def enqueue_message(self, kind: str, data: dict[str, str], to: str) -> None:
        assert (kind, to) == ("run_javascript", self.id)
        self.scripts.append(data["code"])


def topic_with(*pages: Page) -> Topic:
    topic = Topic("fleet", Mock())
    for place, page in enumerate(pages):
        page.id = str(place)
        topic._enter(page)  # type: ignore[arg-type]  # as much of a client as is used
    return topic


def test_only_differences_are_sent() -> None:
    one, other = Page(), Page()
    topic = topic_with(one, other)
    topic.publish({"net": cells.power(12.0), "alarms": cells.text("0")})
    topic.publish({"net": cells.power(12.0), "alarms": cells.text("1")})
    topic.publish({"net": cells.power(12.0), "alarms": cells.text("1")})
    assert len(one.scripts) == 2
    assert "alarms" in one.scripts[1]
    assert "net" not in one.scripts[1]
    assert all(mine is theirs for mine, theirs in zip(one.scripts, other.scripts, strict=True))


def test_a_page_that_is_gone_gets_nothing() -> None:
    page = Page()
    topic = topic_with(page)
    page.is_deleted = True
    topic.publish({"net": cells.power(12.0)})
    assert page.scripts == []


def test_who_comes_later_finds_what_is_shown() -> None:
    topic = topic_with()
    topic.publish({"net": cells.power(-4.0)})
    topic.publish({"up": cells.amount(3.0)})
    assert topic.cells == {"net": {"t": "−4.00", "d": "in"}, "up": {"t": "3.00"}}


def test_texts_stay_texts() -> None:
    page = Page()
    topic_with(page).publish({"name": cells.text('</script>"; alert(1); "')})
    assert '\\"; alert(1); \\"' in page.scripts[0]


def test_unknown_is_never_zero() -> None:
    made: list[Any] = [cells.power(None), cells.amount(None), cells.percent(None), cells.text(None)]
    assert {cell["t"] for cell in made} == {"–"}
    assert {cell["s"] for cell in made} == {"unknown"}


def test_power_shows_its_sign() -> None:
    assert [cells.signed(mw) for mw in (7.2, -4.0, 0.0, -0.00004, 12_345.6)] == [
        "+7.20",
        "−4.00",
        "0.00",
        "0.00",
        "+12,346",
    ]
    assert [cells.word(mw) for mw in (1.0, -1.0, 0.0, None)] == ["discharging", "charging", "idle", "unknown"]


def test_a_small_power_is_no_zero() -> None:
    assert [cells.signed(mw) for mw in (-0.0074, 0.022, 0.09999, 0.1)] == [
        "−0.0074",
        "+0.0220",
        "+0.10",
        "+0.10",
    ]
    assert cells.word(-0.0074) == "charging"
    assert [cells.number(value) for value in (0.0135, 0.00004, 0.0)] == ["0.0135", "0.00", "0.00"]
