"""The signal catalogue: what can be measured, in which unit, and from which change on it is worth sending.

An agent sends the catalogue it uses when it registers; from then on a signal is its place in that list. A signal
is a number in its unit or one of a set of named states, which travels as the state's place in ``states``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signal:
    """One measured quantity.

    ``deadband`` is in the signal's unit: a change smaller than it need not be reported. ``states`` is empty for a
    number; otherwise a value is the index of one of these names.
    """

    name: str
    unit: str
    description: str
    deadband: float = 0.0
    states: tuple[str, ...] = ()


STATUS_STATES = ("idle", "charging", "discharging", "generating", "curtailed", "fault")

CURRENT_MW = Signal("current_mw", "MW", "measured power, positive = discharge / export", 0.001)
SETPOINT_MW = Signal("setpoint_mw", "MW", "power the asset is told, positive = discharge / export")
SOC_MWHR = Signal("soc_mwhr", "MWh", "stored energy", 0.001)
SOC_PCT = Signal("soc_pct", "%", "stored energy as a share of the capacity", 0.01)
STATUS = Signal("status", "", "what the asset is doing", states=STATUS_STATES)
AVAILABLE_MW = Signal("available_mw", "MW", "what sun or wind would allow if nothing curtailed it", 0.001)
VOLTAGE_V = Signal("voltage_v", "V", "voltage at the point of connection", 0.5)
FREQUENCY_HZ = Signal("frequency_hz", "Hz", "grid frequency", 0.002)
TEMPERATURE_C = Signal("temperature_c", "°C", "temperature of the cells or the inverter", 0.1)
IRRADIANCE_W_M2 = Signal("irradiance_w_m2", "W/m²", "irradiance in the plane of the modules", 1.0)
WIND_SPEED_M_S = Signal("wind_speed_m_s", "m/s", "wind speed at hub height", 0.1)

CORE_SIGNALS = (CURRENT_MW, SETPOINT_MW, SOC_MWHR, SOC_PCT, STATUS)
"""The signals every asset has; the rest of ``CATALOGUE`` depends on its type."""

CATALOGUE = (
    *CORE_SIGNALS,
    AVAILABLE_MW,
    VOLTAGE_V,
    FREQUENCY_HZ,
    TEMPERATURE_C,
    IRRADIANCE_W_M2,
    WIND_SPEED_M_S,
)
