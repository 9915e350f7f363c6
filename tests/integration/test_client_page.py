"""The examples of docs/how-to/client.md run, on a real headend, and print what the page says."""

import logging
import re
from collections.abc import Iterator

import pytest
import structlog

from der_client.fake import BATTERY_A
from kit.live_headend import LiveHeadend
from kit.processes import REPOSITORY

PAGE = (REPOSITORY / "docs/how-to/client.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def headend() -> Iterator[LiveHeadend]:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )  # it shares our stdout
    with LiveHeadend() as live:
        live.raise_event("inverter_trip", "too hot", asset_id=BATTERY_A)
        yield live


def test_every_example_says_what_it_prints() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 9


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_an_example_prints_what_the_page_says(
    headend: LiveHeadend, code: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program = compile(code.replace("http://127.0.0.1:3001", headend.url), "client.md", "exec")
    exec(program, {"__name__": "__main__"})  # noqa: S102 - the page is ours
    assert capsys.readouterr().out == printed
