"""Responses made of JSON values that are ready to be encoded."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import JSONResponse

Json = dict[str, Any]

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
"""The ``responses`` of a route that answers with ``listing``."""


def reply(content: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """One entry."""
    return JSONResponse(content, status, headers=headers)


def listing(entries: Sequence[Json], next_cursor: str | None = None) -> JSONResponse:
    """A list, and where it goes on if ``limit`` cut it."""
    return JSONResponse(entries, headers=None if next_cursor is None else {"X-Next-Cursor": next_cursor})
