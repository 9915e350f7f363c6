"""``der demo`` in earnest: real processes, a dispatch with ``der dispatch``, and nothing left when it is over."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from subprocess import PIPE

import httpx
import psutil
import pytest

from kit.processes import REPOSITORY, Program, free_port, wait_until
from kit.system import ASSET_A, ASSET_B, ASSET_C

STARTED = r"Ctrl-C +\(ends all of it\)"
"""The last line of what to try next."""

QUIET = {"SIM_FAULTS_PER_HOUR": "0", "NO_COLOR": "1"}
LEFT_OVER_SHELL = {
    "ASSET_ID": ASSET_A,
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
    "HEADEND_GRPC": "x:1",
}
"""What a shell still has in which the runbook was followed."""


class Demo:
    """A running demo and the URL of its headend."""

    def __init__(self, *options: str) -> None:
        self.http, self.grpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.http}"
        args = ("demo", "--http", self.http, "--grpc", self.grpc, *options)
        self.program = Program.module("der_cli", *args, env=QUIET | LEFT_OVER_SHELL)

    def processes(self) -> list[psutil.Process]:
        """What it has started."""
        return psutil.Process(self.program.pid).children(recursive=True)


@pytest.fixture
def demo() -> Iterator[Demo]:
    running = Demo()
    with running.program as program:
        program.wait_for(STARTED, deadline_s=40)
        yield running


def der(*args: str) -> Program:
    """Run ``der args`` to its end."""
    with Program.module("der_cli", *args, env={"NO_COLOR": "1"}) as program:
        program.wait(deadline_s=20)
    return program


def command() -> list[str]:
    """A demo on free ports, for a test that needs its own kind of terminal."""
    ports = ("--http", f"127.0.0.1:{free_port()}", "--grpc", f"127.0.0.1:{free_port()}")
    return [sys.executable, "-m", "der_cli", "demo", *ports]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


def test_the_fleet_is_live_takes_a_dispatch_and_ctrl_c_ends_everything(demo: Demo) -> None:
    children = demo.processes()
    assert len(children) == 3
    fleet = {line.split()[0]: line for line in demo.program.stdout if "-BESS-" in line}
    assert len(fleet) == 5
    assert all(" idle " in line for line in fleet.values())
    assert any(
        "dispatch --site Gateway-Test --mw 12" in line and demo.url in line for line in demo.program.stdout
    )

    sent = der("dispatch", "--site", "Gateway-Test", "--mw", "12", "--headend", demo.url, "--json")
    assert sent.exit_code == 0, str(sent)
    record = json.loads("\n".join(sent.stdout))
    given = {part["asset_id"]: part["applied_mw"] for part in record["allocations"]}
    assert given == pytest.approx({ASSET_A: 7.2, ASSET_B: 2.4, ASSET_C: 2.4})
    demo.program.wait_for(r"^Gateway-Test │ .*split .*GT-BESS-A.* final_mw=7.2")

    def measured() -> bool:
        now = httpx.get(f"{demo.url}/telemetry/{ASSET_A}").json()["current_mw"]
        return bool(now == pytest.approx(7.2, abs=0.05))

    wait_until(measured, what="7.2 MW in telemetry")
    shown = der("assets", "--headend", demo.url)
    assert any(line.startswith("GT-BESS-A") and "+7.20" in line for line in shown.stdout)
    assert der("agents", "--headend", demo.url).exit_code == 0

    demo.program.send(signal.SIGINT)
    assert demo.program.wait(deadline_s=8) == 0
    assert demo.program.stdout[-1] == "Stopped: headend, Gateway-Test, Campus-Test."
    assert gone(children)
    assert der("assets", "--headend", demo.url).exit_code == 3
    logged = [line for line in demo.program.stdout if "│" in line]
    assert len(logged) == len(set(logged)), "a line was shown twice"
    assert not [line for line in logged if "[warning" in line or "[error" in line]


def test_it_ends_by_itself_after_the_given_time() -> None:
    with Demo("--duration-s", "1").program as program:
        assert program.wait(deadline_s=45) == 0
        assert program.stdout[-1].startswith("Stopped: ")


def test_for_a_program_there_is_one_line_of_json_once_it_is_ready() -> None:
    demo = Demo("--json")
    with demo.program as program:
        ready = json.loads(program.wait_for(r"^\{.*\}$", deadline_s=40))
        assert [ready["headend"], ready["grpc"]] == [demo.url, demo.grpc]
        assert [(each["site_name"], each["assets"]) for each in ready["agents"]] == [
            ("Gateway-Test", 3),
            ("Campus-Test", 2),
        ]
        agents = httpx.get(f"{ready['headend']}/agents").json()
        assert {a["agent_id"] for a in agents} == {each["agent_id"] for each in ready["agents"]}
        program.send(signal.SIGINT)
        assert program.wait(deadline_s=8) == 0
    assert len(program.stdout) == 1
    assert program.stderr[-1].startswith("Stopped: ")


def test_a_terminal_that_knows_only_ascii_is_no_fault(demo: Demo) -> None:
    arguments = ("assets", "--headend", demo.url)
    with Program.module("der_cli", *arguments, env={"PYTHONIOENCODING": "ascii"}) as shown:
        assert shown.wait(deadline_s=20) == 0
    assert any(line.startswith("GT-BESS-A") for line in shown.stdout)
    assert shown.stderr == []


def test_a_process_that_dies_ends_the_demo_and_is_named(demo: Demo) -> None:
    children = demo.processes()
    victim = next(each for each in children if "der_headend" in " ".join(each.cmdline()))
    victim.kill()
    assert demo.program.wait(deadline_s=8) == 1
    assert "Error: headend was ended by SIGKILL; the rest is being stopped" in demo.program.stderr
    assert gone(children)


def test_an_agent_that_dies_is_named_and_the_demo_goes_on_without_it(demo: Demo) -> None:
    def connected() -> list[str]:
        agents = httpx.get(f"{demo.url}/agents").json()
        return [agent["site_name"] for agent in agents if agent["connected"]]

    victim = next(each for each in demo.processes() if "edge_agent" in each.cmdline())
    site = {entry["id"]: entry["name"] for entry in httpx.get(f"{demo.url}/sites").json()}[
        victim.environ()["SITE_ID"]
    ]
    victim.kill()
    demo.program.wait_for(f"^{site} was ended by SIGKILL. The demo goes on without it", deadline_s=8)
    wait_until(lambda: len(connected()) == 1, what="the loss of its link")
    back = demo.program.wait_for(f"HEADEND_GRPC={demo.grpc} .* -m edge_agent$")
    with Program("sh", "-c", f"exec env {back}"):
        wait_until(lambda: len(connected()) == 2, what="the agent that was brought back")
    demo.program.send(signal.SIGINT)
    assert demo.program.wait(deadline_s=8) == 0
    assert demo.program.stdout[-1].startswith("Stopped: headend, ")
    assert site not in demo.program.stdout[-1]


def test_a_demo_that_is_killed_leaves_no_orphan(demo: Demo) -> None:
    children = demo.processes()
    demo.program.send(signal.SIGKILL)
    demo.program.wait()
    wait_until(lambda: gone(children), deadline_s=5, what="the end of all its processes")


def test_a_closed_terminal_ends_everything() -> None:
    pid, terminal = pty.fork()
    if pid == 0:  # the child has the terminal; it becomes the demo
        os.chdir(REPOSITORY)
        os.execve(sys.executable, command(), os.environ | QUIET)  # noqa: S606 - our own
    processes = []
    try:
        seen = b""
        while not re.search(STARTED.encode(), seen):
            seen += os.read(terminal, 65_536)
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        assert len(processes) == 4
        os.close(terminal)
        wait_until(lambda: gone(processes), deadline_s=10, what="the end of all its processes")
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("lines", [2, 18])
def test_a_reader_that_has_seen_enough_ends_everything(lines: int) -> None:
    demo = subprocess.Popen(command(), cwd=REPOSITORY, env=os.environ | QUIET, stdout=PIPE, stderr=PIPE)
    processes = []
    with demo, contextlib.ExitStack() as stack:
        stack.callback(demo.kill)
        assert demo.stdout is not None
        assert demo.stderr is not None
        for _ in range(lines):
            assert demo.stdout.readline()
        processes = psutil.Process(demo.pid).children(recursive=True)
        demo.stdout.close()
        assert demo.wait(timeout=20) == 0
        assert demo.stderr.read() == b""
    assert gone(processes)


def test_a_second_demo_says_which_port_is_taken(demo: Demo) -> None:
    second = der("demo", "--http", demo.http, "--grpc", f"127.0.0.1:{free_port()}")
    assert second.exit_code == 1
    (line,) = second.stderr
    assert line.startswith(
        f"Error: port {demo.http.rpartition(':')[2]} on 127.0.0.1, which REST needs, is taken"
    )
    assert "der demo --http 127.0.0.1:" in line


def test_a_headend_that_cannot_start_shows_its_last_words() -> None:
    http, grpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    env = {"LOG_LEVEL": "chatty"}
    with Program.module("der_cli", "demo", "--http", http, "--grpc", grpc, env=env) as program:
        assert program.wait(deadline_s=20) == 1
        assert program.stderr[0].startswith("Error: headend ended with exit code 2")
        assert any("LOG_LEVEL" in line for line in program.stderr[1:])
