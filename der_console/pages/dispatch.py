"""Dispatch: choose a target and a power, look at the split, send it; below, what was sent lately."""

from dataclasses import replace

from nicegui.events import GenericEventArguments

from der_client import HeadendError, Invalid, NotFound
from der_console import shell, targets
from der_console.console import Console
from der_console.feeds.dispatches import DispatchesFeed, DispatchesWanted
from der_console.pages.order import OrderForm
from der_console.pages.release import ReleaseAll
from der_console.parts.elements import card, tag, words
from der_console.parts.filters import choice
from der_console.parts.listing import Column, Listing
from der_console.parts.message import Message
from der_console.parts.switched import Switched
from der_console.parts.target_box import TargetBox
from der_console.reasons import told
from der_console.targets import Kind, Target
from der_console.topics import Topic
from der_core.lifecycle import State

_RECENT = (
    Column("at", "Submitted", "time"),
    Column("target", "Target"),
    Column("requested", "Requested MW", "number"),
    Column("served", "Allocated MW", "number", wide=True),
    Column("duration", "Duration", wide=True),
    Column("state", "State"),
    Column("reason", "Reason", "words"),
)


async def show(console: Console, *, asset_id: str | None, site_id: str | None) -> None:
    """The page; ``asset_id`` or ``site_id`` is the target to begin with."""
    shell_topic = console.shell()
    form, recent = OrderForm(console), _Recent(console)
    await shell_topic.ready()
    problem = await _begin_with(console, form, asset_id, site_id)
    await form.topic.ready()
    await recent.topic.ready()
    with shell.page(console, "Dispatch", under="Dispatch"):
        head = tag("div", "page-head")
        released = Message()
        with head:
            words("Dispatch", "h1")
            tag("span", "grow")
            ReleaseAll(console, released)
        form.build()
        if problem:
            form.message.problem(problem)
        with card("Recent dispatches", "recent"):
            recent.build()


async def _begin_with(
    console: Console, form: OrderForm, asset_id: str | None, site_id: str | None
) -> str | None:
    """Choose the target of a deep link; returns what is wrong with it, if anything."""
    kind: Kind = "asset" if asset_id else "site"
    id_ = asset_id or site_id
    if not id_:
        return None
    try:
        await form.choose(await targets.find(console.headend, console.hub.picture, kind, id_))
    except (Invalid, NotFound):
        return f"There is no such {kind}: {id_}."
    except HeadendError as error:
        return told(error)
    return None


class _Recent:
    """The list of recent dispatches, and what one person has chosen to see of it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._wanted = DispatchesWanted()
        self.topic = console.topics.show(self._wanted.key, DispatchesFeed(console, self._wanted))
        self._switched: Switched

    def build(self) -> None:
        """The filters and the list."""
        with tag("div", "filters", role="search", aria_label="Filter the dispatches"):
            choice("State", {"": "All", **{s: s.capitalize() for s in State}}, self._by_state)
            TargetBox(
                "Site or asset",
                search=lambda typed: targets.search(self._console.hub.picture, typed),
                on_choose=self._by_target,
                hint="All",
            )
        self._switched = Switched(self._console, self.topic, self._listing)

    def _listing(self, topic: Topic) -> Listing:
        return Listing(
            topic,
            "dispatches",
            _RECENT,
            label="Dispatches, newest first",
            empty="No dispatch of this kind.",
            on_more=self._more,
            blocks=True,
        )

    async def _by_state(self, event: GenericEventArguments) -> None:
        await self._show(replace(self._wanted, state=event.args or None))

    async def _by_target(self, target: Target | None) -> None:
        await self._show(replace(self._wanted, target=target))

    async def _more(self) -> None:
        await self._show(self._wanted.more())

    async def _show(self, wanted: DispatchesWanted) -> None:
        self._wanted = wanted
        await self._switched.show(wanted.key, DispatchesFeed(self._console, wanted))
