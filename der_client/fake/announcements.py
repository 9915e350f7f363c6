"""The stream of a fake headend: numbered announcements, kept for those who come back, and the newest samples."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from der_client.models import Sample


@dataclass(frozen=True, slots=True)
class Announcement:
    """One message of the stream, and whom it concerns."""

    name: str
    data: Any
    site_id: str
    asset_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Watch:
    """What a listener wants: of one asset, of one site, or of all."""

    asset_id: str | None
    site_id: str | None

    def includes(self, site_id: str, asset_ids: frozenset[str]) -> bool:
        """Whether what concerns this site and these assets is wanted."""
        return self.site_id in {None, site_id} and (self.asset_id is None or self.asset_id in asset_ids)


class Announcements:
    """The newest ``room`` announcements, and those who listen."""

    def __init__(self, samples: Mapping[str, Sample], *, room: int = 1000) -> None:
        self.samples = samples
        self.kept: deque[Announcement] = deque(maxlen=room)
        self.count = 0
        self.run = uuid4().hex[:8]
        self.streams = 0
        self._wake: set[Callable[[], None]] = set()

    def announce(self, announcement: Announcement) -> None:
        """Tell whoever listens."""
        self.count += 1
        self.kept.append(announcement)
        self.wake()

    def wake(self) -> None:
        """Make the listeners look again."""
        for wake in tuple(self._wake):
            wake()

    def interrupt(self, *, forget: bool) -> None:
        """End the open streams; with ``forget``, those who come back cannot be told what they missed."""
        if forget:
            self.run = uuid4().hex[:8]
        self.streams += 1
        self.wake()

    def listen(self, watch: Watch, after: str | None, wake: Callable[[], None]) -> "Listener":
        """Listen from behind the id ``after``, or from now on; ``wake`` is called when there is something."""
        self._wake.add(wake)
        return Listener(self, watch, after, wake)

    def leave(self, wake: Callable[[], None]) -> None:
        """Listen no longer."""
        self._wake.discard(wake)


class Listener:
    """One open stream."""

    def __init__(
        self, announcements: Announcements, watch: Watch, after: str | None, wake: Callable[[], None]
    ) -> None:
        self._announcements = announcements
        self._watch = watch
        self._wake = wake
        self._stream = announcements.streams
        self._seen: dict[str, str] = {}
        run, _, number = (after or "").rpartition("-")
        self._astray = after is not None and (run != announcements.run or not number.isdecimal())
        resumed = after is not None and not self._astray
        self._number = int(number) if resumed else announcements.count
        self._greeted = False

    @property
    def over(self) -> bool:
        """Whether the stream was ended by the headend."""
        return self._stream != self._announcements.streams

    def take(self) -> bytes:
        """All there is to send now; empty if nothing."""
        messages = [*self._announced(), *self._samples()]
        if not self._greeted:
            self._greeted = True
            messages.append(f": ping\nid: {self._place}\n\n")
        return "".join(messages).encode()

    def leave(self) -> None:
        """Listen no longer."""
        self._announcements.leave(self._wake)

    @property
    def _place(self) -> str:
        return f"{self._announcements.run}-{self._number}"

    def _announced(self) -> Iterator[str]:
        if self._astray:
            self._astray = False
            yield self._message("lost", {"count": None})
        there = self._announcements
        missed = there.count - len(there.kept) - self._number
        if missed > 0:
            self._number += missed
            yield self._message("lost", {"count": missed})
        waiting = there.count - self._number
        for announcement in list(there.kept)[len(there.kept) - waiting :]:
            self._number += 1
            if self._watch.includes(announcement.site_id, announcement.asset_ids):
                yield self._message(announcement.name, announcement.data)

    def _samples(self) -> Iterator[str]:
        new = [
            sample
            for asset_id, sample in self._announcements.samples.items()
            if self._watch.includes(sample["site_id"], frozenset({asset_id}))
            and self._seen.get(asset_id) != sample["timestamp"]
        ]
        self._seen |= {sample["asset_id"]: sample["timestamp"] for sample in new}
        if new:
            yield self._message("telemetry", new)

    def _message(self, name: str, data: Any) -> str:
        return f"id: {self._place}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
