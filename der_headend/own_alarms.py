"""The alarms that the headend raises itself, about agents: which of a kind are raised, and how many there may be.

Such an alarm is at a place (a site, or one of its assets) at which no other agent has one of the same code. So it need
not say of which agent it is, a restart finds it again, and an operator reads first where it is, by name.

Thousands of agents may have the same trouble at once. Then it has one cause, and an event for each would bury whatever
else has happened: of one kind so many are raised within an hour at most, however the agents come and go, and none
while many events wait for the store.
"""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple, Protocol
from uuid import UUID, uuid4

from der_core.assets import Inventory
from der_core.events import Event, EventKind, Severity
from der_headend.alarms import Alarms
from der_runtime.clock import Clock

LOOK_S = 5.0
"""How often is looked for what has begun and what is over."""

MOST, WITHIN_S = 1000, 3600.0
"""So many alarms of one kind at once, and so many new ones within this time."""

EVENTS_WAITING = 1000
"""While so many events wait for the store none is raised; else agents that come and go would fill memory."""


class Cause(NamedTuple):
    """What an alarm is about: a site, one of its assets or ``None``, and the code."""

    site_id: UUID
    asset_id: UUID | None
    code: str


class Events(Protocol):
    """Takes events of the headend's own; ``waiting`` has how many ``events`` are not stored yet."""

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many of each kind wait to be stored."""
        ...

    def note(self, event: Event) -> None:
        """Have an event stored and announced."""
        ...


class Keeper(Protocol):
    """Decides which alarms of some kinds are raised."""

    def take_up(self) -> None:
        """Take up the alarms of an earlier run."""
        ...

    def look(self) -> None:
        """Raise what has begun, end what is over."""
        ...


async def keep(keeper: Keeper, *, clock: Clock) -> None:
    """Look every few seconds, for as long as the headend runs; a look that is missed is not made up for."""
    keeper.take_up()
    while True:
        await clock.sleep_until(clock.monotonic() + LOOK_S)
        keeper.look()


class OwnAlarms:
    """The alarms of one kind: those whose codes begin with ``kind``."""

    def __init__(
        self, *, kind: str, inventory: Inventory, alarms: Alarms, events: Events, clock: Clock
    ) -> None:
        self._kind = kind
        self._inventory = inventory
        self._alarms = alarms
        self._events = events
        self._clock = clock
        self._raised: dict[Cause, Event] = {}
        self._began_s: deque[float] = deque()

    @property
    def raised(self) -> Mapping[Cause, Event]:
        """Those that are raised."""
        return self._raised

    @property
    def room(self) -> int:
        """How many may be raised now."""
        while self._began_s and self._began_s[0] <= self._clock.monotonic() - WITHIN_S:
            self._began_s.popleft()
        room = min(
            MOST - max(len(self._raised), len(self._began_s)), EVENTS_WAITING - self._events.waiting["events"]
        )
        return max(room, 0)

    def take_up(self) -> None:
        """Take up those of an earlier run."""
        events = (alarm.event for alarm in self._alarms.active())
        self._raised = {
            Cause(event.site_id, event.asset_id, event.code): event
            for event in events
            if event.code.startswith(self._kind)
        }

    def begin(self, cause: Cause, what: str) -> None:
        """Raise one, in place of one with the same cause; the caller has seen that there is ``room``."""
        self._raised[cause] = self._tell(cause, EventKind.RAISED, Severity.WARNING, what)
        self._began_s.append(self._clock.monotonic())

    def end(self, cause: Cause, why: str) -> None:
        """Clear one that is raised."""
        del self._raised[cause]
        self._tell(cause, EventKind.CLEARED, Severity.INFO, why)

    def notice(self, cause: Cause, what: str) -> None:
        """Tell of something that is no alarm."""
        self._tell(cause, EventKind.NOTICE, Severity.INFO, what)

    def _tell(self, cause: Cause, kind: EventKind, severity: Severity, text: str) -> Event:
        event = Event(
            id=uuid4(),
            at=self._clock.now(),
            site_id=cause.site_id,
            asset_id=cause.asset_id,
            severity=severity,
            kind=kind,
            code=cause.code,
            message=f"{self._name(cause)}: {text}",
        )
        self._events.note(event)
        return event

    def _name(self, cause: Cause) -> str:
        site = self._inventory.sites.get(cause.site_id)
        site_name = f"site {cause.site_id}" if site is None else site.name
        asset = None if cause.asset_id is None else self._inventory.assets.get(cause.asset_id)
        return site_name if asset is None else f"{asset.name} at {site_name}"
