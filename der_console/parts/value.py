"""A live value: one cell of a topic."""

from nicegui.element import Element

from der_console.topics import Topic


class Value(Element, component="value.js"):
    """Shows ``topic``'s cell ``key``, with its ``unit``; ``age``: also how old it is, else only once it is stale."""

    def __init__(self, topic: Topic, key: str, *, unit: str = "", age: bool = False) -> None:
        super().__init__()
        self._props["topic"] = topic.key
        self._props["name"] = key
        self._props["unit"] = unit
        self._props["age"] = age
        self._props["initial"] = topic.cells.get(key)
