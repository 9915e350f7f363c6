"""The live state of assets and sites as JSON texts, taken from the fleet's columns some assets at a time.

What may concern more assets than fit into a page is handed out in pieces (``replies.streamed``).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from der_core.assets import Inventory, Site
from der_core.errors import NotFound
from der_core.freshness import STALE_AFTER_S
from der_headend.alarms import Alarms
from der_headend.fleet import Fleet, plain_numbers
from der_headend.rest.views import texts
from der_headend.rest.views.moments import moments
from der_headend.rest.views.samples import CORE_NAMES, rating, samples, whose
from der_headend.rest.views.sums import Sums
from der_headend.rest.views.texts import Column, Text
from der_headend.sessions import Sessions
from der_runtime.clock import Clock

Slots = NDArray[np.int64]

ASSETS_AT_ONCE = 200
"""So many assets of a site make up a piece."""

INVENTORY_KEPT = 10_000
"""Of so many assets the part that never changes is kept as text: about 4 MB."""

_RATING = ("capacity_mwhr", "max_mw", "min_mw")
_NUMBERS = (*_RATING, "min_soc_pct", "max_soc_pct", "efficiency", "ramp_rate_mw_per_min", "failsafe_mw")
_SITE = '"site_id":"%s","site_name":%s,"location":%s'
_INVENTORY = f'"id":"%s","name":%s,%s,"asset_type":"%s",{texts.template(*_NUMBERS)}'
_ASSET = f"{{%s,{texts.template(*CORE_NAMES, 'online', 'updated_at')}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Reads the live state; positive MW = discharge / export."""

    fleet: Fleet
    sessions: Sessions
    alarms: Alarms
    clock: Clock
    _inventory: dict[int, Text] = field(default_factory=dict, init=False)

    def slot(self, asset_id: UUID) -> int:
        """The slot of an asset.

        Raises:
            NotFound: ``unknown_asset``.
        """
        return self.fleet.slot_of[self.fleet.inventory.known_asset(asset_id).id]

    def assets(self, slots: Slots) -> list[Text]:
        """Inventory and live state of some assets."""
        live = [texts.values(self._values(name, slots)) for name in CORE_NAMES]
        rows = zip(
            self._inventory_of(slots),
            *live,
            texts.flags(self.online(slots)),
            self._updated(slots),
            strict=True,
        )
        return [_ASSET % row for row in rows]

    def site(self, site: Site, *, with_assets: bool = True) -> Iterator[Text]:
        """A site, what those of its assets that are heard are together, and each of all if asked for, in pieces."""
        members = self.fleet.inventory.assets_of(site.id)
        slots = self.fleet.slots_of(site.id)
        pieces = np.split(slots, range(ASSETS_AT_ONCE, len(slots), ASSETS_AT_ONCE))
        sums = Sums(self.fleet, oldest_us=(self.clock.now().timestamp() - STALE_AFTER_S) * 1e6)
        for piece in pieces:
            sums.add(piece, self.online(piece))
            yield ""
        together = {
            "id": str(site.id),
            "name": site.name,
            "location": site.location,
            **sums.fields(),
            "capacity_mwhr": math.fsum(members.numbers("capacity_mwhr")),
            "assets_total": len(members),
            "alarms": self.alarms.count(site.id),
        }
        yield f'{texts.encoded(together)[:-1]},"assets":['
        separator = ""
        for piece in pieces if with_assets else ():
            yield separator + ",".join(self.assets(piece))
            separator = ","
        yield "]}"

    def sites(self, sites: Iterable[Site], *, with_assets: bool = True) -> Iterator[Text]:
        """Some sites, with or without the list of their assets, in pieces."""
        opening = "["
        for site in sites:
            yield opening
            yield from self.site(site, with_assets=with_assets)
            opening = ","
        yield "[]" if opening == "[" else "]"

    def latest(self, asset_id: UUID) -> Text:
        """The newest sample of one asset.

        Raises:
            NotFound: ``unknown_asset``, or ``no_telemetry_yet`` if it was never heard from.
        """
        slot = self.slot(asset_id)
        if self.fleet.timestamp_us[slot] == 0:
            raise NotFound(
                "no_telemetry_yet",
                f"no telemetry has come of asset {asset_id}; GET /agents shows whether its agent is connected",
                field="asset_id",
            )
        return self.samples(np.array([slot]))[0]

    def samples(self, slots: Slots) -> list[Text]:
        """The newest samples of assets that have been heard from."""
        columns = {name: texts.values(self._values(name, slots)) for name in self.fleet.columns}
        times = moments(self.fleet.timestamp_us[slots])
        assets = self.fleet.at(slots)
        return samples(
            [*map(whose, assets.ids.texts(), assets.site_ids, assets.types)],
            map(rating, *map(assets.numbers, _RATING)),
            times,
            columns,
            self.online(slots),
        )

    def online(self, slots: Slots) -> list[bool]:
        """Of which assets the agent is connected and the power is known."""
        known = np.isfinite(self.fleet.columns["current_mw"][slots])
        online: list[bool] = (known & self.sessions.served[slots]).tolist()
        return online

    def _inventory_of(self, slots: Slots) -> list[Text]:
        """What the inventory says of some assets; of those that were asked for lately it is known."""
        places: list[int] = slots.tolist()
        new = [slot for slot in places if slot not in self._inventory]
        if len(self._inventory) + len(new) > INVENTORY_KEPT:
            self._inventory.clear()
            new = places
        self._inventory.update(zip(new, _inventory(self.fleet.inventory, new), strict=True))
        return [self._inventory[slot] for slot in places]

    def _values(self, name: str, slots: Slots) -> Column:
        column = self.fleet.columns[name][slots]
        if name in self.fleet.states:
            return [self.fleet.state_name(name, code) for code in column.tolist()]
        return plain_numbers(column)

    def _updated(self, slots: Slots) -> list[Text]:
        timestamps_us = self.fleet.timestamp_us[slots]
        heard = (timestamps_us > 0).tolist()
        return [
            f'"{time}"' if known else texts.NULL
            for time, known in zip(moments(timestamps_us), heard, strict=True)
        ]


def _inventory(inventory: Inventory, slots: Sequence[int]) -> Iterator[Text]:
    """What an inventory says of some assets."""
    assets = inventory.at(slots)
    known = {site_id: inventory.sites[site_id] for site_id in assets.site_ids}
    sites = {id: _SITE % (id, texts.encoded(s.name), texts.encoded(s.location)) for id, s in known.items()}
    rows = zip(
        assets.ids.texts(),
        map(texts.encoded, assets.names),
        map(sites.__getitem__, assets.site_ids),
        assets.types,
        *(map(repr, assets.numbers(name)) for name in _NUMBERS),
        strict=True,
    )
    return (_INVENTORY % row for row in rows)
