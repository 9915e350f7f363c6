"""What several listeners of ``/stream`` are sent, encoded once for all of them.

They are woken by the same announcement and look at the same live values, each at its own moment. So it is enough to
remember what was encoded last; a listener who is far behind has what he gets encoded for himself.
"""

from collections import OrderedDict

import numpy as np
from fastapi.sse import format_sse_event

from der_core.assets import Inventory
from der_core.dispatch import Dispatch
from der_core.events import Event
from der_headend.announcements import Announcement
from der_headend.ports import SessionRecord
from der_headend.rest.views import records, texts
from der_headend.rest.views.live import Live, Slots
from der_headend.rest.views.texts import Text

ANNOUNCED_KEPT = 64
ANNOUNCED_BYTES_KEPT = 8 << 20
"""A dispatch of a site of ten thousand assets is more than 2 MB of text."""

SAMPLES_KEPT = 10_000


class Fanout:
    """Encodes announcements and samples, and remembers the last ones."""

    def __init__(self, *, live: Live, inventory: Inventory) -> None:
        self._live = live
        self._inventory = inventory
        self._announced: OrderedDict[int, tuple[Announcement, bytes]] = OrderedDict()
        self._announced_bytes = 0
        self._samples: dict[tuple[int, int, bool], Text] = {}

    def announced(self, announcement: Announcement) -> bytes:
        """An announcement as a server-sent event."""
        known = self._announced.get(id(announcement))  # it is kept, so nothing else can have its id
        if known is not None:
            return known[1]
        event = self._encoded(announcement)
        self._announced[id(announcement)] = announcement, event
        self._announced_bytes += len(event)
        while len(self._announced) > ANNOUNCED_KEPT or (
            self._announced_bytes > ANNOUNCED_BYTES_KEPT and len(self._announced) > 1
        ):
            _, (_, oldest) = self._announced.popitem(last=False)
            self._announced_bytes -= len(oldest)
        return event

    def samples(self, slots: Slots) -> list[Text]:
        """The newest samples of assets that have been heard from; one moment of an asset is encoded once."""
        stamps_us = self._live.fleet.timestamp_us[slots].tolist()
        samples = list(zip(slots.tolist(), stamps_us, self._live.online(slots), strict=True))
        new = [place for place, sample in enumerate(samples) if sample not in self._samples]
        if len(self._samples) + len(new) > SAMPLES_KEPT:
            self._samples.clear()
            new = list(range(len(samples)))
        encoded = self._live.samples(slots[np.array(new, np.int64)])
        self._samples |= {samples[place]: text for place, text in zip(new, encoded, strict=True)}
        return [self._samples[sample] for sample in samples]

    def _encoded(self, announcement: Announcement) -> bytes:
        match announcement:
            case Dispatch():
                return sse("dispatch", texts.encoded(records.dispatch(announcement, self._inventory)))
            case Event():
                return sse("event", texts.encoded(records.event(announcement)))
            case SessionRecord():
                return sse("link", texts.encoded(records.link(announcement)))


def sse(event: str, data: Text) -> bytes:
    """A server-sent event."""
    return format_sse_event(event=event, data_str=data)
