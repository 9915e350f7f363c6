"""T8: what an edge agent costs its device: 50 assets every 4 s, spool on disk, over a minute.

It runs in an environment of requirements-edge.txt alone, made for this run as a device would have it.
"""

import sys
import time
import venv
from pathlib import Path

from bench import sites
from bench.command import main
from bench.rig import Database, Headend, agent, await_that
from bench.run import BenchFailed, Run
from bench.usage import Cpu, Sampled, rss_mib
from kit.processes import REPOSITORY, Program

TITLE = "One edge agent with 50 assets at 4 s"

_INSTALL_S = 300.0


def measure(run: Run) -> None:
    assets = run.pick(run.options.assets, full=50, quick=50)
    duration_s = run.pick(run.options.duration_s, full=60.0, quick=8.0)
    folder = run.folder()
    python = _edge_python(run, folder / "edge")
    inventory = sites.write(folder / "site.yaml", sites=1, per_site=assets)
    database = Database(run)
    headend = Headend(run, inventory=inventory, database=database)
    env = {
        "SITE_ID": sites.site_id(0),
        "ASSETS_PATH": str(inventory),
        "SPOOL_PATH": str(folder / "spool.sqlite3"),
    }
    device = agent(run, headend, env, python=python)
    run.say("warm-up")
    await_that(lambda: headend.rows_stored() >= 2 * assets, "two ticks stored", deadline_s=30)
    run.say(f"{duration_s:g} s of {assets} assets every 4 s")
    cpu = Cpu({"agent": device.pid})
    with Sampled(lambda: rss_mib(device.pid), every_s=1.0) as memory:
        time.sleep(duration_s)
        used_s = cpu.used_s()["agent"]
    run.figure("resident memory, highest", max(memory.values), "MiB", at_most=60)
    run.figure("CPU", 100 * used_s / cpu.wall_s, "% of a core", at_most=1)
    device.stop()
    headend.stop()
    run.check("samples stored twice", database.rows() - database.distinct(), expected=0)
    run.check("samples of incomplete ticks", database.rows() % assets, expected=0)


def _edge_python(run: Run, folder: Path) -> Path:
    run.say("an environment of requirements-edge.txt")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    lock = REPOSITORY / "requirements-edge.txt"
    install = (
        "-m",
        "pip",
        "install",
        "-qq",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        str(lock),
    )
    with Program(str(python), *install, name="pip") as pip:
        if pip.wait(deadline_s=_INSTALL_S):
            raise BenchFailed(f"requirements-edge.txt could not be installed\n{pip}")
    return python


if __name__ == "__main__":
    sys.exit(main(["t8", *sys.argv[1:]]))
