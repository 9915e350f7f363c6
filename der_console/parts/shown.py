"""What the elements that show a cell of a topic have in common."""

from typing import Any

from nicegui.element import Element

from der_console.topics import Topic


class Shown(Element):
    """Shows ``topic``'s cell ``key`` as it changes; ``props`` are what its component wants besides."""

    def __init__(self, topic: Topic, key: str, **props: Any) -> None:
        super().__init__()
        self._props.update(topic=topic.key, name=key, initial=topic.cells.get(key), **props)
