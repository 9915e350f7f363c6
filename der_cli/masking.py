r"""Taking secrets out of text that leaves the machine. Pure.

Two ways that back each other up: what is known to be a secret (the value of a variable that is called one, the
password of a URL) is taken out wherever it stands, and what looks like a secret is taken out whether it is known or
not. In doubt something is masked: a report that lacks a word can be asked about, a password that is out stays out.

>>> Mask().text("DATABASE_URL=postgres://bess:hunter2@localhost/bess")
'DATABASE_URL=postgres://bess:[removed]@localhost/bess'
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, pairwise
from typing import Any
from urllib.parse import quote, quote_plus, unquote

REMOVED = "[removed]"

_SHORTEST = 4
"""A known secret shorter than this is taken out where it is known to stand, but not wherever its letters occur."""
_WORKING_DIRECTORIES = frozenset({"OLDPWD", "PWD"})
_NO_SECRETS = frozenset({"false", "none", "null", "true"})

_ANYWHERE = (
    r"(?:passw(?:or)?[dt]|passphrase|passcode|pwd|secret|token|credential|api[_-]?key|access[_-]?key|account[_-]?key"
    r"|private[_-]?key|(?:admin|db|root|user)pass)"
)
"""Part of a secret's name wherever it stands in it, as in ``PGPASSWORD``."""
_AS_A_WORD = (
    r"(?:pw|pass|auth(?:orization|entication)?|cookie|key|sig(?:nature)?|sas|jaas|headers|dsn|pin|salt)"
)
"""Part of a secret's name only if it is a word of it, unlike in ``BYPASS``."""
_PART = r"[\w.-]{0,200}"  # bounded, so that a long line does not take minutes
_SECRET = rf"(?:{_PART}{_ANYWHERE}|(?:{_PART}[_.-])?{_AS_A_WORD})s?(?:[_.-]{_PART})?"
_SECRET_NAME = re.compile(rf"{_SECRET}|PGPASSFILE", re.IGNORECASE)

