"""How the links between headend and agents are: sessions, silence, clocks, spools."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

from der_cli.doctor.facts import Facts
from der_cli.doctor.findings import Check, Finding, listing
from der_cli.doctor.reach import agent_id_of
from der_cli.processes import Process
from der_cli.screen import Freshness, age, freshness, instant
from der_client.models import Agent

DUPLICATES = Check("Duplicate sessions in /agents", "Duplicate sessions in /agents", "No duplicate sessions")
UNSTEADY = Check(
    "An agent comes and goes all the time", "An agent comes and goes all the time", "Links are steady"
)
SILENT = Check("Connected agent is silent", "Connected agent is silent", "Connected agents are heard")
CLOCKS = Check("Clocks differ", "Clocks differ", "Clocks agree")
SPOOL = Check("Spool grows or drops records", "Spool grows or drops records", "Spools are drained")

CLOCK_WARNING_S = 2.0
CLOCK_PROBLEM_S = 30.0
SPOOL_RECORDS = 1000
"""So many records waiting at an agent are more than a moment's."""

_UNSTEADY_WITHIN = timedelta(minutes=10)
_UNSTEADY_SESSIONS = 3


def check(facts: Facts) -> Iterator[Finding]:
    """All of them."""
    agents = facts.agents
    if agents is None:
        for each in (DUPLICATES, UNSTEADY, SILENT, CLOCKS, SPOOL):
            yield each.unchecked("the headend does not answer")
        return
    yield _duplicates(facts, agents)
    yield _unsteady(facts, agents)
    yield _silent(facts, agents)
    yield _clocks(facts, agents)
    yield _spool(agents)


def _duplicates(facts: Facts, agents: Sequence[Agent]) -> Finding:
    twice = [
        f"agent {agent['agent_id']} has {count} open sessions"
        for agent in agents
        if (count := sum(session["disconnected_at"] is None for session in agent["sessions"])) > 1
    ]
    entries = Counter(agent["agent_id"] for agent in agents)
    twice += [f"agent {agent_id} is listed {count} times" for agent_id, count in entries.items() if count > 1]
    served = Counter(
        (asset["id"], asset["name"]) for agent in agents if agent["connected"] for asset in agent["assets"]
    )
    twice += [
        f"{name} is served by {count} connected agents" for (_, name), count in served.items() if count > 1
    ]
    if twice:
        return DUPLICATES.problem(
            listing(twice), "This must not be possible. Please report it, with:", "der bugreport"
        )
    local = Counter(found for process in facts.agent_processes if (found := agent_id_of(process)))
    same = [f"{count} processes call themselves {agent_id}" for agent_id, count in local.items() if count > 1]
    if same:
        return DUPLICATES.problem(
            f"on this machine {listing(same)}; they replace each other",
            "Keep the oldest that calls the headend and stop the others:",
            *(
                f"kill {p.pid}"
                for agent_id, count in local.items()
                if count > 1
                for p in _surplus(facts, agent_id)
            ),
        )
    return DUPLICATES.ok(f"of {len(agents)} agents each has at most one open session; older ones are history")


def _surplus(facts: Facts, agent_id: str) -> list[Process]:
    """All processes of an agent but the one to keep."""
    twins = [process for process in facts.agent_processes if agent_id_of(process) == agent_id]
    kept = next((process for process in twins if facts.calls_headend(process)), twins[0])
    return [process for process in twins if process is not kept]


def _unsteady(facts: Facts, agents: Sequence[Agent]) -> Finding:
    unsteady = []
    for agent in agents:
        recent = [s for s in agent["sessions"] if facts.now - instant(s["connected_at"]) < _UNSTEADY_WITHIN]
        if len(recent) >= _UNSTEADY_SESSIONS:
            reasons = {session["reason"] for session in recent if session["reason"]}
            unsteady.append(
                f"{agent['site_name']} ({agent['agent_id']}) connected {len(recent)} times in ten minutes"
                + (f" ({listing(sorted(reasons))})" if reasons else "")
            )
    if unsteady:
        return UNSTEADY.warning(
            listing(unsteady),
            "If the reason is `replaced …`, two agents have one id: stop one, or give each its own GATEWAY_ID and "
            "assets. Otherwise look at the agent's log. What runs on this machine:",
            "pgrep -af edge_agent",
        )
    return UNSTEADY.ok("no agent has connected more than twice in the last ten minutes")


