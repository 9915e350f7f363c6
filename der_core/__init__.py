"""The shared language of DER Fleet: what an asset, a dispatch, a split, a sample and an event are.

Everything here is pure: no I/O, no clock, no logging, no ``await``. Callers pass in what they have read and
the time they have seen, and act on the value that comes back.

Sign convention, here and everywhere: **positive MW = discharge / export, negative MW = charge / import**.
"""

__version__ = "0.1.0"
