"""Following a dispatch: ask modestly until it is as far as one wants to see it, and say what became of it.

The decisions are here, free of terminal and network; ``dispatch`` does the talking.
"""

from collections.abc import Callable, Iterator

from der_client import MAY_PASS, HeadendError
from der_client.models import Dispatch
from der_core.lifecycle import FINAL_STATES, State

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0
_SLOWER = 1.5


def settled(record: Dispatch) -> bool:
    """Whether there is nothing more to wait for: it is active, or it has ended."""
    return record["state"] == State.ACTIVE or ended(record)


def ended(record: Dispatch) -> bool:
    """Whether nothing more can become of it."""
    return record["state"] in FINAL_STATES


def as_wished(record: Dispatch) -> bool:
    """Whether the dispatch is in force, or was to its planned end."""
    return record["state"] in {State.ACTIVE, State.COMPLETED}


class Patient:
    """Looks at a dispatch again and again; while the headend is away it is as it was.

    ``trouble`` is why the last look failed; ``tell`` gets it when it begins, and ``None`` when it is over.
    """

    def __init__(
        self, record: Dispatch, fetch: Callable[[], Dispatch], tell: Callable[[HeadendError | None], None]
    ) -> None:
        self.trouble: HeadendError | None = None
        self._record = record
        self._fetch = fetch
        self._tell = tell

    def look(self) -> Dispatch:
        """The record as it is now, or was."""
        before = self.trouble
        try:
            self._record, self.trouble = self._fetch(), None
        except MAY_PASS as error:
            self.trouble = error
        if (before is None) is not (self.trouble is None):
            self._tell(self.trouble)
        return self._record


def follow(
    record: Dispatch,
    *,
    fetch: Callable[[], Dispatch],
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
    enough: Callable[[Dispatch], bool],
    timeout_s: float,
) -> Iterator[Dispatch]:
    """The record as it is, then each time it was looked at again, until it is ``enough`` or ``timeout_s`` is over.

    The pauses grow to a second, and are short again after every change.
    """
    end = monotonic() + timeout_s
    pause_s = _FIRST_PAUSE_S
    yield record
    while not enough(record) and (left_s := end - monotonic()) > 0:
        sleep(min(pause_s, left_s))
        before, record = record, fetch()
        pause_s = _FIRST_PAUSE_S if record != before else min(pause_s * _SLOWER, _LONGEST_PAUSE_S)
        yield record
