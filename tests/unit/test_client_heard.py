"""What is said of sums that are not of all assets."""

from datetime import UTC, datetime
from typing import Any

import pytest

from der_client.heard import Heard, heard_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def site(heard: int, total: int, since: str | None) -> Any:
    return {"assets_heard": heard, "assets_total": total, "unheard_since": since}


def test_sites_together_have_been_silent_since_the_last_of_their_assets_was_heard() -> None:
    heard = heard_of(
        [site(3, 3, None), site(0, 1, "2026-11-23T10:40:00Z"), site(0, 1, "2026-11-23T10:41:07Z")]
    )
    assert heard == Heard(3, 5, "2026-11-23T10:41:07Z")
    assert heard.missing == 2
    assert heard.statement(NOW) == "from 3 of 5 assets; 2 not heard since 10:41:07 UTC"


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (Heard(5, 5), ""),
        (Heard(), ""),
        (Heard(0, 1200), "from 0 of 1,200 assets; 1,200 not heard"),
        (
            Heard(4, 5, "2026-11-22T23:59:59Z"),
            "from 4 of 5 assets; 1 not heard since 2026-11-22 23:59:59 UTC",
        ),
    ],
)
def test_it_is_said_in_words(heard: Heard, said: str) -> None:
    assert heard.statement(NOW) == said
    assert bool(heard.part()) == bool(heard.left_out(NOW)) == bool(said)
