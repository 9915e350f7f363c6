"""The values that go into ``control.SiteControl`` and come out of it.

All are frozen. Powers in MW, positive = discharge / export.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from der_core.allocation import Split
from der_core.dispatch import DispatchReport
from der_core.events import EventKind, Severity


@dataclass(frozen=True, slots=True)
class Now:
    """The present: a monotonic reading in seconds for deadlines, aware UTC for records."""

    monotonic_s: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """What matters of an asset when a command arrives; ``None`` is unknown."""

    online: bool
    soc_pct: float | None = None
    available_mw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One asset's part of a command: ``mw`` for this asset, ``requested_mw`` for the whole dispatch."""

    dispatch_id: UUID
    mw: float
    requested_mw: float
    site_wide: bool
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class Write:
    """Drive an asset to a power; ``None`` releases it. ``order`` is ``None`` where no dispatch asks for it."""

    asset_id: UUID
    setpoint_mw: float | None
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """The asset took a write; ``mw`` is what it accepted."""

    write: Write
    mw: float


@dataclass(frozen=True, slots=True)
class NotApplied:
    """The asset did not take a write.

    ``reason`` is a stable code, ``message`` is for people. ``unchanged``: it is certain that the asset still does what
    it did before; after a timeout nobody knows.
    """

    write: Write
    reason: str
    message: str
    unchanged: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of an asset begins (``RAISED``) or ends (``CLEARED``)."""

    asset_id: UUID
    kind: EventKind
    severity: Severity
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done: carry out the writes and settle them, pass on the rest.

    ``split`` is how a command was shared out, for the log.
    """

    writes: tuple[Write, ...] = ()
    reports: tuple[DispatchReport, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    split: Split | None = None
