"""A button that is only there while it can do something."""

from collections.abc import Callable
from typing import Literal

from nicegui.element import Element

from der_console.topics import Topic


class LiveButton(Element, component="live_button.js"):
    """Shown while ``topic``'s cell ``key`` has a text; ``on_click`` may be a coroutine function."""

    def __init__(
        self,
        text: str,
        topic: Topic,
        key: str,
        on_click: Callable[[], object],
        *,
        kind: Literal["plain", "primary", "danger"] = "plain",
    ) -> None:
        super().__init__()
        self._props["text"] = text
        self._props["kind"] = kind
        self._props["topic"] = topic.key
        self._props["name"] = key
        self._props["initial"] = topic.cells.get(key)
        self.on("press", lambda _: on_click(), args=[])
