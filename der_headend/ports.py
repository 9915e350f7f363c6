"""What the headend needs of a store and of a link, each as small as its consumer's need.

Writing goes through one door, ``Journal.commit``: a batch is stored whole or not at all, and with it how far each
spool has been stored (its mark). Reading is a port per resource. ``store/memory`` and the PostgreSQL store implement
the same ports and are held to one contract suite.

All times are aware UTC. Power in MW, positive = discharge / export.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from der_core.dispatch import Command, Dispatch
from der_core.events import Event, Severity
from der_core.lifecycle import State
from der_core.packed import Ids
from der_core.spans import check_span

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list; ``next_cursor`` is where the next part begins, ``None`` at the end."""

    items: Sequence[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Samples of the same signals, in columns: each row is one asset at one moment.

    Attributes:
        timestamps_us: shape (n,): microseconds since 1970-01-01 UTC.
        slots: shape (n,): the assets, by their slot in the fleet.
        columns: by signal name: shape (n,), float64; NaN is unknown; a state is its code in the fleet's vocabulary.
    """

    timestamps_us: NDArray[np.int64]
    slots: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]

    @property
    def size(self) -> int:
        """How many samples."""
        return len(self.slots)

    def part(self, some: slice) -> "Rows":
        """Some of the rows, or all in reverse; nothing is copied."""
        return Rows(
            timestamps_us=self.timestamps_us[some],
            slots=self.slots[some],
            columns={name: values[some] for name, values in self.columns.items()},
        )

    def only(self, chosen: NDArray[np.bool_]) -> "Rows":
        """Those of the rows for which ``chosen``, shape (n,), is true."""
        if chosen.all():
            return self
        return Rows(
            timestamps_us=self.timestamps_us[chosen],
            slots=self.slots[chosen],
            columns={name: values[chosen] for name, values in self.columns.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A sign of life of an agent, with how full its spool was."""

    agent_id: str
    session_id: UUID
    at: datetime
    received_at: datetime
    spooled_records: int
    spooled_bytes: int
    dropped_records: int

    @property
    def clock_skew_s(self) -> float:
        """How far the agent's clock was ahead of the headend's, less the time that the heartbeat took."""
        return (self.at - self.received_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One connection of an agent, open while ``disconnected_at`` is ``None``."""

    session_id: UUID
    agent_id: str
    mode: str
    site_id: UUID
    peer: str
    connected_at: datetime
    last_seen_at: datetime
    asset_ids: Ids
    spool_id: UUID
    disconnected_at: datetime | None = None
    reason: str | None = None


@dataclass(slots=True)
class Batch:
    """What is stored together. ``marks``: by spool, the highest sequence number that is stored with it."""

    rows: list[Rows] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    dispatches: dict[UUID, Dispatch] = field(default_factory=dict)
    sessions: dict[UUID, SessionRecord] = field(default_factory=dict)
    marks: dict[UUID, int] = field(default_factory=dict)


class StoreLife(Protocol):
    """A store as a part of the program that has to be opened, kept up and closed."""

    async def open(self, *, reset: str | None = None) -> None:
        """Get it ready; with ``reset`` (``yes``, or ``force`` for one on another machine) empty it first.

        Raises:
            StartFailed: it can't be reached or used; the message says what to do.
        """
        ...

    async def run(self) -> None:
        """Keep it up (partitions, roll-ups, retention) until cancelled."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...

    def health(self) -> tuple[bool, str]:
        """Whether it answers, and a word about it; does not block."""
        ...

    def partitions(self) -> Mapping[str, int]:
        """By table, in how many partitions it keeps what is ordered by time; empty if in none."""
        ...

    @property
    def samples_too_old(self) -> int:
        """How many samples were committed and not stored, for they were older than what is kept."""
        ...


class WriteBehind(Protocol):
    """Where what may be stored a little later is handed in."""

    @property
    def away(self) -> bool:
        """Whether the store was away when it was last tried."""
        ...

    @property
    def dispatches_waiting(self) -> int:
        """How many dispatches wait to be stored."""
        ...

    def dispatch(self, record: Dispatch) -> None:
        """Have a changed dispatch stored soon."""
        ...

    def missed(self) -> None:
        """Note that the store did not answer somebody else."""
        ...

    def holds(self, dispatch_id: UUID) -> bool:
        """Whether a dispatch waits to be stored."""
        ...


class Journal(Protocol):
    """The one way into the store."""

    async def commit(self, batch: Batch) -> None:
        """Store a batch in one transaction.

        Raises:
            Unavailable: nothing of it was stored, or nobody can tell. Try again later with this very object, by which a
                batch of unknown outcome is known again; a copy of it, or a part, might be stored twice.
            Defect: such data can't be stored; nothing of it was.
        """
        ...

    async def mark(self, spool_id: UUID) -> int:
        """The highest sequence number stored of a spool; 0 if none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchQuery:
    """Which dispatches, newest first.

    Raises:
        Rejected: ``invalid_range``, ``start`` is not before ``end``.
    """

    limit: int
    cursor: str | None = None
    asset_id: UUID | None = None
    site_id: UUID | None = None
    state: State | None = None
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        check_span(self.start, self.end)

    def matches(self, dispatch: Dispatch) -> bool:
        """Whether a dispatch is one of those asked for, wherever in the list it stands."""
        return (
            (self.asset_id is None or dispatch.allocation(self.asset_id) is not None)
            and (self.site_id is None or dispatch.site_id == self.site_id)
            and (self.state is None or dispatch.state is self.state)
            and (self.start is None or dispatch.submitted_at >= self.start)
            and (self.end is None or dispatch.submitted_at < self.end)
        )


class DispatchStore(Protocol):
    """Reads dispatches."""

    async def get(self, dispatch_id: UUID) -> Dispatch | None:
        """One dispatch by id."""
        ...

    async def page(self, query: DispatchQuery) -> Page[Dispatch]:
        """Some dispatches, newest first."""
        ...

    async def unfinished(self) -> Sequence[Dispatch]:
        """All that have not ended, oldest first: what a restarted headend takes up again."""
        ...

    async def newest(self, count: int) -> Sequence[Dispatch]:
        """So many of the newest, newest first: what a restarted headend has at hand."""
        ...


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event and who has seen it."""

    event: Event
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which events, newest first.

    Raises:
        Rejected: ``invalid_range``, ``start`` is not before ``end``.
    """

    limit: int
    cursor: str | None = None
    asset_id: UUID | None = None
    site_id: UUID | None = None
    severity: Severity | None = None
    acknowledged: bool | None = None
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        check_span(self.start, self.end)

    def matches(self, stored: StoredEvent) -> bool:
        """Whether an event is one of those asked for, wherever in the list it stands."""
        event = stored.event
        return (
            (self.acknowledged is None or (stored.acknowledged_at is not None) == self.acknowledged)
            and (self.asset_id is None or event.asset_id == self.asset_id)
            and (self.site_id is None or event.site_id == self.site_id)
            and (self.severity is None or event.severity is self.severity)
            and (self.start is None or event.at >= self.start)
            and (self.end is None or event.at < self.end)
        )


class EventStore(Protocol):
    """Reads and acknowledges events."""

    async def page(self, query: EventQuery) -> Page[StoredEvent]:
        """Some events, newest first."""
        ...

    async def acknowledge(self, event_id: UUID, at: datetime) -> StoredEvent | None:
        """Note that an operator has seen it; a second time changes nothing. ``None``: no such event."""
        ...

    async def open_alarms(self) -> Sequence[StoredEvent]:
        """The ``raised`` events that no ``cleared`` one of the same asset and code has ended, oldest first.

        Whether one came later is a matter of the order in which they were stored, for times are of different clocks.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Samples of the asset in one slot with ``start <= time < end`` (microseconds since 1970), the newest ``limit``.

    ``bucket_us`` is the width of a bucket, ``None`` for the samples themselves.
    """

    slot: int
    start_us: int
    end_us: int
    limit: int
    bucket_us: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Samples or buckets in columns.

    ``timestamps_us``: shape (n,), ascending; of a bucket its beginning. ``columns``: by signal name and, for buckets,
    by statistic (``mean min max last``); for samples the only statistic is ``last``. ``earlier_us`` is where the
    page before it ends (exclusive), ``None`` if there is nothing earlier.
    """

    timestamps_us: NDArray[np.int64]
    columns: Mapping[str, Mapping[str, NDArray[np.float64]]]
    earlier_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteHistoryQuery:
    """Buckets summed over some assets, ``start <= beginning < end`` (microseconds since 1970), the newest ``limit``.

    ``slots``: shape (n,), the assets, each once. ``capacity_mwhr``: shape (n,), by which their states of charge are
    weighted. ``start_us`` and ``end_us`` are whole multiples of ``bucket_us``.
    """

    slots: NDArray[np.int64]
    capacity_mwhr: NDArray[np.float64]
    start_us: int
    end_us: int
    limit: int
    bucket_us: int


@dataclass(frozen=True, slots=True)
class SiteHistory:
    """Buckets in columns, each of shape (n,); what no asset knew is NaN. Positive MW = discharge / export.

    ``timestamps_us``: when a bucket begins, ascending. ``current_mw``: the sum of the means of those ``assets`` that
    have one. ``setpoint_mw``, ``soc_mwhr``: the sums of what each asset knew last, ``soc_pct`` its mean weighted by
    capacity. ``earlier_us`` is where the page before it ends (exclusive), ``None`` if there is nothing earlier.
    """

    timestamps_us: NDArray[np.int64]
    assets: NDArray[np.int64]
    current_mw: NDArray[np.float64]
    setpoint_mw: NDArray[np.float64]
    soc_mwhr: NDArray[np.float64]
    soc_pct: NDArray[np.float64]
    earlier_us: int | None = None


class SessionStore(Protocol):
    """What is remembered of sessions beyond a restart."""

    async def close_open(self, reason: str) -> Sequence[SessionRecord]:
        """Close the sessions found open, each with the time its agent was last heard; those that were."""
        ...

    async def recent(self, per_agent: int) -> Sequence[SessionRecord]:
        """The last sessions of every agent, ``per_agent`` of each at most, newest first."""
        ...


class TelemetryStore(Protocol):
    """Reads samples."""

    async def history(self, query: HistoryQuery) -> History:
        """Samples or buckets of one asset."""
        ...

    async def site_history(self, query: SiteHistoryQuery) -> SiteHistory:
        """Buckets summed over some assets; a page may end before ``limit`` where there is much to sum up."""
        ...


class HeartbeatStore(Protocol):
    """Reads heartbeats."""

    async def latest(self, agent_id: str, limit: int) -> Sequence[Heartbeat]:
        """The last heartbeats of an agent, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Take a dispatch back from some assets."""

    dispatch_id: UUID
    asset_ids: tuple[UUID, ...]


class Link(Protocol):
    """The way down to one agent. Never blocks: what can't be queued is refused.

    ``asked``: the agent asked how far its spool is stored, and is told as soon as it is stored further.
    """

    asked: bool

    def command(self, command: Command) -> bool:
        """Queue a setpoint; ``False`` if the link can take no more."""
        ...

    def cancel(self, cancellation: Cancellation) -> None:
        """Queue a cancel."""
        ...

    @property
    def told_seq(self) -> int:
        """How far, as the agent was told, its spool is stored."""
        ...

    @property
    def quiet_s(self) -> float:
        """For how long the agent was not told how far its spool is stored."""
        ...

    def worth_telling(self, through_seq: int) -> bool:
        """Whether it is time to say that the spool is stored as far as this."""
        ...

    def acknowledge(
        self, through_seq: int, *, window: int | None = None, then: Callable[[], None] | None = None
    ) -> None:
        """Say how far the spool is stored, and how large the window is from now on; only the newest of each is kept.

        ``then`` is called once that has gone out.
        """
        ...

    def close(self, reason: str) -> None:
        """End the link: what is queued is dropped, the stream is ended."""
        ...

    def drain(self, reason: str, reconnect_after_s: float) -> None:
        """Ask the agent to go and come back later."""
        ...
