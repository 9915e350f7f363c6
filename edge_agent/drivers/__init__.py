"""Drivers: each package here makes some kind of equipment answer to ``edge_agent.ports.Driver``."""
