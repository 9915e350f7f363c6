"""What an open ``/stream`` sends: changes as they happen, telemetry at the listener's own pace.

Announcements wake the feed at once. Telemetry is read from the live columns in rounds: only assets with a newer sample,
no more than ``SAMPLES_PER_ROUND`` of them, the rest next time, in turn. A round comes in events of ``SAMPLES_AT_ONCE``
with a breath between, so that neither making nor reading one holds up a dispatch. A round that was missed is not made
up for.

Everything that is sent carries as its ``id`` the listener's place among the announcements, so that one who watches
little is not left behind either. Whoever was cut off comes back with it and gets what he missed.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from fastapi.sse import format_sse_event
from numpy.typing import NDArray

from der_core.dispatch import Dispatch
from der_core.events import Event
from der_headend.announcements import Announcement, Listener, Lost
from der_headend.ports import SessionRecord
from der_headend.rest.services import Services
from der_headend.rest.views import texts
from der_headend.rest.views.fanout import sse

SAMPLES_PER_ROUND = 1000
SAMPLES_AT_ONCE = 50
_BREATH_S = 0.01
"""Between two events of a round. A full one takes 0.2 s and its making; where rounds come faster, one goes on where the
last was."""

KEEPALIVE_S = 15.0
_LOOK_UP_S = 0.5
"""How often a quiet feed looks whether it is to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a listener wants: of one site, of one asset, or (both ``None``) of all."""

    telemetry_s: float
    site_id: UUID | None = None
    asset_id: UUID | None = None

    def includes(self, announcement: Announcement) -> bool:
        """Whether an announcement concerns it."""
        if self.site_id not in (None, announcement.site_id):
            return False
        if self.asset_id is None:
            return True
        match announcement:
            case Dispatch():
                return announcement.allocation(self.asset_id) is not None
            case Event():
                return announcement.asset_id == self.asset_id
            case SessionRecord():
                return self.asset_id in announcement.asset_ids


def feed(services: Services, watch: Watch, *, after: str | None = None) -> AsyncIterator[bytes]:
    """Server-sent events until the listener goes or the headend stops; ``after``: the last ``id`` it has seen.

    Raises:
        NotFound: ``watch`` names an asset or a site that is not there.
    """
    return _feed(services, watch, _Telemetry(services, _slots(services, watch)), after)


async def _feed(
    services: Services, watch: Watch, telemetry: "_Telemetry", after: str | None
) -> AsyncIterator[bytes]:
    clock = services.clock
    with services.announcements.listen(after=after) as listener:
        round_s = event_s = clock.monotonic()
        sent_s = round_s - KEEPALIVE_S
        while not services.stopping.is_set():
            for announcement in listener.take():
                if isinstance(announcement, Lost):
                    sent_s = clock.monotonic()
                    yield _at(listener, sse("lost", texts.encoded({"count": announcement.count})))
                elif watch.includes(announcement):
                    sent_s = clock.monotonic()
                    yield _at(listener, services.fanout.announced(announcement))
            now_s = clock.monotonic()
            if now_s >= round_s:
                round_s = now_s + watch.telemetry_s
                telemetry.begin_round()
            if telemetry.more and now_s >= event_s:
                event_s = now_s + _BREATH_S
                sent_s = now_s
                yield _at(listener, telemetry.event())
            if now_s >= sent_s + KEEPALIVE_S:
                sent_s = now_s
                yield _sign_of_life(listener)
            await listener.wait(min((event_s if telemetry.more else round_s) - now_s, _LOOK_UP_S))


def _at(listener: Listener, event: bytes) -> bytes:
    return f"id: {listener.place}\n".encode() + event


def _sign_of_life(listener: Listener) -> bytes:
    """No event; but to whoever reads it the id is his place all the same."""
    return format_sse_event(comment="ping", id=listener.place)


class _Telemetry:
    """The samples of some assets that one listener has not seen yet."""

    def __init__(self, services: Services, slots: NDArray[np.int64]) -> None:
        self._services = services
        self._slots = slots
        self._seen_us = np.zeros(slots.shape, np.int64)
        self._left = np.array([], np.int64)
        self._next = 0

    @property
    def more(self) -> bool:
        """Whether something of this round is still to be sent."""
        return len(self._left) > 0

    def begin_round(self) -> None:
        """Look for what is new; it begins behind what was sent last."""
        places = np.flatnonzero(self._services.fleet.timestamp_us[self._slots] != self._seen_us)
        turn = int(np.searchsorted(places, self._next))
        self._left = np.roll(places, -turn)[:SAMPLES_PER_ROUND]

    def event(self) -> bytes:
        """The next event of the round."""
        places, self._left = np.split(self._left, [SAMPLES_AT_ONCE])
        slots = self._slots[places]
        self._seen_us[places] = self._services.fleet.timestamp_us[slots]
        self._next = int(places[-1]) + 1
        return sse("telemetry", texts.array(self._services.fanout.samples(slots)))


def _slots(services: Services, watch: Watch) -> NDArray[np.int64]:
    live, fleet = services.live, services.fleet
    if watch.asset_id is not None:
        slot = live.slot(watch.asset_id)
        outside = watch.site_id not in (None, fleet.assets[slot].site_id)
        return np.array([] if outside else [slot], np.int64)
    if watch.site_id is not None:
        return fleet.slots_of(fleet.inventory.known_site(watch.site_id).id)
    return np.arange(len(fleet.assets))
