"""What the list of recent dispatches shows."""

from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import Any, ClassVar

from der_client.models import Dispatch
from der_client.reasons import meaning
from der_console import cells
from der_console.feeds.recent import RecentFeed
from der_console.feeds.split import state_cell
from der_console.feeds.wanted import Wanted
from der_console.orders import span


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchesWanted(Wanted):
    """Which dispatches are listed; ``None``: all."""

    LIST: ClassVar[str] = "dispatches"
    MOST: ClassVar[int] = 500

    limit: int = 20
    state: str | None = None


class DispatchesFeed(RecentFeed[DispatchesWanted, Dispatch]):
    """Keeps a list of dispatches."""

    def heard(self) -> int:
        """See ``RecentFeed``."""
        return self.hub.dispatches_heard

    def entries(self) -> AsyncIterable[Dispatch]:
        """See ``RecentFeed``."""
        wanted = self.wanted
        return self.headend.dispatches(
            state=wanted.state, asset_id=wanted.asset_id, site_id=wanted.site_id, limit=wanted.limit
        )

    async def row(self, entry: Dispatch) -> dict[str, Any]:
        """See ``RecentFeed``."""
        last = entry["transitions"][-1] if entry["transitions"] else None
        return {
            "id": entry["id"],
            "at": {"t": "", "at": cells.seconds(entry["submitted_at"])},
            "target": {"t": await self._target(entry), "h": f"/ui/dispatch/{entry['id']}"},
            "requested": cells.asked(entry["requested_mw"]),
            "allocated": cells.power(entry["mw"]),
            "duration": "open-ended" if entry["duration_s"] is None else span(entry["duration_s"]),
            "state": state_cell(entry["state"]),
            "reason": meaning(last["reason"]) if last else "",
        }

    async def _target(self, entry: Dispatch) -> str:
        if entry["asset_id"] is not None:
            return await self.names.asset(entry["asset_id"])
        return await self.names.site(entry["site_id"])
