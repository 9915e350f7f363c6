"""A choice out of a few, to filter a list by."""

from collections.abc import Callable, Mapping

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from der_console.parts.elements import tag, words


def choice(
    label: str, options: Mapping[str, str], on_change: Callable[[GenericEventArguments], object]
) -> Element:
    """A labelled select; ``options`` are captions by value, the first is chosen; the event's ``args`` is the value."""
    with tag("label", "field"):
        words(label, "span", "label")
        made = tag("select", "input")
        with made:
            for value, caption in options.items():
                words(caption, "option", value=value)
    return made.on("change", on_change, js_handler="(event) => emit(event.target.value)")
