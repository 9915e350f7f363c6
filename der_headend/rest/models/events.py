"""Events."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from der_core.events import EventKind, Severity
from der_headend.rest.models.base import Reply, SiteId


class Event(Reply):
    """Something that a person may want to know."""

    id: UUID = Field(description="the event", examples=["5f0c6a56-8f3e-4a0f-9a53-0d6a3a8f2b11"])
    at: datetime = Field(description="when it happened")
    site_id: SiteId
    asset_id: UUID | None = Field(description="the asset; null for an event of the agent itself")
    severity: Severity = Field(description="how much it matters")
    kind: EventKind = Field(description="it happened once (notice), or an alarm was raised or cleared")
    code: str = Field(description="stable and machine-readable", examples=["inverter_trip"])
    message: str = Field(description="in words", examples=["inverter tripped on overtemperature"])
    acknowledged_at: datetime | None = Field(description="when an operator acknowledged it")
