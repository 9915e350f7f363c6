"""``python -m bench report``: fill docs/performance.md from the results that are kept, and draw its plots.

Only what stands between ``<!-- bench: NAME -->`` and ``<!-- end -->`` is written; the words around it are for people.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.command import RESULTS
from bench.plots import draw
from bench.tables import filled, read
from kit.processes import REPOSITORY


def main(argv: Sequence[str]) -> int:
    """Fill the page and draw the plots."""
    parser = argparse.ArgumentParser(
        prog='make bench ARGS="report ..."', description="Fill docs/performance.md."
    )
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="DIR", help="where the results are")
    parser.add_argument(
        "--page", type=Path, default=REPOSITORY / "docs" / "performance.md", help="the page to fill"
    )
    asked = parser.parse_args(argv)
    results = read(asked.json)
    images = asked.page.parent / "images"
    images.mkdir(exist_ok=True)
    drawn = draw(results, images)
    asked.page.write_text(filled(asked.page.read_text(encoding="utf-8"), results, drawn), encoding="utf-8")
    print(f"{asked.page}: {len(results)} results, plots: {', '.join(drawn) or 'none'}")
    return 0
