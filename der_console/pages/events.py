"""Events and alarms: what is raised now, and what has happened."""

from der_client import HeadendError
from der_console import shell
from der_console.console import Console
from der_console.feeds.events import AlarmsFeed, EventsFeed, EventsWanted
from der_console.pages.recent import Recent
from der_console.parts.elements import card, tag, words
from der_console.parts.filters import choice
from der_console.parts.listing import Column, Listing
from der_console.parts.message import Message
from der_console.parts.tiles import Tile, tiles
from der_console.parts.value import Value
from der_console.reasons import told
from der_console.topics import Topic
from der_console.turns import give_way
from der_core.events import Severity

_ALARMS = (
    Column("severity", "Severity"),
    Column("since", "Since", "ago"),
    Column("what", "Alarm", "words"),
    Column("asset", "Asset"),
    Column("site", "Site", wide=True),
    Column("code", "Code", wide=True),
    Column("seen", "Acknowledged UTC", "time"),
)
_EVENTS = (
    Column("at", "Time UTC", "time"),
    Column("severity", "Severity"),
    Column("kind", "Kind", wide=True),
    Column("what", "What", "words"),
    Column("asset", "Asset"),
    Column("site", "Site", wide=True),
    Column("code", "Code", wide=True),
    Column("seen", "Acknowledged UTC", "time"),
)
_SEEN = {"": None, "no": False, "yes": True}


async def show(console: Console) -> None:
    """The page."""
    shell_topic = console.shell()
    alarms = console.topics.show("alarms", AlarmsFeed(console))
    page = _Page(console)
    await shell_topic.ready()
    await alarms.ready()
    await page.recent.topic.ready()
    async with shell.page(console, "Events", under="Events"):
        words("Events and alarms", "h1")
        await tiles(
            alarms,
            *(Tile(each.capitalize(), each) for each in reversed(Severity)),
            Tile("Not acknowledged", "unseen"),
        )
        page.message = Message()
        with card("Raised now", "alarms"):
            Listing(
                alarms,
                "alarms",
                _ALARMS,
                label="Raised alarms",
                empty="No alarm is raised.",
                on_act=page.act,
                blocks=True,
            )
            Value(alarms, "listed").classes("note")
        await give_way()
        with card("History"):
            page.build()


class _Page:
    """What one person has chosen on it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.recent = Recent(console, EventsWanted(), EventsFeed)
        self.message: Message

    def build(self) -> None:
        """The filters and the list."""
        recent = self.recent
        with tag("div", "filters", role="search", aria_label="Filter the history"):
            choice(
                "Severity",
                {"": "All", **{s: s.capitalize() for s in Severity}},
                lambda event: recent.choose(severity=event.args or None),
            )
            recent.by_target()
            choice(
                "Acknowledged",
                {"": "All", "no": "Not yet", "yes": "Yes"},
                lambda event: recent.choose(acknowledged=_SEEN[event.args]),
            )
        recent.build(self._listing)

    def _listing(self, topic: Topic) -> Listing:
        return Listing(
            topic,
            "events",
            _EVENTS,
            label="Events, newest first",
            empty="Nothing of this kind has happened.",
            on_act=self.act,
            on_more=self.recent.more,
            blocks=True,
        )

    async def act(self, _action: str, event_id: str) -> None:
        """Acknowledge an event."""
        try:
            event = await self._console.headend.acknowledge(event_id)
        except HeadendError as error:
            self.message.problem(told(error))
            return
        self.message.hide()
        alarms = self._console.hub.picture.alarms
        if event_id in alarms:
            alarms[event_id] = event
        self.recent.topic.made_by(EventsFeed).due.set()
