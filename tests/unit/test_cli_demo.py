"""``der demo`` without its programs: which processes it would start, what it says of taken ports, how children end."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from pydantic import AliasChoices

from der_cli.child import Child, stop_all
from der_cli.demo import _shipped
from der_cli.demo_plan import DROPPED, Launch, plan
from der_cli.demo_ports import Wanted, obstacles
from der_cli.table import fitting
from der_core.assets import Asset, Inventory, Site
from der_headend.settings import HeadendSettings
from der_runtime.addresses import HostPort
from edge_agent.settings import AgentSettings
from kit.processes import SHIPPED_INVENTORY, free_port, wait_until
from kit.terminal import Terminal

SITE, EMPTY = Site(UUID(int=1), "North", "here"), Site(UUID(int=2), "Empty", "there")
INVENTORY = Inventory(
    [SITE, EMPTY],
    [
        Asset(
            id=UUID(int=3),
            name="B1",
            site_id=SITE.id,
            capacity_mwhr=10,
            max_mw=5,
            min_mw=-5,
            efficiency=0.9,
            ramp_rate_mw_per_min=1000,
        )
    ],
)
PASSED = {"ALLOW_INSECURE", "LOG_FORMAT", "LOG_LEVEL", "RUST_LOG", "SIM_FAULTS_PER_HOUR", "SIM_SEED"}


class TestPlan:
    """One headend and one agent per site that has assets."""

    def test_each_program_gets_what_it_needs_and_nothing_of_the_shell_that_would_change_it(self) -> None:
        made = plan(
            INVENTORY,
            assets_path=Path("/x/assets.yaml"),
            http=HostPort("0.0.0.0", 3002),  # noqa: S104 - an operator may want it
            grpc=HostPort("127.0.0.1", 50052),
            database_url=None,
            environ={"PATH": "/bin", "ASSET_ID": "7", "DATABASE_URL": "postgres://x", "RUST_LOG": "debug"},
        )
        assert made.url == "http://127.0.0.1:3002"
        shared = {"PATH": "/bin", "RUST_LOG": "debug", "ASSETS_PATH": "/x/assets.yaml"}
        assert made.headend.argv == (sys.executable, "-m", "der_headend")
        assert made.headend.env == shared | {
            "HEADEND_HTTP_ADDR": "0.0.0.0:3002",
            "HEADEND_GRPC_ADDR": "127.0.0.1:50052",
        }
        (agent,) = made.agents
        assert (agent.name, agent.argv) == ("North", (sys.executable, "-m", "edge_agent"))
        assert agent.env == shared | {
            "HEADEND_GRPC": "127.0.0.1:50052",
            "SITE_ID": str(SITE.id),
            "TICK_S": "1",
            "SIM_FAULTS_PER_HOUR": "0",
        }

    def test_a_database_is_for_the_headend_alone(self) -> None:
        address = HostPort("127.0.0.1", 1)
        made = plan(
            INVENTORY,
            assets_path=Path("a"),
            http=address,
            grpc=address,
            database_url="postgres://db",
            environ={},
        )
        assert made.headend.env["DATABASE_URL"] == "postgres://db"
        assert "DATABASE_URL" not in made.agents[0].env

    def test_every_variable_of_the_programs_is_either_dropped_or_passed_on_purpose(self) -> None:
        aliases = [
            field.validation_alias
            for settings in (HeadendSettings, AgentSettings)
            for field in settings.model_fields.values()
        ]
        names = {
            str(name)
            for alias in aliases
            for name in (alias.choices if isinstance(alias, AliasChoices) else [alias])
        }
        assert names - DROPPED == PASSED


class TestPorts:
    """A port that is taken is said in one line, with another to choose."""

    def test_a_taken_port_names_itself_and_a_free_one(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            told = obstacles(
                Wanted("REST", "--http", HostPort("127.0.0.1", port)),
                Wanted("gRPC", "--grpc", HostPort("127.0.0.1", free_port())),
            )
        (line,) = told
        assert line.startswith(f"port {port} on 127.0.0.1, which REST needs, is taken: ")
        assert "der demo --http 127.0.0.1:" in line

    def test_an_address_that_is_not_ours(self) -> None:
        (line,) = obstacles(Wanted("REST", "--http", HostPort("192.0.2.1", free_port())))
        assert "can't listen on 192.0.2.1:" in line

    def test_the_demo_starts_nothing_and_ends_with_1(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            result = Terminal().der(
                "demo", "--http", f"127.0.0.1:{port}", "--grpc", f"127.0.0.1:{free_port()}"
            )
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"Error: port {port} on 127.0.0.1")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--http", "nonsense"], "'nonsense' is not host:port"),
        (["--http", "127.0.0.1:0"], "port 0"),
        (["--http", "127.0.0.1:4000", "--grpc", "127.0.0.1:4000"], "need a port each"),
        (["--assets-path", "/nowhere.yaml"], "Error: assets.yaml not found."),
    ],
)
def test_wrong_usage_of_demo_is_exit_code_2(args: list[str], said: str) -> None:
    result = Terminal().der("demo", *args, columns=200)
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_inventory_without_assets_has_nothing_to_show(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("sites: []\nassets: []\n", encoding="utf-8")
    result = Terminal().der("demo", "--assets-path", str(tmp_path / "empty.yaml"))
    assert result.exit_code == 2
    assert "no assets" in result.stderr.replace("\n", " ")


class TestChild:
    """A process of the demo."""

    @staticmethod
    async def start(code: str, lines: list[str]) -> Child:
        launch = Launch("child", (sys.executable, "-u", "-c", code), dict(os.environ))
        return await Child.start(launch, lambda _child, text: lines.append(text))

    @staticmethod
    async def says(lines: list[str], text: str) -> None:
        await asyncio.to_thread(wait_until, lambda: text in lines, what=f"the line {text!r}")

    async def test_each_line_of_both_streams_comes_once_also_an_unfinished_and_an_endless_one(self) -> None:
        lines: list[str] = []
        code = "import sys; print('out'); print('err', file=sys.stderr); print('x' * 200_000); print('end', end='')"
        child = await self.start(code, lines)
        await child.wait()
        assert child.exit_code == 0
        assert (lines[:2], lines[-1], sum(map(len, lines))) == (["out", "err"], "end", 200_009)
        assert child.how_it_ended == "ended with exit code 0"

    async def test_all_are_asked_to_stop_and_wait_for_each_other(self) -> None:
        lines: list[str] = []
        children = [await self.start("import time; print('up'); time.sleep(60)", lines) for _ in range(2)]
        await self.says(lines, "up")
        assert await stop_all(children, asyncio.Event()) == []
        assert {child.how_it_ended for child in children} == {"was ended by SIGTERM"}

    async def test_one_that_does_not_listen_is_killed_with_what_it_started(self) -> None:
        lines: list[str] = []
        child = await self.start(
            "import signal, subprocess, sys, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "print(grandchild.pid); print('up'); time.sleep(60)",
            lines,
        )
        await self.says(lines, "up")
        hurry = asyncio.Event()
        hurry.set()
        assert await stop_all([child], hurry) == [child]
        assert child.exit_code == -signal.SIGKILL
        grandchild = int(lines[0])
        await asyncio.to_thread(wait_until, lambda: gone(grandchild), what="the end of the grandchild")


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("room", "kept"), [(100, [0, 1, 2, 3]), (27, [0, 1, 2, 3]), (26, [0, 1, 3]), (14, [0, 3]), (1, [0, 3])]
)
def test_columns_that_matter_least_are_left_out_first(room: int, kept: list[int]) -> None:
    assert fitting([0, 1, 2, 0], [5, 5, 6, 5], room) == kept


def test_the_shipped_inventory_is_found_beside_the_headend() -> None:
    assert _shipped() == SHIPPED_INVENTORY
