"""A button that is only there while it can do something."""

from collections.abc import Callable
from typing import Literal

from der_console.parts.shown import Shown
from der_console.topics import Topic


class LiveButton(Shown, component="live_button.js"):
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
        super().__init__(topic, key, text=text, kind=kind)
        self.on("press", lambda _: on_click(), args=[])
