"""Events and alarms: what is raised now, and what has happened."""

from dataclasses import replace

from nicegui.events import GenericEventArguments

from der_client import HeadendError
from der_console import shell, targets
from der_console.console import Console
from der_console.feeds.events import AlarmsFeed, EventsFeed, EventsWanted
from der_console.parts.elements import card, tag, words
from der_console.parts.filters import choice
from der_console.parts.listing import Column, Listing
from der_console.parts.message import Message
from der_console.parts.switched import Switched
from der_console.parts.target_box import TargetBox
from der_console.parts.tiles import Tile, tiles
from der_console.parts.value import Value
from der_console.reasons import told
from der_console.targets import Target
from der_console.topics import Topic
from der_core.events import Severity

_ALARMS = (
    Column("severity", "Severity"),
    Column("since", "Since", "ago"),
    Column("what", "Alarm", "words"),
    Column("asset", "Asset"),
    Column("site", "Site", wide=True),
    Column("code", "Code", wide=True),
    Column("seen", "Acknowledged", "time"),
)
_EVENTS = (
    Column("at", "Time", "time"),
    Column("severity", "Severity"),
    Column("kind", "Kind", wide=True),
    Column("what", "What", "words"),
    Column("asset", "Asset"),
    Column("site", "Site", wide=True),
    Column("code", "Code", wide=True),
    Column("seen", "Acknowledged", "time"),
)
_SEEN = {"": None, "no": False, "yes": True}


async def show(console: Console) -> None:
    """The page."""
    shell_topic = console.shell()
    alarms = console.topics.show("alarms", AlarmsFeed(console))
    page = _Page(console)
    await shell_topic.ready()
    await alarms.ready()
    await page.topic.ready()
    with shell.page(console, "Events", under="Events"):
        words("Events and alarms", "h1")
        tiles(
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
        with card("History"):
            page.build()


class _Page:
    """What one person has chosen on it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._wanted = EventsWanted()
        self.topic = console.topics.show(self._wanted.key, EventsFeed(console, self._wanted))
        self.message: Message
        self._switched: Switched

    def build(self) -> None:
        """The filters and the list."""
        with tag("div", "filters", role="search", aria_label="Filter the history"):
            choice("Severity", {"": "All", **{s: s.capitalize() for s in Severity}}, self._by_severity)
            TargetBox(
                "Site or asset",
                search=lambda typed: targets.search(self._console.hub.picture, typed),
                on_choose=self._by_target,
                hint="All",
            )
            choice("Acknowledged", {"": "All", "no": "Not yet", "yes": "Yes"}, self._by_seen)
        self._switched = Switched(self._console, self.topic, self._listing)

    def _listing(self, topic: Topic) -> Listing:
        return Listing(
            topic,
            "events",
            _EVENTS,
            label="Events, newest first",
            empty="Nothing of this kind has happened.",
            on_act=self.act,
            on_more=self._more,
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
        self._switched.topic.made_by(EventsFeed).due.set()

    async def _by_severity(self, event: GenericEventArguments) -> None:
        await self._show(replace(self._wanted, severity=event.args or None))

    async def _by_target(self, target: Target | None) -> None:
        await self._show(replace(self._wanted, target=target))

    async def _by_seen(self, event: GenericEventArguments) -> None:
        await self._show(replace(self._wanted, acknowledged=_SEEN[event.args]))

    async def _more(self) -> None:
        await self._show(self._wanted.more())

    async def _show(self, wanted: EventsWanted) -> None:
        self._wanted = wanted
        await self._switched.show(wanted.key, EventsFeed(self._console, wanted))
