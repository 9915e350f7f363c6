"""When a live value is old, for everybody who adds such values up or shows them."""

STALE_AFTER_S = 15.0
"""A sample older than this is shown as stale and is in no sum: nearly four of the agents' usual ticks."""
