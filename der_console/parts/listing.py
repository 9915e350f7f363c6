"""A short live table: up to some hundred rows, all of them sent when any of them changes.

Its rows are one cell of a topic, made by ``rows``. Long tables are ``grid``'s.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from der_console.cells import Cell
from der_console.parts.shown import Shown
from der_console.topics import TROUBLE, Topic


@dataclass(frozen=True, slots=True)
class Column:
    """``kind``: ``time`` and ``ago`` show a cell's ``at`` as a moment and as an age; ``number`` stands to the right.

    ``words`` are prose, which may take several lines; ``wide``: left out on a phone.
    """

    name: str
    label: str
    kind: Literal["text", "words", "number", "time", "ago"] = "text"
    wide: bool = False


class Listing(Shown, component="listing.js"):
    """Shows the rows of ``topic``'s cell ``key``, or ``empty`` when there are none; above them its trouble, if any.

    ``on_act(action, row_id)`` is called when a person presses the button of a cell that has ``do``, ``on_more`` when
    they ask for more rows than there are. ``blocks``: on a phone each row is a block, for tables of many columns.
    ``as_of`` is a cell that says by its ``at`` when all numbers were measured: they fade once that is too long ago.
    """

    def __init__(
        self,
        topic: Topic,
        key: str,
        columns: Sequence[Column],
        *,
        label: str,
        empty: str,
        on_act: Callable[[str, str], object] | None = None,
        on_more: Callable[[], object] | None = None,
        blocks: bool = False,
        as_of: str = "",
    ) -> None:
        super().__init__(
            topic,
            key,
            columns=[asdict(column) for column in columns],
            label=label,
            empty=empty,
            blocks=blocks,
            asOf=as_of,
            initialAsOf=topic.cells.get(as_of),
            trouble=TROUBLE,
            initialTrouble=topic.cells.get(TROUBLE),
        )
        self._key = key
        if on_act is not None:
            self.on("act", lambda event: on_act(*event.args))
        if on_more is not None:
            self.on("more", lambda _: on_more(), args=[])

    def show(self, topic: Topic) -> None:
        """Show the same cell of another topic, which the page must show already."""
        topic.tell(self.client)
        self._props["topic"] = topic.key
        self._props["initial"] = topic.cells.get(self._key)
        self._props["initialTrouble"] = topic.cells.get(TROUBLE)
        self.update()


def rows(entries: Iterable[Mapping[str, Any]], *, more: bool = False) -> Cell:
    """The cell of a listing. Each row has an ``id``, and per column a text or a cell; ``more``: there are more of them.

    A cell of a row may have ``h``, where it links to, or ``do``, the action of its button, and ``b``, what is below it.
    """
    cell: Cell = {"rows": list(entries)}
    if more:
        cell["more"] = True
    return cell
