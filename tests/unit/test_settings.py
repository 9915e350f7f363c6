"""Settings: flags over environment over defaults, and for whatever is wrong one line that says what to do."""

from pathlib import Path
from typing import Self
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices, Field, model_validator

from der_core import __version__
from der_runtime.addresses import HostPort, is_loopback
from der_runtime.settings import (
    LogFormat,
    LogLevel,
    Megawatts,
    Seconds,
    Settings,
    SettingsInvalid,
    Truthy,
    load_settings,
    refuse_exposed,
)


class Example(Settings):
    headend: HostPort = Field(
        validation_alias="HEADEND_GRPC",
        description="Where the headend listens.",
        json_schema_extra={"expects": "host:port", "example": "127.0.0.1:50070"},
    )
    site_id: UUID | None = Field(
        None,
        validation_alias=AliasChoices("SITE_ID", "GATEWAY_SITE_ID"),
        description="The site, 100 % of it.",
        json_schema_extra={"expects": "a UUID", "example": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
    )
    max_mw: Megawatts | None = Field(
        None,
        validation_alias="MAX_MW",
        description="Strongest discharge.",
        json_schema_extra={"expects": "a power in MW", "example": "60", "group": "Single-asset mode"},
    )
    tick_s: Seconds = Field(
        4.0,
        validation_alias="TICK_S",
        description="Seconds between samples.",
        json_schema_extra={"expects": "a number of seconds above 0", "example": "4"},
    )
    log_level: LogLevel = Field(
        LogLevel.INFO,
        validation_alias=AliasChoices("LOG_LEVEL", "RUST_LOG"),
        description="How much is logged.",
        json_schema_extra={"expects": "trace, debug, info, warning or error", "example": "info"},
    )
    log_format: LogFormat = Field(LogFormat.CONSOLE, validation_alias="LOG_FORMAT")
    db_reset: Truthy = Field(
        False,
        validation_alias=AliasChoices("DB_RESET", "RESET_DB"),
        json_schema_extra={"expects": "1/true/yes/on or 0/false/no/off", "example": "1"},
    )
    database_url: str | None = Field(
        None,
        validation_alias="DATABASE_URL",
        pattern="^postgres(ql)?://",
        json_schema_extra={"expects": "a postgres:// URL", "example": "postgres://host/db", "secret": True},
    )
    assets_path: Path | None = Field(
        None, validation_alias="ASSETS_PATH", json_schema_extra={"default": "assets.yaml, where there is one"}
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.tick_s == 13:
            second = SettingsInvalid("ASSET_NAME", "is missing", "a name", "B1")
            raise SettingsInvalid("ASSET_ID", "is missing", "a UUID", "7ba7b810", also=[second])
        return self


VARIABLES = (
    *("HEADEND_GRPC", "SITE_ID", "GATEWAY_SITE_ID", "MAX_MW", "TICK_S", "LOG_LEVEL", "RUST_LOG"),
    *("LOG_FORMAT", "DB_RESET", "RESET_DB", "DATABASE_URL", "ASSETS_PATH"),
)
SITE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HEADEND_GRPC", "localhost:50070")


def load(*argv: str) -> Example:
    return load_settings(
        Example, argv, prog="example", description="An example.", epilog="Positive MW.\n  a b"
    )


def complaints(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        load(*argv)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    return str(err).splitlines()


def test_defaults_environment_and_flags_in_rising_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load() == Example(HEADEND_GRPC=HostPort("localhost", 50070))  # type: ignore[call-arg] # by variable
    monkeypatch.setenv("TICK_S", "2")
    monkeypatch.setenv("MAX_MW", "60")
    monkeypatch.setenv("DB_RESET", "Yes")

    settings = load("--tick-s", "0.5", "--headend-grpc=https://[::1]:1", "--site-id", SITE, "--max-mw", "-60")

    assert (settings.tick_s, settings.max_mw, settings.db_reset) == (0.5, -60.0, True)
    assert settings.headend == HostPort("::1", 1, tls=True)
    assert settings.site_id == UUID(SITE)


def test_an_alias_counts_where_the_preferred_variable_is_unset_or_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_SITE_ID", SITE)
    monkeypatch.setenv("RUST_LOG", "warn")
    monkeypatch.setenv("LOG_LEVEL", "")
    assert load().site_id == UUID(SITE)
    assert load().log_level is LogLevel.WARNING

    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert load().log_level is LogLevel.DEBUG


def test_empty_and_blank_count_as_unset(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("MAX_MW", "  ")

    (line,) = complaints(capsys, "--tick-s", " ")

    assert line.startswith("Error: HEADEND_GRPC: is missing")
    settings = load("--headend-grpc", " a:1 ")
    assert (settings.max_mw, settings.tick_s, settings.headend) == (None, 4.0, HostPort("a", 1))


def test_no_env_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("TICK_S=9\n")
    monkeypatch.chdir(tmp_path)

    assert load().tick_s == 4.0


def test_each_bad_variable_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADEND_GRPC", "localhost")
    monkeypatch.setenv("GATEWAY_SITE_ID", "site\n1")
    monkeypatch.setenv("RUST_LOG", "verbose")
    monkeypatch.setenv("DB_RESET", "maybe")

    assert complaints(capsys, "--max-mw=1e400", "--tick-s=0") == [
        "Error: HEADEND_GRPC: 'localhost' is not host:port; expected host:port, e.g. HEADEND_GRPC=127.0.0.1:50070",
        rf"Error: GATEWAY_SITE_ID: 'site\n1' is not valid; expected a UUID, e.g. GATEWAY_SITE_ID={SITE}",
        "Error: MAX_MW: '1e400' is not valid; expected a power in MW, e.g. MAX_MW=60",
        "Error: TICK_S: '0' is not valid; expected a number of seconds above 0, e.g. TICK_S=4",
        "Error: RUST_LOG: 'verbose' is not valid; expected trace, debug, info, warning or error, e.g. RUST_LOG=info",
        "Error: DB_RESET: 'maybe' is not valid; expected 1/true/yes/on or 0/false/no/off, e.g. DB_RESET=1",
    ]


def test_a_secret_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://user:hunter2@host/db")

    assert complaints(capsys) == [
        "Error: DATABASE_URL: is not valid; expected a postgres:// URL, e.g. DATABASE_URL=postgres://host/db"
    ]


def test_what_a_check_of_the_whole_model_finds_is_printed_alike(capsys: pytest.CaptureFixture[str]) -> None:
    assert complaints(capsys, "--tick-s", "13") == [
        "Error: ASSET_ID: is missing; expected a UUID, e.g. ASSET_ID=7ba7b810",
        "Error: ASSET_NAME: is missing; expected a name, e.g. ASSET_NAME=B1",
    ]


def test_a_megabyte_of_rubbish_makes_a_short_line(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = complaints(capsys, f"--headend-grpc={'x' * 1_000_000}")

    assert len(line) < 200


@pytest.mark.parametrize("argv", [["--bogus"], ["--tick", "4"], ["stray"], ["--tick-s"]])
def test_flags_that_do_not_exist_or_lack_their_value_are_refused(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert complaints(capsys, *argv)[-1].startswith("example: error:")


@pytest.mark.parametrize("width", [60, 100])
def test_help_documents_each_setting_within_the_width(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit) as caught:
        load("--help")
    text = capsys.readouterr().out

    assert caught.value.code == 0
    assert all(len(line) < width for line in text.splitlines())
    flowing = " ".join(text.split())
    for variable in VARIABLES:
        assert variable in text
    assert "--headend-grpc VALUE Where the headend listens. HEADEND_GRPC; required e.g." in flowing
    assert "The site, 100 % of it. SITE_ID or GATEWAY_SITE_ID; not set" in flowing
    assert "LOG_LEVEL or RUST_LOG; default info" in flowing
    assert "DB_RESET or RESET_DB; default no" in flowing
    assert "ASSETS_PATH; default assets.yaml, where there is one" in flowing
    assert "Single-asset mode: --max-mw VALUE" in flowing
    assert text.endswith("Positive MW.\n  a b\n")


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load("--version")

    assert caught.value.code == 0
    assert capsys.readouterr().out == f"example {__version__}\n"


@pytest.mark.parametrize("value", ["1", "true", "YES", "On"])
def test_truthy_values_and_the_bare_flag(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("--db-reset").db_reset
    assert not load("--db-reset", "off").db_reset
    monkeypatch.setenv("RESET_DB", value)
    assert load().db_reset


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("info", LogLevel.INFO),
        (" Debug ", LogLevel.DEBUG),
        ("WARN", LogLevel.WARNING),
        ("warning", LogLevel.WARNING),
        ("trace", LogLevel.TRACE),
        ("error", LogLevel.ERROR),
        ("info,h2=warn", LogLevel.INFO),
        ("h2=warn, debug", LogLevel.DEBUG),
        ("der_headend=debug", LogLevel.DEBUG),
        ("der_headend=debug,h2=warn", LogLevel.DEBUG),
    ],
)
def test_log_levels_in_the_spellings_of_rust_log(text: str, level: LogLevel) -> None:
    assert LogLevel(text) is level


@pytest.mark.parametrize("text", ["", "verbose", "=", "a=b", ",", "info2"])
def test_what_is_no_log_level(text: str) -> None:
    with pytest.raises(ValueError, match="LogLevel"):
        LogLevel(text)


@pytest.mark.parametrize(
    ("text", "host", "port", "tls"),
    [
        ("127.0.0.1:50070", "127.0.0.1", 50070, None),
        ("http://headend:80", "headend", 80, False),
        ("HTTPS://headend.example:443/", "headend.example", 443, True),
        ("[::1]:50051", "::1", 50051, None),
        ("localhost:0", "localhost", 0, None),
        ("under_score:65535", "under_score", 65535, None),
    ],
)
def test_addresses(text: str, host: str, port: int, tls: bool | None) -> None:
    address = HostPort.parse(text)

    assert (address.host, address.port, address.tls) == (host, port, tls)
    assert HostPort.parse(str(address)) == HostPort(host, port)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ":",
            "host",
            "host:",
            ":1",
            "host:65536",
            "host:-1",
            "host:1e3",
            "host:\u0661",
            "::1:50051",
            "[x]:1",
        ),
        *(
            "ftp://host:1",
            "http://",
            "http://host",
            "host:1/path",
            "user@host:1",
            "a b:1",
            "a:1\n:2",
            "[::1]",
        ),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|above 65535|IPv6"):
        HostPort.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = HostPort.parse(text)
    except ValueError:
        return
    assert 0 <= address.port <= 65535
    assert address.host


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1")),
        *(
            (host, False)
            for host in ("0.0.0.0", "::", "10.0.0.1", "headend", "localhost.evil", "", "1270.0.0.1")  # noqa: S104 - examples
        ),
    ],
)
def test_listening_where_others_can_connect_must_be_meant(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    refuse_exposed(host, "HEADEND_HTTP_ADDR", allow_insecure=True)
    if loopback:
        refuse_exposed(host, "HEADEND_HTTP_ADDR", allow_insecure=False)
        return
    with pytest.raises(SettingsInvalid, match=r"^HEADEND_HTTP_ADDR: .* loopback .* ALLOW_INSECURE=1"):
        refuse_exposed(host, "HEADEND_HTTP_ADDR", allow_insecure=False)
