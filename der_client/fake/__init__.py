"""A headend for other people's tests: in memory, with the real rules for dispatches, and no sockets.

    fake = FakeHeadend()
    with HeadendClient("http://headend", transport=fake.transport) as headend:
        headend.dispatch(site_id=GATEWAY_SITE, mw=12, wait="active")
    fake.raise_event("inverter_trip", asset_id=BATTERY_A)

The suite ``tests/contract/test_client_contract.py`` holds it to what the real headend answers.
"""

from der_client.fake.example import (
    BATTERY_A,
    BATTERY_B,
    BATTERY_C,
    CAMPUS_A,
    CAMPUS_B,
    CAMPUS_SITE,
    EXAMPLE,
    GATEWAY_SITE,
    battery,
)
from der_client.fake.headend import FakeHeadend

__all__ = [
    "BATTERY_A",
    "BATTERY_B",
    "BATTERY_C",
    "CAMPUS_A",
    "CAMPUS_B",
    "CAMPUS_SITE",
    "EXAMPLE",
    "GATEWAY_SITE",
    "FakeHeadend",
    "battery",
]
