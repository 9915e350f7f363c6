"""The agent's settings: two modes, the rules of an inventory file, and one clear line for what is wrong."""

from pathlib import Path

import pytest

from der_core.assets import AssetType
from der_core.registration import AgentMode
from der_runtime.failure import StartFailed
from der_runtime.settings import load_settings
from edge_agent import factory
from edge_agent.settings import AgentSettings

SITE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
OTHER_SITE = "6ba7b812-9dad-11d1-80b4-00c04fd430c8"
ASSET = "7ba7b810-9dad-11d1-80b4-00c04fd430c8"
INVENTORY = Path(__file__).parents[2] / "der_headend" / "assets_test.yaml"

SINGLE = {
    "HEADEND_GRPC": "127.0.0.1:50070",
    "ASSET_ID": ASSET,
    "ASSET_NAME": "SA-BESS-1",
    "SITE_ID": SITE,
    "SITE_NAME": "SingleAsset-Test",
    "ASSET_LOCATION": "Local",
    "CAPACITY_MWHR": "120",
    "MAX_MW": "60",
    "MIN_MW": "-60",
    "EFFICIENCY": "0.92",
    "RAMP_RATE_MW_PER_MIN": "1000",
}
GATEWAY = {"HEADEND_GRPC": "127.0.0.1:50070", "SITE_ID": SITE, "ASSETS_PATH": str(INVENTORY)}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, field in AgentSettings.model_fields.items():
        alias = field.validation_alias
        for variable in getattr(alias, "choices", [alias or name.upper()]):
            monkeypatch.delenv(str(variable), raising=False)


def load(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *argv: str) -> AgentSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings(AgentSettings, argv, prog="edge_agent", description="")


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], environment: dict[str, str]
) -> list[str]:
    with pytest.raises(SystemExit) as end:
        load(monkeypatch, environment)
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_single_asset_mode_of_the_runbook(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, SINGLE)
    identity = factory.identify(settings)
    (asset,) = identity.assets
    assert settings.mode is AgentMode.SINGLE_ASSET
    assert (settings.tick_s, settings.heartbeat_s, settings.failsafe_after_s) == (4, 10, 60)
    assert (identity.agent_id, identity.site.name) == (ASSET, "SingleAsset-Test")
    assert (asset.name, asset.min_mw, asset.min_soc_pct, asset.asset_type) == (
        "SA-BESS-1",
        -60,
        0,
        AssetType.BESS,
    )


def test_gateway_mode_of_the_runbook(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = factory.identify(load(monkeypatch, GATEWAY))
    assert identity.mode is AgentMode.GATEWAY
    assert identity.agent_id == SITE
    assert [asset.name for asset in identity.assets] == ["GT-BESS-A", "GT-BESS-B", "GT-BESS-C"]


def test_gateway_may_have_a_name_of_its_own_and_the_site_an_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**GATEWAY, "GATEWAY_ID": "gw-7", "GATEWAY_SITE_ID": OTHER_SITE, "SITE_ID": ""}
    identity = factory.identify(load(monkeypatch, environment))
    assert (identity.agent_id, identity.site.name) == ("gw-7", "Campus-Test")


def test_asset_id_wins_over_assets_path(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {**SINGLE, **GATEWAY})
    assert settings.mode is AgentMode.SINGLE_ASSET
    assert len(factory.identify(settings).assets) == 1


def test_flag_wins_over_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, SINGLE, "--tick-s", "0.5").tick_s == 0.5


@pytest.mark.parametrize("variable", sorted(SINGLE.keys() - {"ASSET_ID"}))
def test_each_missing_variable_of_single_asset_mode_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    (line,) = refused(monkeypatch, capsys, {**SINGLE, variable: ""})
    assert line.startswith(f"Error: {variable}: is missing; expected ")
    assert f"{variable}=" in line


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("MAX_MW", "sixty", "'sixty' is not a number"),
        ("MAX_MW", "nan", "not finite"),
        ("MIN_MW", "70", "is above max_mw"),
        ("EFFICIENCY", "92", "expected a number in (0, 1]"),
        ("CAPACITY_MWHR", "-1", "out of range"),
        ("MIN_SOC_PCT", "101", "expected a percentage"),
        ("ASSET_ID", "bess-1", "is not a UUID"),
        ("SITE_ID", "site-1", "is not a UUID"),
        ("ASSET_TYPE", "bes", "expected one of bess"),
        ("HEADEND_GRPC", "127.0.0.1", "expected host:port"),
        ("HEADEND_GRPC", "127.0.0.1:0", "port 0"),
        ("HEADEND_GRPC", "https://127.0.0.1:50070", "https:// is not available yet"),
        ("HEADEND_GRPC", "headend.example:50070", "ALLOW_INSECURE=1"),
        ("TICK_S", "0", "expected seconds"),
        ("HEARTBEAT_S", "inf", "expected seconds"),
        ("FAILSAFE_AFTER_S", "0.1", "expected seconds"),
        ("SIM_SEED", "x", "a whole number"),
    ],
)
def test_malformed_variable_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str, says: str
) -> None:
    (line,) = refused(monkeypatch, capsys, {**SINGLE, variable: value})
    assert line.startswith(f"Error: {variable}: ")
    assert says in line


@pytest.mark.parametrize(
    ("heartbeat_s", "failsafe_after_s", "beats_every_s"), [("10", "60", 10), ("10", "30", 10), ("10", "6", 2)]
)
def test_heart_beats_often_enough_for_the_failsafe(
    monkeypatch: pytest.MonkeyPatch, heartbeat_s: str, failsafe_after_s: str, beats_every_s: float
) -> None:
    environment = {**GATEWAY, "HEARTBEAT_S": heartbeat_s, "FAILSAFE_AFTER_S": failsafe_after_s}
    assert factory.identify(load(monkeypatch, environment)).heartbeat_s == beats_every_s


def test_headend_elsewhere_is_allowed_if_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {**SINGLE, "HEADEND_GRPC": "http://10.0.0.5:50070", "ALLOW_INSECURE": "1"})
    assert str(settings.headend_grpc) == "10.0.0.5:50070"


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({}, "SITE_ID"),
        ({"SITE_ID": SITE}, "ASSETS_PATH"),
        ({"SITE_ID": "x", "ASSETS_PATH": "y"}, "SITE_ID"),
        ({"SITE_ID": SITE, "ASSETS_PATH": "y", "GATEWAY_ID": "x" * 129}, "GATEWAY_ID"),
    ],
)
def test_neither_mode_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    variable: str,
) -> None:
    (line,) = refused(monkeypatch, capsys, {"HEADEND_GRPC": "127.0.0.1:50070", **environment})
    assert line.startswith(f"Error: {variable}: ")


def test_site_that_is_not_in_the_inventory_names_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {**GATEWAY, "SITE_ID": ASSET})
    with pytest.raises(StartFailed, match=f"SITE_ID: {ASSET} is not in .*{SITE} \\(Gateway-Test\\)"):
        factory.identify(settings)


def test_site_without_assets_names_those_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "assets.yaml"
    path.write_text(
        INVENTORY.read_text(encoding="utf-8").replace(f"site_id: {SITE}", f"site_id: {OTHER_SITE}")
    )
    with pytest.raises(StartFailed, match=r"Gateway-Test has no assets .* \(Campus-Test\)"):
        factory.identify(load(monkeypatch, {**GATEWAY, "ASSETS_PATH": str(path)}))


def test_missing_inventory_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"no such file|cannot be read"):
        factory.identify(load(monkeypatch, {**GATEWAY, "ASSETS_PATH": str(tmp_path / "none.yaml")}))
