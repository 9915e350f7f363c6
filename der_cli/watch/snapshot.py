"""Everything that the screen shows, asked at one moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from der_client import HeadendClient
from der_client.models import Agent, Dispatch, Event, Site
from der_core.lifecycle import State

MOST_ASSETS = 300
"""A fleet of more assets is shown, and asked for, as its sites; ``--site`` shows the assets of one."""
MOST_LISTED = 200
"""So many dispatches, and so many alarms, are asked for: the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The fleet at one moment, all of it from the headend's memory, so that it is shown while the database is away.

    ``agents`` is ``None`` where the fleet is so large that they were not asked for; of the ``dispatches`` those in
    force come first.
    """

    at: datetime
    sites: Sequence[Site]
    agents: Sequence[Agent] | None
    dispatches: Sequence[Dispatch]
    alarms: Sequence[Event]

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
        agents=[a for a in client.agents() if site_id in {None, a["site_id"]}] if small else None,
        dispatches=sorted(
            client.open_dispatches(site_id=site_id, limit=MOST_LISTED),
            key=lambda dispatch: dispatch["state"] != State.ACTIVE,
        ),
        alarms=list(client.events(site_id=site_id, active=True, limit=MOST_LISTED)),
    )
