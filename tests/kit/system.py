"""The real system for tests: a headend process and agent processes on free ports, asked over real HTTP."""

import re
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import httpx

from kit.processes import REPOSITORY, Program, free_port, wait_until

SITE_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
ASSET_A = "7ba7b810-9dad-11d1-80b4-00c04fd430c8"
ASSET_B = "8ba7b810-9dad-11d1-80b4-00c04fd430c8"
ASSET_C = "9ba7b810-9dad-11d1-80b4-00c04fd430c8"
CAMPUS_ID = "6ba7b812-9dad-11d1-80b4-00c04fd430c8"
CAMPUS_A = "7ba7b812-9dad-11d1-80b4-00c04fd430c8"

SINGLE_ASSET = {
    "ASSET_ID": ASSET_A,
    "ASSET_NAME": "SA-BESS-1",
    "SITE_ID": SITE_ID,
    "SITE_NAME": "SingleAsset-Test",
    "ASSET_LOCATION": "Local",
    "CAPACITY_MWHR": "120",
    "MAX_MW": "60",
    "MIN_MW": "-60",
    "EFFICIENCY": "0.92",
    "RAMP_RATE_MW_PER_MIN": "1000",
}
"""The runbook's single-asset example."""

GATEWAY = {"SITE_ID": SITE_ID, "ASSETS_PATH": "der_headend/assets_test.yaml"}
"""The runbook's Gateway Mode example."""

BRISK = {"TICK_S": "0.2", "HEARTBEAT_S": "0.5", "SIM_FAULTS_PER_HOUR": "0"}
"""So that a test does not have to wait for what an operator waits for."""

Json = Any


class System:
    """A headend on free ports and whatever agents a test starts; all of it ends with the block."""

    def __init__(self, **headend_env: str) -> None:
        self.http_port, self.grpc_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.grpc_address = f"127.0.0.1:{self.grpc_port}"
        self._env = {
            "ASSETS_PATH": "der_headend/assets_test.yaml",
            "HEADEND_HTTP_ADDR": f"127.0.0.1:{self.http_port}",
            "HEADEND_GRPC_ADDR": self.grpc_address,
            "CONSOLE": "0",  # it takes a third of a second to start, and most tests do not look at it
            **headend_env,
        }
        self._stack = ExitStack()
        self.http = self._stack.enter_context(httpx.Client(base_url=self.url, timeout=10.0))
        self.headend = self.start_headend()

    def start_headend(self) -> Program:
        """Start the headend (again), and wait until it serves."""
        self.headend = self._stack.enter_context(Program.module("der_headend", env=self._env))
        self.headend.wait_for(r"^der_headend .*REST on")
        return self.headend

    def start_agent(
        self, env: Mapping[str, str], *, through: str | None = None, connected: bool = True
    ) -> Program:
        """Start an agent, at the headend's address or at a proxy's, and wait until it is registered."""
        target = {"HEADEND_GRPC": through or self.grpc_address}
        agent = self._stack.enter_context(Program.module("edge_agent", env={**BRISK, **target, **env}))
        if connected:
            agent_id = env.get("ASSET_ID") or env.get("GATEWAY_ID") or env["SITE_ID"]
            self.wait_for_agent(agent_id, connected=True)
        return agent

    def get(self, path: str, **params: Any) -> Json:
        """The JSON of a GET that succeeds."""
        response = self.http.get(path, params=params)
        assert response.status_code == httpx.codes.OK, response.text
        return response.json()

    def dispatch(self, wait: str | None = "active", **body: Any) -> Json:
        """The record of a POST /dispatch that is accepted, once it is in the state waited for."""
        params: dict[str, str | int] = {"wait": wait, "timeout_s": 5} if wait else {}
        response = self.http.post("/dispatch", json=body, params=params)
        assert response.status_code == httpx.codes.ACCEPTED, response.text
        return response.json()

    def agent(self, agent_id: str) -> Json:
        """One entry of /agents; ``None`` if it is not there."""
        return next((a for a in self.get("/agents") if a["agent_id"] == agent_id), None)

    def wait_for_agent(self, agent_id: str, *, connected: bool, deadline_s: float = 15.0) -> Json:
        """The agent's entry, once it is (dis)connected."""
        self.wait(
            lambda: (entry := self.agent(agent_id)) is not None and entry["connected"] is connected,
            f"agent {agent_id} connected={connected}",
            deadline_s=deadline_s,
        )
        return self.agent(agent_id)

    def wait_for_state(self, dispatch_id: str, state: str, *, deadline_s: float = 10.0) -> Json:
        """The record, once it is in that state."""
        self.wait(
            lambda: self.get(f"/dispatch/{dispatch_id}")["state"] == state,
            f"dispatch {state}; it is {self.get(f'/dispatch/{dispatch_id}')}",
            deadline_s=deadline_s,
        )
        return self.get(f"/dispatch/{dispatch_id}")

    def wait_for_mw(self, mw_by_asset: Mapping[str, float], *, deadline_s: float = 10.0) -> None:
        """Until telemetry shows each asset at its power, within 0.05 MW."""

        def shown() -> bool:
            now = {a: self.http.get(f"/telemetry/{a}").json().get("current_mw") for a in mw_by_asset}
            return all(mw is not None and abs(mw - mw_by_asset[a]) < 0.05 for a, mw in now.items())

        self.wait(shown, f"telemetry showing {mw_by_asset}", deadline_s=deadline_s)

    def wait(self, condition: Callable[[], bool], what: str, *, deadline_s: float = 10.0) -> None:
        """``wait_until``, with the headend's log in the error."""
        try:
            wait_until(condition, deadline_s=deadline_s, what=what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.headend}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stack.close()


def kill(program: Program) -> None:
    """SIGKILL, and wait until it is gone."""
    program.send(signal.SIGKILL)
    program.wait()


def shell_blocks(markdown: str, heading: str) -> list[str]:
    """The ``bash`` blocks below a heading of a Markdown text, up to the next heading of the same or a higher level."""
    level = len(heading) - len(heading.lstrip("#"))
    _, _, below = markdown.partition(f"\n{heading}\n")
    blocks = []
    # The blocks come first: a comment of a shell script looks like a heading.
    for block, title in re.findall(r"^(```.*?^```$)|^(#+) ", below, re.MULTILINE | re.DOTALL):
        if title and len(title) <= level:
            break
        if block.startswith("```bash\n"):
            blocks.append(block.removeprefix("```bash\n").removesuffix("```"))
    return blocks


RUNBOOK = REPOSITORY / "docs" / "runbook.md"
