"""Foreign text made fit to be shown: on one line, of bounded length, with nothing that moves a cursor."""

from reprlib import Repr

_LONGEST = 500

_REPR = Repr()
_REPR.maxstring = _REPR.maxother = 60


def shown(value: object) -> str:
    """A value in quotes and cut short, for a message that says what is wrong with it."""
    return _REPR.repr(value)


def one_line(text: str, *, longest: int = _LONGEST) -> str:
    r"""``text`` fit for one line of a terminal: what does not print is escaped, what is too long is cut.

    >>> one_line("name\n\x1b[31m")
    'name\\n\\x1b[31m'
    """
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return cut if cut.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in cut)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
