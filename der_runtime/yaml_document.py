"""A strict reader of YAML: one document of mappings, lists and scalars, and nothing that surprises.

It builds plain values straight from the parser's events, in one pass, so nothing a file says can make it run code or
grow beyond the file's own size. Plain scalars are read by the core schema of YAML 1.2: `no`, `12:30` and `2026-01-01`
are texts, `1e3` is a number. Aliases, merge keys, tags, duplicate keys and keys that are not text are refused: each
is noted, with its line, and reading goes on, so that all of them come to light together.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any

import yaml

from der_runtime.display import shown

MAX_DEPTH = 8
_LONGEST_NUMBER = 300

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


def read_document(data: bytes) -> Document:
    """Read the one YAML document that ``data`` holds; an empty one is ``None``."""
    builder = _Builder()
    try:
        data.decode("utf-8")
        for event in yaml.parse(data, Loader=_LOADER):
            builder.take(event)
    except _GiveUp as reason:
        builder.complaints.append(reason.complaint)
    except UnicodeDecodeError as error:
        builder.complaints.append(Complaint(_line_at(data, error.start), f"is not UTF-8: {error.reason}"))
    except yaml.YAMLError as error:
        builder.complaints.append(_syntax_complaint(data, error))
    else:
        return Document(builder.root, tuple(builder.complaints), complete=True)
    return Document(None, tuple(builder.complaints), complete=False)


_CONSTANTS: dict[str, object] = (
    dict.fromkeys(("", "~", "null", "Null", "NULL"))
    | dict.fromkeys(("true", "True", "TRUE"), True)
    | dict.fromkeys(("false", "False", "FALSE"), False)
    | {f"{sign}{word}": inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")}
    | dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -inf)
    | dict.fromkeys((".nan", ".NaN", ".NAN"), nan)
)
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES = {"0o": 8, "0x": 16}


def resolve_plain(text: str) -> object:
    """What an unquoted scalar means by the core schema of YAML 1.2; text if nothing else.

    A number of more than 300 characters is taken for text, which no number field accepts.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789" or len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text, _BASES.get(text[:2], 10))
    return float(text) if _FLOAT.fullmatch(text) else text


class _GiveUp(Exception):
    """Nothing after this can be made sense of, or should be."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.complaint = Complaint(line, message)


@dataclass(slots=True)
class _Open:
    """A collection that has begun and not yet ended. A ``key`` of ``None`` was refused: its value is dropped."""

    container: LinedDict | list[object]
    awaits_value: bool = False
    key: str | None = None
    key_lines: dict[str, int] = field(default_factory=dict)


class _Builder:
    """Takes events, makes values."""

    def __init__(self) -> None:
        self.root: object = None
        self.complaints: list[Complaint] = []
        self._open: list[_Open] = []
        self._documents = 0
        self._on: dict[type[yaml.Event], Callable[[Any, int], None]] = {
            yaml.DocumentStartEvent: self._document,
            yaml.MappingStartEvent: self._collection,
            yaml.SequenceStartEvent: self._collection,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
        }

    def take(self, event: yaml.Event) -> None:
        handler = self._on.get(type(event))
        if handler is not None:
            handler(event, event.start_mark.line + 1 if event.start_mark else 1)

    def _document(self, _event: object, line: int) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _GiveUp(line, "a second YAML document begins here; expected only one")

    def _collection(self, event: yaml.CollectionStartEvent, line: int) -> None:
        self._refuse_tag(event, line)
        if len(self._open) == MAX_DEPTH:
            raise _GiveUp(line, f"is nested deeper than {MAX_DEPTH} levels")
        container: LinedDict | list[object] = LinedDict(line) if type(event) is yaml.MappingStartEvent else []
        self._add(container, line)
        self._open.append(_Open(container))

    def _end(self, _event: object, _line: int) -> None:
        self._open.pop()

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._refuse_tag(event, line)
        plain, _ = event.implicit
        self._add(resolve_plain(event.value) if plain else event.value, line)

    def _alias(self, event: yaml.AliasEvent, line: int) -> None:
        self._complain(line, "YAML aliases are not allowed in an inventory")
        self._add(f"*{event.anchor}", line)

    def _add(self, value: object, line: int) -> None:
        if not self._open:
            self.root = value
            return
        parent = self._open[-1]
        if isinstance(parent.container, list):
            parent.container.append(value)
        elif not parent.awaits_value:
            parent.awaits_value, parent.key = True, self._accepted_key(parent.key_lines, value, line)
        else:
            parent.awaits_value = False
            if parent.key is not None:
                parent.container[parent.key] = value

    def _accepted_key(self, key_lines: dict[str, int], key: object, line: int) -> str | None:
        if not isinstance(key, str):
            self._complain(line, f"the key {shown(key)} is not a text")
        elif key == "<<":
            self._complain(line, "YAML merge keys are not allowed in an inventory")
        elif key in key_lines:
            first = key_lines[key]
            self._complain(line, f"the key {shown(key)} was already given on line {first}")
        else:
            key_lines[key] = line
            return key
        return None

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int) -> None:
        if event.tag is not None:
            self._complain(
                line, f"YAML tags are not allowed in an inventory; remove the tag {shown(event.tag)}"
            )

    def _complain(self, line: int, message: str) -> None:
        self.complaints.append(Complaint(line, message))


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