def _silent(facts: Facts, agents: Sequence[Agent]) -> Finding:
    served = {asset["id"] for agent in agents if agent["connected"] for asset in agent["assets"]}
    silent = [
        f"{asset['name']} {'' if how is Freshness.UNHEARD else 'for '}"
        + (
            "never heard"
            if asset["updated_at"] is None
            else age((facts.now - instant(asset["updated_at"])).total_seconds())
        )
        for asset in (facts.headend.assets if facts.headend else None) or ()
        if asset["id"] in served and (how := freshness(asset, facts.now)) is not Freshness.LIVE
    ]
    missed = [
        f"{agent['site_name']} has missed {count} heartbeats"
        for agent in agents
        if agent["connected"] and (count := agent.get("heartbeats_missed") or 0) > 0
    ]
    if silent or missed:
        return SILENT.warning(
            f"connected, and yet nothing recent comes: {listing(missed + silent)}",
            "A driver that does not answer is in the agent's log; TICK_S may be longer than 15 s; the agent's clock or "
            "the link may be slow. What is old is in no sum. See what that is:",
            "der watch --once",
        )
    return SILENT.ok(f"the {len(served)} assets of connected agents are live")


def _clocks(facts: Facts, agents: Sequence[Agent]) -> Finding:
    skews = [
        (f"agent {agent['site_name']} ({agent['agent_id']})", skew)
        for agent in agents
        if (skew := agent.get("clock_skew_s")) is not None
    ]
    # To a second, as that is what HTTP tells.
    if facts.headend and facts.headend.ahead_s is not None:
        skews.append(("the headend, against this machine,", facts.headend.ahead_s))
    if not skews:
        return CLOCKS.unchecked("no heartbeat and no date has come yet")
    off = [(name, skew) for name, skew in skews if abs(skew) > CLOCK_WARNING_S]
    if not off:
        return CLOCKS.ok(f"all {len(skews)} within {CLOCK_WARNING_S:g} s")
    off.sort(key=lambda each: -abs(each[1]))
    seen = listing([f"{name} is {abs(skew):.1f} s {'ahead' if skew > 0 else 'behind'}" for name, skew in off])
    said = CLOCKS.problem if abs(off[0][1]) >= CLOCK_PROBLEM_S else CLOCKS.warning
    return said(
        seen,
        "Ages and histories are wrong by as much. A value more than a minute ahead is set aside, and of an agent whose "
        "clock is 15 s behind every value is stale and in no sum. "
        "Synchronise the clock of that machine:",
        "timedatectl set-ntp true",
    )


def _spool(agents: Sequence[Agent]) -> Finding:
    told = [agent for agent in agents if agent.get("spooled_records") is not None]
    if not told:
        return SPOOL.unchecked("no heartbeat has come yet")
    dropped = [
        f"{agent['site_name']} has dropped {agent['dropped_records']:,} records"
        for agent in told
        if agent["dropped_records"]
    ]
    waiting = [
        f"{agent['site_name']} keeps {agent['spooled_records']:,} records"
        for agent in told
        if (agent["spooled_records"] or 0) > SPOOL_RECORDS
    ]
    if dropped:
        return SPOOL.problem(
            listing(dropped + waiting),
            "Its spool was full while the headend or its database was away. Give it more room (SPOOL_MAX_BYTES), on "
            "disk (SPOOL_PATH), and see that the database is there:",
            "der db status",
        )
    if waiting:
        return SPOOL.warning(
            listing(waiting),
            "The headend does not store as fast as they send, or its database is away. If it does not shrink:",
            "der db status",
        )
    return SPOOL.ok(
        f"{sum(agent['spooled_records'] or 0 for agent in told):,} records wait at {len(told)} agents"
    )
