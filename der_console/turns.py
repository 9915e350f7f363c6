"""Long work in small pieces: where the console runs in the headend's event loop, a dispatch must not wait for it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import TypeVar

AT_ONCE = 100
"""Entries that are worked on before others have their turn: about a millisecond."""

LOOKED_AT_AT_ONCE = 500
"""The same where they are only looked at."""

_BREATH_S = 0.005

E = TypeVar("E")


async def in_turns(entries: Iterable[E], at_once: int = AT_ONCE) -> AsyncIterator[list[E]]:
    """``at_once`` of the entries, then the next; between them a breath for whoever waits."""
    rest = iter(entries)
    while some := list(islice(rest, at_once)):
        yield some
        await asyncio.sleep(_BREATH_S)


async def give_way() -> None:
    """Let those go first who have something to do: for a page that is built part by part while a person waits."""
    await asyncio.sleep(0)
