"""A list of what happened lately, as a person filters it: each choice is a topic that all who made it share."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from der_console import targets
from der_console.console import Console
from der_console.feeds.recent import RecentFeed
from der_console.feeds.wanted import Wanted
from der_console.parts.listing import Listing
from der_console.parts.target_box import TargetBox
from der_console.targets import Target
from der_console.topics import Topic

W = TypeVar("W", bound=Wanted)


class Recent(Generic[W]):
    """What one person has chosen to see. ``topic`` is what is shown: the old rows stay until the new ones are there."""

    def __init__(self, console: Console, wanted: W, feed: Callable[[Console, W], RecentFeed[W, Any]]) -> None:
        self._console = console
        self._wanted = wanted
        self._feed = feed
        self._listing: Listing
        self.topic = self._show(wanted)

    def build(self, listing: Callable[[Topic], Listing]) -> None:
        """The list."""
        self._listing = listing(self.topic)

    def by_target(self) -> None:
        """The box that filters it by site or asset."""

        async def choose(target: Target | None) -> None:
            await self.choose(target=target)

        TargetBox(
            "Site or asset",
            search=lambda typed: targets.search(self._console.hub.picture, typed),
            on_choose=choose,
            hint="All",
        )

    async def choose(self, **filters: Any) -> None:
        """Filter by something else."""
        await self._follow(replace(self._wanted, **filters))

    async def more(self) -> None:
        """Show more of them."""
        await self._follow(self._wanted.more())

    async def _follow(self, wanted: W) -> None:
        """Show what was chosen last."""
        self._wanted = wanted
        if wanted.key == self.topic.key:
            return
        topic = self._show(wanted)
        await topic.ready()
        if topic is self.topic:
            return
        if wanted.key != self._wanted.key:
            self._console.topics.leave(topic)
            return
        self._console.topics.leave(self.topic)
        self.topic = topic
        self._listing.show(topic)

    def _show(self, wanted: W) -> Topic:
        return self._console.topics.show(wanted.key, self._feed(self._console, wanted))
