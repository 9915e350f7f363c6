"""``der watch``: the fleet on one screen, as it is now.

``snapshot`` asks the headend, ``rows`` decides what is shown and in which order, ``view`` lays it out to fit the
terminal, ``command`` keeps it up to date.
"""
