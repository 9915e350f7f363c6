"""A fleet that is not there: thousands of gateways in a few processes, over the real protocol.

A load generator for the headend and a way to show a big fleet. It differs from as many edge agents in one thing: the
values of all assets are arrays, and their frames are bytes made from those arrays, so that a sample costs next to
nothing here. What a dispatch means at a site is decided by the agent's own rules (``edge_agent.control``).
"""
