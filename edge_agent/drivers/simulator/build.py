"""Which machine stands in for an asset, and what can break in it."""

from collections.abc import Callable, Sequence
from datetime import datetime

from der_core.assets import Asset, AssetType
from der_core.signals import IRRADIANCE_W_M2, WIND_SPEED_M_S
from edge_agent.drivers.simulator import environment
from edge_agent.drivers.simulator.battery import Battery
from edge_agent.drivers.simulator.converter import Converter
from edge_agent.drivers.simulator.driver import SimulatedDriver
from edge_agent.drivers.simulator.faults import FaultKind, spans
from edge_agent.drivers.simulator.machine import Machine, Moment
from edge_agent.drivers.simulator.meter import Meter
from edge_agent.drivers.simulator.plant import Plant, Weather
from edge_agent.ports import Driver

DEFAULT_FAULT_RATE_PER_HOUR = 0.5

_KINDS: dict[AssetType, Sequence[FaultKind]] = {
    AssetType.BESS: tuple(FaultKind),
    AssetType.PV: (FaultKind.INVERTER_TRIP, FaultKind.COMMS),
    AssetType.WIND: (FaultKind.INVERTER_TRIP, FaultKind.COMMS),
    AssetType.EV_CHARGER: (FaultKind.INVERTER_TRIP, FaultKind.COMMS),
    AssetType.METER: (FaultKind.COMMS,),
}


def simulated_driver(
    asset: Asset,
    *,
    monotonic: Callable[[], float],
    utcnow: Callable[[], datetime],
    seed: int,
    fault_rate_per_hour: float = DEFAULT_FAULT_RATE_PER_HOUR,
) -> Driver:
    """A driver for an asset that is not there.

    ``monotonic`` gives seconds, ``utcnow`` aware UTC. The same ``seed``, asset and times give the same run; assets of
    one site share their weather. ``fault_rate_per_hour`` counts faults per hour of good health; 0 is none.
    """
    own_seed = f"{seed}:{asset.id}"
    return SimulatedDriver(
        asset=asset,
        machine=_machine(asset, own_seed=own_seed, site_seed=f"{seed}:{asset.site_id}"),
        spans=spans(
            seed=f"{own_seed}:faults", rate_per_hour=fault_rate_per_hour, kinds=_KINDS[asset.asset_type]
        ),
        seed=own_seed,
        monotonic=monotonic,
        utcnow=utcnow,
    )


def _machine(asset: Asset, *, own_seed: str, site_seed: str) -> Machine:
    match asset.asset_type:
        case AssetType.PV:
            return Plant(asset=asset, weather=_sun(site_seed), cap_mw=asset.max_mw)
        case AssetType.WIND:
            return Plant(asset=asset, weather=_wind(site_seed), cap_mw=asset.max_mw)
        case AssetType.METER:
            peak_mw = max(abs(asset.min_mw), abs(asset.max_mw))
            return Meter(asset.name, peak_mw, lambda moment: environment.load_fraction(own_seed, moment))
        case AssetType.BESS if asset.capacity_mwhr > 0.0:
            return Battery.at_rest(asset)
        case AssetType.BESS:
            return _converter(asset, max_mw=asset.max_mw)
        case AssetType.EV_CHARGER:
            return _converter(asset, max_mw=min(asset.max_mw, 0.0))


def _converter(asset: Asset, *, max_mw: float) -> Converter:
    return Converter(
        min_mw=min(asset.min_mw, max_mw),
        max_mw=max_mw,
        ramp_rate_mw_per_min=asset.ramp_rate_mw_per_min,
    )


def _sun(seed: str) -> Callable[[Moment], Weather]:
    def weather(moment: Moment) -> Weather:
        irradiance = environment.irradiance_w_m2(seed, moment)
        return Weather(irradiance / environment.CLEAR_SKY_W_M2, {IRRADIANCE_W_M2.name: irradiance})

    return weather


def _wind(seed: str) -> Callable[[Moment], Weather]:
    def weather(moment: Moment) -> Weather:
        speed = environment.wind_speed_m_s(seed, moment)
        return Weather(environment.wind_fraction(speed), {WIND_SPEED_M_S.name: speed})

    return weather
