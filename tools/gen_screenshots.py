"""Make ``docs/images/console-*.png``: the pages of the console, of real headends with real agents.

Needs Chromium; run as ``PYTHONPATH=tests python tools/gen_screenshots.py``. With ``--all DIR`` it writes every shot
of the table below there instead, so that somebody can look at each page in each state that people meet it in.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import Page

from kit.browser import Screen, chromium
from kit.processes import Program, free_port
from kit.system import ASSET_A, CAMPUS_A, CAMPUS_ID, GATEWAY, SITE_ID, System, kill

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
LARGEST_BYTES = 150_000
SHOWN_S = 35
_SETTLED_MS = 3000
_SITE_MW, _ASSET_MW = 12.0, -20.0
_ILL = {"SIM_FAULTS_PER_HOUR": "3600", "SIM_SEED": "7"}
_LARGE = ("--sites", "100", "--assets-per-site", "100")


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of the page at ``path``, where ``{sent}`` is the id of a dispatch, once ``seen`` can be read on it.

    ``docs``: it goes into the docs; ``prepare``: what is to be done first.
    """

    name: str
    path: str
    seen: str
    docs: bool = True
    theme: Literal["light", "dark"] = "light"
    width: int = 1280
    height: int = 800
    prepare: Callable[[Page, System], None] | None = None


World = Callable[[], AbstractContextManager[tuple[System, str]]]
"""A headend with its console, and the id of a dispatch."""


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description="Pictures of the console, in docs/images.")
    parser.add_argument("--all", metavar="DIR", type=Path, help="write every shot there instead")
    everything: Path | None = parser.parse_args().all
    with chromium() as browser:
        for world, shots in SHOTS.items():
            wanted = [shot for shot in shots if shot.docs or everything]
            if not wanted:
                continue
            with world() as (system, sent), _console(system) as url:
                for shot in wanted:
                    page = Screen(browser, url, theme=shot.theme, width=shot.width, height=shot.height).page
                    page.goto(shot.path.format(sent=sent))
                    _take(page, shot, system, everything or IMAGES)
                    page.context.close()


def _take(page: Page, shot: Shot, system: System, place: Path) -> None:
    page.get_by_text(shot.seen, exact=True).locator("visible=true").first.wait_for()
    if shot.prepare:
        shot.prepare(page, system)
    page.wait_for_timeout(_SETTLED_MS)
    picture = page.screenshot(path=place / f"console-{shot.name}.png")
    if shot.docs and len(picture) > LARGEST_BYTES:
        raise SystemExit(f"console-{shot.name}.png has {len(picture)} bytes, more than {LARGEST_BYTES}")


@contextmanager
def _console(system: System) -> Iterator[str]:
    """A console of its own, which outlives its headend."""
    port = free_port()
    with Program.module("der_console", "--headend", system.url, "--addr", f"127.0.0.1:{port}") as console:
        console.wait_for("^der_console: ")
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _normal() -> Iterator[tuple[System, str]]:
    """Both gateways of the shipped inventory, and dispatches that charts have had the time to show."""
    with System() as system:
        for site_id in (SITE_ID, CAMPUS_ID):
            system.start_agent({**GATEWAY, "SITE_ID": site_id, "TICK_S": "1"})
        time.sleep(SHOWN_S)
        system.dispatch(asset_id=CAMPUS_A, mw=_ASSET_MW, duration_s=3600)
        time.sleep(2 * SHOWN_S)
        sent = system.dispatch(site_id=SITE_ID, mw=_SITE_MW, duration_s=3600)
        time.sleep(2 * SHOWN_S)
        yield system, sent["id"]


@contextmanager
def _alarms() -> Iterator[tuple[System, str]]:
    """A gateway whose assets break, of which a person has seen one alarm, and one that was lost."""
    with System() as system:
        campus = system.start_agent({**GATEWAY, "SITE_ID": CAMPUS_ID})
        system.start_agent({**GATEWAY, **_ILL})
        system.wait(lambda: len(system.get("/events", active=True)) > 1, "alarms", deadline_s=SHOWN_S)
        kill(campus)
        system.wait_for_agent(CAMPUS_ID, connected=False)
        seen = f"/events/{system.get('/events', active=True)[0]['id']}/ack"
        system.wait(lambda: system.http.post(seen).is_success, "one acknowledged, once it is stored")
        yield system, ""


