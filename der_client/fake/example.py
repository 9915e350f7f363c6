"""The fleet that a fake headend has unless it is given another: two sites with five batteries, as in the runbook."""

from uuid import UUID

from der_core.assets import Asset, Inventory, Site

GATEWAY_SITE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
CAMPUS_SITE = "6ba7b812-9dad-11d1-80b4-00c04fd430c8"
BATTERY_A = "7ba7b810-9dad-11d1-80b4-00c04fd430c8"
BATTERY_B = "8ba7b810-9dad-11d1-80b4-00c04fd430c8"
BATTERY_C = "9ba7b810-9dad-11d1-80b4-00c04fd430c8"
CAMPUS_A = "7ba7b812-9dad-11d1-80b4-00c04fd430c8"
CAMPUS_B = "8ba7b812-9dad-11d1-80b4-00c04fd430c8"


def battery(asset_id: str, name: str, site_id: str, *, capacity_mwhr: float, max_mw: float) -> Asset:
    """A battery that charges as strongly as it discharges (``max_mw``), between 10 and 90 % of its capacity."""
    return Asset(
        id=UUID(asset_id),
        name=name,
        site_id=UUID(site_id),
        capacity_mwhr=capacity_mwhr,
        max_mw=max_mw,
        min_mw=-max_mw,
        efficiency=0.92,
        ramp_rate_mw_per_min=1000.0,
        min_soc_pct=10.0,
        max_soc_pct=90.0,
    )


EXAMPLE = Inventory(
    [Site(UUID(GATEWAY_SITE), "Gateway-Test", "Local"), Site(UUID(CAMPUS_SITE), "Campus-Test", "Campus")],
    [
        battery(BATTERY_A, "GT-BESS-A", GATEWAY_SITE, capacity_mwhr=120.0, max_mw=60.0),
        battery(BATTERY_B, "GT-BESS-B", GATEWAY_SITE, capacity_mwhr=40.0, max_mw=20.0),
        battery(BATTERY_C, "GT-BESS-C", GATEWAY_SITE, capacity_mwhr=40.0, max_mw=20.0),
        battery(CAMPUS_A, "CT-BESS-A", CAMPUS_SITE, capacity_mwhr=100.0, max_mw=50.0),
        battery(CAMPUS_B, "CT-BESS-B", CAMPUS_SITE, capacity_mwhr=100.0, max_mw=50.0),
    ],
)
