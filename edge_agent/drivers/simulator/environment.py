"""Sun, clouds, gusts, load, temperature and the grid, as functions of time and a seed.

Nothing here has a state: the same moment and seed give the same weather, whoever asks and however often. What belongs
to the hour of the day goes by UTC (the inventory has no coordinates, so every site lies on the Greenwich meridian at
40 degrees north); what comes and goes by chance goes by the time since the simulation began. Only the frequency goes
by UTC altogether, since all sites hang on one grid.
"""

import math
from hashlib import blake2b

from edge_agent.drivers.simulator.machine import Moment

CLEAR_SKY_W_M2 = 1000.0
NOMINAL_HZ = 50.0
NOMINAL_V = 400.0

_LATITUDE = math.radians(40.0)
_CUT_IN_M_S, _RATED_M_S, _CUT_OUT_M_S = 3.0, 12.0, 25.0
_GRID = "grid"


def chance(seed: str) -> float:
    """A number in [-1, 1] that belongs to a seed."""
    digest = blake2b(seed.encode(), digest_size=8).digest()
    return int.from_bytes(digest) / (2**63 - 0.5) - 1.0


def noise(seed: str, seconds: float, period_s: float) -> float:
    """A smooth random curve in [-1, 1] that takes about ``period_s`` from one value to the next."""
    place = math.floor(seconds / period_s)
    part = seconds / period_s - place
    before, behind = chance(f"{seed}:{place}"), chance(f"{seed}:{place + 1}")
    return before + (behind - before) * part * part * (3.0 - 2.0 * part)


def irradiance_w_m2(seed: str, moment: Moment) -> float:
    """What reaches the modules: the height of the sun, less the clouds."""
    day = moment.utc.timetuple().tm_yday
    declination = math.radians(23.44) * math.sin(math.tau * (day - 81) / 365.0)
    hour_angle = math.tau * (_hour(moment) - 12.0) / 24.0
    height = math.sin(_LATITUDE) * math.sin(declination) + math.cos(_LATITUDE) * math.cos(
        declination
    ) * math.cos(hour_angle)
    cover = 0.5 + 0.5 * noise(f"{seed}:clouds", moment.elapsed_s, 240.0)
    return CLEAR_SKY_W_M2 * max(height, 0.0) * (1.0 - 0.7 * cover * cover)


def wind_speed_m_s(seed: str, moment: Moment) -> float:
    """Wind at hub height: weather that takes its time, and gusts."""
    weather = noise(f"{seed}:wind", moment.elapsed_s, 900.0)
    gusts = noise(f"{seed}:gusts", moment.elapsed_s, 20.0)
    return max(9.0 + 4.5 * weather + 1.5 * gusts, 0.0)


def wind_fraction(speed_m_s: float) -> float:
    """Power curve of a turbine: share of the rating, cubic between cut-in and rated speed."""
    if not _CUT_IN_M_S <= speed_m_s < _CUT_OUT_M_S:
        return 0.0
    cubed = (speed_m_s**3 - _CUT_IN_M_S**3) / (_RATED_M_S**3 - _CUT_IN_M_S**3)
    return min(cubed, 1.0)


def load_fraction(seed: str, moment: Moment) -> float:
    """Load of a site as a share of its peak: lowest in the early morning, highest in the evening."""
    daily = 0.6 + 0.25 * math.cos(math.tau * (_hour(moment) - 19.0) / 24.0)
    return min(max(daily + 0.1 * noise(f"{seed}:load", moment.elapsed_s, 60.0), 0.05), 1.0)


def frequency_hz(seed: str, moment: Moment) -> float:
    """Frequency of the one grid, and the small error of each meter."""
    seconds = moment.utc.timestamp()
    swing = 0.03 * noise(_GRID, seconds, 300.0) + 0.01 * noise(f"{_GRID}:fast", seconds, 12.0)
    return NOMINAL_HZ + swing + 0.001 * chance(f"{seed}:meter")


def voltage_v(seed: str, moment: Moment, loading: float) -> float:
    """Voltage at the point of connection; export (``loading`` above 0, at most 1) lifts it."""
    level = 4.0 * chance(f"{seed}:voltage") + 1.5 * noise(f"{seed}:voltage", moment.elapsed_s, 30.0)
    return NOMINAL_V + level + 4.0 * loading


def temperature_c(seed: str, moment: Moment, loading: float, uncooled_s: float) -> float:
    """Temperature of the cells or the inverter: the room, the load, and how long cooling has been out."""
    room = 24.0 + 3.0 * chance(f"{seed}:room") + noise(f"{seed}:room", moment.elapsed_s, 300.0)
    return room + 8.0 * abs(loading) + 10.0 * (1.0 - math.exp(-uncooled_s / 120.0))


def _hour(moment: Moment) -> float:
    utc = moment.utc
    return utc.hour + utc.minute / 60.0 + (utc.second + utc.microsecond / 1e6) / 3600.0
