"""A state of charge as a bar with its bounds."""

from nicegui.element import Element

from der_console.topics import Topic


class Gauge(Element, component="gauge.js"):
    """Shows ``topic``'s cell ``key``: its ``gauge`` is the percentage, and the bounds that the asset keeps."""

    def __init__(self, topic: Topic, key: str, *, label: str) -> None:
        super().__init__()
        self._props["topic"] = topic.key
        self._props["name"] = key
        self._props["label"] = label
        self._props["initial"] = topic.cells.get(key)
