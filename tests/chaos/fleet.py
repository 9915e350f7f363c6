"""The inventory of a chaos run: a site per gateway, three to eight batteries each, as a pure function of a seed."""

import random
from uuid import UUID

import yaml

from der_core.assets import Inventory
from der_core.inventory import parse_inventory

FEWEST_ASSETS, MOST_ASSETS = 3, 8


def inventory_file(*, seed: int, gateways: int) -> str:
    """The text of an inventory file."""
    chance = random.Random(f"{seed}:fleet")

    def new_id() -> str:
        return str(UUID(int=chance.getrandbits(128), version=4))

    sites = [{"id": new_id(), "name": f"Chaos-{n}", "location": "Local"} for n in range(gateways)]
    assets = [
        {
            "id": new_id(),
            "name": f"{site['name']}-BESS-{n}",
            "site_id": site["id"],
            "capacity_mwhr": float(chance.randrange(40, 200)),
            "max_mw": 60.0,
            "min_mw": -60.0,
            "min_soc_pct": 10.0,
            "max_soc_pct": 90.0,
            "efficiency": 0.92,
            "ramp_rate_mw_per_min": 2000.0,
        }
        for site in sites
        for n in range(chance.randint(FEWEST_ASSETS, MOST_ASSETS))
    ]
    return yaml.safe_dump({"sites": sites, "assets": assets}, sort_keys=False)


def inventory_of(text: str) -> Inventory:
    """What the file says."""
    return parse_inventory(yaml.safe_load(text))
