"""What every page gets: the headend to ask, the picture of it, and the topics that pages share."""

from collections.abc import Mapping
from typing import Any

from der_client import AsyncHeadendClient
from der_console import cells
from der_console.cells import Cell
from der_console.hub import Hub
from der_console.picture import Picture
from der_console.tables import Table
from der_console.topics import Topic, Topics, Work

SHELL = "shell"


class Console:
    """One console; ``url`` is the headend's, as people are told it."""

    def __init__(self, headend: AsyncHeadendClient, *, url: str) -> None:
        self.url = url
        self.headend = headend
        self.hub = Hub(headend)
        self.topics = Topics()
        self.tables: dict[str, Table[Any]] = {}

    def shell(self) -> Topic:
        """The topic of what every page shows; it keeps the hub running while a page is open."""

        async def work(topic: Topic) -> None:
            await self.hub.run(lambda picture: topic.publish(shell_cells(picture)))

        return self.topics.show(SHELL, work)

    async def show(self, key: str, work: Work) -> Topic:
        """Show a topic and the shell on the page that is being built; returns once there is something to show."""
        shell, topic = self.shell(), self.topics.show(key, work)
        await shell.ready()
        await topic.ready()
        return topic


def shell_cells(picture: Picture) -> Mapping[str, Cell]:
    """What every page shows: whether the headend answers, and how many alarms are raised."""
    link, alarms = picture.link, picture.totals.alarms
    if link.up:
        state: Cell = {"t": "Live", "s": "ok"}
    elif link.since is None:
        state = {"t": "Connecting", "s": "quiet"}
    else:
        state = {"t": "No connection", "s": "bad", "at": link.since}
    known = picture.sites_at is not None
    return {
        "link": state,
        "why": {"t": link.why},
        "alarms": cells.alarms(alarms, critical=picture.critical) if known else cells.text(None),
    }
