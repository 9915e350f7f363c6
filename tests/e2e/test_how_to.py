"""The code on the how-to pages runs as it stands there, on a real headend and a real gateway."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from edge_agent.decisions import Applied, NotApplied, Write
from edge_agent.guarded import GuardedDriver
from kit.headend import INVENTORY, A
from kit.processes import REPOSITORY
from kit.system import ASSET_A, GATEWAY, SITE_ID, System

PAGES = REPOSITORY / "docs" / "how-to"
URL = "http://127.0.0.1:3001"


@pytest.fixture(scope="module", name="system")
def run_system() -> Iterator[System]:
    with System() as system:
        system.start_agent(GATEWAY)
        system.wait(lambda: system.http.get(f"/telemetry/{ASSET_A}").is_success, "telemetry")
        yield system


def blocks(page: str, language: str) -> list[str]:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def ran(system: System, *command: str, text: str) -> str:
    """What a block prints, with the address of this headend in it."""
    said = subprocess.run(
        [*command, text.replace(URL, system.url)],
        env={
            **os.environ,
            "HEADEND": system.url,
            "PYTHONPATH": str(REPOSITORY),
            "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",  # noqa: PTH120 - a text
        },
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def test_integrate_reads_follows_and_commands(system: System) -> None:
    read, command = blocks("integrate", "bash")
    assert '"assets":[]' in ran(system, "bash", "-ec", text=read)
    (follow,) = blocks("integrate", "python")
    assert re.search(
        rf"^{ASSET_A} -?\d[\d.e-]* MW at 2", ran(system, sys.executable, "-c", text=follow), re.MULTILINE
    )
    first, again = (ran(system, "bash", "-ec", text=command) for _ in range(2))
    ids = {re.findall(r'^\{"id":"([^"]+)"', answer)[0] for answer in (first, again)}
    assert len(ids) == 1
    assert system.get(f"/dispatch/{ids.pop()}")["state"] == "active"


def test_scripts_dispatch_and_take_back(system: System) -> None:
    by_curl, by_der = blocks("dispatch-from-a-script", "bash")
    assert re.search(r"is active\ncancelled\n$", ran(system, "bash", "-c", text=by_curl))
    assert "active" in ran(system, "bash", "-ec", text=by_der)
    (by_client,) = blocks("dispatch-from-a-script", "python")
    assert "GT-BESS-A: -3.6 MW active" in ran(system, sys.executable, "-c", text=by_client)
    assert system.get("/dispatch/history", site_id=SITE_ID, limit=1)[0]["state"] == "cancelled"


@asynccontextmanager
async def device() -> AsyncIterator[SimpleNamespace]:
    """A battery that answers lines of text; ``state`` is what it says of itself, ``mw`` what it does.

    It can be ``local``, when it takes no setpoints, and answers once it is ``awake``.
    """
    state = SimpleNamespace(mw=0.0, state="ok", port=0, local=False, awake=asyncio.Event())
    state.awake.set()
    open_links: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_links.append(writer)
        while line := (await reader.readline()).decode().split():
            await state.awake.wait()
            if line[0] == "SET" and state.local:
                writer.write(b"no, it is in local control\n")
            elif line[0] == "SET":
                state.mw = min(float(line[1]), 20.0)
                writer.write(f"{state.mw}\n".encode())
            else:
                writer.write(f"{state.mw} 50.0 {state.state}\n".encode())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for link in open_links:
            link.close()


async def test_the_driver_on_the_page_is_one() -> None:
    (code,) = blocks("write-a-driver", "python")
    page: dict[str, Any] = {}
    exec(compile(code, "write-a-driver.md", "exec"), page)  # noqa: S102 - the page is ours
    async with device() as battery:
        driver = GuardedDriver(
            asset=INVENTORY.assets[A],
            driver=page["LineDriver"]("127.0.0.1", battery.port),
            read_limit_s=0.5,
            write_limit_s=5.0,
        )
        write = Write(asset_id=UUID(str(A)), setpoint_mw=30.0)
        assert await driver.write(write) == Applied(write, 20.0)
        battery.state = "trip"
        reading = await driver.read()
        assert reading is not None
        assert reading.values == {"current_mw": 20.0, "soc_pct": 50.0, "setpoint_mw": 20.0}
        assert [fault.code for fault in reading.faults] == ["inverter_trip"]
        assert driver.condition().online
        battery.local = True
        refused = await driver.write(write)
        assert isinstance(refused, NotApplied)
        assert (refused.unchanged, refused.message.endswith("no, it is in local control")) == (True, True)
        battery.local = False
        battery.awake.clear()
        assert await driver.read() is None
        battery.awake.set()
        again, outcome = await asyncio.gather(driver.read(), driver.write(write))
        assert (again, outcome) == (reading, Applied(write, 20.0))
    assert await driver.read() is None
    assert "127.0.0.1" in str(driver.trouble)
    assert isinstance(await driver.write(write), NotApplied)
    await driver.close()
