"""What the page of one dispatch shows."""

from datetime import datetime

from der_client import Invalid, NotFound
from der_client.models import Asset, Dispatch, Transition
from der_client.reasons import meaning
from der_console import cells
from der_console.cells import Cell
from der_console.console import Console
from der_console.feeds.split import allocation_cells, state_cell
from der_console.names import Names
from der_console.orders import span
from der_console.parts.listing import rows
from der_console.topics import Topic
from der_core.lifecycle import FINAL_STATES, State

_OPEN_S = 2
_ENDED_S = 15
_USUAL = (State.SUBMITTED, State.QUEUED, State.SENT, State.ACKNOWLEDGED, State.ACTIVE)
_UNHAPPY = {State.FAILED, State.REJECTED, State.EXPIRED}


class RecordFeed:
    """Keeps the topic of one dispatch. ``record`` is ``None`` until it was read, ``missing`` if there is none."""

    def __init__(self, console: Console, dispatch_id: str) -> None:
        self.id = dispatch_id
        self.record: Dispatch | None = None
        self.missing = False
        self._console = console
        self._names = Names(console.hub, console.headend)

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown."""
        hub, headend = self._console.hub, self._console.headend
        while True:
            heard = hub.heard.get(self.id)
            try:
                self.record = record = await headend.get_dispatch(self.id)
            except (NotFound, Invalid):
                self.missing = True
                topic.publish({"state": cells.text(None)})
                raise
            site = await self._names.site(record["site_id"])
            name = site if record["asset_id"] is None else await self._names.asset(record["asset_id"])
            ids = [part["asset_id"] for part in record["allocations"]]
            assets = {id_: hub.picture.assets[id_] for id_ in ids if id_ in hub.picture.assets}
            topic.publish(record_cells(record, name, site, assets, now=hub.now()))
            for _ in range(_ENDED_S if record["state"] in FINAL_STATES else _OPEN_S):
                await hub.moved()
                if hub.heard.get(self.id) is not heard:
                    break


def record_cells(
    record: Dispatch, name: str, site: str, assets: dict[str, Asset], *, now: float
) -> dict[str, Cell]:
    """One dispatch to what is called ``name``, at ``site``; ``now`` in seconds since 1970."""
    ended = record["state"] in FINAL_STATES
    target = {"asset": record["asset_id"], "site": record["site_id"]}[record["target"]]
    return {
        **allocation_cells(record, assets),
        "title": cells.text(f"{cells.exact(record['requested_mw'])} MW to {name}"),
        "target": {"t": name, "h": f"/ui/{record['target']}/{target}"},
        "state": state_cell(record["state"]),
        "steps": rows(steps(record, site)),
        "duration": cells.text(
            "until further notice" if record["duration_s"] is None else span(record["duration_s"])
        ),
        "left": cells.text(_left(record, now)),
        "active": _moment(record["active_at"], now),
        "ended": _moment(record["ended_at"], now),
        "warnings": cells.text(" ".join(record["warnings"])),
        "open": cells.text("" if ended else "open"),
    }


def steps(record: Dispatch, site: str) -> list[dict[str, object]]:
    """The transitions, then those that are to come if all goes well."""
    known = {record["site_id"]: site, **{p["asset_id"]: p["asset_name"] or "" for p in record["allocations"]}}
    done = [_step(place, step, known) for place, step in enumerate(record["transitions"])]
    state = record["state"]
    if state in FINAL_STATES:
        return done
    ahead = [*_USUAL[_USUAL.index(State(state)) + 1 :]]
    if record["duration_s"] is not None:
        ahead.append(State.COMPLETED)
    return done + [{"id": f"ahead-{step}", "t": str(step)} for step in ahead]


def _step(place: int, step: Transition, known: dict[str, str]) -> dict[str, object]:
    who, _, id_ = step["by"].partition(" ")
    looks = {State.ACTIVE: "good", State.COMPLETED: "good", **dict.fromkeys(_UNHAPPY, "bad")}
    return {
        "id": str(place),
        "t": step["state"],
        "at": round(datetime.fromisoformat(step["at"]).timestamp(), 3),
        "by": f"by {who} {known.get(id_) or id_}".strip(),
        "why": meaning(step["reason"]),
        "s": looks.get(State(step["state"]), "passed"),
    }


def _left(record: Dispatch, now: float) -> str:
    """How long it will last, or has lasted."""
    begun, ended = cells.seconds(record["active_at"]), cells.seconds(record["ended_at"])
    if begun is None:
        return ""
    if ended is not None:
        return f"was in force for {_about(ended - begun)}"
    if record["duration_s"] is None:
        return f"in force for {_about(now - begun)}"
    return f"ends in {_about(begun + record['duration_s'] - now)}"


def _about(seconds: float) -> str:
    """A length of time, in as few words as are of use."""
    whole = max(0, round(seconds))
    if whole < 120:  # noqa: PLR2004 - two minutes
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole / 3600:.1f} h"  # noqa: PLR2004 - two hours


def _moment(at: str | None, now: float) -> Cell:
    seconds = cells.seconds(at)
    return cells.text(None if seconds is None else cells.time_text(seconds, now=now))
