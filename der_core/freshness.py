"""When a live value is old, for everybody who adds such values up or shows them."""

STALE_AFTER_S = 15.0
"""A sample older than this, by the agent's time of it, is stale and in no sum: nearly four of the usual ticks."""
