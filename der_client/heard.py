"""How many of their assets the sums of sites are of, in one wording for every screen.

A sum without this looks complete when half of it is not known: ``+12.00 MW from 3 of 5 assets; 2 not heard since
10:41:07 UTC``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from der_client.models import Site


@dataclass(frozen=True, slots=True)
class Heard:
    """``heard`` of ``total`` assets are in the sums.

    The last of the others was heard at ``since`` (RFC 3339 in UTC, as served); ``None``: nobody knows when.
    """

    heard: int = 0
    total: int = 0
    since: str | None = None

    @property
    def missing(self) -> int:
        """How many assets are not in the sums."""
        return self.total - self.heard

    def plus(self, site: Site) -> "Heard":
        """With one more site."""
        times = [at for at in (self.since, site["unheard_since"]) if at is not None]
        return Heard(
            self.heard + site["assets_heard"], self.total + site["assets_total"], max(times, default=None)
        )

    def part(self) -> str:
        """``from 3 of 5 assets``; empty if nothing is left out."""
        return f"from {self.heard:,} of {self.total:,} assets" if self.missing else ""

    def left_out(self, now: datetime) -> str:
        """``2 not heard since 10:41:07 UTC``, with the date unless it is today's; empty if nothing is left out."""
        if not self.missing:
            return ""
        if self.since is None:
            return f"{self.missing:,} not heard"
        since = datetime.fromisoformat(self.since)
        day = "" if since.date() == now.date() else f"{since:%Y-%m-%d} "
        return f"{self.missing:,} not heard since {day}{since:%H:%M:%S} UTC"

    def statement(self, now: datetime) -> str:
        """Both; ``now`` is aware UTC."""
        return f"{self.part()}; {self.left_out(now)}" if self.missing else ""


def heard_of(sites: Iterable[Site]) -> Heard:
    """How many assets of these sites are in their sums."""
    heard = Heard()
    for site in sites:
        heard = heard.plus(site)
    return heard
