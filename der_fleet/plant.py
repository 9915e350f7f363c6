"""The assets of a fleet as arrays: power, stored energy, sun and wind, stepped for thousands of assets at once.

Left alone, each asset follows a programme of its own: a battery goes up and down as a site's own energy management
would have it, an EV charger has its sessions, PV follows the sun and the clouds, wind its gusts, a meter its load. A
setpoint takes the place of the programme, for PV and wind as a cap; released, an asset returns to its programme. The
physics are those of ``edge_agent.drivers.simulator`` in steps of a tick instead of exactly.

Power in MW, positive = discharge / export; energy in MWh; unknown is NaN.
"""

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from der_core.assets import Asset, AssetType
from der_core.signals import CATALOGUE, CORE_SIGNALS, STATUS_STATES
from der_fleet.template import Values

Floats = NDArray[np.float64]

_PLACE = {signal.name: place for place, signal in enumerate(CATALOGUE)}
CORE_PLACES = tuple(_PLACE[signal.name] for signal in CORE_SIGNALS)
PLANT_PLACES = (_PLACE["available_mw"],)
"""What assets with a sun or a wind show beside the core signals."""
OTHER_PLACES = tuple(place for place in range(len(CATALOGUE)) if place not in {*CORE_PLACES, *PLANT_PLACES})

_IDLE, _CHARGING, _DISCHARGING, _GENERATING, _CURTAILED, _FAULT = (
    STATUS_STATES.index(state)
    for state in ("idle", "charging", "discharging", "generating", "curtailed", "fault")
)
_NOTICEABLE = 0.01
"""Share of its rating below which an asset counts as idle, or as not curtailed."""
_SHORTEST_PERIOD_S, _LONGEST_PERIOD_S = 600.0, 3600.0
_PLUGGED_IN_ABOVE = 0.2
_SUNRISE_H, _DAYLIGHT_H = 6.0, 12.0


