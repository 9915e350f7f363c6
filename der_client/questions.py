"""What can be asked of the headend, as values: what to send, and how to read the answer. Pure: no I/O.

Every question may be put twice: reads change nothing, a dispatch carries an id by which the headend knows it again,
and cancelling or acknowledging a second time changes nothing. That is why one retry rule serves them all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from der_client.responses import entries_with, entry_with

T = TypeVar("T")

PAGE = 1000
"""Entries per page: the most that the headend gives at once."""

_ENTRY = entry_with("id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[T]):
    """One request and how its answer is read.

    ``patience_s`` is how long the headend may take on purpose before it answers; ``writes`` tells whether an answer
    that got lost leaves a doubt behind.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    patience_s: float = 0.0
    writes: bool = False
    read: Callable[[httpx.Response], T] = _ENTRY


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """A list that comes in pages; ``limit`` is how many entries are wanted in all (``None``: every one).

    Every entry has ``key``.
    """

    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    key: str = "id"

    def page(self, size: int, cursor: str | None) -> Question[list[T]]:
        """The question for the next ``size`` entries behind ``cursor``."""
        return Question(
            method="GET",
            path=self.path,
            params={**self.params, **given(limit=size, cursor=cursor)},
            read=entries_with(self.key),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What of the stream is wanted."""

    params: Mapping[str, Any] = field(default_factory=dict)


def path(*parts: str) -> str:
    """A path whose parts cannot lead to another route, whatever they contain."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def given(**values: Any) -> dict[str, Any]:
    """Those that are not ``None``, as they go over the wire."""
    return {name: _written(value) for name, value in values.items() if value is not None}


def _written(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return value.isoformat()
