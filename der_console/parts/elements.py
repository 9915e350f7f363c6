"""Plain HTML elements, without the looks of any framework: what they look like is in ``console.css``."""

from collections.abc import Callable
from typing import Literal, TypeVar

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

E = TypeVar("E", bound=Element)


def tag(name: str, classes: str = "", **attributes: str | bool) -> Element:
    """An element to put others into. ``aria_label`` becomes ``aria-label``, ``for_`` becomes ``for``."""
    return _dressed(Element(name), classes, attributes)


def words(text: str, name: str = "span", classes: str = "", **attributes: str | bool) -> TextElement:
    """An element with text in it."""
    return _dressed(_Text(tag=name, text=text), classes, attributes)


def link(text: str, to: str, classes: str = "", **attributes: str | bool) -> TextElement:
    """A link."""
    return words(text, "a", classes, href=to, **attributes)


def crumbs(*way: tuple[str, str], here: str = "") -> None:
    """The way to this page, as captions with their addresses, and what it is called at its end."""
    with tag("p", "crumbs"):
        for place, (caption, to) in enumerate(way):
            if place:
                words(" / ")
            link(caption, to)
        if here:
            words(" / ")
            words(here)


def identifier(id_: str) -> None:
    """An id, which a click selects as a whole, to be copied."""
    with tag("span", "note"):
        words("Id ")
        words(id_, classes="id")


def button(
    text: str,
    on_click: Callable[[], object],
    *,
    kind: Literal["plain", "primary", "danger"] = "plain",
    **attributes: str | bool,
) -> TextElement:
    """A button that asks the console; ``on_click`` may be a coroutine function."""
    made = words(text, "button", f"button {kind}", type="button", **attributes)
    made.on("click", lambda _: on_click(), args=[])
    return made


def card(title: str, classes: str = "", *, heading: str = "h2") -> Element:
    """A card with a heading, to put things into."""
    made = tag("section", f"card {classes}", aria_label=title)
    with made:
        words(title, heading, "card-title")
    return made


class _Text(TextElement):
    """An element with text."""


def _dressed(element: E, classes: str, attributes: dict[str, str | bool]) -> E:
    element.classes(classes)
    for name, value in attributes.items():
        element._props[name.rstrip("_").replace("_", "-")] = value  # noqa: SLF001 - `props()` parses a text
    return element
