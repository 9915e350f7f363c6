"""From what an operator types, a name or an id, to the id that the headend knows. Pure.

An id is passed on as it is: the headend is the authority on which ids exist. A name is matched exactly, then without
regard to case; if it fits nothing, or more than one thing, nothing is guessed. Dispatches and events have no name; the
beginning of their id will do.
"""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple
from uuid import UUID

import typer

SHORT = 8

_CLOSE = 0.5


class Known(NamedTuple):
    """A site or an asset by id and name."""

    id: str
    name: str


def resolve(text: str, known: Callable[[], Iterable[Known]], *, what: str, option: str) -> str:
    """The id for ``text``; ``known`` is only asked if ``text`` is not an id itself.

    ``what`` (``"asset"``, ``"site"``) and ``option`` are for the message.

    Raises:
        typer.BadParameter: the name is unknown (the nearest is named) or ambiguous (the ids are listed).
    """
    try:
        return str(UUID(text.strip()))
    except ValueError:
        pass
    everything = list(known())
    wanted = text.strip().casefold()
    matches = [each for each in everything if each.name == text.strip()] or [
        each for each in everything if each.name.casefold() == wanted
    ]
    if len(matches) == 1:
        return matches[0].id
    if matches:
        listed = "".join(f"\n  {each.id}  {each.name}" for each in matches)
        raise typer.BadParameter(
            f"{len(matches)} {what}s are called {text!r}; give the id of one:{listed}", param_hint=option
        )
    raise typer.BadParameter(_unknown(text, [each.name for each in everything], what), param_hint=option)


def resolve_id(text: str, *known: Callable[[], Iterable[str]], what: str, option: str) -> str:
    """The id for ``text``, which may be its beginning.

    Unless ``text`` is a whole id, the ``known`` ones are asked, one after the other, until some begin like that.

    Raises:
        typer.BadParameter: no id begins like that, or more than one does.
    """
    begins = text.strip().lower()
    try:
        return str(UUID(begins))
    except ValueError:
        pass
    for ids in known:
        matches = {each for each in ids() if begins and each.startswith(begins)}
        if len(matches) == 1:
            return matches.pop()
        if matches:
            raise typer.BadParameter(
                f"{text!r} begins {len(matches)} ids; give more of it", param_hint=option
            )
    raise typer.BadParameter(f"no {what} has an id that begins with {text!r}", param_hint=option)


def canonical(id: str) -> str:
    """An id as the headend writes it; what is no UUID stays as it is."""
    try:
        return str(UUID(id.strip()))
    except ValueError:
        return id


def short(id: str) -> str:
    """The beginning of an id, enough to tell one from the others in a list."""
    return id[:SHORT]


def _unknown(text: str, names: Sequence[str], what: str) -> str:
    by_folded = {name.casefold(): name for name in names}
    near = get_close_matches(text.strip().casefold(), by_folded, n=1, cutoff=_CLOSE)
    if near:
        return f"no {what} is called {text!r}. Did you mean {by_folded[near[0]]!r}?"
    if not names:
        return f"no {what} is called {text!r}: the headend has none."
    return f"no {what} is called {text!r}; `der {what}s` lists them."
