"""A strict reader of YAML: one document of mappings, lists and scalars, and nothing that surprises.

It builds plain values straight from the parser's events, in one pass, so nothing a file says can make it run code or
grow beyond the file's own size. Plain scalars are read by the core schema of YAML 1.2: `no`, `12:30` and `2026-01-01`
are texts, `1e3` is a number. Aliases, merge keys, tags, duplicate keys and keys that are not text are refused: each
is noted, with its line, and reading goes on, so that all of them come to light together.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from typing import Any, TypeAlias

import yaml

from der_runtime.display import shown

MAX_DEPTH = 8
LONGEST_NUMBER = 300

# The parser in C is many times faster; a PyYAML built without it reads the same files.
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = (
    yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
)


class LinedDict(dict[str, object]):
    """A mapping that knows the line on which it began, counted from 1."""

    __slots__ = ("line",)

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


_Path: TypeAlias = tuple[str | int | None, ...]
EntryHook: TypeAlias = Callable[[str, int, LinedDict], object]


def _as_it_is(_name: str, _place: int, values: LinedDict) -> object:
    return values


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something in the file that is not allowed, and its line, counted from 1."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """What was read. Where reading had to be given up (at the last complaint) it is not ``complete``."""

    value: object
    complaints: tuple[Complaint, ...]
    complete: bool


def read_document(data: bytes, *, entry: EntryHook = _as_it_is) -> Document:
    """Read the one YAML document that ``data`` holds; an empty one is ``None``.

    Where it is a mapping of lists of mappings, each of the latter is replaced, as soon as it is read, by what ``entry``
    makes of the list's key, the place in the list, and the mapping.
    """
    builder = _Builder(entry)
    try:
        data.decode("utf-8")
        value = builder.document(_LOADER(data).get_event)
    except _GiveUp as reason:
        builder.complaints.append(reason.complaint)
    except UnicodeDecodeError as error:
        builder.complaints.append(Complaint(_line_at(data, error.start), f"is not UTF-8: {error.reason}"))
    except yaml.YAMLError as error:
        builder.complaints.append(_syntax_complaint(data, error))
    else:
        return Document(value, tuple(builder.complaints), complete=True)
    return Document(None, tuple(builder.complaints), complete=False)


CONSTANTS: dict[str, object] = (
    dict.fromkeys(("", "~", "null", "Null", "NULL"))
    | dict.fromkeys(("true", "True", "TRUE"), True)
    | dict.fromkeys(("false", "False", "FALSE"), False)
    | {f"{sign}{word}": inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")}
    | dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -inf)
    | dict.fromkeys((".nan", ".NaN", ".NAN"), nan)
)
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"0o": 8, "0x": 16}


def resolve_plain(text: str) -> object:
    """What an unquoted scalar means by the core schema of YAML 1.2; text if nothing else.

    A number of more than 300 characters is taken for text, which no number field accepts.
    """
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text[0] not in "+-.0123456789" or len(text) > LONGEST_NUMBER:
        return text
    if INTEGER.fullmatch(text):
        return int(text, _BASES.get(text[:2], 10))
    return float(text) if FLOAT.fullmatch(text) else text


class _GiveUp(Exception):
    """Nothing after this can be made sense of, or should be."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.complaint = Complaint(line, message)


class _Builder:
    """Takes events, makes values."""

    def __init__(self, entry: EntryHook) -> None:
        self._entry = entry
        self._next: Callable[[], Any] = lambda: None
        self.complaints: list[Complaint] = []

    def document(self, next_event: Callable[[], Any]) -> object:
        self._next = next_event
        value = None
        documents = 0
        while (event := self._next()) is not None:
            if type(event) is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise _GiveUp(_line(event), "a second YAML document begins here; expected only one")
                value = self._value(self._next())
        return value

    def _value(self, event: Any, around: _Path | None = None, at: str | int | None = None) -> object:
        """The value that begins with an event, which is ``at`` this key or place of the collection ``around`` it."""
        kind = type(event)
        if kind is yaml.AliasEvent:
            self._complain(_line(event), "YAML aliases are not allowed in an inventory")
            return f"*{event.anchor}"
        if event.tag is not None:
            self._complain(
                _line(event), f"YAML tags are not allowed in an inventory; remove the tag {shown(event.tag)}"
            )
        if kind is yaml.ScalarEvent:
            return resolve_plain(event.value) if event.implicit[0] else event.value
        path = () if around is None else (*around, at)
        if len(path) == MAX_DEPTH:
            raise _GiveUp(_line(event), f"is nested deeper than {MAX_DEPTH} levels")
        return self._list(path) if kind is yaml.SequenceStartEvent else self._mapping(event, path)

    def _list(self, path: _Path) -> list[object]:
        items: list[object] = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            items.append(self._value(event, path, len(items)))
        return items

    def _mapping(self, start: yaml.MappingStartEvent, path: _Path) -> object:
        values = LinedDict(_line(start))
        lines: dict[str, int] = {}
        while type(event := self._next()) is not yaml.MappingEndEvent:
            key = self._accepted_key(self._value(event, path), _line(event), lines)
            value = self._value(self._next(), path, key)
            if key is not None:
                values[key] = value
        match path:
            case (str(name), int(place)):
                return self._entry(name, place, values)
            case _:
                return values

    def _accepted_key(self, key: object, line: int, lines: dict[str, int]) -> str | None:
        """The key, unless it is refused; its value is then read and dropped."""
        if not isinstance(key, str):
            self._complain(line, f"the key {shown(key)} is not a text")
        elif key == "<<":
            self._complain(line, "YAML merge keys are not allowed in an inventory")
        elif key in lines:
            self._complain(line, f"the key {shown(key)} was already given on line {lines[key]}")
        else:
            lines[key] = line
            return key
        return None

    def _complain(self, line: int, message: str) -> None:
        self.complaints.append(Complaint(line, message))


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _syntax_complaint(data: bytes, error: yaml.YAMLError) -> Complaint:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line, column = error.problem_mark.line + 1, error.problem_mark.column + 1
        context = f" {error.context}" if error.context else ""
        return Complaint(line, f"column {column}: is not valid YAML{context}: {error.problem}")
    if isinstance(error, yaml.reader.ReaderError):
        character = f"character {error.character:#x}" if isinstance(error.character, int) else "a byte"
        line = _line_at(data, error.position)
        return Complaint(line, f"is not valid YAML: {character}: {error.reason}")
    return Complaint(1, f"is not valid YAML: {error}")


def _line_at(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
