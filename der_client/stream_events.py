"""What ``stream()`` yields: what the headend announces, and how the subscription itself is doing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from der_client.models import Dispatch, Event, Sample


class Link(TypedDict):
    """A session that was opened or, with ``connected`` false, closed."""

    agent_id: str
    site_id: str
    connected: bool
    session_id: str
    peer: str
    connected_at: str
    disconnected_at: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The subscription is open.

    After the first one, read what matters; after a later one it goes on where it was, unless ``Missed`` follows.
    """


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Samples newer than those before, at most one per asset."""

    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class DispatchChanged:
    """A dispatch, as it is now."""

    dispatch: Dispatch


@dataclass(frozen=True, slots=True)
class EventRaised:
    """An event or alarm."""

    event: Event


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """A session that was opened or closed."""

    session: Link


@dataclass(frozen=True, slots=True)
class Missed:
    """Some announcements did not come through (``None``: who knows how many); read what matters anew."""

    count: int | None


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The connection is lost; it is being made again."""

    why: str


StreamEvent = Connected | Telemetry | DispatchChanged | EventRaised | LinkChanged | Missed | Interrupted
