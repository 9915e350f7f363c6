"""The operator's screen: the fleet, its sites and assets, dispatch, events and agents, in a browser.

It asks the headend through ``der_client`` and nothing else, whether it is mounted in the headend's own process or runs
beside it (``python -m der_console --headend URL``). docs/explain/console.md tells how it is made.
"""
