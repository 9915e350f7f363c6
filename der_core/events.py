"""Events and alarms: what happened at an asset or an agent that a person may want to know."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Severity(StrEnum):
    """How much it matters, in the order of rising urgency."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class EventKind(StrEnum):
    """Something that happened once, or the two ends of an alarm."""

    NOTICE = "notice"
    RAISED = "raised"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event.

    ``code`` is stable (``inverter_trip``, ``link_lost_failsafe``); an alarm is cleared by a ``CLEARED`` event of
    the same asset and code. ``asset_id`` is ``None`` for an event of the site, and at an agent for one of the agent
    itself. ``at`` is aware UTC.
    """

    id: UUID
    at: datetime
    site_id: UUID
    asset_id: UUID | None
    severity: Severity
    kind: EventKind
    code: str
    message: str
