"""A live value: one cell of a topic."""

from der_console.parts.shown import Shown
from der_console.topics import Topic


class Value(Shown, component="value.js"):
    """Shows ``topic``'s cell ``key``, with its ``unit``; ``age``: also how old it is, else only once it is stale."""

    def __init__(self, topic: Topic, key: str, *, unit: str = "", age: bool = False) -> None:
        super().__init__(topic, key, unit=unit, age=age)
