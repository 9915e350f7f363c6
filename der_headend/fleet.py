"""The live state of every asset, in columns.

Each asset of the inventory has a **slot**, its place in order of id; each signal has an array with one value per slot,
from its first value on. A session is bound once (``bind``): its asset places become slots and its signal places become
arrays. From then on samples are taken over with a few array operations, however many they are (``apply``).

The newest sample wins: a backfilled or repeated one never overwrites a later value.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from uuid import UUID
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from der_core.assets import Assets, Inventory, Limits, limits_now
from der_core.signals import CORE_SIGNALS, Signal
from der_core.telemetry import occurrences
from der_headend.ports import Rows

MAX_SIGNALS = 256
"""How many different signals the fleet keeps; those of later registrations beyond it are not shown or stored."""

CODES = 256
"""A code of a state is one byte."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Layout:
    """What the places in a catalogue of signals mean to the fleet; sessions of the same catalogue share one.

    ``columns``: by signal place the signal's name, or ``None`` where the fleet has no room for it. ``states``: by the
    place of a state signal how many states it has. ``codes``: likewise, shape (CODES,): by the catalogue's code the
    fleet's, NaN for unknown.
    """

    columns: tuple[str | None, ...]
    states: Mapping[int, int]
    codes: Mapping[int, Floats]


@dataclass(frozen=True, slots=True)
class Binding:
    """How the places in a session's registration map to the fleet; ``slots``: by the session's asset place."""

    slots: Integers
    layout: Layout


