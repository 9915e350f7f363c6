"""Release all."""

import asyncio
from typing import Any

from der_client import HeadendUnreachable
from der_console.releasing import of_target, open_dispatches, outcome, question, release
from der_console.targets import Target
from der_core.lifecycle import FINAL_STATES

SITE = Target("site", "s", "Gateway-Test", "site, 3 assets")
ASSET = Target("asset", "b", "GT-BESS-B", "bess at Gateway-Test")


def dispatch(id_: str, asset_id: str | None, *, part: str = "active") -> Any:
    """One that asset b has a part in."""
    parts = [{"asset_id": "b", "state": part}]
    return {"id": id_, "state": "active", "asset_id": asset_id, "allocations": parts}


class Headend:
    """Knows dispatches by id; cancels those that it was not told to refuse. Of "slow" ones no agent confirms."""

    def __init__(self, states: dict[str, str], *, refuses: frozenset[str] = frozenset()) -> None:
        self.states = states
        self.asked: list[tuple[str, bool]] = []  # of which, and whether to wait for its agent
        self._refuses = refuses

    async def open_dispatches(self, *, site_id: str | None, asset_id: str | None) -> Any:
        assert (site_id, asset_id) == ("s", None)
        for id_, state in self.states.items():
            if state not in FINAL_STATES:
                yield {"id": id_, "state": state, "asset_id": None}

    async def cancel(self, id_: str, *, timeout_s: float) -> Any:
        self.asked.append((id_, timeout_s > 0))
        if id_ in self._refuses:
            raise HeadendUnreachable("http://h", "refused")
        self.states[id_] = "active" if id_.startswith("slow") else "cancelled"
        return {"state": self.states[id_]}


def test_what_has_not_ended_is_counted_and_cancelled() -> None:
    headend: Any = Headend({"a": "active", "q": "queued", "c": "completed", "f": "failed"})

    async def run() -> tuple[str, str, list[int]]:
        found = await open_dispatches(headend, SITE)
        progress: list[int] = []
        done = await release(headend, list(found), progress.append)
        return question(found, SITE), outcome(done), progress

    asked, came, progress = asyncio.run(run())
    assert asked.startswith("2 dispatches at Gateway-Test will be cancelled: 1 in force and 1 on their way")
    assert came == "2 cancelled."
    assert progress == [1, 2]
    assert headend.states["c"] == "completed"


def test_nothing_to_release_is_said() -> None:
    assert question({}, None) == "Nothing is in force or waiting in the whole fleet."


def test_of_an_asset_the_dispatches_of_its_site_are_left() -> None:
    of_site: Any = dispatch("s1", None)
    of_asset: Any = dispatch("b1", "b")
    found = {"s1": of_site, "b1": of_asset}
    assert of_target(found, ASSET) == ["b1"]
    asked = question(found, ASSET)
    assert asked.startswith("1 dispatch at GT-BESS-B will be cancelled: 1 in force.")
    assert asked.endswith("It stays part of 1 site dispatch.")
    assert question({"s1": of_site}, ASSET) == (
        "Nothing is in force or waiting at GT-BESS-B alone. It stays part of 1 site dispatch."
    )
    assert of_target(found, SITE) == of_target(found, None) == ["s1", "b1"]


def test_what_could_not_be_cancelled_is_said() -> None:
    headend: Any = Headend({"a": "active", "slow": "active", "b": "active"}, refuses=frozenset({"b"}))
    done = asyncio.run(release(headend, ["a", "slow", "b"], lambda _: None))
    assert outcome(done).startswith(
        "1 cancelled, 1 not confirmed by their agents yet. Not all could be: The headend"
    )


def test_all_are_told_before_any_agent_is_waited_for() -> None:
    ids = [f"slow{n}" for n in range(20)] + ["a"]
    headend: Any = Headend(dict.fromkeys(ids, "active"))
    progress: list[int] = []
    done = asyncio.run(release(headend, ids, progress.append))
    assert (done.cancelled, done.unconfirmed, done.problems) == (1, 20, [])
    assert [(id_, False) for id_ in ids] == headend.asked[: len(ids)]
    assert [(id_, True) for id_ in ids[:-1]] == headend.asked[len(ids) :]
    assert progress == [1]


def test_what_an_asset_has_no_part_in_any_more_is_not_its() -> None:
    class Open:
        async def open_dispatches(self, **_: object) -> Any:
            yield dispatch("s1", None)
            yield dispatch("s0", None, part="superseded")

    headend: Any = Open()
    assert list(asyncio.run(open_dispatches(headend, ASSET))) == ["s1"]
    assert list(asyncio.run(open_dispatches(headend, None))) == ["s1", "s0"]
