"""What can be set of the headend, by environment variable or by flag."""

from pathlib import Path

from pydantic import AliasChoices, Field

from der_core.allocation import Weighting
from der_runtime.settings import HostPort, LogFormat, LogLevel, Settings, Truthy

SERVING, STORING, RUNNING = "serving", "storing", "running"
OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class HeadendSettings(Settings):
    """The headend's settings; ``der_headend --help`` prints them."""

    assets_path: Path | None = Field(
        default=None,
        validation_alias="ASSETS_PATH",
        description="The inventory: a YAML file with the sites and their assets.",
        json_schema_extra={
            "group": SERVING,
            "expects": "a path to a YAML file",
            "example": "der_headend/assets_test.yaml",
            "default": "assets.yaml in the working directory or the workspace root",
        },
    )
    http_addr: HostPort = Field(
        default=HostPort("127.0.0.1", 3001),
        validation_alias="HEADEND_HTTP_ADDR",
        description="Where REST and the console are served.",
        json_schema_extra={"group": SERVING, "expects": "host:port", "example": "127.0.0.1:3001"},
    )
    grpc_addr: HostPort = Field(
        default=HostPort("127.0.0.1", 50051),
        validation_alias="HEADEND_GRPC_ADDR",
        description="Where agents connect.",
        json_schema_extra={"group": SERVING, "expects": "host:port", "example": "127.0.0.1:50070"},
    )
    allow_insecure: Truthy = Field(
        default=False,
        validation_alias="ALLOW_INSECURE",
        description="Listen on addresses that other machines can reach, without encryption or authentication.",
        json_schema_extra={"group": SERVING, "expects": "1 or 0", "example": "1"},
    )
    console: Truthy = Field(
        default=True,
        validation_alias="CONSOLE",
        description="Serve the operator's console at `/`, where the extra `console` is installed.",
        json_schema_extra={"group": SERVING, "expects": "1 or 0", "example": "0", "default": "yes"},
    )
    database_url: str | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="PostgreSQL to store in. Not set: in memory, lost at a restart.",
        json_schema_extra={
            "group": STORING,
            "expects": "postgres://user:password@host:port/database",
            "example": "postgres://bess:besspassword@localhost:5432/bess",
            "secret": True,
        },
    )
    db_reset: str | None = Field(
        default=None,
        validation_alias=AliasChoices("DB_RESET", "RESET_DB"),
        description="Empty the database at start. Destructive; without DATABASE_URL there is nothing to empty.",
        json_schema_extra={"group": STORING, "expects": "1, 0 or force", "example": "1"},
    )
    retention_days: float = Field(
        default=14.0,
        gt=0,
        le=36_500,
        validation_alias="RETENTION_DAYS",
        description="How long samples are kept in the database.",
        json_schema_extra={"group": STORING, "expects": "a number of days above 0", "example": "14"},
    )
    rollup_retention_days: float = Field(
        default=90.0,
        gt=0,
        le=36_500,
        validation_alias="ROLLUP_RETENTION_DAYS",
        description="How long 1-minute buckets are kept in the database; 5-minute buckets are kept for ever.",
        json_schema_extra={"group": STORING, "expects": "a number of days above 0", "example": "90"},
    )
    history_samples: int = Field(
        default=1_000_000,
        ge=1000,
        le=100_000_000,
        validation_alias="HISTORY_SAMPLES",
        description="How many samples of all assets together are remembered when storing in memory.",
        json_schema_extra={
            "group": STORING,
            "expects": "a number from 1000 to 100000000",
            "example": "1000000",
        },
    )
    split_weighting: Weighting = Field(
        default=Weighting.CAPACITY,
        validation_alias="SPLIT_WEIGHTING",
        description="By what a site's megawatts are split: capacity, headroom or soc.",
        json_schema_extra={"group": RUNNING, "expects": "capacity, headroom or soc", "example": "capacity"},
    )
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+",
        validation_alias=OTLP_ENDPOINT,
        description="Where a trace of each dispatch is sent (OTLP over HTTP); needs the extra `otel`.",
        json_schema_extra={
            "group": RUNNING,
            "expects": "http://host:port",
            "example": "http://127.0.0.1:4318",
        },
    )
    log_level: LogLevel = Field(
        default=LogLevel.INFO,
        validation_alias=AliasChoices("LOG_LEVEL", "RUST_LOG"),
        description="How much is logged.",
        json_schema_extra={
            "group": RUNNING,
            "expects": "trace, debug, info, warning or error",
            "example": "info",
        },
    )
    log_format: LogFormat = Field(
        default=LogFormat.CONSOLE,
        validation_alias="LOG_FORMAT",
        description="For people (console) or for machines (json).",
        json_schema_extra={"group": RUNNING, "expects": "console or json", "example": "console"},
    )
