"""What an element that is there already looks like now, on the one page that it is on."""

from nicegui.element import Element


def shown(element: Element, *, yes: bool) -> None:
    """Show it, or take it away; its place in the page stays."""
    element.set_visibility(yes)


def enabled(element: Element, *, yes: bool) -> None:
    """Let people use a button, or not."""
    _set(element, "disabled", not yes)


def pressed(element: Element, *, yes: bool) -> None:
    """Show a button of several as the chosen one, or not."""
    _set(element, "aria-pressed", str(yes).lower())


def busy(element: Element, *, yes: bool) -> None:
    """Say that what it shows is about to be replaced, or that it has been."""
    _set(element, "aria-busy", str(yes).lower())


def _set(element: Element, name: str, value: object) -> None:
    element._props[name] = value  # noqa: SLF001 - `props()` parses a text
    element.update()
