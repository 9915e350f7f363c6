"""A listing that a person filters: for each choice it shows another topic, shared by all pages with the same choice."""

from collections.abc import Callable

from der_console.console import Console
from der_console.parts.listing import Listing
from der_console.topics import Topic, Work


class Switched:
    """Follows ``topic`` until ``show`` names another. The old rows stay until the new ones are there."""

    def __init__(self, console: Console, topic: Topic, listing: Callable[[Topic], Listing]) -> None:
        self._console = console
        self.topic = topic
        self._asked = topic.key
        self._listing = listing(topic)

    async def show(self, key: str, work: Work) -> None:
        """Show the topic ``key``; what was asked for last wins."""
        self._asked = key
        if key == self.topic.key:
            return
        topic = self._console.topics.show(key, work)
        await topic.ready()
        if key != self._asked:
            self._console.topics.leave(topic)
            return
        self._console.topics.leave(self.topic)
        self.topic = topic
        self._listing.show(topic)
