"""The console as a program of its own: what it refuses, and what ends it."""

import asyncio
import socket
from typing import Any

import pytest

from der_console.main import main
from kit.processes import free_port


@pytest.mark.parametrize("url", ["ftp://x", "not a url", "http://"])
def test_a_headend_that_cannot_be_asked_is_refused_at_once(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("der_console.main.create_app", _nothing)
    with pytest.raises(SystemExit) as ended:
        main(["--headend", url, "--addr", f"127.0.0.1:{free_port()}"])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"--headend: {url!r} is not the URL of a headend, such as http://127.0.0.1:3001" in said.err


@pytest.mark.parametrize("why", [None, "no such page"])
def test_pages_that_end_by_themselves_end_the_program(
    why: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_headend: Any) -> None:
        await asyncio.sleep(0)
        if why:
            raise LookupError(why)

    monkeypatch.setattr("der_console.main.create_app", _nothing)
    monkeypatch.setattr("der_console.main.show", broken)
    with pytest.raises(RuntimeError, match="the console pages ended") as ended:
        main(["--addr", f"127.0.0.1:{free_port()}"])
    assert (None if why is None else (why,)) == (ended.value.__cause__ and ended.value.__cause__.args)


def test_an_address_that_is_taken_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("der_console.main.create_app", _nothing)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit) as ended:
        main(["--addr", f"127.0.0.1:{taken.getsockname()[1]}"])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: cannot listen on 127.0.0.1:")


def _nothing() -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Answers nothing; nobody asks."""

    return app
