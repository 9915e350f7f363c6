"""Responses: JSON values that are still to be encoded, or texts that are JSON already."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse, StreamingResponse

from der_headend.rest.views import texts
from der_headend.rest.views.texts import Text

Json = dict[str, Any]

_JSON = "application/json"
_CHUNK = 64 * 1024

LISTED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "X-Next-Cursor": {
                "description": "where the next page begins: hand it back as `cursor`; absent at the end",
                "schema": {"type": "string"},
            }
        }
    }
}
"""The ``responses`` of a route that answers with a list."""


def reply(content: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """One entry."""
    return JSONResponse(content, status, headers=headers)


def listing(entries: Iterable[Json], next_cursor: str | None = None) -> StreamingResponse:
    """A list, and where it goes on if ``limit`` cut it; an entry is made when it is its turn to be sent."""
    return streamed(texts.listed(map(texts.encoded, entries)), next_cursor)


def ready(text: Text, next_cursor: str | None = None) -> Response:
    """One entry or a list, encoded already."""
    return Response(text, headers=_next(next_cursor), media_type=_JSON)


def streamed(pieces: Iterable[Text], next_cursor: str | None = None) -> StreamingResponse:
    """One entry or a list of any length, sent at the pace of who reads it.

    Each piece is made in one go; between the pieces others have their turn.
    """
    return StreamingResponse(_chunks(pieces), headers=_next(next_cursor), media_type=_JSON)


async def _chunks(pieces: Iterable[Text]) -> AsyncIterator[Text]:
    waiting, length = [], 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= _CHUNK:
            yield "".join(waiting)
            waiting, length = [], 0
        await asyncio.sleep(0)
    yield "".join(waiting)


def _next(cursor: str | None) -> Mapping[str, str] | None:
    return None if cursor is None else {"X-Next-Cursor": cursor}
