"""The agent's settings, and the site and asset that they describe in single-asset mode.

``ASSET_ID`` decides the mode: where it is set the agent serves that asset alone, described by the variables of
single-asset mode; otherwise it serves, in Gateway Mode, every asset that the inventory at ``ASSETS_PATH`` has for
``SITE_ID``.
"""

from pathlib import Path
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AliasChoices, Field, field_validator, model_validator

from der_core.assets import Inventory
from der_core.inventory import InventoryInvalid, Problem, parse_inventory
from der_core.registration import AgentMode
from der_runtime.display import shown
from der_runtime.settings import (
    HostPort,
    LogFormat,
    LogLevel,
    Settings,
    SettingsInvalid,
    Truthy,
    refuse_exposed,
)

_SINGLE, _GATEWAY, _SIMULATOR, _LOGS = "single-asset mode", "Gateway Mode", "simulator", "logs"
_SITE_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
_LONGEST_AGENT_ID = 128

Heartbeat = Annotated[float, Field(ge=0.05, le=300, allow_inf_nan=False)]
FailsafeAfter = Annotated[float, Field(ge=0.2, le=1e9, allow_inf_nan=False)]
Tick = Annotated[float, Field(ge=0.02, le=3600, allow_inf_nan=False)]


def _about(group: str, example: str | None = None, expects: str | None = None, **more: str) -> dict[str, Any]:
    told = {"group": group, "example": example, "expects": expects, **more}
    return {key: value for key, value in told.items() if value is not None}


