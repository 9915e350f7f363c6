"""One dispatch: what was asked for, how it was split, and what became of it, as it happens."""

from der_client import HeadendError
from der_console import shell
from der_console.console import Console
from der_console.feeds.record import RecordFeed
from der_console.pages.missing import missing
from der_console.parts.confirm import Confirm
from der_console.parts.elements import card, crumbs, identifier, link, tag, words
from der_console.parts.lifecycle import Lifecycle
from der_console.parts.listing import Column, Listing
from der_console.parts.live_button import LiveButton
from der_console.parts.message import Message
from der_console.parts.value import Value
from der_console.reasons import told
from der_console.topics import Topic
from der_console.turns import give_way
from der_core.lifecycle import FINAL_STATES, State

_PARTS = (
    Column("asset", "Asset"),
    Column("requested", "Requested MW", "number", wide=True),
    Column("allocated", "Allocated MW", "number"),
    Column("applied", "Applied MW", "number"),
    Column("measured", "Measured MW", "number"),
    Column("bar", "Within its limits"),
    Column("state", "State"),
    Column("reason", "Reason", "words"),
)


async def show(console: Console, dispatch_id: str) -> None:
    """The page."""
    topic = await console.show(f"dispatch/{dispatch_id}", RecordFeed(console, dispatch_id))
    feed = topic.made_by(RecordFeed)
    if feed.missing:
        why = "Without a database the headend forgets them when it stops."
        await missing(console, "dispatch", dispatch_id, under="Dispatch", known=True, why=why)
        return
    title = topic.cells["title"]["t"] if feed.record else ""
    async with shell.page(console, title or "Dispatch", under="Dispatch"):
        crumbs(("Dispatch", "/ui/dispatch"), here=title)
        await give_way()
        _Record(console, topic, dispatch_id).build()


class _Record:
    """The page of a dispatch that exists."""

    def __init__(self, console: Console, topic: Topic, dispatch_id: str) -> None:
        self._console = console
        self._topic = topic
        self._feed = topic.made_by(RecordFeed)
        self._id = dispatch_id
        self._message: Message
        self._confirm: Confirm

    def build(self) -> None:
        """Its parts."""
        topic = self._topic
        head = tag("div", "page-head")
        self._message = Message()
        with head:
            with tag("h1"):
                Value(topic, "title")
            Value(topic, "state").classes("state")
            Value(topic, "left").classes("note")
            identifier(self._id)
            tag("span", "grow")
            self._buttons()
        Value(topic, "warnings").classes("warnings")
        with card("Life"):
            Lifecycle(topic, "steps", label="Transitions, oldest first")
        with card("By asset"):
            with tag("dl", "facts wide"):
                for label, key, unit in (
                    ("Requested", "requested", "MW"),
                    ("Allocated", "allocated", "MW"),
                    ("Unserved", "unserved", "MW"),
                    ("Duration", "duration", ""),
                    ("In force from", "active", ""),
                    ("Ended", "ended", ""),
                ):
                    with tag("div"):
                        words(label, "dt")
                        with tag("dd"):
                            Value(topic, key, unit=unit)
            Listing(topic, "parts", _PARTS, label="Power by asset", empty="It has no parts yet.", blocks=True)
            words(
                "Bar: measured power, or allocated until it was measured; mark: allocated; grey: the limits.",
                "p",
                "note",
            )

    def _buttons(self) -> None:
        LiveButton("Cancel dispatch", self._topic, "open", self._ask, kind="danger")
        link("New dispatch", "/ui/dispatch", "button")
        self._confirm = Confirm(
            "Cancel this dispatch?", yes="Cancel dispatch", no="Keep it", on_yes=self._cancel
        )

    async def _ask(self) -> None:
        """What is in force is only cancelled after a question; what waits moves nothing and is cancelled at once."""
        record = self._feed.record
        if record is None or record["state"] in FINAL_STATES:
            self._message.notice("It has ended already; there is nothing to cancel.")
        elif record["state"] == State.ACTIVE:
            self._confirm.say("It is in force. Its assets will return to rest: 0 MW; PV and wind run free.")
            self._confirm.ask()
        else:
            await self._cancel()

    async def _cancel(self) -> None:
        try:
            record = await self._console.headend.cancel(self._id, timeout_s=2.0)
        except HeadendError as error:
            self._message.problem(told(error))
            return
        if record["state"] in FINAL_STATES:
            self._message.hide()
        else:
            self._message.notice("Its agent has yet to confirm; it is told as soon as it is heard.")
