"""A long live table: ten thousand rows that are searched, filtered and sorted in the browser."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nicegui.element import Element
from nicegui.elements.aggrid import AgGrid  # noqa: F401 - its import makes AG Grid known to the page

from der_console.tables import Table


@dataclass(frozen=True, slots=True)
class GridColumn:
    """One column, in the order of a row's parts. ``wide``: left out on a phone; ``choose``: people may filter by it.

    ``count`` is a whole number, ``power`` MW with its sign, ``state`` how far the row can be trusted (from ``online``
    and ``at``), ``at`` a time in seconds since 1970, shown as its age. ``doubted``: on a phone it says that state
    instead, unless it is live. ``options`` are those to choose from where they are known beforehand.
    """

    name: str
    label: str
    kind: Literal["text", "number", "percent", "power", "state", "at", "count", "hidden"] = "text"
    live: bool = False
    wide: bool = False
    choose: bool = False
    doubted: bool = False
    width: int = 120
    options: tuple[str, ...] = ()


class Grid(Element, component="grid.js"):
    """Shows a ``Table``. The first column links to ``link`` with the row's id behind it."""

    def __init__(self, table: Table[Any], columns: Sequence[GridColumn], *, label: str, link: str) -> None:
        super().__init__()
        self._props["channel"] = table.name
        self._props["url"] = f"/ui/data/{table.name}"
        self._props["columns"] = [asdict(column) for column in columns]
        self._props["label"] = label
        self._props["link"] = link
