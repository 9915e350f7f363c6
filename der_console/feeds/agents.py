"""What the pages of the agents show.

The list is read as a whole, at a pace that leaves the headend in peace: the more agents, the slower, and soon after a
link has changed.
"""

from collections import Counter
from collections.abc import Mapping
from urllib.parse import quote

from der_client.missed import is_missed, relieve, unserved
from der_client.models import Agent
from der_console import cells
from der_console.cells import Cell
from der_console.console import Console
from der_console.parts.listing import rows
from der_console.tables import Row, Table
from der_console.topics import Topic
from der_console.turns import in_turns

_READ_S = 5
_SOON_S = 2
_AGENTS_PER_S = 200
_SESSIONS_LISTED = 100

SKEW_NOTED_S = 2.0
"""A clock that is off by more than this is pointed out."""

CONNECTED, SILENT, DISCONNECTED = "connected", "missing heartbeats", "disconnected"
LINKS = (CONNECTED, SILENT, DISCONNECTED)


class AgentsFeed:
    """Keeps the topic of all agents; ``table`` has their rows, ``agents`` themselves, both by quoted id."""

    def __init__(self, console: Console) -> None:
        self.table: Table[Agent] = console.tables.setdefault(
            "agents", Table("agents", fixed=_fixed, live=_live)
        )
        self.agents: dict[str, Agent] = {}
        self._console = console

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown."""
        hub = self._console.hub
        while True:
            links = hub.links_heard
            found = {row_id(agent): agent async for agent in self._console.headend.agents()}
            agents: dict[str, Agent] = {}
            sums = AgentSums()
            async for some in in_turns(found.items()):
                agents |= {id_: _same(self.agents.get(id_), agent) for id_, agent in some}
                for _, agent in some:
                    sums.add(agent)
            async for some in in_turns(found.items() if sums.anyone_gone else ()):
                for _, agent in some:
                    sums.relieve(agent)
            self.agents = agents
            topic.publish(sums.cells())
            await self.table.show(topic, self.agents)
            for turn in range(max(_READ_S, len(found) // _AGENTS_PER_S)):
                await hub.moved()
                if turn + 1 >= _SOON_S and hub.links_heard != links:
                    break


class AgentFeed:
    """Keeps the topic of one agent, out of ``everyone``."""

    def __init__(self, console: Console, everyone: AgentsFeed, id_: str) -> None:
        self._hub = console.hub
        self._everyone = everyone
        self._id = id_

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown."""
        while True:
            agent = self._everyone.agents.get(self._id)
            if agent is not None:
                topic.publish(agent_cells(agent, now=self._hub.now()))
            await self._hub.moved()


def row_id(agent: Agent) -> str:
    """An agent's id, fit for the end of an address."""
    return quote(agent["agent_id"], safe="")


def name_of(agent: Agent) -> str:
    """What people call it: after its site, or after the one asset that it serves."""
    if agent["mode"] != "gateway" and agent["assets"]:
        return agent["assets"][0]["name"]
    return agent["site_name"]


def link_of(agent: Agent) -> str:
    """How its link is."""
    if not agent["connected"]:
        return DISCONNECTED
    return SILENT if agent["heartbeats_missed"] else CONNECTED


class AgentSums:
    """All agents together, taken in one by one: of thousands, some at a time."""

    def __init__(self) -> None:
        self._connected = self._silent = 0
        self._gone: list[Agent] = []
        self._unserved: set[str] = set()
        self._spooled: int | None = None
        self._spooled_bytes = 0
        self._dropped: int | None = None
        self._worst_skew_s: float | None = None
        self._software: Counter[str] = Counter()

    def add(self, agent: Agent) -> None:
        """Take an agent into account."""
        if agent["dropped_records"] is not None:
            self._dropped = (self._dropped or 0) + agent["dropped_records"]
        if not agent["connected"]:
            self._gone.append(agent)
            self._unserved |= unserved([agent])
            return
        self._connected += 1
        self._silent += link_of(agent) == SILENT
        if agent["spooled_records"] is not None:
            self._spooled = (self._spooled or 0) + agent["spooled_records"]
        self._spooled_bytes += agent["spooled_bytes"] or 0
        if agent["clock_skew_s"] is not None:
            self._worst_skew_s = max(self._worst_skew_s or 0.0, abs(agent["clock_skew_s"]))
        if agent["software"]:
            self._software[agent["software"]] += 1

    @property
    def anyone_gone(self) -> bool:
        """Whether one of those that were added is not connected."""
        return bool(self._gone)

    def relieve(self, agent: Agent) -> None:
        """Once all are added, of each: whoever is gone and whose assets this one serves is not missed."""
        relieve(self._unserved, agent)

    def cells(self) -> Mapping[str, Cell]:
        """What is shown of them."""
        away = sum(is_missed(agent, self._unserved) for agent in self._gone)
        wanted, silent = self._connected + away, self._silent
        spooled, dropped, worst_s = self._spooled, self._dropped, self._worst_skew_s
        usual = self._software.most_common(1)
        return {
            "connected": cells.text(f"{self._connected:,} / {wanted:,}", look="warn" if away else None),
            "away": cells.text(
                f"{away:,} disconnected" if away else "all of them" if wanted else "none has connected",
                look="warn" if away else None,
            ),
            "silent": cells.text(f"{silent:,}", look="warn" if silent else None),
            "spooled": cells.text(f"{spooled:,}" if spooled is not None else None),
            "spooled_size": cells.text(
                f"records, {size(self._spooled_bytes)}" if spooled is not None else "not heard"
            ),
            "dropped": cells.text(
                f"{dropped:,}" if dropped is not None else None, look="bad" if dropped else None
            ),
            "skew": cells.text(
                None if worst_s is None else f"{worst_s:.2f}",
                look="warn" if worst_s is not None and worst_s > SKEW_NOTED_S else None,
            ),
            "versions": cells.text(f"{len(self._software):,}" if self._software else None),
            "version": cells.text(f"{usual[0][1]:,} × {usual[0][0]}" if usual else ""),  # noqa: RUF001 - a count
        }


