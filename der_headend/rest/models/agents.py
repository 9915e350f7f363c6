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

    session_id: UUID = Field(description="the session", examples=["0f0f1a52-53a6-4b7a-8a0c-6b9f3f2d7c10"])
    peer: str = Field(description="network address of the agent", examples=["127.0.0.1:40312"])
    connected_at: datetime = Field(description="when it registered", examples=["2026-01-31T07:30:00Z"])
    disconnected_at: datetime | None = Field(description="when the session ended", examples=[None])
    reason: str | None = Field(
        description="why it ended, e.g. `replaced by a newer session of the same agent id`", examples=[None]
    )


class Agent(Reply):
    """An agent that is, or was, connected."""

    agent_id: str = Field(
        description="its name for itself", examples=["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]
    )
    mode: AgentMode = Field(
        description="whether it serves one asset or a site (Gateway Mode)", examples=["gateway"]
    )
    peer: str = Field(description="network address of its newest session", examples=["127.0.0.1:40312"])
    connected: bool = Field(
        description="whether it has an open session; heartbeats decide, not TCP", examples=[True]
    )
    site_id: SiteId
    site_name: SiteName
    connected_at: datetime = Field(
        description="when its newest session began", examples=["2026-01-31T07:30:00Z"]
    )
    last_seen_at: datetime = Field(
        description="when it was last heard", examples=["2026-01-31T08:00:04.120000Z"]
    )
    software: str | None = Field(
        description="name and version of its program; null until it has connected to this run of the headend",
        examples=["edge_agent 0.1.0"],
    )
    heartbeat_s: float | None = Field(
        description="how often it sends a heartbeat, in seconds; null like `software`", examples=[10.0]
    )
    heartbeats_missed: int | None = Field(
        description="how many heartbeats in a row are overdue now, each by half of `heartbeat_s` at least; with three "
        "the session is closed unless something else is heard; null while it is not connected",
        ge=0,
        examples=[0],
    )
    last_heartbeat_at: datetime | None = Field(
        description="when its last heartbeat came, by the headend's clock; null, like all that heartbeats say, "
        "until one has come to this run of the headend",
        examples=["2026-01-31T08:00:00.120000Z"],
    )
    spooled_records: int | None = Field(
        description="records kept until they are acknowledged, at the last heartbeat; some are normal",
        examples=[0],
    )
    spooled_bytes: int | None = Field(description="bytes of those records", examples=[0])
    dropped_records: int | None = Field(
        description="records given up for want of space since its spool was made", examples=[0]
    )
    clock_skew_s: float | None = Field(
        description="its clock less the headend's at the last heartbeat, in seconds, less what that took to come",
        examples=[-0.002],
    )
    assets: list[AgentAsset] = Field(description="the assets of its newest session, in order of id")
    sessions: list[Session] = Field(description="its sessions, newest first; at most one is open")


class Heartbeat(Reply):
    """A sign of life of an agent, with how full its spool was."""

    asset_id: AssetId
    agent_id: str = Field(
        description="the agent that serves the asset", examples=["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]
    )
    session_id: UUID = Field(
        description="the session it came through", examples=["0f0f1a52-53a6-4b7a-8a0c-6b9f3f2d7c10"]
    )
    at: datetime = Field(
        description="when it was sent, by the agent's clock", examples=["2026-01-31T08:00:00.118000Z"]
    )
    received_at: datetime = Field(
        description="when it came, by the headend's clock", examples=["2026-01-31T08:00:00.120000Z"]
    )
    spooled_records: int = Field(
        description="records kept until they are acknowledged; some are normal", examples=[0]
    )
    spooled_bytes: int = Field(description="bytes of those records", examples=[0])
    dropped_records: int = Field(description="records given up for want of space", examples=[0])
