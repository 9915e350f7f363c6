"""Frames as they come become samples as they are shown and stored: many at a time.

A call of numpy costs as much as a hundred values, and an agent of one asset sends frames of one. So frames are gathered
for a moment and read together: those of the same signals become one ``Rows``, by some array operations for all of them
and none for each. A frame that is out of the ordinary, or gathered with one that has a value out of range, is read and
judged on its own by ``decode_frame`` and ``frame_defect``; the outcome is the same either way.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from der_core.telemetry import frame_defect
from der_headend.agents import Session
from der_headend.fleet import Layout
from der_headend.ports import Rows
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import UNKNOWN_CODE
from der_wire.fields import LARGEST, WireInvalid
from der_wire.frames import PlainFrame, decode_frame, plain_frame

MAX_AHEAD_US = 60_000_000
"""A frame stamped more than a minute ahead of the headend's clock is set aside."""


class Arrival(NamedTuple):
    """A frame that has come, a serialised ``Frame``; ``new``: it is to be stored, not only shown."""

    session: Session
    seq: int
    frame: bytes
    plain: PlainFrame | None
    """What was read of it when it came; ``None`` if it has to be judged."""
    new: bool

    @property
    def size(self) -> int:
        """How many samples there are in it; if it has to be judged, how many there may be."""
        if self.plain is None or self.plain.places is None:
            return len(self.session.binding.slots)
        return len(self.plain.places)


def plain(session: Session, frame: bytes) -> PlainFrame | None:
    """A session's frame as it is written, if there is nothing unusual in that."""
    binding = session.binding
    layout = binding.layout
    return plain_frame(
        frame, assets=binding.slots.shape[0], signals=len(layout.columns), state_signals=layout.states
    )


class Refused(NamedTuple):
    """A frame that can't be used, and why, as a stable code."""

    arrival: Arrival
    reason: str


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of the same signals.

    ``arrived``: shape (n,), the place among all arrivals of the frame that each was in. ``new``: shape (n,), whether it
    is to be stored.
    """

    rows: Rows
    arrived: NDArray[np.int64]
    new: NDArray[np.bool_]


class _Piece(NamedTuple):
    """What a frame adds to the samples; ``columns`` as in a ``PlainFrame``."""

    place: int
    arrival: Arrival
    timestamp_us: int
    slots: NDArray[np.int64]
    signals: tuple[int, ...]
    columns: Sequence[bytes]


def read(arrivals: Sequence[Arrival], *, now_us: int) -> tuple[list[Samples], list[Refused]]:
    """The samples in some frames, and the frames that can't be used."""
    alike: defaultdict[tuple[Layout, tuple[int, ...]], list[_Piece]] = defaultdict(list)
    refused: list[Refused] = []

    def judge(place: int, arrival: Arrival) -> Iterator[_Piece]:
        judged = _judged(place, arrival, now_us)
        if isinstance(judged, _Piece):
            yield judged
        else:
            refused.append(Refused(arrival, judged))

    for place, arrival in enumerate(arrivals):
        usual = _usual(place, arrival, now_us)
        for piece in (usual,) if usual is not None else judge(place, arrival):
            alike[arrival.session.binding.layout, piece.signals].append(piece)
    samples = []
    for (layout, signals), pieces in alike.items():
        whole = _samples(layout, signals, pieces)
        if whole is None:
            good = [piece for suspect in pieces for piece in judge(suspect.place, suspect.arrival)]
            whole = _samples(layout, signals, good)
        if whole is not None:
            samples.append(whole)
    return samples, refused


def _usual(place: int, arrival: Arrival, now_us: int) -> _Piece | None:
    """A frame of which nothing but its values can be wrong; ``None`` if it has to be judged."""
    frame, slots = arrival.plain, arrival.session.binding.slots
    if frame is None or not 0 < frame.timestamp_us <= now_us + MAX_AHEAD_US:
        return None
    if (places := frame.places) is not None:
        if places[-1] >= slots.shape[0] or (places[1:] <= places[:-1]).any():
            return None
        slots = slots[places]
    return _Piece(place, arrival, frame.timestamp_us, slots, frame.signals, frame.columns)


def _judged(place: int, arrival: Arrival, now_us: int) -> _Piece | str:
    """A frame read on its own, or the code of what is wrong with it."""
    binding = arrival.session.binding
    states = binding.layout.states
    try:
        frame = decode_frame(pb.Frame.FromString(arrival.frame), binding.slots.shape[0], states)
    except WireInvalid as invalid:
        return invalid.code
    except DecodeError:
        return "invalid"
    defect = frame_defect(
        frame,
        asset_count=binding.slots.shape[0],
        signal_count=len(binding.layout.columns),
        now_us=now_us,
        max_ahead_us=MAX_AHEAD_US,
    )
    if defect is not None:
        return defect
    columns = [
        np.where(np.isnan(values), UNKNOWN_CODE, values).astype(np.uint8).tobytes()
        if signal in states
        else values.astype("<f8").tobytes()
        for signal, values in frame.columns.items()
    ]
    return _Piece(
        place, arrival, frame.timestamp_us, binding.slots[frame.assets], tuple(frame.columns), columns
    )


def _samples(layout: Layout, signals: Sequence[int], pieces: Sequence[_Piece]) -> Samples | None:
    """The samples in frames of the same signals; ``None`` if there are none, or some value is out of range."""
    if not pieces:
        return None
    columns: dict[str, NDArray[np.float64]] = {}
    for signal, parts in zip(signals, zip(*(piece.columns for piece in pieces), strict=True), strict=True):
        name, states = layout.columns[signal], layout.states.get(signal)
        if states is None:
            values = np.frombuffer(b"".join(parts), "<f8")
            wrong = np.abs(values) > LARGEST
        else:
            codes = np.frombuffer(b"".join(parts), np.uint8)
            wrong = (codes >= states) & (codes != UNKNOWN_CODE)
            values = layout.codes[signal][codes]
        if wrong.any():
            return None
        if name is not None:
            columns[name] = values
    piece_of = np.repeat(np.arange(len(pieces)), [piece.slots.shape[0] for piece in pieces])
    rows = Rows(
        timestamps_us=np.array([piece.timestamp_us for piece in pieces]).take(piece_of),
        slots=np.concatenate([piece.slots for piece in pieces]),
        columns=columns,
    )
    return Samples(
        rows=rows,
        arrived=np.array([piece.place for piece in pieces]).take(piece_of),
        new=np.array([piece.arrival.new for piece in pieces]).take(piece_of),
    )
