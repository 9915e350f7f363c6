"""The PostgreSQL store on a database of its own, for one test."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from der_core.assets import Asset, Inventory, Site
from der_core.signals import STATUS_STATES
from der_headend.store.postgres import PostgresStore, Retention
from der_headend.store.postgres.layout import SMALL_FLEET
from der_runtime.clock import Clock, SystemClock
from der_runtime.right_of_way import RightOfWay
from kit.postgres import TEMPLATE, PostgresServer, shared_server
from kit.stores import ASSETS

SITE = Site(UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "Gateway-Test", "Local")
FOR_EVER = Retention(samples=None, one_minute=None, five_minutes=None, heartbeats=None)


def inventory(assets: int = ASSETS) -> Inventory:
    """A site with some assets."""
    return Inventory(
        [SITE],
        [
            Asset(
                id=UUID(int=SITE.id.int + 1 + n),
                name=f"asset-{n}",
                site_id=SITE.id,
                capacity_mwhr=40.0,
                max_mw=20.0,
                min_mw=-20.0,
                efficiency=0.9,
                ramp_rate_mw_per_min=1000.0,
            )
            for n in range(assets)
        ],
    )


def new_store(
    url: str,
    *,
    retention: Retention = FOR_EVER,
    clock: Clock | None = None,
    assets: int = ASSETS,
    patience_s: float = 5.0,
    small_fleet: int = SMALL_FLEET,
    right_of_way: RightOfWay | None = None,
) -> PostgresStore:
    """A store that is still to be opened."""
    clock = clock or SystemClock()
    return PostgresStore(
        url,
        inventory=inventory(assets),
        states={"status": list(STATUS_STATES)},
        right_of_way=right_of_way or RightOfWay(clock),
        clock=clock,
        retention=retention,
        patience_s=patience_s,
        small_fleet=small_fleet,
    )


@contextmanager
def database(server: PostgresServer | None = None) -> Iterator[str]:
    """The URL of a migrated, empty database that goes when the block is left."""
    server = server or shared_server()
    name = server.create_database(template=TEMPLATE)
    try:
        yield server.url(name)
    finally:
        server.drop_database(name)
