"""Agents, their sessions and their heartbeats."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from der_core.registration import AgentMode
from der_headend.rest.models.base import AssetId, AssetName, Reply, SiteId, SiteName


class AgentAsset(Reply):
    """An asset that an agent serves."""

    id: UUID = Field(description="the asset", examples=["7ba7b810-9dad-11d1-80b4-00c04fd430c8"])
    name: AssetName


class Session(Reply):
    """One connection of an agent; open while ``disconnected_at`` is ``null``."""

    session_id: UUID = Field(description="the session")
    peer: str = Field(description="network address of the agent", examples=["ipv4:127.0.0.1:40312"])
    connected_at: datetime = Field(description="when it registered")
    disconnected_at: datetime | None = Field(description="when the session ended")
    reason: str | None = Field(
        description="why it ended", examples=["replaced by a newer session of the same agent id"]
    )


class Agent(Reply):
    """An agent that is, or was, connected."""

    agent_id: str = Field(
        description="its name for itself", examples=["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]
    )
    mode: AgentMode = Field(description="whether it serves one asset or a site (Gateway Mode)")
    peer: str = Field(description="network address of its newest session", examples=["ipv4:127.0.0.1:40312"])
    connected: bool = Field(description="whether it has an open session; heartbeats decide, not TCP")
    site_id: SiteId
    site_name: SiteName
    connected_at: datetime = Field(description="when its newest session began")
    last_seen_at: datetime = Field(description="when it was last heard")
    assets: list[AgentAsset] = Field(description="the assets of its newest session, in order of id")
    sessions: list[Session] = Field(description="its sessions, newest first; at most one is open")


class Heartbeat(Reply):
    """A sign of life of an agent, with how full its spool was."""

    asset_id: AssetId
    agent_id: str = Field(description="the agent that serves the asset")
    session_id: UUID = Field(description="the session it came through")
    at: datetime = Field(description="when it was sent, by the agent's clock")
    received_at: datetime = Field(description="when it came, by the headend's clock")
    spooled_records: int = Field(description="records that the headend had not stored yet", examples=[0])
    spooled_bytes: int = Field(description="bytes of those records", examples=[0])
    dropped_records: int = Field(description="records given up for want of space", examples=[0])
