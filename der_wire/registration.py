"""How an agent introduces itself: ``Register`` on the wire, ``der_core.registration.Registration`` in the programs.

A registration is what all later messages of a session lean on (they name assets and signals by their places in it), so
it is checked to the last field, and its size is bounded.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TypeAlias

from der_core.assets import Asset, Assets, Inventory
from der_core.dispatch import MAX_DURATION_S, InForce
from der_core.registration import AgentMode, RegisteredAsset, Registration
from der_core.signals import Signal
from der_wire._gen import agent_link_pb2 as pb
from der_wire.fields import (
    WireInvalid,
    invalid,
    micros,
    read_number,
    read_place,
    read_text,
    read_time,
    read_uuid,
    refuse_repeats,
)

PROTOCOL_VERSION = 1
"""``Register.protocol`` of the agents that this headend understands."""

MAX_ASSETS = 100_000
MAX_SIGNALS = 256
MAX_STATES = 64
MAX_AGENT_ID = 128
MIN_HEARTBEAT_S = 0.05
MAX_HEARTBEAT_S = 300.0

_Registered: TypeAlias = Sequence[RegisteredAsset | Asset]

_CATALOGUES = 32
"""Signal catalogues remembered. The agents of a fleet run a few kinds of assets, so thousands share one catalogue."""

_NUMBERS = ("capacity_mwhr", "max_mw", "min_mw")
_FIELDS = attrgetter("id", "name", *_NUMBERS)

_MODES: Mapping[pb.Mode, AgentMode] = {
    pb.MODE_SINGLE_ASSET: AgentMode.SINGLE_ASSET,
    pb.MODE_GATEWAY: AgentMode.GATEWAY,
}
_MODES_TO_WIRE = {mode: code for code, mode in _MODES.items()}


def registration_to_wire(registration: Registration) -> pb.Register:
    """The message that says it."""
    places = {asset.id: place for place, asset in enumerate(registration.assets)}
    return pb.Register(
        protocol=registration.protocol,
        agent_id=registration.agent_id,
        mode=_MODES_TO_WIRE[registration.mode],
        site_id=str(registration.site_id),
        site_name=registration.site_name,
        software=registration.software,
        assets=[
            pb.Asset(
                id=str(asset.id),
                name=asset.name,
                capacity_mwhr=asset.capacity_mwhr,
                max_mw=asset.max_mw,
                min_mw=asset.min_mw,
            )
            for asset in registration.assets
        ],
        signals=[pb.Signal(name=s.name, unit=s.unit, states=s.states) for s in registration.signals],
        heartbeat_s=registration.heartbeat_s,
        spool_id=str(registration.spool_id),
        first_seq=registration.first_seq,
        in_force=[
            pb.InForce(
                dispatch_id=str(held.dispatch_id),
                asset=places[held.asset_id],
                mw=held.mw,
                active_since_us=micros(held.active_since),
                remaining_s=held.remaining_s,
                requested_mw=held.requested_mw,
                site_wide=held.site_wide,
                duration_s=held.duration_s,
            )
            for held in registration.in_force
        ],
    )


def registration_from_wire(message: pb.Register, inventory: Inventory | None = None) -> Registration:
    """What the message says.

    The descriptions and deadbands of the signals stay at the agent. The assets are those of ``inventory`` themselves
    where the message has all of a site's, and each as it is there; else they are read one by one, which takes five
    times as long. An inventory holds its assets to narrower bounds than the wire.

    Raises:
        WireInvalid: ``protocol_version`` for an agent of another protocol, otherwise ``invalid``.
    """
    if message.protocol != PROTOCOL_VERSION:
        detail = f"protocol: {message.protocol}; this headend speaks {PROTOCOL_VERSION}: update the older of the two"
        raise WireInvalid("protocol_version", detail, field="protocol")
    mode = _MODES.get(message.mode)
    if mode is None:
        raise invalid("mode", message.mode, "MODE_SINGLE_ASSET or MODE_GATEWAY")
    assets = _assets(message, mode, inventory)
    return Registration(
        protocol=message.protocol,
        agent_id=_agent_id(message.agent_id),
        mode=mode,
        site_id=read_uuid("site_id", message.site_id),
        site_name=read_text("site_name", message.site_name),
        software=read_text("software", message.software),
        assets=assets,
        signals=_signals(pb.Register(signals=message.signals).SerializeToString()),
        heartbeat_s=read_number(
            "heartbeat_s", message.heartbeat_s, low=MIN_HEARTBEAT_S, high=MAX_HEARTBEAT_S
        ),
        spool_id=read_uuid("spool_id", message.spool_id),
        first_seq=_first_seq(message.first_seq),
        in_force=_in_force(message, assets),
    )


def _agent_id(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise invalid("agent_id", value, "printable characters, with no space around them")
    return read_text("agent_id", value, shortest=1, longest=MAX_AGENT_ID)


def _first_seq(value: int) -> int:
    if value < 1:
        raise invalid("first_seq", value, "a sequence number; they begin at 1")
    return value


def _assets(message: pb.Register, mode: AgentMode, inventory: Inventory | None) -> _Registered:
    most = 1 if mode is AgentMode.SINGLE_ASSET else MAX_ASSETS
    if not 1 <= len(message.assets) <= most:
        raise invalid("assets", f"{len(message.assets)} assets", f"1 to {most} in mode {mode}")
    if inventory is not None and (site := _whole_site(message.assets, inventory)) is not None:
        return site
    assets = tuple(_asset(f"assets[{place}]", asset) for place, asset in enumerate(message.assets))
    for place in range(1, len(assets)):
        if assets[place - 1].id >= assets[place].id:
            raise invalid(
                f"assets[{place}].id", str(assets[place].id), "assets in ascending order of id, each once"
            )
    return assets


def _whole_site(said: Sequence[pb.Asset], inventory: Inventory) -> Assets | None:
    """The assets of the site of the first, if these are all of them and described in the same way."""
    place = inventory.places.get(_asset("assets[0]", said[0]).id)
    if place is None:
        return None
    site = inventory.assets_of(inventory.columns.site_id(place))
    ids, *theirs = map(list, zip(*map(_FIELDS, said), strict=True))
    ours = [site.names, *map(site.numbers, _NUMBERS)]
    return site if site.ids.written_as(ids) and theirs == ours else None


def _asset(field: str, message: pb.Asset) -> RegisteredAsset:
    max_mw = read_number(f"{field}.max_mw", message.max_mw)
    return RegisteredAsset(
        id=read_uuid(f"{field}.id", message.id),
        name=read_text(f"{field}.name", message.name, shortest=1),
        capacity_mwhr=read_number(f"{field}.capacity_mwhr", message.capacity_mwhr, low=0.0),
        max_mw=max_mw,
        min_mw=read_number(f"{field}.min_mw", message.min_mw, high=max_mw),
    )


@lru_cache(_CATALOGUES)
def _signals(encoded: bytes) -> tuple[Signal, ...]:
    message = pb.Register.FromString(encoded)
    if len(message.signals) > MAX_SIGNALS:
        raise invalid("signals", f"{len(message.signals)} signals", f"at most {MAX_SIGNALS}")
    refuse_repeats("signals", (signal.name for signal in message.signals))
    return tuple(_signal(f"signals[{place}]", signal) for place, signal in enumerate(message.signals))


def _signal(field: str, message: pb.Signal) -> Signal:
    if len(message.states) > MAX_STATES:
        raise invalid(f"{field}.states", f"{len(message.states)} states", f"at most {MAX_STATES}")
    refuse_repeats(f"{field}.states", message.states)
    return Signal(
        name=read_text(f"{field}.name", message.name, shortest=1),
        unit=read_text(f"{field}.unit", message.unit),
        description="",
        states=tuple(read_text(f"{field}.states", state, shortest=1) for state in message.states),
    )


def _in_force(message: pb.Register, assets: _Registered) -> tuple[InForce, ...]:
    refuse_repeats("in_force.asset", (held.asset for held in message.in_force))
    return tuple(_held(f"in_force[{place}]", held, assets) for place, held in enumerate(message.in_force))


def _held(field: str, message: pb.InForce, assets: _Registered) -> InForce:
    return InForce(
        dispatch_id=read_uuid(f"{field}.dispatch_id", message.dispatch_id),
        asset_id=assets[read_place(f"{field}.asset", message.asset, len(assets))].id,
        mw=read_number(f"{field}.mw", message.mw),
        active_since=read_time(f"{field}.active_since_us", message.active_since_us),
        remaining_s=read_number(f"{field}.remaining_s", message.remaining_s, low=0.0, high=MAX_DURATION_S)
        if message.HasField("remaining_s")
        else None,
        requested_mw=read_number(f"{field}.requested_mw", message.requested_mw),
        site_wide=message.site_wide,
        duration_s=read_number(f"{field}.duration_s", message.duration_s, low=0.0, high=MAX_DURATION_S)
        if message.HasField("duration_s")
        else None,
    )
