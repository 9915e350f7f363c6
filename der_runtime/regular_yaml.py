"""The regular form of an inventory file, read many times faster than YAML at large.

A large inventory is written by a program, and programs write it like this, entry after entry, most of them with the
same keys in the same order:

    assets:
      - id: 7ba7b810-9dad-11d1-80b4-00c04fd430c8
        name: "Battery #1"
        max_mw: 60

So there are few *shapes* of entries, and each becomes a regular expression that takes an entry's values out in one
step. It lets through only what a reader of YAML reads in the same way: a known key and a scalar on each line, the
scalar in quotes without escapes or made of characters that mean nothing to YAML, and by its look the number or the
text that the key calls for. Anything else is ``Irregular``, and ``der_runtime.yaml_document`` has to read the file.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from der_runtime.yaml_document import CONSTANTS, FLOAT, INTEGER, LONGEST_NUMBER

_READ_CHARACTERS = 1 << 20
_LONGEST_ENTRY = 1 << 14
_MOST_SHAPES = 64

_HEADER = re.compile(r"([a-z]+):\n")
_GAP = re.compile(r"(?: *(?:#[ -~\w]*)?\n)+")
_DASH = re.compile(r"( *)- ")
_LINE = re.compile(r"(?P<key>[a-z_]+): (?P<begin>.).*\n")

_INNER = r"[\w.+/(),&;'-]"
_NOT_TEXT = "|".join([*map(re.escape, CONSTANTS), FLOAT.pattern, INTEGER.pattern])
_NUMBER = rf"(?!.{{{LONGEST_NUMBER + 1}}})({FLOAT.pattern})"
_TEXT = rf"(?!(?:{_NOT_TEXT})\n)([\w(/]{_INNER}*(?: +{_INNER}+)*)"
_QUOTED = {'"': r'"([ !#-\[\]-~\w]*)"', "'": r"'([ -&(-~\w]*)'"}


class Irregular(Exception):
    """The file is not of the regular form, which does not mean that anything is wrong with it."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Entries with these keys in this order; ``pattern`` has a group for each value."""

    indent: str
    keys: tuple[str, ...]
    pattern: re.Pattern[str]


class RegularReader:
    """Reads one file: a mapping of lists of mappings, no list empty.

    ``lists``: by the name of each list the keys that its entries may have. The values of the keys among ``numbers`` are
    numbers, the same to YAML and to Python; all others are text.
    """

    def __init__(self, *, lists: Mapping[str, Collection[str]], numbers: Collection[str]) -> None:
        self._lists = lists
        self._numbers = numbers
        self._begun: list[str] = []
        self._shapes: list[_Shape] = []

    def entries(self, read: Callable[[int], str]) -> Iterator[tuple[str, dict[str, str]]]:
        """The entries in order, each with the name of its list; its values as texts.

        ``read`` gives the next so many characters, lines ended by a line feed.

        Raises:
            Irregular: on coming upon anything else.
        """
        text, at, whole = "", 0, False
        while not whole or at < len(text):
            if not whole and len(text) - at < _LONGEST_ENTRY:
                more = read(_READ_CHARACTERS)
                text, at, whole = text[at:] + (more or "\n"), 0, not more
            for shape in self._shapes:
                if entry := shape.pattern.match(text, at):
                    yield self._begun[-1], dict(zip(shape.keys, entry.groups(), strict=True))
                    at = entry.end()
                    break
            else:
                at = self._between(text, at)
        if len(self._begun) < len(self._lists) or not self._shapes:
            raise Irregular

    def _between(self, text: str, at: int) -> int:
        """Where to go on at a place that is of no known shape."""
        if gap := _GAP.match(text, at):
            return gap.end()
        if header := _HEADER.match(text, at):
            name, empty = header[1], bool(self._begun) and not self._shapes
            if empty or name in self._begun or name not in self._lists:
                raise Irregular
            self._begun.append(name)
            self._shapes = []
            return header.end()
        self._shapes.append(self._shape(text, at))
        return at

    def _shape(self, text: str, at: int) -> _Shape:
        """The shape of the entry that begins here."""
        indent, lines = _entry_at(text, at)
        keys = tuple(line["key"] for line in lines)
        known = self._lists[self._begun[-1]] if self._begun else ()
        if not keys or len(set(keys)) < len(keys) or not set(keys).issubset(known):
            raise Irregular
        if len(self._shapes) == _MOST_SHAPES or any(shape.indent != indent for shape in self._shapes):
            raise Irregular
        fields = (f"{line['key']}: {self._value(line)}\n" for line in lines)
        pattern = re.compile(f"{indent}- {f'{indent}  '.join(fields)}(?!{indent}  [a-z_])")
        if not pattern.match(text, at):
            raise Irregular
        return _Shape(indent, keys, pattern)

    def _value(self, line: re.Match[str]) -> str:
        return _NUMBER if line["key"] in self._numbers else _QUOTED.get(line["begin"], _TEXT)


def _entry_at(text: str, at: int) -> tuple[str, list[re.Match[str]]]:
    """How far the entry that begins here is indented, and its lines; no lines if none begins here."""
    if not (dash := _DASH.match(text, at)):
        return "", []
    indent, at = dash[1], dash.end()
    lines = []
    while line := _LINE.match(text, at):
        lines.append(line)
        at = line.end()
        if not text.startswith(f"{indent}  ", at):
            break
        at += len(indent) + 2
    return indent, lines
