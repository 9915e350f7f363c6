"""Events as they happen: those so far, then each new one, none twice; what a broken stream did not tell is read."""

from collections.abc import Callable, Iterable, Iterator

from der_cli.screen import err, words
from der_client import Connected, EventRaised, HeadendError, Interrupted, Missed, StreamEvent
from der_client.failures import short as why
from der_client.models import Event

REMEMBERED = 1000
"""So many of the newest events are read where the stream may have a gap, and twice as many are known again."""


class _Known:
    """The ids of the events that were seen last."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._ids: dict[str, None] = {}

    def is_new(self, event: Event) -> bool:
        """Whether it was not seen before; from now on it was."""
        new = event["id"] not in self._ids
        self._ids.pop(event["id"], None)
        self._ids[event["id"]] = None
        if len(self._ids) > self._room:
            del self._ids[next(iter(self._ids))]
        return new


def feed(
    stream: Iterable[StreamEvent],
    *,
    newest: Callable[[int], Iterable[Event]],
    wanted: Callable[[Event], bool],
    first: int,
) -> Iterator[Event]:
    """The ``first`` newest events, oldest first, then each new one that is ``wanted``.

    ``newest`` reads so many of those that are wanted, newest first. A lost connection, and a gap that can't be filled,
    are told on stderr.
    """
    read = max(first, REMEMBERED)
    known = _Known(2 * read)
    so_far = [event for event in newest(read) if known.is_new(event)]
    yield from reversed(so_far[:first])
    for happened in stream:
        match happened:
            case Connected() | Missed():
                yield from _meanwhile(lambda: newest(read), known, read)
            case EventRaised(event) if wanted(event) and known.is_new(event):
                yield event
            case Interrupted(reason):
                _tell(f"Connection lost ({words(reason)}); trying again …")


def _meanwhile(newest: Callable[[], Iterable[Event]], known: _Known, read: int) -> list[Event]:
    """What the stream may not have told, oldest first."""
    try:
        found = list(newest())
    except HeadendError as error:
        _tell(f"Some events may have been missed ({words(why(error))}); `der events` lists them.")
        return []
    new = [event for event in reversed(found) if known.is_new(event)]
    if len(new) == read:
        _tell(f"More than {read:,} events happened meanwhile; `der events` lists the others.")
    return new


def _tell(what: str) -> None:
    err().print(what, style="yellow", soft_wrap=True)
