"""What is on every page and works in the browser alone: banner, theme, shortcuts."""

from nicegui.element import Element

from der_console.topics import Topic


class Banner(Element, component="banner.js"):
    """Says so, unmissably, while the headend or the console itself is not heard."""

    def __init__(self, topic: Topic, *, headend: str) -> None:
        super().__init__()
        self._props["topic"] = topic.key
        self._props["initial"] = topic.cells.get("link")
        self._props["headend"] = headend


class LinkState(Element, component="link_state.js"):
    """Says in a word whether what is shown is live."""

    def __init__(self, topic: Topic) -> None:
        super().__init__()
        self._props["topic"] = topic.key
        self._props["initial"] = topic.cells.get("link")


class Tools(Element, component="tools.js"):
    """The switch of the theme, and the help on shortcuts."""
