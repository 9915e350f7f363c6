"""Parameters that several routes share."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

MAX_LIMIT = 1000

_YEAR = re.compile(r"\d{4}-", re.ASCII)


def _written_out(text: object) -> object:
    """Refuse a bare number, which pydantic would take for seconds or milliseconds, whichever fits."""
    if isinstance(text, str) and not _YEAR.match(text):
        raise PydanticCustomError("datetime_parsing", "a time must be written out")
    return text


_Time = Annotated[AwareDatetime, BeforeValidator(_written_out)]

_ASSET = "7ba7b810-9dad-11d1-80b4-00c04fd430c8"
_SITE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
_DISPATCH = "0b1a7c0e-6d58-4f2c-8d2f-0c8a8c1b7d11"
_EVENT = "5f0c6a56-8f3e-4a0f-9a53-0d6a3a8f2b11"

AssetId = Annotated[UUID, Path(description="id of an asset of the inventory", examples=[_ASSET])]
SiteId = Annotated[UUID, Path(description="id of a site of the inventory", examples=[_SITE])]
DispatchId = Annotated[UUID, Path(description="id of a dispatch", examples=[_DISPATCH])]
EventId = Annotated[UUID, Path(description="id of an event", examples=[_EVENT])]
OfAsset = Annotated[UUID | None, Query(description="only of this asset")]
OfSite = Annotated[UUID | None, Query(description="only of this site")]
Start = Annotated[
    _Time | None,
    Query(description="from this time on (inclusive), with time zone", examples=["2026-01-31T08:00:00Z"]),
]
End = Annotated[
    _Time | None,
    Query(description="up to this time (exclusive), with time zone", examples=["2026-01-31T09:00:00Z"]),
]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="how many entries at most")]
Cursor = Annotated[
    str | None,
    Query(max_length=1000, description="where to go on: the X-Next-Cursor of the page before"),
]
TimeoutS = Annotated[
    float, Query(ge=0, le=30, allow_inf_nan=False, description="how long to wait at most, in seconds")
]
