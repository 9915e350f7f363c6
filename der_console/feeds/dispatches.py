"""What the list of recent dispatches shows."""

from dataclasses import dataclass
from typing import Any, ClassVar

from der_client.models import Dispatch
from der_console import cells
from der_console.console import Console
from der_console.feeds.split import state_cell
from der_console.feeds.wanted import Wanted
from der_console.names import Names
from der_console.orders import span
from der_console.parts.listing import rows
from der_console.reasons import meaning
from der_console.topics import Topic

_AT_LEAST_EVERY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchesWanted(Wanted):
    """Which dispatches are listed; ``None``: all."""

    LIST: ClassVar[str] = "dispatches"
    MOST: ClassVar[int] = 500

    limit: int = 20
    state: str | None = None


class DispatchesFeed:
    """Keeps a list of dispatches: read anew when one was heard of, and now and then."""

    def __init__(self, console: Console, wanted: DispatchesWanted) -> None:
        self._console = console
        self._wanted = wanted
        self._names = Names(console.hub, console.headend)

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown."""
        hub = self._console.hub
        while True:
            before = next(reversed(hub.heard.values()), None)
            topic.publish({"dispatches": await self._read()})
            for _ in range(_AT_LEAST_EVERY):
                await hub.moved()
                if next(reversed(hub.heard.values()), None) is not before:
                    break

    async def _read(self) -> cells.Cell:
        wanted = self._wanted
        found = [
            record
            async for record in self._console.headend.dispatches(
                state=wanted.state,
                asset_id=wanted.asset_id,
                site_id=wanted.site_id,
                limit=wanted.limit,
            )
        ]
        return rows(
            [dispatch_row(record, await self._name(record)) for record in found],
            more=wanted.may_be_more(len(found)),
        )

    async def _name(self, record: Dispatch) -> str:
        if record["asset_id"] is not None:
            return await self._names.asset(record["asset_id"])
        return await self._names.site(record["site_id"])


def dispatch_row(record: Dispatch, name: str) -> dict[str, Any]:
    """One dispatch in the list."""
    last = record["transitions"][-1] if record["transitions"] else None
    return {
        "id": record["id"],
        "at": {"t": "", "at": cells.seconds(record["submitted_at"])},
        "target": {"t": name, "h": f"/ui/dispatch/{record['id']}"},
        "requested": cells.power(record["requested_mw"]),
        "served": cells.power(record["mw"]),
        "duration": "open-ended" if record["duration_s"] is None else span(record["duration_s"]),
        "state": state_cell(record["state"]),
        "reason": meaning(last["reason"]) if last else "",
    }
