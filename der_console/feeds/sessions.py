"""The sessions of the agents that serve an asset or a site."""

from collections.abc import Callable

from der_client.models import Agent
from der_console import cells
from der_console.console import Console
from der_console.feeds.agents import AgentsFeed, name_of, row_id
from der_console.parts.listing import rows
from der_console.topics import Topic

_MOST_ROWS = 10


class SessionsFeed:
    """Keeps the list of the newest sessions, out of ``everyone``."""

    def __init__(self, console: Console, everyone: AgentsFeed, serves: Callable[[Agent], bool]) -> None:
        self._hub = console.hub
        self._everyone = everyone
        self._serves = serves

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown."""
        shown: dict[str, Agent] | None = None
        while True:
            if self._everyone.agents is not shown:
                shown = self._everyone.agents
                topic.publish({"sessions": _rows(filter(self._serves, shown.values()))})
            await self._hub.moved()


def _rows(agents: "filter[Agent]") -> cells.Cell:
    sessions = [(session, agent) for agent in agents for session in agent["sessions"]]
    sessions.sort(key=lambda pair: pair[0]["connected_at"], reverse=True)
    return rows(
        {
            "id": session["session_id"],
            "agent": {"t": name_of(agent), "h": f"/ui/agents/{row_id(agent)}"},
            "from": {"t": "", "at": cells.seconds(session["connected_at"])},
            "to": cells.text("open", look="ok")
            if session["disconnected_at"] is None
            else {"t": "", "at": cells.seconds(session["disconnected_at"])},
            "reason": session["reason"] or "",
        }
        for session, agent in sessions[:_MOST_ROWS]
    )
