"""``der fleet``: what its options mean, the inventory it writes, and how its assets are shared out."""

from pathlib import Path

import pytest

from der_core.assets import AssetType
from der_core.registration import AgentMode
from der_fleet import inventory, main
from der_fleet.build import agents_of, share_of
from der_fleet.options import InventoryOptions, RunOptions, mix, parse
from der_runtime.inventory_file import load_inventory

MIX = mix("battery=0.4,pv=0.2,wind=0.1,ev_charger=0.2,meter=0.1")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text("".join(inventory.lines(sites=7, assets_per_site=40, mix=MIX, seed=3)), encoding="utf-8")
    return path


def test_written_inventory_is_one(written: Path) -> None:
    made = load_inventory(written)
    assert (len(made.sites), len(made.assets)) == (7, 280)
    assert {len(made.assets_of(site)) for site in made.sites} == {40}
    assert {asset.asset_type for asset in made.assets.values()} == set(AssetType)
    assert len({asset.name for asset in made.assets.values()}) == 280


def test_the_seed_decides_the_inventory() -> None:
    one, again, other = (
        "".join(inventory.lines(sites=2, assets_per_site=5, mix=MIX, seed=seed)) for seed in (1, 1, 2)
    )
    assert one == again != other


def test_mix_decides_the_types() -> None:
    text = "".join(inventory.lines(sites=1, assets_per_site=50, mix=mix("pv=1"), seed=1))
    assert text.count("asset_type: pv\n") == 50


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["run", "--tick-s", "soon"], "'soon' is no number"),
        (["run", "--tick-s", "1", "--rate", "5"], "not allowed with"),
        (["run", "--processes", "1.5"], "no whole number"),
        (["run", "--headend-grpc", "nowhere"], "'nowhere' is not host:port"),
        (
            ["run", "--headend-grpc", "10.0.0.1:5"],
            "HEADEND_GRPC: '10.0.0.1' can be reached from other machines",
        ),
        (["run", "--faults", "fire=1"], "'fire' is no fault; known are link, stale, alarm, bad"),
        (["run", "--faults", "link=often"], "'often' is no rate"),
        (["inventory", "--mix", "coal=1"], "'coal' is no type of asset; known are battery"),
        (["inventory", "--mix", "pv=0"], "leaves no assets"),
        (["inventory", "--sites", "0"], "no number from 1"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(argv)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_headend_and_inventory_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADEND_GRPC", "http://127.0.0.1:50070")
    monkeypatch.setenv("ASSETS_PATH", "fleet.yaml")
    asked = parse(["run", "--faults", "link=0.5,bad=1", "--spool", "memory"])
    assert isinstance(asked, RunOptions)
    assert (str(asked.headend_grpc), asked.inventory, asked.spool) == (
        "127.0.0.1:50070",
        Path("fleet.yaml"),
        None,
    )
    assert (asked.faults.link, asked.faults.bad, asked.faults.alarm) == (0.5, 1.0, 0.0)
    assert isinstance(parse(["inventory"]), InventoryOptions)


def test_broken_inventory_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("sites:\n  - id: x\n    name: A\n    location: B\nassets: []\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main.main(["run", "--inventory", str(path)])
    assert ended.value.code == 2
    assert "line 2: sites[0] (A): id: 'x' is not a UUID" in capsys.readouterr().err


def test_an_inventory_that_is_not_there_is_told_by_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["run", "--inventory", "no/such.yaml"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "Error: --inventory (ASSETS_PATH): no/such.yaml: no such file\n"


def test_agents_are_shared_out_whole(written: Path) -> None:
    made = load_inventory(written)
    gateways = agents_of(made, single_asset=False)
    shares = [share_of(gateways, place, 3) for place in range(3)]
    assert sorted(agent.id for share in shares for agent in share) == sorted(str(site) for site in made.sites)
    for share in shares:
        assert [agent.first for agent in share] == [40 * place for place in range(len(share))]
    singles = agents_of(made, single_asset=True)
    assert {agent.mode for agent in singles} == {AgentMode.SINGLE_ASSET}
    assert sorted(agent.id for agent in singles) == sorted(str(asset) for asset in made.assets)
