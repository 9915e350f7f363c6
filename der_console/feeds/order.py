"""What the dispatch page shows of the target that is chosen on it, and of the split that was asked for."""

from collections.abc import Sequence

from der_client import AsyncHeadendClient
from der_client.heard import heard_of
from der_client.models import Asset, Dispatch, Site
from der_console import cells
from der_console.cells import Cell, Look
from der_console.console import Console
from der_console.feeds.split import preview_cells, preview_notes
from der_console.orders import Order
from der_console.releasing import open_dispatches
from der_console.targets import Target, members
from der_console.topics import Topic
from der_core.lifecycle import State

_MEASURES_ONLY = "meter"


class OrderFeed:
    """Keeps the topic of one page's form. ``assets`` are those of the target, as they were when it was chosen."""

    def __init__(self, console: Console) -> None:
        self._headend: AsyncHeadendClient = console.headend
        self._hub = console.hub
        self._target: Target | None = None
        self.assets: dict[str, Asset] = {}

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown."""
        while True:
            self._publish(topic)
            await self._hub.moved()

    async def choose(self, topic: Topic, target: Target | None) -> None:
        """Show another target.

        Raises:
            HeadendError: it is not there any more, or nobody answers.
        """
        self._target, self.assets = target, {}
        if target is not None:
            found = await members(self._headend, self._hub.picture, target)
            self.assets = {asset["id"]: asset for asset in found}
        self._publish(topic)

    async def preview(self, topic: Topic, order: Order) -> list[str]:
        """Ask for the split of an order and show it; returns what to know before it is sent.

        Raises:
            HeadendError: the headend would refuse it, or nobody answers.
        """
        target = order.target
        split = await self._headend.preview(mw=order.mw, asset_id=target.asset_id, site_id=target.site_id)
        not_ended = await open_dispatches(self._headend, target)
        in_force = [record for record in not_ended.values() if record["state"] == State.ACTIVE]
        made = cells.text("Preview", at=self._hub.now())
        topic.publish({**preview_cells(split, self.assets), "made": made})
        shared = {share["asset_id"] for share in split["allocations"]}
        return [*preview_notes(split), *superseded(in_force, shared, now=self._hub.now())]

    def _publish(self, topic: Topic) -> None:
        picture, target = self._hub.picture, self._target
        if target is None:
            topic.publish(dict.fromkeys(("limits", "now", "up", "down", "soc", "online"), cells.text(None)))
        elif target.kind == "site":
            topic.publish(
                site_cells(picture.sites.get(target.id), list(self.assets.values()), picture.sites_at)
            )
        else:
            asset = picture.assets.get(target.id) or self.assets.get(target.id)
            topic.publish(asset_cells(asset))


def limits_mw(assets: Sequence[Asset]) -> tuple[float, float] | None:
    """How far the assets can go together: strongest charge and strongest discharge; ``None`` if none can be told."""
    controllable = [asset for asset in assets if asset["asset_type"] != _MEASURES_ONLY]
    if not controllable:
        return None
    return sum(a["min_mw"] for a in controllable), sum(a["max_mw"] for a in controllable)


def limits_text(limits: tuple[float, float] | None) -> str | None:
    """Limits as a range with signs."""
    return None if limits is None else f"{cells.signed(limits[0])} … {cells.signed(limits[1])}"


def site_cells(site: Site | None, assets: Sequence[Asset], at: float | None) -> dict[str, Cell]:
    """A site that is to be dispatched."""
    limits = cells.text(limits_text(limits_mw(assets)))
    if site is None:
        return {**dict.fromkeys(("now", "up", "down", "soc", "online"), cells.text(None)), "limits": limits}
    heard = heard_of([site])
    left_out = f"; {heard.left_out(cells.moment(at or 0.0))}" if heard.missing else ""
    return {
        "limits": limits,
        "now": cells.power(site["current_mw"], at=at),
        "up": cells.amount(site["headroom_up_mw"], at=at),
        "down": cells.amount(site["headroom_down_mw"], at=at),
        "soc": cells.percent(site["soc_pct"], at=at),
        "online": cells.text(
            f"{site['assets_online']} / {site['assets_total']} assets{left_out}",
            look="warn" if left_out else None,
        ),
    }


def asset_cells(asset: Asset | None) -> dict[str, Cell]:
    """An asset that is to be dispatched."""
    if asset is None:
        return dict.fromkeys(("limits", "now", "up", "down", "soc", "online"), cells.text(None))
    now_mw, soc, at = asset["current_mw"], asset["soc_pct"], cells.seconds(asset["updated_at"])
    look: Look | None = None if asset["online"] else "off"
    highest = 0.0 if soc is not None and soc <= asset["min_soc_pct"] else asset["max_mw"]
    lowest = 0.0 if soc is not None and soc >= asset["max_soc_pct"] else asset["min_mw"]
    up = None if now_mw is None else max(0.0, highest - now_mw)
    down = None if now_mw is None else max(0.0, now_mw - lowest)
    return {
        "limits": cells.text(limits_text(limits_mw([asset]))),
        "now": cells.power(now_mw, look=look, at=at),
        "up": cells.amount(up, look=look, at=at),
        "down": cells.amount(down, look=look, at=at),
        "soc": cells.percent(soc, look=look, at=at),
        "online": cells.text("connected") if asset["online"] else cells.text("disconnected", look="warn"),
    }


def superseded(in_force: Sequence[Dispatch], asset_ids: set[str], *, now: float) -> list[str]:
    """Which dispatches would end, wholly or in part, because newer ones win at each asset.

    ``now`` in seconds since 1970.
    """
    return [
        f"{cells.exact(record['requested_mw'])} MW in force since {cells.time_text(at, now=now)} "
        "would be superseded at "
        + ", ".join(names[:5])
        + (f" and {len(names) - 5} more" if len(names) > 5 else "")  # noqa: PLR2004 - as many as are named
        + "."
        for record in in_force
        if (at := cells.seconds(record["active_at"] or record["submitted_at"]))
        and (
            names := [
                part["asset_name"] or part["asset_id"]
                for part in record["allocations"]
                if part["asset_id"] in asset_ids and part["state"] == State.ACTIVE
            ]
        )
    ]
