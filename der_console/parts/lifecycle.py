"""The life of a dispatch, step by step."""

from der_console.parts.shown import Shown
from der_console.topics import Topic


class Lifecycle(Shown, component="lifecycle.js"):
    """Shows the steps of ``topic``'s cell ``key``: rows with ``t at by why s``; without ``at`` they are yet to come."""

    def __init__(self, topic: Topic, key: str, *, label: str) -> None:
        super().__init__(topic, key, label=label)