class AgentSettings(Settings):
    """All that can be set. The fields of single-asset mode stay texts here: ``single_asset`` gives them meaning."""

    headend_grpc: HostPort = Field(
        validation_alias="HEADEND_GRPC",
        description="The headend's gRPC address.",
        json_schema_extra=_about("settings", "127.0.0.1:50070", "host:port or http://host:port"),
    )
    site_id: str | None = Field(
        None,
        validation_alias=AliasChoices("SITE_ID", "GATEWAY_SITE_ID"),
        description="The site; needed in both modes.",
        json_schema_extra=_about("settings", _SITE_ID, "a UUID"),
    )
    tick_s: Tick = Field(
        4.0,
        validation_alias="TICK_S",
        description="Telemetry is sent every so many seconds.",
        json_schema_extra=_about("settings", "4", "seconds from 0.02 to 3600"),
    )
    heartbeat_s: Heartbeat = Field(
        10.0,
        validation_alias="HEARTBEAT_S",
        description="Seconds between heartbeats; after three without an answer the link is taken for dead. "
        "FAILSAFE_AFTER_S / 3 if that is less.",
        json_schema_extra=_about("settings", "10", "seconds from 0.05 to 300"),
    )
    failsafe_after_s: FailsafeAfter = Field(
        60.0,
        validation_alias="FAILSAFE_AFTER_S",
        description="Seconds without the headend after which an open-ended setpoint gives way to the fail-safe power.",
        json_schema_extra=_about("settings", "60", "seconds, 0.2 or more"),
    )
    spool_path: Path | None = Field(
        None,
        validation_alias="SPOOL_PATH",
        description="What the headend has not stored yet is kept in this file; if it is not set, in memory.",
        json_schema_extra=_about(
            "settings", "/var/lib/edge_agent/spool.db", "the path of a file of this agent's own"
        ),
    )
    spool_max_bytes: int = Field(
        64 * 1024 * 1024,
        ge=64 * 1024,
        validation_alias="SPOOL_MAX_BYTES",
        description="What the headend has not stored yet is kept within so many bytes; the oldest is dropped first.",
        json_schema_extra=_about("settings", "67108864", "a whole number of bytes, 65536 or more"),
    )
    metrics_addr: HostPort | None = Field(
        None,
        validation_alias="METRICS_ADDR",
        description="Where Prometheus finds the agent's metrics, at /metrics; if it is not set, nowhere.",
        json_schema_extra=_about("settings", "127.0.0.1:9101", "host:port"),
    )
    allow_insecure: Truthy = Field(
        default=False,
        validation_alias="ALLOW_INSECURE",
        description="Talk to a headend, or to a Prometheus, on another machine without encryption.",
        json_schema_extra=_about("settings", "1", "1/true/yes/on or 0/false/no/off"),
    )

    assets_path: Path | None = Field(
        None,
        validation_alias="ASSETS_PATH",
        description="The inventory; all of its assets at SITE_ID are served.",
        json_schema_extra=_about(_GATEWAY, "der_headend/assets_test.yaml", "the path of a YAML file"),
    )
    gateway_id: str | None = Field(
        None,
        validation_alias="GATEWAY_ID",
        description="What the agent calls itself.",
        json_schema_extra=_about(_GATEWAY, _SITE_ID, "1 to 128 printable characters", default="SITE_ID"),
    )

    asset_id: str | None = Field(
        None,
        validation_alias="ASSET_ID",
        description="The asset; if it is set, Gateway Mode is off.",
        json_schema_extra=_about(_SINGLE, "7ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    )
    asset_name: str | None = Field(
        None, validation_alias="ASSET_NAME", json_schema_extra=_about(_SINGLE, "SA-BESS-1")
    )
    site_name: str | None = Field(
        None, validation_alias="SITE_NAME", json_schema_extra=_about(_SINGLE, "SingleAsset-Test")
    )
    asset_location: str | None = Field(
        None, validation_alias="ASSET_LOCATION", json_schema_extra=_about(_SINGLE, "Local")
    )
    capacity_mwhr: str | None = Field(
        None, validation_alias="CAPACITY_MWHR", json_schema_extra=_about(_SINGLE, "120")
    )
    max_mw: str | None = Field(
        None,
        validation_alias="MAX_MW",
        description="Strongest discharge; positive = discharge / export.",
        json_schema_extra=_about(_SINGLE, "60"),
    )
    min_mw: str | None = Field(
        None,
        validation_alias="MIN_MW",
        description="Strongest charge; negative = charge / import.",
        json_schema_extra=_about(_SINGLE, "-60"),
    )
    min_soc_pct: str | None = Field(
        None,
        validation_alias="MIN_SOC_PCT",
        json_schema_extra=_about(_SINGLE, "10", default="0"),
    )
    max_soc_pct: str | None = Field(
        None,
        validation_alias="MAX_SOC_PCT",
        json_schema_extra=_about(_SINGLE, "90", default="100"),
    )
    efficiency: str | None = Field(
        None,
        validation_alias="EFFICIENCY",
        description="Factor in (0, 1] that applies on each leg.",
        json_schema_extra=_about(_SINGLE, "0.92"),
    )
    ramp_rate_mw_per_min: str | None = Field(
        None, validation_alias="RAMP_RATE_MW_PER_MIN", json_schema_extra=_about(_SINGLE, "1000")
    )
    asset_type: str | None = Field(
        None,
        validation_alias="ASSET_TYPE",
        description="bess, pv, wind, ev_charger or meter.",
        json_schema_extra=_about(_SINGLE, "bess", default="bess"),
    )
    failsafe_mw: str | None = Field(
        None,
        validation_alias="FAILSAFE_MW",
        description="Where the asset goes when the headend is lost; positive = discharge / export.",
        json_schema_extra=_about(_SINGLE, "0", default="0"),
    )

    sim_seed: int | None = Field(
        None,
        validation_alias="SIM_SEED",
        description="Makes a run of the simulator repeatable.",
        json_schema_extra=_about(_SIMULATOR, "7", "a whole number"),
    )
    sim_faults_per_hour: float = Field(
        0.1,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        validation_alias="SIM_FAULTS_PER_HOUR",
        description="How often a simulated asset has a fault.",
        json_schema_extra=_about(_SIMULATOR, "0.1", "a number from 0 to 3600"),
    )

    log_level: LogLevel = Field(
        LogLevel.INFO,
        validation_alias=AliasChoices("LOG_LEVEL", "RUST_LOG"),
        description="How much is logged.",
        json_schema_extra=_about(_LOGS, "info", "trace, debug, info, warning or error"),
    )
    log_format: LogFormat = Field(
        LogFormat.CONSOLE,
        validation_alias="LOG_FORMAT",
        description="For people or for machines.",
        json_schema_extra=_about(_LOGS, "console", "console or json"),
    )

    @property
    def mode(self) -> AgentMode:
        """Single-asset mode if there is an asset id, else Gateway Mode."""
        return AgentMode.GATEWAY if self.asset_id is None else AgentMode.SINGLE_ASSET

    @field_validator("gateway_id")
    @classmethod
    def _nameable(cls, value: str | None) -> str | None:
        if value is not None and (len(value) > _LONGEST_AGENT_ID or not value.isprintable()):
            raise ValueError("is too long or does not print")
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not self.headend_grpc.port:
            raise SettingsInvalid(
                "HEADEND_GRPC", "port 0 is no port to connect to", "host:port", "127.0.0.1:50070"
            )
        if self.headend_grpc.tls:
            raise SettingsInvalid(
                "HEADEND_GRPC",
                "https:// is not available yet",
                "host:port or http://host:port",
                "127.0.0.1:50070",
            )
        refuse_exposed(self.headend_grpc.host, "HEADEND_GRPC", allow_insecure=self.allow_insecure)
        return self

    @model_validator(mode="after")
    def _metrics_at_home(self) -> Self:
        if self.metrics_addr is not None:
            if self.metrics_addr.tls:
                raise SettingsInvalid(
                    "METRICS_ADDR", "https:// is not available yet", "host:port", _example("METRICS_ADDR")
                )
            refuse_exposed(self.metrics_addr.host, "METRICS_ADDR", allow_insecure=self.allow_insecure)
        return self

    @model_validator(mode="after")
    def _some_mode(self) -> Self:
        if self.asset_id is not None:
            single_asset(self)
        else:
            gateway_site(self)
        return self


def single_asset(settings: AgentSettings) -> Inventory:
    """The site and the one asset that the variables describe, held to the rules of an inventory file.

    Raises:
        SettingsInvalid: naming every variable that breaks one.
    """
    site = {"id": settings.site_id, "name": settings.site_name, "location": settings.asset_location}
    asset: dict[str, object] = {
        "id": settings.asset_id,
        "name": settings.asset_name,
        "site_id": settings.site_id,
        **{
            key: _number(getattr(settings, key))
            for key in (
                "capacity_mwhr",
                "max_mw",
                "min_mw",
                "min_soc_pct",
                "max_soc_pct",
                "efficiency",
                "ramp_rate_mw_per_min",
                "failsafe_mw",
            )
        },
    }
    if settings.asset_type is not None:
        asset["asset_type"] = settings.asset_type
    try:
        return parse_inventory({"sites": [site], "assets": [asset]})
    except InventoryInvalid as error:
        told = {_variable(problem): problem.message for problem in error.problems}
    first, *others = told.items()
    raise SettingsInvalid(
        first[0],
        first[1],
        example=_example(first[0]),
        also=[SettingsInvalid(name, message, example=_example(name)) for name, message in others],
    )


def gateway_site(settings: AgentSettings) -> tuple[UUID, Path]:
    """The site of a gateway, and where its inventory is.

    Raises:
        SettingsInvalid: one of them is missing or malformed.
    """
    if settings.site_id is None:
        raise SettingsInvalid(
            "SITE_ID",
            "is missing",
            "the site's UUID, with ASSETS_PATH (Gateway Mode) or with ASSET_ID and its data (single-asset mode)",
            _SITE_ID,
        )
    if settings.assets_path is None:
        raise SettingsInvalid(
            "ASSETS_PATH",
            "is missing",
            "the inventory for Gateway Mode (or set ASSET_ID for single-asset mode)",
            _example("ASSETS_PATH"),
        )
    try:
        return UUID(settings.site_id), settings.assets_path
    except ValueError:
        raise SettingsInvalid(
            "SITE_ID", f"{shown(settings.site_id)} is not valid", "a UUID", _SITE_ID
        ) from None


_OF_SITE = {"id": "SITE_ID", "name": "SITE_NAME", "location": "ASSET_LOCATION"}
_OF_ASSET = {"id": "ASSET_ID", "name": "ASSET_NAME"}


def _variable(problem: Problem) -> str:
    names = _OF_SITE if problem.entry.startswith("sites") else _OF_ASSET
    key = problem.field or "id"
    return names.get(key, key.upper())


def _example(variable: str) -> str | None:
    field = AgentSettings.model_fields[variable.lower()]
    extra = field.json_schema_extra
    return str(extra["example"]) if isinstance(extra, dict) and "example" in extra else None


def _number(text: str | None) -> float | str | None:
    """A number where the text is one; otherwise the text, which the rules of the inventory will refuse."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text
