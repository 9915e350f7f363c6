"""What a command that takes a while is at: a spinner on a terminal, nothing where output is piped."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.status import Status
from rich.text import Text

from der_cli.screen import err, out, words


class Progress:
    """Says what is being done; without a spinner it says nothing."""

    def __init__(self, doing: str, status: Status | None) -> None:
        self._doing = doing
        self._status = status

    def __call__(self, what: str) -> None:
        """Now it is this."""
        if self._status is not None:
            self._status.update(Text(f"{self._doing} {words(what)} …"))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within the block something is printed, and the spinner is out of its way."""
        if self._status is not None:
            self._status.stop()
        yield
        if self._status is not None:
            self._status.start()


@contextmanager
def progressing(doing: str) -> Iterator[Progress]:
    """Within the block, show that "``doing`` ``this``" goes on."""
    console = err()
    if not (console.is_terminal and out().is_terminal):
        yield Progress(doing, None)
        return
    with console.status(Text(f"{doing} …")) as status:
        yield Progress(doing, status)
