"""The live side of a fake headend: agents that come and go, samples, and what sites are together."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from der_client import models
from der_client.fake.announcements import Announcement, Announcements
from der_client.fake.views import moment
from der_client.stream_events import Link
from der_core.assets import Asset, Inventory, Limits, limits_now

_HEARTBEAT_S = 10.0
_LIVE = frozenset({"current_mw", "setpoint_mw", "soc_pct", "status", "signals"})


class Plant:
    """One gateway agent per site, the newest sample of each asset, and all before it."""

    def __init__(self, inventory: Inventory, now: Callable[[], datetime]) -> None:
        self.inventory = inventory
        self._now = now
        self.samples: dict[str, models.Sample] = {}
        self.past: dict[str, list[models.Sample]] = {str(id): [] for id in inventory.assets}
        self.agents: dict[str, models.Agent] = {}
        self.heartbeats: dict[str, list[models.Heartbeat]] = {}
        self.announcements = Announcements(self.samples)

    def asset_of(self, asset_id: str | UUID) -> Asset:
        """An asset of the inventory.

        Raises:
            NotFound: ``unknown_asset``.
        """
        return self.inventory.known_asset(UUID(str(asset_id)))

    def known_site(self, site_id: str | UUID) -> UUID:
        """The id of a site of the inventory.

        Raises:
            NotFound: ``unknown_site``.
        """
        return self.inventory.known_site(UUID(str(site_id))).id

    def connected(self, site_id: UUID) -> bool:
        """Whether a site's agent is connected."""
        agent = self.agents.get(str(site_id))
        return agent is not None and agent["connected"]

    def online(self, asset: Asset) -> bool:
        """Whether an asset's agent is connected and its power is known."""
        sample = self.samples.get(str(asset.id))
        return self.connected(asset.site_id) and sample is not None and sample["current_mw"] is not None

    def limits(self, asset: Asset) -> Limits:
        """What an asset can do now, in MW."""
        sample = self.samples.get(str(asset.id))
        return limits_now(asset, soc_pct=None if sample is None else sample["soc_pct"])

    def measure(self, asset: Asset, values: dict[str, Any]) -> None:
        """A new sample: ``values`` over those of the one before."""
        id, before = str(asset.id), self.samples.get(str(asset.id))
        sample: models.Sample = {
            "asset_id": id,
            "site_id": str(asset.site_id),
            "asset_type": asset.asset_type.value,
            "timestamp": self._stamp(before),
            "current_mw": None,
            "setpoint_mw": None,
            "soc_mwhr": None,
            "soc_pct": None,
            "capacity_mwhr": asset.capacity_mwhr,
            "max_mw": asset.max_mw,
            "min_mw": asset.min_mw,
            "status": None,
            "online": True,
            "signals": {},
        }
        known = {name: value for name, value in (before or {}).items() if name in _LIVE}
        sample.update(known | values)  # type: ignore[typeddict-item]  # the names are those of a sample
        if sample["soc_pct"] is not None:
            sample["soc_mwhr"] = sample["soc_pct"] / 100.0 * asset.capacity_mwhr
        self.samples[id] = sample
        sample["online"] = self.online(asset)
        self.past[id].append(sample)
        self.announcements.wake()

    def connect(self, site_id: UUID) -> None:
        """A site's agent comes."""
        agent, now = self.agents.get(str(site_id)), moment(self._now())
        if agent is None:
            agent = self.agents[str(site_id)] = self._new_agent(site_id, now)
        if agent["connected"]:
            return
        session: models.Session = {
            "session_id": str(uuid4()),
            "peer": agent["peer"],
            "connected_at": now,
            "disconnected_at": None,
            "reason": None,
        }
        agent["sessions"].insert(0, session)
        agent |= {"connected": True, "connected_at": now, "last_seen_at": now, "heartbeats_missed": 0}
        self._announce_link(agent)
        self._refresh_online(site_id)

    def disconnect(self, site_id: UUID, reason: str) -> None:
        """A site's agent goes."""
        agent, now = self.agents[str(site_id)], moment(self._now())
        agent["sessions"][0] |= {"disconnected_at": now, "reason": reason}
        agent |= {"connected": False, "last_seen_at": now, "heartbeats_missed": None}
        self._announce_link(agent)
        self._refresh_online(site_id)

    def beat(self, site_id: UUID, *, spooled_records: int, spooled_bytes: int, dropped_records: int) -> None:
        """A heartbeat of a site's agent."""
        agent, now = self.agents[str(site_id)], moment(self._now())
        spool: dict[str, Any] = {
            "spooled_records": spooled_records,
            "spooled_bytes": spooled_bytes,
            "dropped_records": dropped_records,
        }
        agent.update({"last_seen_at": now, "last_heartbeat_at": now, "clock_skew_s": 0.0} | spool)  # type: ignore[typeddict-item]  # as above
        session_id = agent["sessions"][0]["session_id"]
        for asset in self.inventory.assets_of(site_id):
            whose = {"asset_id": str(asset.id), "agent_id": agent["agent_id"], "session_id": session_id}
            beat: models.Heartbeat = {**whose, "at": now, "received_at": now, **spool}  # type: ignore[typeddict-item]  # as above
            self.heartbeats.setdefault(str(asset.id), []).insert(0, beat)

    def asset(self, asset: Asset) -> models.Asset:
        """The inventory's entry with live values."""
        site, sample = self.inventory.sites[asset.site_id], self.samples.get(str(asset.id))
        return {
            "id": str(asset.id),
            "name": asset.name,
            "site_id": str(site.id),
            "site_name": site.name,
            "location": site.location,
            "asset_type": asset.asset_type.value,
            "capacity_mwhr": asset.capacity_mwhr,
            "max_mw": asset.max_mw,
            "min_mw": asset.min_mw,
            "min_soc_pct": asset.min_soc_pct,
            "max_soc_pct": asset.max_soc_pct,
            "efficiency": asset.efficiency,
            "ramp_rate_mw_per_min": asset.ramp_rate_mw_per_min,
            "failsafe_mw": asset.failsafe_mw,
            "current_mw": sample and sample["current_mw"],
            "setpoint_mw": sample and sample["setpoint_mw"],
            "soc_mwhr": sample and sample["soc_mwhr"],
            "soc_pct": sample and sample["soc_pct"],
            "status": sample and sample["status"],
            "online": self.online(asset),
            "updated_at": sample and sample["timestamp"],
        }

    def site(self, site_id: UUID, *, alarms: int, with_assets: bool = True) -> models.Site:
        """A site, what its assets are together and, if asked for, each of them; those online are heard."""
        site, members = self.inventory.sites[site_id], self.inventory.assets_of(site_id)
        assets = [self.asset(asset) for asset in members]
        heard = [asset for asset in assets if asset["online"]]
        online = [
            (self.limits(a), now["current_mw"])
            for a, now in zip(members, assets, strict=True)
            if now["online"]
        ]
        room = [(limits.max_mw - mw, mw - limits.min_mw) for limits, mw in online if mw is not None]
        stored_mwhr = _sum_of_known([asset["soc_mwhr"] for asset in heard])
        holds_mwhr = math.fsum(a["capacity_mwhr"] for a in heard if a["soc_mwhr"] is not None)
        others = (a["updated_at"] for a in assets if not a["online"] and a["updated_at"] is not None)
        return {
            "id": str(site.id),
            "name": site.name,
            "location": site.location,
            "current_mw": _sum_of_known([asset["current_mw"] for asset in heard]),
            "soc_mwhr": stored_mwhr,
            "soc_pct": None if stored_mwhr is None or not holds_mwhr else stored_mwhr / holds_mwhr * 100,
            "capacity_mwhr": math.fsum(asset["capacity_mwhr"] for asset in assets),
            "headroom_up_mw": _sum_of_known([max(up, 0.0) for up, _ in room]),
            "headroom_down_mw": _sum_of_known([max(down, 0.0) for _, down in room]),
            "assets_online": len(heard),
            "assets_heard": len(heard),
            "assets_total": len(assets),
            "unheard_since": max(others, default=None),
            "alarms": alarms,
            "assets": assets if with_assets else [],
        }

    def _stamp(self, before: models.Sample | None) -> str:
        """The time of a new sample: now, but after the one before even if the clock stands still."""
        now = self._now()
        if before is not None:
            now = max(now, datetime.fromisoformat(before["timestamp"]) + timedelta(microseconds=1))
        return moment(now)

    def _new_agent(self, site_id: UUID, now: str) -> models.Agent:
        return {
            "agent_id": str(site_id),
            "mode": "gateway",
            "peer": "127.0.0.1:40000",
            "connected": False,
            "site_id": str(site_id),
            "site_name": self.inventory.sites[site_id].name,
            "connected_at": now,
            "last_seen_at": now,
            "software": "fake agent",
            "heartbeat_s": _HEARTBEAT_S,
            "heartbeats_missed": None,
            "last_heartbeat_at": None,
            "spooled_records": None,
            "spooled_bytes": None,
            "dropped_records": None,
            "clock_skew_s": None,
            "assets": [{"id": str(a.id), "name": a.name} for a in self.inventory.assets_of(site_id)],
            "sessions": [],
        }

    def _announce_link(self, agent: models.Agent) -> None:
        session = agent["sessions"][0]
        link: Link = {
            "agent_id": agent["agent_id"],
            "site_id": agent["site_id"],
            "connected": agent["connected"],
            "session_id": session["session_id"],
            "peer": session["peer"],
            "connected_at": session["connected_at"],
            "disconnected_at": session["disconnected_at"],
            "reason": session["reason"],
        }
        assets = frozenset(asset["id"] for asset in agent["assets"])
        self.announcements.announce(Announcement("link", link, agent["site_id"], assets))

    def _refresh_online(self, site_id: UUID) -> None:
        for asset in self.inventory.assets_of(site_id):
            if (sample := self.samples.get(str(asset.id))) is not None:
                self.samples[str(asset.id)] = {**sample, "online": self.online(asset)}


def _sum_of_known(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None
