"""From an operator's request to the agents and back: planning is pure, ``Dispatcher`` applies it."""

from der_headend.dispatcher.planning import DispatchRequest, Preview
from der_headend.dispatcher.service import Dispatcher

__all__ = ["DispatchRequest", "Dispatcher", "Preview"]