def agent_cells(agent: Agent, *, now: float) -> Mapping[str, Cell]:
    """One agent; ``now`` in seconds since 1970."""
    link, missed, skew = link_of(agent), agent["heartbeats_missed"], agent["clock_skew_s"]
    dropped = agent["dropped_records"]
    newest = agent["sessions"][0] if agent["sessions"] else None
    since = cells.seconds(newest and (newest["disconnected_at"] or newest["connected_at"]))
    spooled = agent["spooled_records"]
    return {
        "title": cells.text(name_of(agent)),
        "link": cells.text(
            link, look="ok" if link == CONNECTED else "bad" if link == DISCONNECTED else "warn"
        ),
        "since": cells.text(None if since is None else f"since {cells.date_text(since)}"),
        "missed": cells.text(None if missed is None else str(missed), look="warn" if missed else None),
        "heartbeat_s": cells.text(
            "" if agent["heartbeat_s"] is None else f"one every {agent['heartbeat_s']:g} s"
        ),
        "seen": cells.text(f"{_length(agent['last_seen_at'], None, now)} ago"),
        "skew": cells.text(
            None if skew is None else f"{round(skew, 2) + 0.0:+.2f}".replace("-", cells.MINUS),
            look="warn" if skew is not None and abs(skew) > SKEW_NOTED_S else None,
        ),
        "spooled": cells.text(None if spooled is None else f"{spooled:,}"),
        "spooled_size": cells.text("" if agent["spooled_bytes"] is None else size(agent["spooled_bytes"])),
        "dropped": cells.text(None if dropped is None else f"{dropped:,}", look="bad" if dropped else None),
        "software": cells.text(agent["software"]),
        "mode": cells.text(agent["mode"].replace("_", " ")),
        "peer": cells.text(agent["peer"]),
        "assets": rows(
            {"id": a["id"], "name": {"t": a["name"], "h": f"/ui/asset/{a['id']}"}} for a in agent["assets"]
        ),
        "sessions": rows(
            {
                "id": s["session_id"],
                "from": {"t": "", "at": cells.seconds(s["connected_at"])},
                "to": cells.text("open", look="ok")
                if s["disconnected_at"] is None
                else {"t": "", "at": cells.seconds(s["disconnected_at"])},
                "length": _length(s["connected_at"], s["disconnected_at"], now),
                "reason": s["reason"] or "",
                "peer": s["peer"],
            }
            for s in agent["sessions"][:_SESSIONS_LISTED]
        ),
    }


def size(octets: int) -> str:
    """An amount of data."""
    value = float(octets)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":  # noqa: PLR2004 - SI
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _same(before: Agent | None, after: Agent) -> Agent:
    """The entry as it was if nothing has changed, which is how the table knows."""
    return before if before == after and before is not None else after


def _fixed(agent: Agent) -> Row:
    return name_of(agent), agent["site_name"], agent["mode"].replace("_", " "), agent["agent_id"]


def _live(agent: Agent) -> Row:
    newest = agent["sessions"][0] if agent["sessions"] else None
    since = cells.seconds(newest and (newest["disconnected_at"] or newest["connected_at"]))
    seen = cells.seconds(agent["last_seen_at"])
    skew = agent["clock_skew_s"]
    return (
        int(agent["connected"]),
        link_of(agent),
        None if since is None else round(since),
        None if seen is None else round(seen),
        agent["heartbeats_missed"],
        None if skew is None else round(skew, 2) + 0.0,
        agent["spooled_records"],
        agent["dropped_records"],
        agent["software"],
    )


def _length(start: str, end: str | None, now: float) -> str:
    begun, ended = cells.seconds(start), cells.seconds(end)
    return _span((now if ended is None else ended) - (begun or now))


def _span(seconds: float) -> str:
    whole = max(0, round(seconds))
    for unit_s, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if whole >= 2 * unit_s:
            return f"{whole // unit_s} {unit}"
    return f"{whole} s"
