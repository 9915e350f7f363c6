"""The options of ``der fleet``, and what is said of those that make no sense."""

import argparse
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from der_core.assets import AssetType
from der_fleet.rates import Rates
from der_runtime.addresses import HostPort
from der_runtime.settings import SettingsInvalid, refuse_exposed

DEFAULT_MIX = "battery=0.5,pv=0.25,wind=0.1,ev_charger=0.15"
DEFAULT_HEADEND = "127.0.0.1:50051"
SHORTEST_TICK_S = 0.004
T = TypeVar("T")

_TYPES: Mapping[str, AssetType] = {"battery": AssetType.BESS, **{each.value: each for each in AssetType}}


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryOptions:
    """An inventory to be written; ``mix`` is the share of each type."""

    sites: int
    assets_per_site: int
    mix: Mapping[AssetType, float]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """A run. ``tick_s`` or ``rate`` (samples per second of the fleet), or neither; ``spool`` ``None``: in memory."""

    inventory: Path | None
    headend_grpc: HostPort
    tick_s: float | None
    rate: float | None
    duration_s: float | None
    single_asset: bool
    processes: int
    agents_per_connection: int
    signals: str
    spool: Path | None
    spool_mib: float
    faults: Rates
    seed: int
    heartbeat_s: float
    connect_s: float
    drain_s: float


def parse(argv: Sequence[str] | None) -> InventoryOptions | RunOptions:
    """What the command line asks for.

    Raises:
        SystemExit: 2 after a line that says what is wrong, 0 after ``--help``.
    """
    parser = argparse.ArgumentParser(prog="der fleet", description="A fleet that is not there.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _inventory(commands.add_parser("inventory", help="write an inventory to stdout"))
    run = commands.add_parser(
        "run", help="run the sites of an inventory against a headend, and print one line of JSON"
    )
    _run(run)
    given = vars(parser.parse_args(argv))
    if given.pop("command") == "inventory":
        return InventoryOptions(**given)
    asked = RunOptions(**given)
    insecure = os.environ.get("ALLOW_INSECURE", "").strip().lower() in {"1", "true", "yes", "on"}
    try:
        refuse_exposed(asked.headend_grpc.host, "HEADEND_GRPC", allow_insecure=insecure)
    except SettingsInvalid as refused:
        run.error(str(refused))
    return asked


def _inventory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sites", type=_count(1, 1_000_000), default=100, metavar="N")
    parser.add_argument("--assets-per-site", type=_count(1, 100_000), default=10, metavar="N")
    parser.add_argument(
        "--mix",
        type=_checked(mix),
        default=DEFAULT_MIX,
        metavar="TYPE=SHARE,…",
        help=f"shares of battery, pv, wind, ev_charger and meter (default: {DEFAULT_MIX})",
    )
    parser.add_argument("--seed", type=_count(0, 2**63), default=1, metavar="N", help="default: 1")


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--inventory",
        type=Path,
        metavar="FILE",
        default=os.environ.get("ASSETS_PATH") or None,
        help="the inventory that the headend has as well (ASSETS_PATH)",
    )
    parser.add_argument(
        "--headend-grpc",
        type=_checked(_target),
        default=os.environ.get("HEADEND_GRPC") or DEFAULT_HEADEND,
        metavar="HOST:PORT",
        help=f"where the headend listens for agents (HEADEND_GRPC; default: {DEFAULT_HEADEND})",
    )
    cadence = parser.add_mutually_exclusive_group()
    cadence.add_argument(
        "--tick-s", type=_seconds(SHORTEST_TICK_S), metavar="S", help="a frame every so often (default: 4)"
    )
    cadence.add_argument(
        "--rate", type=_seconds(0.001), metavar="N", help="instead: samples per second of the fleet"
    )
    parser.add_argument("--duration-s", type=_seconds(0.02), metavar="S", help="default: until Ctrl-C")
    parser.add_argument(
        "--single-asset", action="store_true", help="an agent per asset instead of a gateway per site"
    )
    parser.add_argument("--processes", type=_count(1, 256), default=1, metavar="N", help="default: 1")
    parser.add_argument(
        "--agents-per-connection",
        type=_count(1, 1_000_000),
        default=1,
        metavar="N",
        help="so many agents share a connection; real ones do not (default: 1)",
    )
    parser.add_argument(
        "--signals",
        choices=("core", "all"),
        default="core",
        help="power, setpoint, energy, status and what sun and wind allow; or the whole catalogue (default: core)",
    )
    parser.add_argument(
        "--spool",
        type=_place,
        default="memory",
        metavar="memory|DIR",
        help="where agents keep what is not stored yet; in DIR it outlives the simulator (default: memory)",
    )
    parser.add_argument(
        "--spool-mib",
        type=_seconds(1),
        default=1024,
        metavar="MIB",
        help="for all of them together (default: 1024)",
    )
    parser.add_argument(
        "--faults",
        type=_checked(Rates.parse),
        default=Rates(),
        metavar="KIND=RATE,…",
        help="link, stale, alarm, bad: how often per agent and minute, e.g. link=0.01,alarm=0.1",
    )
    parser.add_argument("--seed", type=_count(0, 2**63), default=1, metavar="N", help="default: 1")
    parser.add_argument(
        "--heartbeat-s", type=_seconds(0.05, 300), default=10.0, metavar="S", help="default: 10"
    )
    parser.add_argument(
        "--connect-s",
        type=_seconds(0.1),
        default=30.0,
        metavar="S",
        help="wait so long for all to connect (default: 30)",
    )
    parser.add_argument(
        "--drain-s",
        type=_seconds(0),
        default=30.0,
        metavar="S",
        help="wait so long for the last to be stored (default: 30)",
    )


def mix(text: str) -> Mapping[AssetType, float]:
    """Shares by type, from ``battery=0.5,pv=0.5``; they need not add up to 1.

    Raises:
        ValueError: a type that is unknown, a share that is none, or nothing at all.
    """
    shares: dict[AssetType, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, share = part.partition("=")
        if name not in _TYPES:
            raise ValueError(f"{name!r} is no type of asset; known are {', '.join(_TYPES)}")
        shares[_TYPES[name]] = _number(share or "1", 0, 1e6)
    if not sum(shares.values()) > 0:
        raise ValueError(f"{text!r} leaves no assets; expected for example {DEFAULT_MIX}")
    return shares


def _place(text: str) -> Path | None:
    return None if text == "memory" else Path(text)


def _target(text: str) -> HostPort:
    address = HostPort.parse(text)
    if not address.port or address.tls:
        raise ValueError(f"{text!r} cannot be connected to; expected host:port or http://host:port")
    return address


def _number(text: str, low: float, high: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise ValueError(f"{text!r} is no number from {low:g} to {high:g}")
    return number


def _seconds(low: float, high: float = 1e9) -> Callable[[str], float]:
    return _checked(lambda text: _number(text, low, high))


def _count(low: int, high: int) -> Callable[[str], int]:
    def parse_count(text: str) -> int:
        number = _number(text, low, high)
        if number % 1:
            raise ValueError(f"{text!r} is no whole number")
        return int(number)

    return _checked(parse_count)


def _checked(parse_text: Callable[[str], T]) -> Callable[[str], T]:
    """For argparse, which shows the words of no other error."""

    def parse_or_say(text: str) -> T:
        try:
            return parse_text(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_or_say
