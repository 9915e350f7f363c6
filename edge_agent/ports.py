"""What the agent needs of the world: a driver per asset, and a spool for what the headend has not stored yet.

Each of these ports has a twin in memory and a real part, held to one contract suite. ``LinkedAgent`` is the other way
round: what the link to the headend needs of the agent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from der_core.dispatch import Command
from der_core.events import Severity
from der_core.registration import Registration


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that an asset has at this moment; ``code`` is stable, e.g. ``inverter_trip``."""

    code: str
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What an asset shows at one moment.

    ``values`` by signal name (``der_core.signals``), in the signal's unit; a state by its name; a signal that is
    missing is unknown. Power in MW, positive = discharge / export.
    """

    values: Mapping[str, float | str]
    faults: Sequence[Fault] = ()


class DriverFailed(Exception):
    """The asset did not do what it was asked, or nobody knows; the message says why in words for an operator."""


class DriverRefused(DriverFailed):
    """The asset answered a setpoint with no: it is certain that it still does what it did before."""


class Driver(Protocol):
    """One asset. A call may take time but must not block the event loop; the agent puts a limit on each."""

    async def read(self) -> Reading:
        """What the asset shows now.

        Raises:
            DriverFailed: it can't be read.
        """
        ...

    async def write(self, setpoint_mw: float | None) -> float:
        """Drive the asset to a power (MW, positive = discharge / export); ``None`` releases it to rest.

        At rest a battery or charger stands at 0 MW and a PV or wind plant runs uncurtailed. Returns the setpoint that
        the asset accepted, which may differ from the one it was given.

        Raises:
            DriverRefused: the asset said that it does not take it.
            DriverFailed: it is not known whether the asset has taken it: the connection broke, say.
        """
        ...

    def online(self) -> bool:
        """Whether the asset answers, so that it can take part in a split."""
        ...

    async def close(self) -> None:
        """Leave the asset alone; called once."""
        ...


@dataclass(frozen=True, slots=True)
class Spooled:
    """A record in the spool: its sequence number and its serialised ``Record`` without one."""

    seq: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """How full a spool is.

    ``first_seq`` is the lowest number it still has (or will give next, if it is empty), ``next_seq`` the one it will
    give next, ``dropped`` how many records it gave up since it was made. ``trouble``: why it keeps nothing at the
    moment, for people; ``None`` while all is well.
    """

    first_seq: int
    next_seq: int
    records: int
    bytes: int
    dropped: int
    trouble: str | None = None


class Spool(Protocol):
    """Keeps records in order until the headend has stored them, within a budget of bytes, oldest dropped first.

    Beside them it keeps *notes* for as long as it lasts itself: what the agent has to know again when it starts.
    """

    @property
    def spool_id(self) -> UUID:
        """Names this sequence of numbers; a new spool has a new one."""
        ...

    async def append(self, bodies: Sequence[bytes], notes: Mapping[str, bytes | None] | None = None) -> int:
        """Keep some records; each gets the next sequence number, at once. Returns the number of the last of them.

        Once it has returned, records and notes are as safe as this spool can make them, both or neither; where
        they could not be kept, ``status`` says so. A note replaces the one with the same key, ``None`` removes it.
        """
        ...

    async def read(self, after_seq: int, limit: int) -> Sequence[Spooled]:
        """Up to ``limit`` records above ``after_seq``, in order."""
        ...

    async def acknowledge(self, through_seq: int) -> None:
        """The headend has stored everything up to and including this."""
        ...

    def status(self) -> SpoolStatus:
        """How full it is."""
        ...

    async def close(self) -> None:
        """Nothing will be put in any more; called once."""
        ...


class LinkedAgent(Protocol):
    """The agent as the link sees it.

    What comes from the headend is queued in order of arrival. The queue is bounded; while it is full these calls wait,
    and with them the reading of the stream.
    """

    def registration(self) -> Registration:
        """Who the agent is and what is in force at this moment."""
        ...

    async def registered(self) -> None:
        """The headend has accepted the registration: the link is up."""
        ...

    async def link_lost(self, last_heard_s: float) -> None:
        """The link is down; the headend was last heard at this monotonic time."""
        ...

    async def command(self, command: Command) -> None:
        """A setpoint came."""
        ...

    async def cancel(self, dispatch_id: UUID, asset_ids: Sequence[UUID]) -> None:
        """A dispatch is taken back from some assets; none named means from all of its own."""
        ...
