"""Codes in an operator's words."""

import re

from der_client import Conflict, HeadendUnreachable
from der_client.reasons import meaning
from der_console.reasons import told
from kit.processes import REPOSITORY


def test_every_documented_reason_has_words() -> None:
    text = (REPOSITORY / "docs" / "explain" / "dispatch.md").read_text()
    table = text.partition("## Reasons")[2].partition("\n## ")[0]
    codes = re.findall(r"^\| `(\w+)", table, re.MULTILINE)
    assert codes
    assert [code for code in codes if meaning(code) == code] == []


def test_a_reason_with_an_id_and_words_of_a_person() -> None:
    assert meaning("superseded_by 604e892b") == "a newer dispatch took its place"
    assert meaning("the operator's own words") == "the operator's own words"
    assert meaning(None) == ""


def test_a_refusal_says_what_to_do() -> None:
    error = Conflict(
        code="soc_at_minimum", status=409, title="Conflict", detail="asset X is at 10 %; see /assets"
    )
    assert told(error) == "Asset X is at 10 %. Charge it first, or choose another target."


def test_silence_says_whether_it_may_have_been_done() -> None:
    assert "Nothing was done" in told(HeadendUnreachable("http://h", "refused"))
    assert "cannot be carried out twice" in told(HeadendUnreachable("http://h", "timeout", maybe_done=True))
