"""A page of the console as a browser loads it: the HTML, what that refers to and what its modules import, each once."""

import ast
import asyncio
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx

from bench.run import BenchFailed

_REFERENCES = re.compile(r'(?:src|href)="(/[^"]+)"|@import url\("([^"]+)"\)|\bfrom ?"([^"]+)"')
_IMPORTS = re.compile(r'<script type="importmap">\s*(\{.*\})\s*</script>')
_ELEMENTS = re.compile(r"createApp\(parseElements\(String\.raw`(.*?)`\)", re.DOTALL)
_QUERY = re.compile(r"^\s*query: (\{.*\}),$", re.MULTILINE)
_MODULE = re.compile(r"/(?:components|esm)/")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a page says of itself.

    ``query`` is what its socket connects with, ``tables`` are the addresses of the rows of its long tables by the
    channel that tells their changes, ``paths`` all that was asked for.
    """

    query: Mapping[str, Any]
    tables: Mapping[str, str]
    paths: Sequence[str]


async def load(http: httpx.AsyncClient, path: str) -> Loaded:
    """Load a page.

    Raises:
        BenchFailed: it is no page of NiceGUI's, or not as that makes them.
        httpx.HTTPError: a part of it was not to be had.
    """
    text = await _fetched(http, path)
    imports = json.loads(_found(_IMPORTS, text, path))["imports"]
    elements = json.loads(html.unescape(_found(_ELEMENTS, text, path)))
    paths = [path]
    await _follow(http, text, path, imports, paths)
    props = [element.get("props", {}) for element in elements.values()]
    return Loaded(
        query=ast.literal_eval(_found(_QUERY, text, path)),
        tables={each["channel"]: each["url"] for each in props if {"channel", "url"} <= each.keys()},
        paths=paths,
    )


async def _follow(
    http: httpx.AsyncClient, text: str, path: str, imports: Mapping[str, str], paths: list[str]
) -> None:
    """Fetch what a text refers to and was not fetched before, and what that imports."""
    async with asyncio.TaskGroup() as tasks:
        for names in _REFERENCES.findall(text):
            name = next(filter(None, names))
            found = imports.get(name, name)
            if not found.startswith(("/", "./")) or (referred := urljoin(path, found)) in paths:
                continue
            paths.append(referred)
            tasks.create_task(_fetch(http, referred, imports, paths), name=f"load {referred}")


async def _fetch(http: httpx.AsyncClient, path: str, imports: Mapping[str, str], paths: list[str]) -> None:
    text = await _fetched(http, path)
    if _MODULE.search(path):
        await _follow(http, text, path, imports, paths)


async def _fetched(http: httpx.AsyncClient, path: str) -> str:
    return (await http.get(path)).raise_for_status().text


def _found(pattern: re.Pattern[str], text: str, path: str) -> str:
    found = pattern.search(text)
    if found is None:
        raise BenchFailed(f"{path} is no page as NiceGUI makes them: it has no {pattern.pattern}")
    return found[1]
