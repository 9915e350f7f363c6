"""How the headend itself is doing."""

from typing import Literal

from pydantic import Field

from der_headend.rest.models.base import Reply


class Health(Reply):
    """The headend is alive."""

    status: Literal["ok"] = Field(description="always `ok`: a headend that hangs does not answer")
    version: str = Field(description="version of the program", examples=["0.1.0"])


class CheckResult(Reply):
    """One thing that must work."""

    name: str = Field(description="what is checked", examples=["grpc"])
    ok: bool = Field(description="whether it works", examples=[True])
    detail: str = Field(description="in words", examples=["listening on 127.0.0.1:50051"])


class Readiness(Reply):
    """Whether the headend can do its work."""

    ready: bool = Field(description="whether all checks passed", examples=[True])
    checks: list[CheckResult] = Field(description="the checks")
