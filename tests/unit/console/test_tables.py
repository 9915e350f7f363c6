import asyncio
import gzip
import json
from typing import Any

from der_console.tables import Table


class Listener:
    """Stands in for a topic, and does with what it is told what a browser does."""

    def __init__(self, table: "Table[tuple[str, float]]") -> None:
        self._table = table
        self._generation = self._seq = -1
        self.rows: list[list[Any]] = []
        self.fetched = 0

    async def fetch(self) -> None:
        whole = json.loads(gzip.decompress(await self._table.whole()))
        self._generation, self._seq, self.rows = whole["g"], whole["q"], whole["r"]
        self.fetched += 1

    def send(self, _channel: str, change: dict[str, Any]) -> None:
        if change["g"] != self._generation or "r" not in change or change["q"] <= self._seq:
            return
        for place, *live in change["r"]:
            self.rows[place][2:] = live


def table() -> "Table[tuple[str, float]]":
    return Table("assets", fixed=lambda entry: [entry[0]], live=lambda entry: [entry[1]])


async def test_rows_and_changes_add_up() -> None:
    shown = table()
    entries = {f"id{n}": (f"asset {n}", 0.0) for n in range(1000)}
    listener = Listener(shown)
    await shown.show(listener, entries)  # type: ignore[arg-type]
    await listener.fetch()
    for turn in range(1, 4):
        entries |= {f"id{n}": (f"asset {n}", float(turn)) for n in range(0, 1000, turn)}
        await shown.show(listener, entries)  # type: ignore[arg-type]
    assert {row[0]: (row[1], row[2]) for row in listener.rows} == entries
    assert listener.fetched == 1


async def test_only_what_changed_is_told() -> None:
    told: list[Any] = []

    class Told:
        def send(self, _channel: str, change: Any) -> None:
            told.append(change)

    shown = table()
    same = ("a", 1.0)
    await shown.show(Told(), {"a": same, "b": ("b", 1.0)})  # type: ignore[arg-type]
    await shown.show(Told(), {"a": same, "b": ("b", 2.0)})  # type: ignore[arg-type]
    await shown.show(Told(), {"a": same, "c": ("c", 1.0)})  # type: ignore[arg-type]
    assert told == [{"g": 1}, {"g": 1, "q": 1, "r": [[1, 2.0]]}, {"g": 2}]


async def test_rows_are_encoded_once() -> None:
    shown = table()
    await shown.show(Listener(shown), {"a": ("a", 1.0)})  # type: ignore[arg-type]
    assert await shown.whole() is await shown.whole()


async def test_who_asks_while_rows_change_shares_one_answer() -> None:
    made: list[float] = []

    def row(entry: float) -> list[float]:
        made.append(entry)
        return [entry]

    shown: Table[float] = Table("assets", fixed=row, live=lambda entry: [entry])
    listener = Listener(table())
    value, entries = 0.0, {f"id{n}": 0.0 for n in range(200)}
    await shown.show(listener, entries)  # type: ignore[arg-type]
    asking = [asyncio.create_task(shown.whole()) for _ in range(10)]
    while not all(page.done() for page in asking):
        value += 1.0
        await shown.show(listener, dict.fromkeys(entries, value))  # type: ignore[arg-type]
    first, *others = [await page for page in asking]
    assert len(made) == 2 * len(entries)
    assert first is not others[0]
    assert all(other is others[0] for other in others)


async def test_long_table_comes_in_small_pieces() -> None:
    pieces: list[int] = []

    class Told:
        def send(self, _channel: str, change: Any) -> None:
            pieces.append(len(change.get("r", ())))

    shown = table()
    for value in (0.0, 1.0):
        await shown.show(Told(), {f"id{n}": ("asset", value) for n in range(250)})  # type: ignore[arg-type]
    assert pieces == [0, 100, 100, 50]
