"""Dispatch: choose a target and a power, look at the split, send it; below, what was sent lately."""

from der_client import HeadendError, Invalid, NotFound
from der_console import shell, targets
from der_console.console import Console
from der_console.feeds.dispatches import DispatchesFeed, DispatchesWanted
from der_console.pages.order import OrderForm
from der_console.pages.recent import Recent
from der_console.pages.release import ReleaseAll
from der_console.parts.elements import card, tag, words
from der_console.parts.filters import choice
from der_console.parts.listing import Column, Listing
from der_console.parts.message import Message
from der_console.reasons import told
from der_console.targets import Kind
from der_console.turns import give_way
from der_core.lifecycle import State

_RECENT = (
    Column("at", "Submitted UTC", "time"),
    Column("target", "Target"),
    Column("requested", "Requested MW", "number"),
    Column("allocated", "Allocated MW", "number", wide=True),
    Column("duration", "Duration", wide=True),
    Column("state", "State"),
    Column("reason", "Reason", "words"),
)


async def show(console: Console, *, asset_id: str | None, site_id: str | None) -> None:
    """The page; ``asset_id`` or ``site_id`` is the target to begin with."""
    shell_topic = console.shell()
    form, recent = OrderForm(console), Recent(console, DispatchesWanted(), DispatchesFeed)
    await shell_topic.ready()
    problem = await _begin_with(console, form, asset_id, site_id)
    await form.topic.ready()
    await recent.topic.ready()
    async with shell.page(console, "Dispatch", under="Dispatch"):
        head = tag("div", "page-head")
        released = Message()
        with head:
            words("Dispatch", "h1")
            tag("span", "grow")
            ReleaseAll(console, released)
        await give_way()
        await form.build()
        await give_way()
        if problem:
            form.message.problem(problem)
        with card("Recent dispatches", "recent"):
            await _listed(recent)


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


async def _listed(recent: Recent[DispatchesWanted]) -> None:
    with tag("div", "filters", role="search", aria_label="Filter the dispatches"):
        choice(
            "State",
            {"": "All", **{s: s.capitalize() for s in State}},
            lambda event: recent.choose(state=event.args or None),
        )
        recent.by_target()
    await give_way()
    recent.build(
        lambda topic: Listing(
            topic,
            "dispatches",
            _RECENT,
            label="Dispatches, newest first",
            empty="No dispatch of this kind.",
            on_more=recent.more,
            blocks=True,
        )
    )