# Anything but the end of a URL as it stands in a log, in JSON, in a shell. The last `@` ends the password: one that was
# not percent-encoded may hold more of them, and so may a user, as in `user@server`. A quote belongs to the password
# unless the URL seems to end there.
_SCHEME_OF_URL = r"(?P<scheme>(?<![a-z0-9+.-])[a-z0-9+.-]+://)"
_URL = re.compile(
    rf"{_SCHEME_OF_URL}(?P<user>[^\s:/'\"<>]*):(?P<password>(?:[^\s'\"<>]|['\"<>](?![\s,:;)\]}}])){{1,2000}})@",
    re.IGNORECASE,
)
_URL_WITH_BLANKS = re.compile(  # not of the web: logs are full of those, and a port is no password
    rf"(?!https?:){_SCHEME_OF_URL}(?P<user>[^\s:/'\"<>]*):(?!\[removed\]@|\d{{1,5}}(?![^/\s]))"
    rf"(?:(?!://)[^\n'\"<>]){{1,200}}@",
    re.IGNORECASE,
)
_WHOLE_URL = re.compile(r"\s*[a-z0-9+.-]+://[^:]*:(?P<password>.+)@", re.IGNORECASE | re.DOTALL)
_URL_ENCODED = re.compile(r"(?P<before>%3A%2F%2F[^\s%]*%3A)\S+?%40", re.IGNORECASE)
_URL_TOKEN = re.compile(r"(?P<scheme>(?:http|grpc|ws|redis)s?://)[^\s:/@'\"<>?#]+@", re.IGNORECASE)
_QUOTED = r"""[bru]?(?:\\"(?:[^"\\]|\\[^"])*\\"|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_NAMED = re.compile(
    rf"""(?P<name>(?<![\w.-]){_SECRET}(?:\\?["']|%22)?)
         (?P<between>\s*(?:[=-]>|[=:>]|%3[AD])\s*(?:\w+\()?|\t+|\s+(?=(?:bearer|basic)\s))
         (?P<value>(?:(?:bearer|basic|digest|token)\s+)?
            (?:{_QUOTED}|[|>][+-]?\s*\n\s+[^\n]+|[^\s,;&"'\\}})\]]+))""",
    re.IGNORECASE | re.VERBOSE,
)
_REST = re.compile(
    rf"(?P<name>(?:passphrase\s*[:=]|^[ \t]*(?:-[ \t]+)?{_PART}{_ANYWHERE}s?:)[ \t]*){re.escape(REMOVED)}"
    r"(?:[ \t]+(?![\w.-]+[=:])[^\s,;&\"'\\})\]]+)+",
    re.IGNORECASE | re.MULTILINE,
)
"""The other words of what was removed: of a passphrase, or on a line of a file of settings."""
_SQL = re.compile(rf"(?P<name>\bpassword\s+)e?(?:{_QUOTED})+", re.IGNORECASE)
_PAIR = re.compile(rf"(?P<name>(?P<mark>[\"']){_SECRET}(?P=mark)\s*,\s*){_QUOTED}", re.IGNORECASE)
_FLAG = re.compile(rf"(?P<flag>(?<!\S)--?{_SECRET})\s+(?!--)(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+", re.IGNORECASE)
_USER_FLAG = re.compile(r"(?P<flag>(?<!\S)(?:-u|--user)\s+[^\s:]+):\S+")
_HEADER = re.compile(r"(?P<name>\b(?:cookie|authorization):\s*)[^\s\"'\\][^\r\n\"'\\]*", re.IGNORECASE)
_SCHEME = re.compile(r"\b(?P<scheme>bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_SHAPES = re.compile(
    r"-----BEGIN[ A-Z]*PRIVATE KEY-----.*?(?:-----END[ A-Z]*PRIVATE KEY-----|\Z)"
    r"|(?:^[\w+/=]{1,76}\s*\n){1,100}-----END[ A-Z]*PRIVATE KEY-----"  # an excerpt may begin in the middle of one
    r"|\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"  # a JSON web token
    r"|\b(?:gh[opsur]_|github_pat_|glpat-|xox[abprs]-|sk-|AKIA|ASIA)[\w-]{12,}"
    r"|(?<![\w-])(?=[\w=+-]*[a-z])(?=[\w=+-]*[A-Z])(?=[\w=+-]*\d)[\w=+-]{32,}"
    r"|(?<!trace_id=)(?<![\w-])[0-9a-f]{32,}(?![\w-])",
    re.DOTALL | re.MULTILINE,
)


def is_secret_name(name: str) -> bool:
    """Whether a variable or field of this name holds a secret."""
    return _SECRET_NAME.fullmatch(name) is not None and name not in _WORKING_DIRECTORIES


class Mask:
    """Takes ``secrets``, and whatever else looks like one, out of text; and names, where they are to be private.

    ``names`` maps what is replaced to what stands in its place, such as an asset's name to ``asset-1``.
    """

    def __init__(self, secrets: Iterable[str] = (), names: Mapping[str, str] | None = None) -> None:
        spelt = {form for secret in secrets if secret.lower() not in _NO_SECRETS for form in _forms(secret)}
        self._known = _any_of(spelt)
        self._names = dict(names or {})
        self._named = _any_of(self._names, whole_words=True)

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(REMOVED, text)
        text = _URL.sub(rf"\g<scheme>\g<user>:{REMOVED}@", text)
        text = _URL_WITH_BLANKS.sub(rf"\g<scheme>\g<user>:{REMOVED}@", text)
        text = _URL_ENCODED.sub(rf"\g<before>{REMOVED}%40", text)
        text = _URL_TOKEN.sub(rf"\g<scheme>{REMOVED}@", text)
        text = _NAMED.sub(_named, text)
        text = _REST.sub(rf"\g<name>{REMOVED}", text)
        text = _SQL.sub(rf"\g<name>{REMOVED}", text)
        text = _PAIR.sub(rf"\g<name>\g<mark>{REMOVED}\g<mark>", text)
        text = _HEADER.sub(rf"\g<name>{REMOVED}", text)
        text = _FLAG.sub(rf"\g<flag> {REMOVED}", text)
        text = _USER_FLAG.sub(rf"\g<flag>:{REMOVED}", text)
        text = _SCHEME.sub(rf"\g<scheme> {REMOVED}", text)
        text = _SHAPES.sub(REMOVED, text)
        if self._named is not None:
            text = self._named.sub(lambda found: self._names[found[0]], text)
        return text

    def document(self, value: Any) -> Any:
        """A JSON value without secrets, which is still a JSON value."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.document(each) for each in value]
            case dict():
                return {
                    self.text(name): REMOVED if is_secret_name(name) and each else self.document(each)
                    for name, each in value.items()
                }
            case _:
                return value


def secrets_of(environ: Mapping[str, str]) -> frozenset[str]:
    """What in an environment is a secret: values of variables that are called one, passwords of URLs."""
    named = {value for name, value in environ.items() if is_secret_name(name)}
    return frozenset(named | {found for value in environ.values() for found in passwords_in(value)})


def secrets_in(argv: Sequence[str]) -> frozenset[str]:
    """What on a command line is a secret: what follows a flag that is called one, passwords of URLs."""
    parts = [word.partition("=")[::2] for word in argv]
    named = {
        value
        for flag, value in chain(pairwise(argv), parts)
        if value and flag.startswith("-") and is_secret_name(flag.lstrip("-"))
    }
    words = {*argv, *(value for _, value in parts)}
    return frozenset(named | {found for word in words for found in passwords_in(word)})


def passwords_in(text: str) -> frozenset[str]:
    """The passwords of the URLs in a text; in one that is a URL, the password may hold anything."""
    whole = _WHOLE_URL.match(text)
    found = {match["password"] for match in _URL.finditer(text)} | ({whole["password"]} if whole else set())
    return frozenset(found)


def _forms(secret: str) -> set[str]:
    """A secret as it may be spelt elsewhere: percent-encoded or not, or escaped as JSON, Python and shells do it."""
    spelt = {secret, unquote(secret)}
    encoded = {encode(form) for form in spelt for encode in (partial(quote, safe=""), quote, quote_plus)}
    lower = {re.sub("%..", lambda code: code[0].lower(), form) for form in encoded}
    plain = spelt | encoded | lower
    escaped = {
        form
        for each in plain
        for form in (
            json.dumps(each)[1:-1],
            json.dumps(each, ensure_ascii=False)[1:-1],
            repr(each)[1:-1],
            each.replace("'", "'\"'\"'"),
        )
    }
    return {form for form in plain | escaped if len(form) >= _SHORTEST}


def _any_of(texts: Iterable[str], *, whole_words: bool = False) -> re.Pattern[str] | None:
    longest_first = "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
    if not longest_first:
        return None
    return re.compile(rf"(?<!\w)(?:{longest_first})(?!\w)" if whole_words else longest_first)


def _named(found: re.Match[str]) -> str:
    value = found["value"]
    quotes = next((mark for mark in ('\\"', '"', "'") if value.startswith(mark)), "")
    return f"{found['name']}{found['between']}{quotes}{REMOVED}{quotes}"
