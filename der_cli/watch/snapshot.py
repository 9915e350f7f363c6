"""Everything that the screen shows, asked at one moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from der_client import HeadendClient, HeadendError
from der_client.models import Agent, Dispatch, Event, Site
from der_core.lifecycle import State

T = TypeVar("T")

MOST_ASSETS = 300
"""A fleet of more assets is shown, and asked for, as its sites; ``--site`` shows the assets of one."""
MOST_LISTED = 20
"""So many dispatches of one state, and so many alarms, are asked for."""

_UNDER_WAY = (State.ACTIVE, State.ACKNOWLEDGED, State.SENT, State.QUEUED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The fleet at one moment. ``None``: the headend could not say (its database is away); ``agents``: or not asked."""

    at: datetime
    sites: Sequence[Site]
    agents: Sequence[Agent] | None
    dispatches: Sequence[Dispatch] | None
    alarms: Sequence[Event] | None

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "at": self.at.isoformat(),
            "sites": self.sites,
            "agents": self.agents,
            "dispatches": self.dispatches,
            "alarms": self.alarms,
        }


def take(client: HeadendClient, now: Callable[[], datetime], *, site_id: str | None) -> Snapshot:
    """Ask the headend, for one site or for all.

    Raises:
        HeadendError: it does not answer, or there is no such site.
    """
    small = True
    if site_id is not None:
        sites = [client.site(site_id)]
    else:
        sites = list(client.sites(with_assets=False))
        small = sum(site["assets_total"] for site in sites) <= MOST_ASSETS
        if small:
            sites = list(client.sites())
    return Snapshot(
        at=now(),
        sites=sites,
        agents=_if_told(lambda: [a for a in client.agents() if site_id in {None, a["site_id"]}])
        if small
        else None,
        dispatches=_if_told(
            lambda: [
                dispatch
                for state in _UNDER_WAY
                for dispatch in islice(
                    client.dispatches(site_id=site_id, state=state, limit=MOST_LISTED), MOST_LISTED
                )
            ]
        ),
        alarms=_if_told(lambda: list(client.events(site_id=site_id, active=True, limit=MOST_LISTED))),
    )


def _if_told(question: Callable[[], T]) -> T | None:
    try:
        return question()
    except HeadendError:  # a store that hangs, too: the sites have been told, and are worth showing
        return None
