"""Events."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from der_core.events import EventKind, Severity
from der_headend.rest.models.base import Reply, SiteId


class Event(Reply):
    """Something that a person may want to know."""

    id: UUID = Field(description="the event", examples=["5f0c6a56-8f3e-4a0f-9a53-0d6a3a8f2b11"])
    at: datetime = Field(description="when it happened", examples=["2026-01-31T08:00:00Z"])
    site_id: SiteId
    asset_id: UUID | None = Field(
        description="the asset; null for an event of the site, or of the gateway that serves all of it",
        examples=["7ba7b810-9dad-11d1-80b4-00c04fd430c8"],
    )
    severity: Severity = Field(description="how much it matters", examples=["critical"])
    kind: EventKind = Field(
        description="it happened once (notice), or an alarm was raised or cleared", examples=["raised"]
    )
    code: str = Field(description="stable and machine-readable", examples=["inverter_trip"])
    message: str = Field(description="in words", examples=["inverter tripped on overtemperature"])
    acknowledged_at: datetime | None = Field(description="when an operator acknowledged it", examples=[None])
