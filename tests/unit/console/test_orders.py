"""From what a person types to what is sent, and how it is said."""

import pytest

from der_console.orders import Unfit, number_of, order_of, sense, sentence, span
from der_console.targets import Target

SITE = Target("site", "s", "Gateway-Test", "site, 3 assets")
ASSET = Target("asset", "a", "GT-BESS-A", "bess, Gateway-Test")


@pytest.mark.parametrize(
    ("typed", "value"),
    [("12", 12.0), (" −4.5 ", -4.5), ("–3", -3.0), ("1,000", None), ("", None), ("x", None), ("inf", None)],
)
def test_numbers_are_read_as_people_type_them(typed: str, value: float | None) -> None:
    assert number_of(typed) == value


def test_an_order_has_an_id_of_its_own_and_seconds() -> None:
    first, second = order_of(SITE, "12", "15"), order_of(SITE, "12", "15")
    assert (first.mw, first.duration_s) == (12.0, 900.0)
    assert first.id != second.id
    assert order_of(SITE, "12", None).duration_s is None


@pytest.mark.parametrize(
    ("target", "mw", "minutes", "words"),
    [
        (None, "12", None, "Choose a target"),
        (SITE, "", None, "Enter the power"),
        (SITE, "nan", None, "Enter the power"),
        (SITE, "12", "", "Enter the duration"),
        (SITE, "12", "0", "Enter the duration"),
        (SITE, "12", "44641", "Enter the duration"),
    ],
)
def test_what_is_missing_is_said(target: Target | None, mw: str, minutes: str | None, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        order_of(target, mw, minutes)


def test_the_direction_is_said_in_words() -> None:
    assert sense(SITE, 12.0) == "+12.00 MW: Gateway-Test is to export"
    assert sense(ASSET, -4.0) == "−4.00 MW: GT-BESS-A is to charge"
    assert sense(ASSET, 0.0) == "0.00 MW: GT-BESS-A is to hold"
    assert sense(ASSET, -0.0) == "0.00 MW: GT-BESS-A is to hold"
    assert sense(ASSET, -0.00001) == "−0.00001 MW: GT-BESS-A is to charge"
    assert "unknown" not in sense(None, None)


def test_the_button_says_what_it_sends() -> None:
    assert sentence(order_of(SITE, "12", None)) == "Send +12.00 MW to Gateway-Test until further notice"
    assert sentence(order_of(ASSET, "-5", "90")) == "Send −5.00 MW to GT-BESS-A for 90 min"
    assert sentence(order_of(ASSET, "-0.0074", None)) == "Send −0.0074 MW to GT-BESS-A until further notice"
    assert sentence(order_of(SITE, "1234.5678", None)).startswith("Send +1,234.5678 MW to ")


def test_spans() -> None:
    assert [span(s) for s in (45, 60, 900, 5400, 7200, 100)] == [
        "45 s",
        "1 min",
        "15 min",
        "90 min",
        "2 h",
        "1.7 min",
    ]
