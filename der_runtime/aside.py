"""Work of numpy's on much data in a thread, so that the event loop goes on meanwhile, on another core if there is one.

It pays where a piece takes some milliseconds, nearly all of them in numpy, which lets go of Python's lock for them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

T = TypeVar("T")


async def made_aside(items: Iterator[T]) -> AsyncIterator[T]:
    """The same items, each made in a thread when it is asked for.

    What they are made of must not change meanwhile, nor afterwards if this is cancelled: the thread then still makes
    the item that it has begun.
    """
    while (made := await asyncio.to_thread(_next, items)) is not None:
        yield made[0]


def _next(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
