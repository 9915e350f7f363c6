"""Settings: environment variables, a flag for each of them, and errors that say what to do.

A program declares one model, derived from ``Settings``; each field names its variable (or variables, the first being
the preferred one) and describes itself:

    >>> class AgentSettings(Settings):
    ...     headend_grpc: HostPort = Field(
    ...         validation_alias="HEADEND_GRPC",
    ...         description="Where the headend listens for agents.",
    ...         json_schema_extra={"expects": "host:port", "example": "127.0.0.1:50070"},
    ...     )

``load_settings`` makes the flags and ``--help`` from that. A flag wins over the environment; empty is unset.
``json_schema_extra`` may also have ``group`` (a heading in the help), ``default`` (words for a default that is worked
out later) and ``secret`` (the value is never shown).
"""

import argparse
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from der_core import __version__
from der_core.assets import LARGEST
from der_runtime.addresses import HostPort, is_loopback
from der_runtime.display import shown
from der_runtime.failure import StartFailed, end_with
from der_runtime.logs import LogFormat, LogLevel

__all__ = [
    "Finite",
    "HostPort",
    "LogFormat",
    "LogLevel",
    "MegawattHours",
    "Megawatts",
    "Percent",
    "Seconds",
    "Settings",
    "SettingsInvalid",
    "Truthy",
    "load_settings",
    "refuse_exposed",
]

_LONGEST_S = 1e9

Truthy = bool
"""1/true/yes/on or 0/false/no/off, in any case; as a flag it needs no value."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Megawatts = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
"""Positive = discharge / export, negative = charge / import."""
MegawattHours = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=_LONGEST_S, allow_inf_nan=False)]


class Settings(BaseSettings):
    """Base of a program's settings: frozen, from the environment by exact names, blanks dropped."""

    model_config = SettingsConfigDict(
        case_sensitive=True, enable_decoding=False, env_ignore_empty=True, extra="ignore", frozen=True
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_blanks(cls, given: dict[str, Any]) -> dict[str, Any]:
        stripped = {key: v.strip() if isinstance(v, str) else v for key, v in given.items()}
        return {key: value for key, value in stripped.items() if value != ""}


class SettingsInvalid(StartFailed, ValueError):
    """A setting that is missing or malformed. May be raised by a validator of the model; ``also`` has further ones."""

    def __init__(
        self,
        variable: str,
        problem: str,
        expects: str | None = None,
        example: str | None = None,
        *,
        also: Iterable["SettingsInvalid"] = (),
    ) -> None:
        expected = f"; expected {expects}" if expects else ""
        shown = f", e.g. {variable}={example}" if example else ""
        super().__init__(f"{variable}: {problem}{expected}{shown}")
        self.variable = variable
        self.also = tuple(also)

    @property
    def lines(self) -> Sequence[str]:
        """One line per setting."""
        return [f"Error: {self}", *(line for other in self.also for line in other.lines)]


def refuse_exposed(host: str, variable: str, *, allow_insecure: bool) -> None:
    """Refuse to listen where other machines can connect, as nothing encrypts or authenticates yet.

    Raises:
        SettingsInvalid: ``host`` is not loopback and nobody said that this is meant.
    """
    if not is_loopback(host) and not allow_insecure:
        raise SettingsInvalid(
            variable,
            f"{shown(host)} can be reached from other machines, without encryption or authentication",
            "a loopback address such as 127.0.0.1, or ALLOW_INSECURE=1 if this is meant",
        )


SettingsT = TypeVar("SettingsT", bound=Settings)


def load_settings(
    model: type[SettingsT],
    argv: Sequence[str] | None = None,
    *,
    prog: str,
    description: str,
    epilog: str | None = None,
) -> SettingsT:
    """The settings, from flags (``argv``, or the process's own) and the environment.

    Raises:
        SystemExit: 2, after a line on stderr for each setting that is missing or malformed; 0 after ``--help``.
    """
    parser = _parser(model, prog=prog, description=description, epilog=epilog)
    flags = {variable: value for variable, value in vars(parser.parse_args(argv)).items() if value.strip()}
    try:
        return model(**flags)
    except ValidationError as error:
        invalid = [_explained(model, details, flags) for details in error.errors(include_url=False)]
        # A union complains once for each of its members.
        end_with(dict.fromkeys(line for each in invalid for line in each.lines))


def _explained(model: type[Settings], details: ErrorDetails, flags: Mapping[str, str]) -> SettingsInvalid:
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, SettingsInvalid):
        return cause
    place = str(details["loc"][0]) if details["loc"] else ""
    name, field = next(
        ((n, f) for n, f in model.model_fields.items() if place in {n, *_variables(n, f)}), ("", FieldInfo())
    )
    if not name:
        return SettingsInvalid(place or "settings", str(cause or details["msg"]))
    variables, extra = _variables(name, field), _extra(field)
    if details["type"] == "missing":
        problem = "is missing"
    elif extra.get("secret"):
        problem = "is not valid"
    else:
        problem = str(cause) if isinstance(cause, ValueError) else f"{shown(details['input'])} is not valid"
    return SettingsInvalid(
        next((v for v in variables if v in flags or os.environ.get(v, "").strip()), variables[0]),
        problem,
        str(extra.get("expects") or details["msg"][:1].lower() + details["msg"][1:]),
        str(extra["example"]) if "example" in extra else None,
    )


def _variables(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias if isinstance(alias, str) else name.upper()]


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _parser(
    model: type[Settings], *, prog: str, description: str, epilog: str | None
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s [options]",
        description=description,
        epilog=epilog,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--version", action="version", version=f"{prog} {__version__}")
    groups: dict[object, argparse._ArgumentGroup] = {}
    for name, field in model.model_fields.items():
        title = _extra(field).get("group", "settings")
        group = groups.get(title) or groups.setdefault(title, parser.add_argument_group(str(title)))
        variable = _variables(name, field)[0]
        flag = f"--{variable.lower().replace('_', '-')}"
        text = "\n".join(_help(name, field)).replace("%", "%%")
        if field.annotation is bool:
            group.add_argument(flag, dest=variable, metavar="BOOL", nargs="?", const="1", help=text)
        else:
            group.add_argument(flag, dest=variable, metavar="VALUE", help=text)
    return parser


def _help(name: str, field: FieldInfo) -> Iterator[str]:
    variables, extra = _variables(name, field), _extra(field)
    if field.description:
        yield field.description
    default = extra.get("default")
    if default is None and field.default is not None and not field.is_required() and not extra.get("secret"):
        default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, bool):
        default = "yes" if default else "no"
    needed = "required" if field.is_required() else "not set" if default is None else f"default {default}"
    yield f"{' or '.join(variables)}; {needed}"
    if "example" in extra:
        yield f"e.g. {variables[0]}={extra['example']}"


class _HelpFormatter(argparse.HelpFormatter):
    """Wraps to the width of the terminal and keeps line breaks."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return [line for part in text.splitlines() for line in textwrap.wrap(part, width)]

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        wrap = textwrap.TextWrapper(width, initial_indent=indent, subsequent_indent=indent)
        return "\n".join(wrap.fill(part) for part in text.splitlines())