class Plant:
    """All assets of one process, each by its place; ``seed`` makes the run repeatable."""

    def __init__(self, assets: Sequence[Asset], *, seed: Sequence[int]) -> None:
        rng = np.random.default_rng(seed)
        count = len(assets)
        kinds = np.array([asset.asset_type for asset in assets])
        self._pv, self._wind = kinds == AssetType.PV, kinds == AssetType.WIND
        self._meter, self._ev = kinds == AssetType.METER, kinds == AssetType.EV_CHARGER
        self._plants = self._pv | self._wind
        storing = np.array([a.asset_type.stores_energy and a.capacity_mwhr > 0 for a in assets], dtype=bool)
        self.min_mw = np.array([asset.min_mw for asset in assets])
        self.max_mw = np.array([asset.max_mw for asset in assets])
        self._rating = np.maximum(np.maximum(abs(self.min_mw), abs(self.max_mw)), 1e-9)
        self._ramp_mw_per_s = np.array([asset.ramp_rate_mw_per_min for asset in assets]) / 60.0
        self._ramp_mw_per_s[self._meter] = np.inf
        self._efficiency = np.array([asset.efficiency for asset in assets])
        capacity = np.where(storing, [asset.capacity_mwhr for asset in assets], np.nan)
        self._capacity = capacity
        self._least = capacity * [asset.min_soc_pct for asset in assets] / 100.0
        self._most = capacity * [asset.max_soc_pct for asset in assets] / 100.0
        self._base, self._swing = self._programme()
        self._pace = math.tau / rng.uniform(_SHORTEST_PERIOD_S, _LONGEST_PERIOD_S, count)
        self._phase = rng.uniform(0.0, math.tau, count)
        self._chance = rng.uniform(-1.0, 1.0, count)
        self.commanded_mw = np.full(count, np.nan)
        self._available = np.full(count, np.nan)
        self.tripped = np.zeros(count, dtype=bool)
        self.mw = np.zeros(count)
        self.soc_mwhr = self._least + (self._most - self._least) * rng.uniform(0.3, 0.7, count)

    def _programme(self) -> tuple[Floats, Floats]:
        """Middle and swing of what each asset does of itself, in MW."""
        export = np.maximum(self.max_mw, 0.0)
        kinds = [self._pv, self._wind, self._meter, self._ev]
        base = np.select(kinds, [0.7 * export, 0.5 * export, -0.6 * self._rating, 0.0], 0.0)
        swing = np.select(
            kinds,
            [0.3 * export, 0.45 * export, 0.3 * self._rating, 1.0],
            0.6 * np.minimum(export, np.maximum(-self.min_mw, 0.0)),
        )
        return base, swing

    # -------------------------------------------------------------------------------------------------- commands

    def command(self, place: int, mw: float | None) -> float:
        """Give one asset a setpoint, ``None`` releases it; returns the power it goes for."""
        if mw is None:
            self.commanded_mw[place] = np.nan
            return float(self.max_mw[place]) if self._plants[place] else 0.0
        low = 0.0 if self._plants[place] else float(self.min_mw[place])
        high = min(float(self.max_mw[place]), 0.0) if self._ev[place] else float(self.max_mw[place])
        accepted = min(max(mw, low), high)
        if (accepted > 0 and self.soc_mwhr[place] <= self._least[place]) or (
            accepted < 0 and self.soc_mwhr[place] >= self._most[place]
        ):
            accepted = 0.0
        self.commanded_mw[place] = accepted
        return accepted

    def soc_pct(self, place: int) -> float | None:
        """State of charge of one asset; ``None`` where there is none."""
        soc = float(100.0 * self.soc_mwhr[place] / self._capacity[place])
        return None if math.isnan(soc) else soc

    def available_mw(self, place: int) -> float | None:
        """What sun or wind allowed one asset when it was last looked at; ``None`` for other assets."""
        return float(self._available[place]) if self._plants[place] else None

    # ----------------------------------------------------------------------------------------------------- steps

    def step(self, some: slice, *, seconds: float, elapsed_s: float, utc: datetime) -> dict[int, Values]:
        """Move some assets on by ``seconds``; returns what they show, by place of the signal in the catalogue."""
        sun = _sun(utc)
        drive = self._drive(some, elapsed_s, sun)
        command, plants = self.commanded_mw[some], self._plants[some]
        told = ~np.isnan(command)
        target = np.where(told, np.where(plants, np.minimum(drive, command), command), drive)
        soc = self.soc_mwhr[some]
        target[(target > 0) & (soc <= self._least[some])] = 0.0
        target[(target < 0) & (soc >= self._most[some])] = 0.0
        mw = self.mw[some]
        reach = self._ramp_mw_per_s[some] * seconds
        mw += np.clip(target - mw, -reach, reach)
        mw[self.tripped[some]] = 0.0
        efficiency = self._efficiency[some]
        soc -= mw * np.where(mw > 0, 1.0 / efficiency, efficiency) * (seconds / 3600.0)
        np.clip(soc, self._least[some], self._most[some], out=soc)
        self._available[some] = np.where(plants, drive, np.nan)
        uncommandable = plants | self._meter[some]
        return {
            _PLACE["current_mw"]: mw.copy(),
            _PLACE["setpoint_mw"]: np.where(told, command, np.where(uncommandable, np.nan, drive)),
            _PLACE["soc_mwhr"]: soc.copy(),
            _PLACE["soc_pct"]: 100.0 * soc / self._capacity[some],
            _PLACE["status"]: self._status(some, mw, drive, told),
            _PLACE["available_mw"]: self._available[some],
        }

    def others(self, some: slice, *, elapsed_s: float, utc: datetime) -> dict[int, Values]:
        """The signals beside the core and ``available_mw``."""
        chance, loading = self._chance[some], self.mw[some] / self._rating[some]
        wave = np.sin(self._phase[some] + elapsed_s / 30.0)
        speed = 9.0 + 4.5 * self._wave(some, elapsed_s) + 0.5 * wave
        shine = 1000.0 * _sun(utc) * (0.7 + 0.3 * self._wave(some, elapsed_s))
        return {
            _PLACE["voltage_v"]: 400.0 + 4.0 * chance + 1.5 * wave + 4.0 * loading,
            _PLACE["frequency_hz"]: 50.0 + 0.03 * math.sin(utc.timestamp() / 50.0) + 0.001 * chance,
            _PLACE["temperature_c"]: np.where(
                self._meter[some], np.nan, 24.0 + 3.0 * chance + 0.5 * wave + 8.0 * abs(loading)
            ),
            _PLACE["irradiance_w_m2"]: np.where(self._pv[some], shine, np.nan),
            _PLACE["wind_speed_m_s"]: np.where(self._wind[some], speed, np.nan),
        }

    def _wave(self, some: slice, elapsed_s: float) -> Floats:
        return np.asarray(np.sin(self._pace[some] * elapsed_s + self._phase[some]))

    def _drive(self, some: slice, elapsed_s: float, sun: float) -> Floats:
        """What assets do of themselves, in MW; of PV and wind it is what could be exported."""
        wave = self._wave(some, elapsed_s)
        drive = self._base[some] + self._swing[some] * wave
        drive *= np.where(self._pv[some], sun, 1.0)
        charging = np.where(wave > _PLUGGED_IN_ABOVE, np.minimum(self.min_mw[some], 0.0), 0.0)
        return np.where(self._ev[some], charging, drive)

    def _status(self, some: slice, mw: Floats, drive: Floats, told: NDArray[np.bool_]) -> NDArray[np.uint8]:
        rating, plants = self._rating[some], self._plants[some]
        moved = abs(mw) > _NOTICEABLE * rating
        codes = np.where(moved, np.where(mw > 0, _DISCHARGING, _CHARGING), _IDLE)
        codes[plants & moved] = _GENERATING
        codes[plants & told & (drive - mw > _NOTICEABLE * rating)] = _CURTAILED
        codes[self.tripped[some]] = _FAULT
        return codes.astype(np.uint8)


def _sun(utc: datetime) -> float:
    """Share of a clear noon's sunshine, by the hour of the day."""
    hour = utc.hour + utc.minute / 60.0 + utc.second / 3600.0
    return max(math.sin(math.pi * (hour - _SUNRISE_H) / _DAYLIGHT_H), 0.0)
