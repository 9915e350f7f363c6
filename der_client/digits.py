"""How an order's power is written."""

from decimal import Decimal


def decimals_of(mw: float) -> int:
    """How many decimals show every digit of a power, two at least."""
    return max(2, -int(Decimal(repr(mw)).as_tuple().exponent))
