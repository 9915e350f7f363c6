"""Assets that are not there: physics, weather and faults behind the same port as real equipment.

A machine (``battery``, ``converter``, ``plant``, ``meter``) is a frozen state that is advanced by a span of time under
one condition, exactly, so what it shows does not depend on how often it is looked at. ``faults`` says when which
condition holds, ``environment`` what sun, wind and grid do, both by seed. ``driver`` puts a machine on the clock and
behind the port, ``build`` chooses the machine for an asset.
"""

from edge_agent.drivers.simulator.build import simulated_driver

__all__ = ["simulated_driver"]
