"""How records number assets and signals, and how to renumber a record that was made under another numbering.

A record names an asset by its place in the registration, a signal by its place in the catalogue. A spool outlives both:
the agent may come back with another inventory or as another version. Then what was spooled before must not be read with
the new numbering, or the samples of one asset would be stored as another's. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from der_core.signals import Signal
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import UNKNOWN_CODE


@dataclass(frozen=True, slots=True)
class Layout:
    """Ids of the assets, and name and states of the signals, by their places."""

    assets: tuple[str, ...]
    signals: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, asset_ids: Sequence[UUID], signals: Sequence[Signal]) -> Self:
        """The layout of a registration."""
        return cls(
            tuple(str(asset_id) for asset_id in asset_ids),
            tuple((signal.name, tuple(signal.states)) for signal in signals),
        )

    @classmethod
    def decoded(cls, encoded: bytes) -> Self:
        """The layout in a note.

        Raises:
            google.protobuf.message.DecodeError: it is none.
        """
        message = pb.Register.FromString(encoded)
        return cls(
            tuple(asset.id for asset in message.assets),
            tuple((signal.name, tuple(signal.states)) for signal in message.signals),
        )

    def encoded(self) -> bytes:
        """As a note."""
        return pb.Register(
            assets=[pb.Asset(id=asset_id) for asset_id in self.assets],
            signals=[pb.Signal(name=name, states=states) for name, states in self.signals],
        ).SerializeToString()


def renumber(record: pb.Record, before: Layout, after: Layout) -> bool:
    """Change a record from one layout to another, in place; ``False`` if nothing is left of it.

    Assets that are no longer served are left out, and so are signals that are no longer in the catalogue.
    """
    match record.WhichOneof("body"):
        case "frame":
            return _renumber_frame(record.frame, before, after)
        case "event" if record.event.HasField("asset"):
            place = _moved(before.assets, after.assets).get(record.event.asset)
            if place is None:
                return False
            record.event.asset = place
    return True


def _renumber_frame(frame: pb.Frame, before: Layout, after: Layout) -> bool:
    assets = _moved(before.assets, after.assets)
    old_places = list(frame.assets) or list(range(len(before.assets)))
    kept = [row for row, place in enumerate(old_places) if place in assets]
    columns = [
        column for old in frame.columns if (column := _renumbered(old, kept, before, after)) is not None
    ]
    if not kept or not columns:
        return False
    del frame.assets[:]
    frame.assets.extend(assets[old_places[row]] for row in kept)
    del frame.columns[:]
    frame.columns.extend(columns)
    return True


def _renumbered(column: pb.Column, kept: Sequence[int], before: Layout, after: Layout) -> pb.Column | None:
    name, states = before.signals[column.signal]
    places = {signal: place for place, (signal, _) in enumerate(after.signals)}
    if name not in places:
        return None
    new_states = after.signals[places[name]][1]
    if bool(states) != bool(new_states):
        return None
    moved = _moved(states, new_states)
    return pb.Column(
        signal=places[name],
        values=[column.values[row] for row in kept] if column.values else None,
        codes=[moved.get(column.codes[row], UNKNOWN_CODE) for row in kept] if column.codes else None,
    )


def _moved(before: Sequence[str], after: Sequence[str]) -> Mapping[int, int]:
    """For each place whose name is still there, its new place."""
    places = {name: place for place, name in enumerate(after)}
    return {place: places[name] for place, name in enumerate(before) if name in places}