@contextmanager
def _empty() -> Iterator[tuple[System, str]]:
    """A headend that nobody has connected to."""
    with System() as system:
        yield system, ""


@contextmanager
def _large() -> Iterator[tuple[System, str]]:
    """10,000 live assets."""
    with TemporaryDirectory() as folder:
        inventory = Path(folder) / "fleet.yaml"
        with Program.module("der_cli", "fleet", "inventory", *_LARGE) as written:
            written.wait(deadline_s=SHOWN_S)
            inventory.write_text("\n".join([*written.stdout, ""]), encoding="utf-8")
        with System(ASSETS_PATH=str(inventory)) as system:
            where = ("--inventory", str(inventory), "--headend-grpc", system.grpc_address)
            with Program.module("der_cli", "fleet", "run", *where):
                time.sleep(SHOWN_S)
                yield system, ""


def _preview(page: Page, _system: System) -> None:
    page.get_by_label("Power, MW").fill("60")
    page.get_by_label("Power, MW").press("Enter")
    page.get_by_role("button", name="Send +60.00 MW").wait_for()


def _lose(page: Page, system: System) -> None:
    kill(system.headend)
    page.locator(".tiles .value.stale").first.wait_for()


_SITE, _ASSET, _ORDER = f"/ui/site/{SITE_ID}", f"/ui/asset/{ASSET_A}", f"/ui/dispatch?site={SITE_ID}"
SHOTS: Mapping[World, tuple[Shot, ...]] = {
    _normal: (
        Shot("fleet", "/", "+7.20"),
        Shot("fleet-dark", "/", "+7.20", theme="dark"),
        Shot("site", _SITE, "+7.20"),
        Shot("asset", _ASSET, "+7.20"),
        Shot("asset-dark", _ASSET, "+7.20", docs=False, theme="dark"),
        Shot("dispatch", _ORDER, "Recent dispatches", prepare=_preview),
        Shot("record", "/ui/dispatch/{sent}", "+7.20", theme="dark"),
        Shot("record-light", "/ui/dispatch/{sent}", "+7.20", docs=False),
        Shot("agents", "/ui/agents", "2 rows"),
        Shot("phone", "/", "+7.20", width=360, height=740),
        Shot("phone-asset", _ASSET, "+7.20", docs=False, width=360, height=2200),
        Shot(
            "phone-dispatch",
            _ORDER,
            "Recent dispatches",
            docs=False,
            width=360,
            height=1900,
            prepare=_preview,
        ),
        Shot("phone-record", "/ui/dispatch/{sent}", "+7.20", docs=False, width=360, height=1500),
        Shot("down", "/", "+7.20", prepare=_lose),
    ),
    _alarms: (
        Shot("events", "/ui/events", "Acknowledge"),
        Shot("fleet-alarms", "/", "see Events", docs=False),
        Shot("phone-events", "/ui/events", "Acknowledge", docs=False, width=360, height=1500),
    ),
    _empty: (
        Shot("fleet-empty", "/", "5 rows", docs=False),
        Shot("site-empty", _SITE, "3 rows", docs=False),
        Shot("asset-empty", _ASSET, "disconnected", docs=False),
        Shot("dispatch-empty", "/ui/dispatch", "No dispatch of this kind.", docs=False),
        Shot("events-empty", "/ui/events", "No alarm is raised.", docs=False),
        Shot("agents-empty", "/ui/agents", "0 rows", docs=False),
    ),
    _large: (
        Shot("fleet-large", "/", "10,000 rows", docs=False),
        Shot("agents-large", "/ui/agents", "100 rows", docs=False),
    ),
}
"""What is taken of each world, in this order: who loses its headend comes last."""


if __name__ == "__main__":
    main()
