"""A small inventory for real agents, as a file: sites of batteries whose ids are in order of site."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

_BATTERY = """\
    capacity_mwhr: 4
    max_mw: 2
    min_mw: -2
    efficiency: 0.92
    ramp_rate_mw_per_min: 1000
"""


def site_id(site: int) -> str:
    """The id of a site, counted from 0."""
    return str(UUID(int=(0xBE << 120) + site, version=4))


def asset_id(site: int, place: int) -> str:
    """The id of an asset, by its site and its place there."""
    return str(UUID(int=(0xBE << 120) + ((site + 1) << 80) + place, version=4))


def entries(sites: int, per_site: int) -> tuple[Sequence[str], Sequence[str]]:
    """YAML of the ``sites:`` and of the ``assets:``, an entry each."""
    return (
        [f"  - id: {site_id(s)}\n    name: Bench-{s}\n    location: Local\n" for s in range(sites)],
        [
            f"  - id: {asset_id(s, place)}\n    name: B-{s}-{place}\n    site_id: {site_id(s)}\n{_BATTERY}"
            for s in range(sites)
            for place in range(per_site)
        ],
    )


def write(path: Path, *, sites: int, per_site: int) -> Path:
    """The file."""
    of_sites, of_assets = entries(sites, per_site)
    path.write_text("".join(["sites:\n", *of_sites, "assets:\n", *of_assets]), encoding="utf-8")
    return path
