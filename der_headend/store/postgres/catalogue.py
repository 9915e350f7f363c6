"""What the database's numbers mean: keys of assets, places of signals, codes of states.

All three are given out once and never change, whatever the inventory or the agents say later; the fleet's own slots and
codes are made anew at every start. Here they are matched, by name.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from io import BytesIO
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from der_core.assets import Inventory
from der_core.signals import CORE_SIGNALS
from der_headend.store.postgres import queries
from der_headend.store.postgres.binary_copy import INTEGER, RowFormat, framed, row
from der_headend.store.postgres.connection import Connection, Database
from der_headend.store.postgres.moments import plain
from der_runtime.logs import get_logger

CORE = tuple(signal.name for signal in CORE_SIGNALS)
"""Names of the typed columns, ``status`` last."""

OTHERS_MAX = 256

_ROWS_AT_ONCE = 5_000
_MANY_ASSETS = 100_000
_OFFERED = ("id", "site_id", "name", "asset_type", "capacity_mwhr", "min_mw", "max_mw")
_KEYS = RowFormat({"key": INTEGER})
_DOUBLE = Struct(">d").pack

_SQL = queries.load("fleet.sql")
_log = get_logger("der_headend.store")


class Catalogue:
    """The database's numbers and the fleet's, side by side.

    ``states`` is the fleet's vocabulary, by signal its names by code; it is read whenever it is needed and given the
    names that only the database knows.
    """

    def __init__(self, *, inventory: Inventory, states: dict[str, list[str]]) -> None:
        self._inventory = inventory
        self._fleet_states = states
        self._stored_states: dict[str, list[str]] = {}
        self._places: dict[str, int] = {}
        self._left_out: set[str] = set()
        self.keys: NDArray[np.int32] = np.zeros(0, np.int32)
        """Shape (assets,): by slot the key."""

    @property
    def others(self) -> int:
        """How many signals there are beside the core ones; their places begin at 1."""
        return max([0, *self._places.values()])

    @property
    def columns(self) -> Mapping[str, int]:
        """By the name of each signal that was ever stored its column in ``Samples`` and in ``Buckets``."""
        return {name: place + len(CORE) - 1 for name, place in self._places.items()}

    def place(self, name: str) -> int:
        """Where a signal is among the others, from 1; 0 and below for the core signals and those not stored."""
        return self._places.get(name, 0)

    async def open(self, connection: Connection) -> None:
        """Write the inventory and read what is known."""
        sites = self._inventory.sites.values()
        if len(self._inventory.assets) >= _MANY_ASSETS:
            _log.info("writing the inventory to the database", assets=len(self._inventory.assets))
        async with connection.transaction():
            await connection.execute("lock table assets in share row exclusive mode")
            await connection.execute(
                _SQL["put_sites"],
                [s.id for s in sites],
                [plain(s.name) for s in sites],
                [plain(s.location) for s in sites],
            )
            await connection.execute(_SQL["make_offered"])
            await connection.copy_to_table(
                "offered", source=framed(self._offered()), columns=_OFFERED, format="binary"
            )
            await connection.execute(_SQL["change_assets"])
            await connection.execute(_SQL["add_assets"])
            keys = BytesIO()
            await connection.copy_from_query(_SQL["asset_keys"], output=keys, format="binary")
        self.keys = _KEYS.parse(keys.getbuffer())["key"].astype(np.int32)
        await self._read(connection)

    def _offered(self) -> Iterator[bytes]:
        """The assets of the inventory as rows to copy, some thousands at a time."""
        for begin in range(0, len(self._inventory.in_order), _ROWS_AT_ONCE):
            assets = self._inventory.at(self._inventory.in_order.places[begin : begin + _ROWS_AT_ONCE])
            fields = zip(
                assets.ids.each(),
                (site_id.bytes for site_id in assets.site_ids),
                (plain(name).encode() for name in assets.names),
                (kind.encode() for kind in assets.types),
                *(map(_DOUBLE, assets.numbers(name)) for name in ("capacity_mwhr", "min_mw", "max_mw")),
                strict=True,
            )
            yield b"".join([row(*values) for values in fields])

    async def learn(self, database: Database, names: AbstractSet[str]) -> None:
        """Give a place to each of these signals, and a code to each of their states, that has none yet."""
        if names <= self._places.keys() | self._left_out and not self._new_states(names):
            return
        async with database.transaction() as connection:
            await connection.execute(_SQL["lock_catalogue"])
            await self._read(connection)
            for name in sorted(names - self._places.keys() - self._left_out):
                await self._add(connection, name)
            next_code = {signal: len(names) for signal, names in self._stored_states.items()}
            for signal, state in self._new_states(names):
                await connection.execute(_SQL["add_state"], signal, state, next_code.setdefault(signal, 0))
                next_code[signal] += 1
        # Read anew once it is committed: what was rolled back must not be taken for known.
        async with database.connection() as connection:
            await self._read(connection)

    async def _add(self, connection: Connection, name: str) -> None:
        records = await connection.fetch(_SQL["signals"])
        place = (
            CORE.index(name) + 1 - len(CORE) if name in CORE else max([0, *(r["place"] for r in records)]) + 1
        )
        if place > OTHERS_MAX:
            self._left_out.add(name)
            _log.error("too many signals, this one is not stored", signal=name, most=OTHERS_MAX)
        else:
            await connection.execute(_SQL["add_signal"], name, place)

    def to_stored(self, signal: str) -> NDArray[np.float64] | None:
        """By the fleet's code the stored one; ``None`` for a signal that is a number."""
        return self._match(self._fleet_states.get(signal), self._stored_states.get(signal))

    def to_fleet(self, signal: str) -> NDArray[np.float64] | None:
        """By the stored code the fleet's; ``None`` for a signal that is a number."""
        stored = self._stored_states.get(signal)
        if not stored:
            return None
        fleet = self._fleet_states.setdefault(signal, [])
        fleet += [name for name in stored if name not in fleet]
        return self._match(stored, fleet)

    async def _read(self, connection: Connection) -> None:
        signals, states = await connection.fetch(_SQL["signals"]), await connection.fetch(_SQL["states"])
        self._places = {record["name"]: record["place"] for record in signals}
        self._stored_states = {}
        for record in states:
            self._stored_states.setdefault(record["signal"], []).append(record["name"])

    def _new_states(self, names: AbstractSet[str]) -> list[tuple[str, str]]:
        return [
            (signal, state)
            for signal in names
            for state in self._fleet_states.get(signal, ())
            if state not in self._stored_states.get(signal, ())
        ]

    @staticmethod
    def _match(from_: Sequence[str] | None, to: Sequence[str] | None) -> NDArray[np.float64] | None:
        if not from_:
            return None
        known = to or ()
        return np.array([known.index(n) if n in known else np.nan for n in from_], np.float64)


def recode(values: NDArray[np.float64], codes: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Codes of states in another vocabulary, NaN where they have none; numbers (``codes`` is ``None``) as they are."""
    if codes is None:
        return values
    valid = (values >= 0) & (values < codes.shape[0])
    return np.where(valid, codes[np.where(valid, values, 0).astype(np.int64)], np.nan)
