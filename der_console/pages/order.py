"""The form of a dispatch: what is wanted, the preview of its split, and the button that sends it."""

import asyncio
from uuid import uuid4

from nicegui import ui
from nicegui.events import GenericEventArguments

from der_client import HeadendError
from der_console import targets
from der_console.console import Console
from der_console.feeds.order import OrderFeed, limits_mw
from der_console.orders import Order, Unfit, number_of, order_of, sense, sentence
from der_console.parts.elements import button, card, tag, words
from der_console.parts.listing import Column, Listing
from der_console.parts.message import Message
from der_console.parts.states import enabled, pressed, shown
from der_console.parts.target_box import TargetBox
from der_console.parts.value import Value
from der_console.reasons import told
from der_console.targets import Target
from der_console.turns import give_way

_SPLIT = (
    Column("asset", "Asset"),
    Column("weight", "Weight %", "number", wide=True),
    Column("raw", "Raw MW", "number"),
    Column("clamped", "Clamped MW", "number", wide=True),
    Column("residual", "Residual MW", "number", wide=True),
    Column("mw", "Final MW", "number"),
    Column("bar", "Within its limits"),
    Column("note", "Note", "words"),
)


class OrderForm:
    """The form of one page. What was previewed is what is sent: any change takes the preview back."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._feed = OrderFeed(console)
        self.topic = console.topics.show(f"order/{uuid4()}", self._feed)
        self._target: Target | None = None
        self._mw = ""
        self._minutes: str | None = None
        self._typed_minutes = ""
        self._order: Order | None = None
        self._sending = False
        self._turn = asyncio.Lock()  # a preview waits for the target that was chosen just before
        self.message: Message

    async def choose(self, target: Target | None) -> None:
        """Take a target.

        Raises:
            HeadendError: it is not there any more, or nobody answers.
        """
        self._target = target
        await self._feed.choose(self.topic, target)

    async def build(self) -> None:
        """The form, the target as it is now, and a place for the preview."""
        with tag("div", "cols order"):
            with (
                card("What to send"),
                tag("form", "order-form", novalidate=True, aria_label="Dispatch") as form,
            ):
                self._fields()
                self.message = Message()
                with tag("div", "row"):
                    words("Preview the split", "button", "button primary", type="submit")
                    words("Nothing is sent yet.", "span", "note")
            await give_way()
            with card("Target now", "target-now"):
                self._target_now()
            await give_way()
        form.on("submit", self._preview, args=[], js_handler="(event) => { event.preventDefault(); emit(); }")
        self._preview_card()

    def _fields(self) -> None:
        TargetBox(
            "Site or asset",
            search=lambda typed: targets.search(self._console.hub.picture, typed),
            on_choose=self._chosen,
            chosen=self._target,
            hint="Type a part of its name",
        )
        with tag("div", "field"):
            words("Power, MW", "label", for_="order-mw")
            power = tag("input", "input", id="order-mw", type="number", step="any", autocomplete="off")
            power._props["aria-describedby"] = "order-sense"  # noqa: SLF001 - `props()` parses a text
            self._sense = words(sense(self._target, None), "p", "note", id="order-sense")
        power.on("input", self._powered, js_handler="(event) => emit(event.target.value)")
        # A wheel over a number that has the focus would change it unnoticed.
        power.on("wheel", js_handler="(event) => event.target.blur()")
        with tag("fieldset", "field bare"):
            words("Duration", "legend", "label")
            with tag("div", "row tight"):
                with tag("div", "segments"):
                    self._open = button(
                        "Until further notice", lambda: self._timed(timed=False), aria_pressed="true"
                    )
                    self._timed_button = button(
                        "For minutes", lambda: self._timed(timed=True), aria_pressed="false"
                    )
                self._length = tag(
                    "input", "input minutes", type="number", min="0", step="any", aria_label="Minutes"
                )
        self._length.on("input", self._lasting, js_handler="(event) => emit(event.target.value)")
        shown(self._length, yes=False)

    def _target_now(self) -> None:
        with tag("dl", "facts"):
            for label, key, unit in (
                ("Limits", "limits", "MW"),
                ("Power", "now", "MW"),
                ("Headroom up (+)", "up", "MW"),
                ("Headroom down (−)", "down", "MW"),
                ("SOC", "soc", "%"),
                ("Link", "online", ""),
            ):
                words(label, "dt")
                with tag("dd"):
                    Value(self.topic, key, unit=unit)

    def _preview_card(self) -> None:
        self._shown = card("Preview", "preview")
        with self._shown:
            with tag("dl", "facts wide"):
                for label, key in (
                    ("Requested", "requested"),
                    ("Would be allocated", "allocated"),
                    ("Unserved", "unserved"),
                ):
                    with tag("div"):
                        words(label, "dt")
                        with tag("dd"):
                            Value(self.topic, key, unit="MW")
            self._notes = tag("div", "notes", role="status")
            Listing(
                self.topic,
                "split",
                _SPLIT,
                label="The split that would be made",
                empty="No asset would take a share.",
                blocks=True,
            )
            words("Bar: final power; mark: its raw share; grey: the asset's limits.", "p", "note")
            self._refused = Message()
            with tag("div", "row"):
                self._send = button("Send", self._sent, kind="primary")
                button("Discard", self._discard)
                Value(self.topic, "made", age=True).classes("note")
        shown(self._shown, yes=False)

    async def _chosen(self, target: Target | None) -> None:
        self._discard()
        async with self._turn:
            problem = ""
            try:
                await self.choose(target)
            except HeadendError as error:
                problem = told(error)
            self._changed()
            if problem:
                self.message.problem(problem)

    def _powered(self, event: GenericEventArguments) -> None:
        self._mw = str(event.args)
        self._changed()

    def _lasting(self, event: GenericEventArguments) -> None:
        self._minutes = self._typed_minutes = str(event.args)
        self._changed()

    def _timed(self, *, timed: bool) -> None:
        self._minutes = self._typed_minutes if timed else None
        pressed(self._timed_button, yes=timed)
        pressed(self._open, yes=not timed)
        shown(self._length, yes=timed)
        self._changed()

    def _changed(self) -> None:
        """Say what it means now; what was previewed is no longer what is wanted."""
        self._discard()
        mw = number_of(self._mw)
        self._sense.set_text(sense(self._target, mw))
        limits = limits_mw(list(self._feed.assets.values()))
        beyond = mw is not None and limits is not None and not limits[0] <= mw <= limits[1]
        self.message.hide()
        if beyond:
            self.message.notice("This is beyond the target's limits: what is beyond them will be unserved.")

    def _discard(self) -> None:
        self._order = None
        self._refused.hide()
        shown(self._shown, yes=False)

    async def _preview(self) -> None:
        async with self._turn:
            await self._preview_now()

    async def _preview_now(self) -> None:
        self.message.hide()
        wanted = self._mw, self._minutes
        try:
            order = order_of(self._target, *wanted)
            notes = await self._feed.preview(self.topic, order)
        except Unfit as unfit:
            self.message.problem(str(unfit))
            return
        except HeadendError as error:
            self.message.problem(told(error))
            return
        if wanted != (self._mw, self._minutes):
            return
        self._order = order
        self._refused.hide()
        self._notes.clear()
        with self._notes:
            for note in notes:
                words(note, "p", "notice")
        self._send.set_text(sentence(order))
        shown(self._shown, yes=True)
        self._shown.run_method("scrollIntoView", {"block": "nearest"})

    async def _sent(self) -> None:
        """Send what was previewed, once: a second click finds it on its way, and its id is the same."""
        order = self._order
        if order is None or self._sending:
            return
        self._sending = True
        enabled(self._send, yes=False)
        try:
            await self._console.headend.dispatch(
                id=order.id,
                mw=order.mw,
                asset_id=order.target.asset_id,
                site_id=order.target.site_id,
                duration_s=order.duration_s,
            )
        except HeadendError as error:
            self._refused.problem(told(error))
            self._sending = False
            enabled(self._send, yes=True)
            return
        ui.navigate.to(f"/ui/dispatch/{order.id}")
