"""Errors as RFC 9457 problem details: one table from what went wrong to an HTTP status.

Every answer that is not a success is ``application/problem+json`` with a stable ``code`` to match on, the offending
``field`` where there is one, and a ``detail`` that says what to do. What callers sent is not echoed but for the names
of fields.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from der_core.errors import Conflict, Defect, DerError, NotFound, Rejected, Unavailable
from der_core.problems import MEDIA_TYPE, problem
from der_runtime.logs import get_logger

_STATUS: Mapping[type[DerError], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    Rejected: HTTPStatus.UNPROCESSABLE_ENTITY,
    Conflict: HTTPStatus.CONFLICT,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Defect: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_FIELD_SHOWN = 100
_ERRORS_SHOWN = 5

_log = get_logger("der_headend.rest")


class Problem(BaseModel):
    """Why a request was not fulfilled (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["about:blank"] = Field(
        description="always `about:blank`: what tells problems apart is `code`"
    )
    title: str = Field(description="the phrase of the HTTP status", examples=["Not Found"])
    status: int = Field(description="the HTTP status", examples=[404])
    detail: str = Field(
        description="what was wrong and what to do", examples=["GET /assets lists the assets"]
    )
    code: str = Field(description="stable and machine-readable", examples=["unknown_asset"])
    field: str | None = Field(description="the offending input, where there is one", examples=["asset_id"])


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A problem on its way out."""

    status: HTTPStatus
    code: str
    detail: str
    field: str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def response(self) -> JSONResponse:
        """The HTTP response."""
        content = problem(self.status, self.code, self.detail, self.field)
        return JSONResponse(content, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def answer_to(error: Exception) -> Answer:
    """The answer to whatever went wrong while a request was handled."""
    match error:
        case DerError():
            kind = next((kind for kind in type(error).__mro__ if kind in _STATUS), Defect)
            headers = (
                {"Retry-After": str(math.ceil(error.retry_after_s))} if isinstance(error, Unavailable) else {}
            )
            return Answer(_STATUS[kind], error.code, error.detail, error.field, headers)
        case RequestValidationError():
            return _invalid(error.errors())
        case HTTPException():
            return _refused_by_framework(error)
        case _:
            return Answer(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "internal_error",
                "the headend made a mistake; its log says which, please report it",
            )


async def answer_and_log(_request: Request | None, error: Exception) -> JSONResponse:
    """The response to an error; our own faults are logged with their traceback."""
    answer = answer_to(error)
    if answer.status is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request failed", code=answer.code, exc_info=error)
    return answer.response()


def handle_in(app: FastAPI) -> None:
    """Make every error of an app a problem."""
    for kind in (DerError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer_and_log)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer with problems of these statuses."""
    return {status: _document(HTTPStatus(status).phrase) for status in statuses}


def documented_for_all() -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of every route: any other problem."""
    return {
        "default": _document("Any other problem: a part is away (503), or the headend made a mistake (500)")
    }


def complete(openapi: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document with the schema that ``documented`` refers to."""
    openapi["components"]["schemas"]["Problem"] = Problem.model_json_schema(mode="serialization")
    return openapi


def _document(description: str) -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": reference}}}


_FRAMEWORK_CODES: Mapping[int, tuple[str, str]] = {
    HTTPStatus.NOT_FOUND: ("unknown_route", "there is nothing at this path; /docs lists the routes"),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        "method_not_allowed",
        "this path has no such method; the Allow header lists those it has",
    ),
    HTTPStatus.BAD_REQUEST: ("malformed_json", "the body could not be read as JSON in UTF-8"),
}


def _refused_by_framework(error: HTTPException) -> Answer:
    if isinstance(error.__cause__, DerError):  # what we raised while the framework read the body
        return answer_to(error.__cause__)
    status = HTTPStatus(error.status_code)
    code, detail = _FRAMEWORK_CODES.get(status, (status.name.lower(), str(error.detail)))
    return Answer(status, code, detail, headers=error.headers or {})


_MEMBER = re.compile(r"<[^<>]*: ('[^']*')>")
"""A member of an enumeration as Python shows it: people know it by its value."""

_CODES: Mapping[str, str] = {
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "finite_number": "not_finite",
    "uuid_parsing": "invalid_uuid",
    "uuid_type": "invalid_uuid",
    "uuid_version": "invalid_uuid",
}


def _invalid(errors: Sequence[Any]) -> Answer:
    first = errors[0]
    location = tuple(first["loc"])
    if first["type"] == "json_invalid":
        detail = f"malformed JSON at character {location[-1]}: {first['ctx']['error']}"
        return Answer(HTTPStatus.BAD_REQUEST, "malformed_json", detail)
    if location == ("body",):
        detail = "the body must be a JSON object in UTF-8, sent with `content-type: application/json`"
        return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_body", detail)
    detail = "; ".join(f"{_field(e)}: {_expectation(e)}" for e in errors[:_ERRORS_SHOWN])
    if len(errors) > _ERRORS_SHOWN:
        detail = f"{detail}; and {len(errors) - _ERRORS_SHOWN} more"
    code = _CODES.get(first["type"], "invalid_value")
    return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, code, detail, _field(first))


def _field(error: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in error["loc"][1:])[:_FIELD_SHOWN]


def _expectation(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is not a field of this request"
        case "finite_number":
            return "must be a finite number"
        case "float_type" | "float_parsing":
            return "must be a number, such as 12 or -5.5"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case "uuid_type":
            return "must be a UUID in quotes, such as 7ba7b810-9dad-11d1-80b4-00c04fd430c8"
        case "literal_error":
            return "must be " + _MEMBER.sub(r"\1", error["ctx"]["expected"])
        case "timezone_aware" | "datetime_parsing" | "datetime_from_date_parsing":
            return (
                "must be a time with its zone, such as 2026-01-31T08:00:00Z; in a URL, the + of an offset is "
                "written %2B"
            )
        case _:
            return str(error["msg"]).replace("Input should be", "must be")
