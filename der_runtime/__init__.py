"""What every program of ours does the same way at its edge with the operating system.

The inventory file, settings and flags, logging, the clock, retries, addresses, signals and root tasks. Nothing here
knows what a headend or an agent is.
"""
