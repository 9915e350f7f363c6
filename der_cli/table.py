"""Tables that fit: what matters least is left out first where the terminal is narrow, and is then said to be."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from der_cli.screen import wide_out

T = TypeVar("T")

_GAP = 2
_ENOUGH = 36
"""So much of a text has to be seen, be it a name or an id; one that is longer does not drive out other columns."""


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column: its header and what it shows of a row.

    ``rank`` 0 always stays; of the others the highest goes first, and columns of one rank go together. ``right``
    aligns numbers.
    """

    header: str
    cell: Callable[[T], Text | str]
    rank: int = 0
    right: bool = False


def show(columns: Sequence[Column[T]], rows: Iterable[T], *, caption: str, title: str | None = None) -> None:
    """Print a table: on a terminal of as many of the columns as fit, elsewhere of all."""
    console = wide_out()
    table = laid_out(columns, rows, width=console.width)
    if title is not None:
        console.print(Text(title, style="bold"))
    console.print(table)
    console.print(Text(caption, style="dim"))
    if hidden := left_out(columns, table):
        console.print(hidden)


def left_out(columns: Sequence[Column[T]], table: Table) -> Text | None:
    """Which of the columns had no room in a table; ``None`` if all had."""
    shown = {str(column.header) for column in table.columns}
    hidden = [column.header for column in columns if column.header not in shown]
    if not hidden:
        return None
    return Text(f"No room for {', '.join(hidden)}; a wider terminal shows all.", style="dim")


def laid_out(columns: Sequence[Column[T]], rows: Iterable[T], *, width: int) -> Table:
    """A table of as many of the columns as fit into ``width``."""
    lines = [[_text(column.cell(row)) for column in columns] for row in rows]
    wanted = [
        max([cell_len(column.header), *(cell_len(line[place].plain) for line in lines)])
        for place, column in enumerate(columns)
    ]
    needed = [
        each if column.right else min(each, _ENOUGH) for column, each in zip(columns, wanted, strict=True)
    ]
    kept = fitting([column.rank for column in columns], needed, width)
    left = width - sum(needed[place] + _GAP for place in kept) + _GAP
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, _GAP - 1, 0, 0),  # the box adds one
        pad_edge=False,
        show_edge=False,
    )
    for place in kept:
        column = columns[place]
        most = needed[place]
        if not column.right:
            most = min(max(most + left, cell_len(column.header)), wanted[place])
            left -= most - needed[place]
        table.add_column(
            Text(column.header),
            justify="right" if column.right else "left",
            max_width=most,
            no_wrap=True,
            overflow="ellipsis",
        )
    for line in lines:
        table.add_row(*(line[place] for place in kept))
    return table


def fitting(ranks: Sequence[int], widths: Sequence[int], room: int) -> list[int]:
    """The places of the columns that stay, so that widths and gaps together are at most ``room`` if they can be."""
    kept = list(range(len(ranks)))
    while sum(widths[place] + _GAP for place in kept) - _GAP > room:
        least = max(ranks[place] for place in kept)
        if least == 0:
            break
        kept = [place for place in kept if ranks[place] != least]
    return kept


def _text(cell: Text | str) -> Text:
    return Text(cell) if isinstance(cell, str) else cell
