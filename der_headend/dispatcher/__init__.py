"""From an operator's request to the agents and back: planning is pure, ``Dispatcher`` applies it."""

from der_headend.dispatcher.planning import Preview
from der_headend.dispatcher.service import Dispatcher

__all__ = ["Dispatcher", "Preview"]
