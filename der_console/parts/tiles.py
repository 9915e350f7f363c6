"""Tiles: the figures that matter most, each with its label and what is said below it."""

from dataclasses import dataclass

from der_console.parts.elements import tag, words
from der_console.parts.gauge import Gauge
from der_console.parts.value import Value
from der_console.topics import Topic
from der_console.turns import give_way


@dataclass(frozen=True, slots=True)
class Tile:
    """The cell ``key`` with its ``unit``; below it the cell ``note``, the bar of the cell ``gauge`` or ``words``.

    At last, of a sum, the cell ``part``: of how many assets it is, empty where that is all of them.
    """

    label: str
    key: str
    unit: str = ""
    note: str = ""
    gauge: str = ""
    words: str = ""
    part: str = ""


HEADROOM = (
    Tile("Headroom up", "up", "MW", words="towards export (+)", part="part"),
    Tile("Headroom down", "down", "MW", words="towards import (−)", part="part"),
)


async def tiles(topic: Topic, *shown: Tile) -> None:
    """A row of tiles, or several rows that are evenly filled where they do not fit."""
    with tag("dl", f"tiles of-{len(shown)}"):
        for tile in shown:
            with tag("div", "tile"):
                words(tile.label, "dt")
                with tag("dd"):
                    Value(topic, tile.key, unit=tile.unit)
                _below(topic, tile)
            await give_way()


def _below(topic: Topic, tile: Tile) -> None:
    if tile.note or tile.gauge or tile.words:
        with tag("dd", "note"):
            if tile.note:
                Value(topic, tile.note)
            elif tile.gauge:
                Gauge(topic, tile.gauge, label=tile.label)
            else:
                words(tile.words)
    if tile.part:
        with tag("dd", "note"):
            Value(topic, tile.part)
