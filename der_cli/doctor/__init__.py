"""``der doctor``: looks for each of the runbook's common issues, and says what was seen and what to do.

``facts`` gathers once what can be known from here; the checks are pure functions from that to findings, by what they
are about: ``reach`` (programs, ports, variables), ``inventories``, ``links``, ``dispatching``, ``database``.
"""
