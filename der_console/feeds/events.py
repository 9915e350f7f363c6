"""What the page of events and alarms shows."""

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from der_client.models import Event
from der_console import cells
from der_console.cells import Cell, Look
from der_console.console import Console
from der_console.feeds.recent import RecentFeed
from der_console.feeds.wanted import Wanted
from der_console.names import Names
from der_console.parts.listing import rows
from der_console.topics import Topic
from der_core.events import Severity

MOST_ALARMS_LISTED = 200
_LOOKS: dict[str, Look] = {Severity.CRITICAL: "bad", Severity.WARNING: "warn", Severity.INFO: "quiet"}
_URGENCY = {severity: place for place, severity in enumerate(reversed(Severity))}

ACKNOWLEDGE = "acknowledge"


class AlarmsFeed:
    """Keeps the list of raised alarms: the most urgent first, those that nobody has seen before the others."""

    def __init__(self, console: Console) -> None:
        self._hub = console.hub
        self._names = Names(console.hub, console.headend)

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown."""
        while True:
            alarms = list(self._hub.picture.alarms.values())
            listed = sorted(alarms, key=_urgency)[:MOST_ALARMS_LISTED]
            topic.publish(
                {
                    **alarm_sums(alarms),
                    "alarms": rows([await event_row(event, self._names) for event in listed]),
                }
            )
            await self._hub.moved()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsWanted(Wanted):
    """Which events are listed; ``None``: all."""

    LIST: ClassVar[str] = "events"
    MOST: ClassVar[int] = 800

    limit: int = 50
    severity: str | None = None
    acknowledged: bool | None = None


class EventsFeed(RecentFeed[EventsWanted, Event]):
    """Keeps a list of events."""

    def heard(self) -> int:
        """See ``RecentFeed``."""
        return self.hub.events_heard

    def entries(self) -> AsyncIterable[Event]:
        """See ``RecentFeed``."""
        wanted = self.wanted
        return self.headend.events(
            severity=wanted.severity,
            asset_id=wanted.asset_id,
            site_id=wanted.site_id,
            acknowledged=wanted.acknowledged,
            limit=wanted.limit,
        )

    async def row(self, entry: Event) -> dict[str, Any]:
        """See ``RecentFeed``."""
        return await event_row(entry, self.names)


async def event_row(event: Event, names: Names) -> dict[str, Any]:
    """One event in a list."""
    site: Cell = {"t": await names.site(event["site_id"]), "h": f"/ui/site/{event['site_id']}"}
    asset: Cell = {"t": "its agent", "s": "quiet"}
    if event["asset_id"] is not None:
        asset = {"t": await names.asset(event["asset_id"]), "h": f"/ui/asset/{event['asset_id']}"}
    at = cells.seconds(event["at"])
    return {
        "id": event["id"],
        "severity": cells.text(event["severity"], look=_LOOKS.get(event["severity"])),
        "at": {"t": "", "at": at},
        "since": {"t": "", "at": at},
        "asset": asset,
        "site": site,
        "kind": event["kind"],
        "what": event["message"] or event["code"],
        "code": cells.text(event["code"], look="quiet"),
        "seen": _seen(event),
    }


def alarm_sums(alarms: Iterable[Event]) -> dict[str, Cell]:
    """How many alarms are raised, by severity, and how many nobody has seen yet."""
    counts = dict.fromkeys(Severity, 0)
    unseen = 0
    for event in alarms:
        counts[Severity(event["severity"])] += 1
        unseen += event["acknowledged_at"] is None
    listed = min(sum(counts.values()), MOST_ALARMS_LISTED)
    return {
        **{str(s): cells.text(f"{n:,}", look=_LOOKS[s] if n else "quiet") for s, n in counts.items()},
        "unseen": cells.text(f"{unseen:,}", look="warn" if unseen else "quiet"),
        "listed": cells.text(
            f"{listed} of {sum(counts.values()):,} are listed, the most urgent first."
            if listed < sum(counts.values())
            else ""
        ),
    }


def _seen(event: Event) -> Cell:
    if event["acknowledged_at"] is None:
        return {"t": "Acknowledge", "do": ACKNOWLEDGE}
    return {"t": "", "at": cells.seconds(event["acknowledged_at"]) or 0.0, "s": "quiet"}


def _urgency(event: Event) -> tuple[bool, int, str]:
    return event["acknowledged_at"] is not None, _URGENCY[Severity(event["severity"])], event["at"]
