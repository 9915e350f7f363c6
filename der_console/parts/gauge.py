"""A state of charge as a bar with its bounds."""

from der_console.parts.shown import Shown
from der_console.topics import Topic


class Gauge(Shown, component="gauge.js"):
    """Shows ``topic``'s cell ``key``: its ``gauge`` is the percentage, and the bounds that the asset keeps."""

    def __init__(self, topic: Topic, key: str, *, label: str) -> None:
        super().__init__(topic, key, label=label)