class Fleet:
    """Live state of the assets of an inventory; slots are in order of asset id."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.assets: Assets = inventory.in_order
        self.slot_of: Mapping[UUID, int] = inventory.places
        self.served: NDArray[np.bool_] = np.zeros(len(self.assets), np.bool_)
        """Shape (assets,): whether its agent is connected; ``Sessions`` keeps it."""
        self.timestamp_us: Integers = np.zeros(len(self.assets), np.int64)
        self.columns: dict[str, Floats] = {signal.name: self._unknown() for signal in CORE_SIGNALS}
        self.states: dict[str, list[str]] = {}
        self._admitted: set[str] = set()
        self._layouts: WeakValueDictionary[tuple[Signal, ...], Layout] = WeakValueDictionary()
        self._row: NDArray[np.int32] = np.zeros(len(self.assets), np.int32)
        for signal in CORE_SIGNALS:
            self._admit(signal)

    def bind(self, slots: Sequence[int], signals: Sequence[Signal]) -> Binding:
        """Map a registration to the fleet. ``slots``: of its assets; an array of 64-bit numbers is not copied."""
        return Binding(np.asarray(slots, np.int64), self._layout(tuple(signals)))

    def slots_of(self, site_id: UUID) -> Integers:
        """Of a site's assets, in order of their ids; the array is the inventory's own, and not to be changed."""
        return slots_of(self.inventory.assets_of(site_id))

    def at(self, slots: Integers) -> Assets:
        """The assets that have these slots."""
        return self.inventory.at(array("q", slots.tobytes()))

    def apply(self, samples: Sequence[Rows], arrived: Sequence[Integers]) -> None:
        """Take over the values of each sample for whose asset there is nothing newer yet.

        ``arrived``, for each of ``samples`` of shape (n,), is the order in which they came: it matters where an asset
        is there more than once.
        """
        if not samples:
            return
        slots = np.concatenate([rows.slots for rows in samples])
        timestamps_us = np.concatenate([rows.timestamps_us for rows in samples])
        of = np.repeat(np.arange(len(samples)), [rows.size for rows in samples])
        row = np.arange(slots.shape[0], dtype=np.int32)
        self._row[slots] = row  # of rows of one asset the last stays
        last = self._row[slots]
        ends = np.cumsum([rows.size for rows in samples])
        if ((timestamps_us[last] >= timestamps_us) & (of[last] == of)).all():
            # What an agent that is behind sends: each sample covers those of its asset before it.
            for rows, newest in zip(samples, np.split(last == row, ends[:-1]), strict=True):
                self._put(rows.only(newest))
            return
        order = np.argsort(np.concatenate(arrived), kind="stable")
        turns = np.empty_like(order)
        turns[order] = occurrences(slots[order])
        parts = [
            (turn, rows.only(turn_of_row == turn))
            for rows, turn_of_row in zip(samples, np.split(turns, ends[:-1]), strict=True)
            for turn in np.unique(turn_of_row).tolist()
        ]
        for _, part in sorted(parts, key=itemgetter(0)):
            self._put(part)

    def number(self, name: str, slot: int) -> float | None:
        """The newest value of one signal of one asset; ``None`` if unknown."""
        column = self.columns.get(name)
        if column is None or self.timestamp_us[slot] == 0 or np.isnan(column[slot]):
            return None
        return float(column[slot])

    def numbers(self, name: str, slots: Integers) -> list[float | None]:
        """The newest values of one signal of some assets."""
        column = self.columns.get(name)
        if column is None:
            return [None] * len(slots)
        return plain_numbers(column[slots])

    def limits(self, slot: int) -> Limits:
        """What an asset can do now, as far as telemetry tells."""
        return limits_now(
            self.assets[slot],
            soc_pct=self.number("soc_pct", slot),
            available_mw=self.number("available_mw", slot),
        )

    def limits_of(self, assets: Assets) -> list[Limits]:
        """What some assets can do now, as far as telemetry tells."""
        slots = slots_of(assets)
        soc_pct, available_mw = self.numbers("soc_pct", slots), self.numbers("available_mw", slots)
        return [
            limits_now(rating, soc_pct=soc, available_mw=available)
            for rating, soc, available in zip(assets.ratings(), soc_pct, available_mw, strict=True)
        ]

    def state_name(self, signal: str, code: float) -> str | None:
        """The name of a state's code; ``None`` for unknown."""
        names = self.states.get(signal, ())
        return names[int(code)] if not np.isnan(code) and 0 <= int(code) < len(names) else None

    def _put(self, rows: Rows) -> None:
        """Take over samples, of each asset one at most."""
        fresh = rows.only(self.timestamp_us[rows.slots] <= rows.timestamps_us)
        self.timestamp_us[fresh.slots] = fresh.timestamps_us
        for name, values in fresh.columns.items():
            column = self.columns.get(name)
            if column is None:  # agents register more signals than any of their assets has
                self.columns[name] = column = self._unknown()
            column[fresh.slots] = values

    def _layout(self, signals: tuple[Signal, ...]) -> Layout:
        known = self._layouts.get(signals)
        if known is not None:
            return known
        columns = tuple(self._admit(signal) for signal in signals)
        states = {place: len(signal.states) for place, signal in enumerate(signals) if signal.states}
        codes = {place: np.full(CODES, np.nan) for place in states}
        for place, table in codes.items():
            if columns[place] is not None:
                table[: states[place]] = [self._code(signals[place].name, s) for s in signals[place].states]
        self._layouts[signals] = layout = Layout(columns, states, codes)
        return layout

    def _admit(self, signal: Signal) -> str | None:
        if signal.name not in self._admitted:
            if len(self._admitted) >= MAX_SIGNALS:
                return None
            self._admitted.add(signal.name)
            if signal.states:
                self.states[signal.name] = list(signal.states)
        elif bool(signal.states) != (signal.name in self.states):
            return None
        return signal.name

    def _unknown(self) -> Floats:
        return np.full(len(self.assets), np.nan)

    def _code(self, signal: str, state: str) -> float:
        names = self.states[signal]
        if state not in names:
            if len(names) >= MAX_SIGNALS:
                return float("nan")
            names.append(state)
        return float(names.index(state))


def slots_of(assets: Assets) -> Integers:
    """Of some assets, in their order; the array may be the inventory's own, and is not to be changed."""
    return np.asarray(assets.places, np.int64)


def plain_numbers(values: Floats) -> list[float | None]:
    """A column as a list; what is not a finite number is unknown."""
    plain: list[float | None] = values.tolist()
    for place in np.flatnonzero(~np.isfinite(values)).tolist():
        plain[place] = None
    return plain
