"""The live state of every asset, in columns.

Each asset of the inventory has a **slot**, its place in order of id; each signal has an array with one value per slot.
A session is bound once (``bind``): its asset places become slots and its signal places become arrays. From then on a
frame is a few array operations, whatever its size (``apply``).

The newest sample wins: a backfilled or repeated frame never overwrites a later value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from der_core.assets import Asset, Inventory, Limits, limits_now
from der_core.signals import CORE_SIGNALS, Signal
from der_core.telemetry import Frame

MAX_SIGNALS = 256
"""How many different signals the fleet keeps; those of later registrations beyond it are not shown or stored."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Binding:
    """How the places in a session's registration map to the fleet.

    ``slots``: by the session's asset place. ``columns``: by the session's signal place the signal's name, or ``None``
    where the fleet has no room for it. ``codes``: for a state signal, by the session's code the fleet's code.
    """

    slots: NDArray[np.int64]
    columns: tuple[str | None, ...]
    codes: Mapping[int, Floats]


class Fleet:
    """Live state of the assets of an inventory; slots are in order of asset id."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.assets: tuple[Asset, ...] = tuple(inventory.assets.values())
        self.slot_of: Mapping[UUID, int] = {asset.id: slot for slot, asset in enumerate(self.assets)}
        self.timestamp_us: NDArray[np.int64] = np.zeros(len(self.assets), np.int64)
        self.columns: dict[str, Floats] = {}
        self.states: dict[str, list[str]] = {}
        for signal in CORE_SIGNALS:
            self._admit(signal)

    def bind(self, asset_ids: Sequence[UUID], signals: Sequence[Signal]) -> Binding:
        """Map a registration to the fleet; every asset id must be in the inventory."""
        columns = tuple(self._admit(signal) for signal in signals)
        codes = {
            place: np.array([self._code(signal.name, state) for state in signal.states], np.float64)
            for place, signal in enumerate(signals)
            if signal.states and columns[place] is not None
        }
        slots = np.array([self.slot_of[asset_id] for asset_id in asset_ids], np.int64)
        return Binding(slots, columns, codes)

    def translate(self, binding: Binding, frame: Frame) -> tuple[NDArray[np.int64], dict[str, Floats]]:
        """The slots of a frame and its columns by signal name, states in the fleet's codes."""
        columns: dict[str, Floats] = {}
        for place, values in frame.columns.items():
            name = binding.columns[place]
            if name is None:
                continue
            known = binding.codes.get(place)
            columns[name] = values if known is None else _recode(values, known)
        return binding.slots[frame.assets], columns

    def apply(self, timestamp_us: int, slots: NDArray[np.int64], columns: Mapping[str, Floats]) -> None:
        """Take over the values of those slots that have nothing newer yet."""
        newer = self.timestamp_us[slots] <= timestamp_us
        if newer.all():
            self.timestamp_us[slots] = timestamp_us
            for name, values in columns.items():
                self.columns[name][slots] = values
        elif newer.any():
            fresh = slots[newer]
            self.timestamp_us[fresh] = timestamp_us
            for name, values in columns.items():
                self.columns[name][fresh] = values[newer]

    def number(self, name: str, slot: int) -> float | None:
        """The newest value of one signal of one asset; ``None`` if unknown."""
        column = self.columns.get(name)
        if column is None or self.timestamp_us[slot] == 0 or np.isnan(column[slot]):
            return None
        return float(column[slot])

    def limits(self, slot: int) -> Limits:
        """What an asset can do now, as far as telemetry tells."""
        return limits_now(
            self.assets[slot],
            soc_pct=self.number("soc_pct", slot),
            available_mw=self.number("available_mw", slot),
        )

    def state_name(self, signal: str, code: float) -> str | None:
        """The name of a state's code; ``None`` for unknown."""
        names = self.states.get(signal, ())
        return names[int(code)] if not np.isnan(code) and 0 <= int(code) < len(names) else None

    def _admit(self, signal: Signal) -> str | None:
        if signal.name not in self.columns:
            if len(self.columns) >= MAX_SIGNALS:
                return None
            self.columns[signal.name] = np.full(len(self.assets), np.nan)
            if signal.states:
                self.states[signal.name] = list(signal.states)
        elif bool(signal.states) != (signal.name in self.states):
            return None
        return signal.name

    def _code(self, signal: str, state: str) -> float:
        names = self.states[signal]
        if state not in names:
            if len(names) >= MAX_SIGNALS:
                return float("nan")
            names.append(state)
        return float(names.index(state))


def _recode(values: Floats, known: Floats) -> Floats:
    valid = (values >= 0) & (values < known.shape[0])
    return np.where(valid, known[np.where(valid, values, 0).astype(np.int64)], np.nan)
