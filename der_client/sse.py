"""Server-sent events out of the bytes of a body, wherever these were cut (WHATWG HTML, 9.2.6)."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its name (``message`` if it has none), its data, and the last id that was sent so far.

    A message without data only moves the id on.
    """

    name: str
    data: str
    last_id: str | None


class Messages:
    """Collects bytes and gives the messages that are complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._last_id: str | None = None
        self._id_moved = False

    def feed(self, piece: bytes) -> Iterator[Message]:
        """The messages that ``piece`` completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            message = self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if message is not None:
                yield message

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._last_id, self._id_moved = value, True
        return None

    def _complete(self) -> Message | None:
        message = None
        if self._data or self._id_moved:
            message = Message(self._name or "message", "\n".join(self._data), self._last_id)
        self._name, self._data, self._id_moved = "", [], False
        return message
