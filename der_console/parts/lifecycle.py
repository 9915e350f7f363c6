"""The life of a dispatch, step by step."""

from nicegui.element import Element

from der_console.topics import Topic


class Lifecycle(Element, component="lifecycle.js"):
    """Shows the steps of ``topic``'s cell ``key``: rows with ``t at by why s``; without ``at`` they are yet to come."""

    def __init__(self, topic: Topic, key: str, *, label: str) -> None:
        super().__init__()
        self._props["topic"] = topic.key
        self._props["name"] = key
        self._props["label"] = label
        self._props["initial"] = topic.cells.get(key)
