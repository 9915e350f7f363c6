"""Whether the parts find each other: headend and agents running, ports that match, variables as they are expected."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import UUID

from der_cli.doctor.facts import Facts
from der_cli.doctor.files import SHELL, inventory_to_offer, shipped_inventory
from der_cli.doctor.findings import Check, Finding, listing
from der_cli.names import canonical
from der_cli.processes import DEFAULT_HTTP, Process, host_port, reachable
from der_cli.variables import misspelt
from der_client.missed import missed
from der_client.models import Agent
from der_runtime.addresses import HostPort, is_loopback

_AGENTS_ABSENT = "Agents don't appear in /agents"
HEADEND = Check("Headend not running", _AGENTS_ABSENT, "Headend running")
PORTS = Check("gRPC port mismatch", _AGENTS_ABSENT, "gRPC ports match")
VARIABLES = Check("Variable wrong or missing", "Variable wrong or missing", "Variables make sense")
AGENTS = Check("Agents don't appear in /agents", _AGENTS_ABSENT, "Agents appear in /agents")
EXPOSED = Check(
    "Address refused", "Address refused: it can be reached from other machines", "Addresses accepted"
)
TAKEN = Check("Port already in use", "Port already in use", "Ports free or the headend's")

_CALLED_AS = {"HEADEND_HTTP_ADDR": "HEADEND=http://", "HEADEND_GRPC_ADDR": "HEADEND_GRPC="}
"""What those who call it have to be told when the headend listens elsewhere."""
_GRPC = HostPort("127.0.0.1", 50070)
"""The runbook's."""
_REFUSED = "refused_"
"""So begins the code of an alarm about a refused agent; the code of the refusal follows."""
_FREE_FROM = 20_000
"""Ports from here on are seldom used, and are not those that Linux gives to outgoing connections."""


def check(facts: Facts) -> Iterator[Finding]:
    """All of them."""
    yield _headend(facts)
    yield _ports(facts)
    yield _variables(facts)
    yield _agents(facts)
    yield _exposed(facts)
    yield _taken(facts)


def _headend(facts: Facts) -> Finding:
    if facts.headend is not None:
        return HEADEND.ok(f"{facts.url} answers: der_headend {facts.headend.version}")
    seen = f"nothing that is a headend answers at {facts.url}: {facts.why_not}"
    if process := facts.headend_process:
        http = _serves_at(process)
        if http and str(reachable(http)) != urlsplit(facts.url).netloc:
            return HEADEND.problem(
                f"{seen}; but {process} serves REST on {http}",
                "Say where it is:",
                f"export HEADEND=http://{reachable(http)}",
            )
        return HEADEND.problem(
            f"{seen}; {process} runs and does not serve REST (yet)",
            "Look at its log; loading may take a while.",
        )
    others = [f"http://{reachable(at)}" for each in facts.of("der_headend") if (at := _serves_at(each))]
    also = (
        f"; also on this machine: {listing(others)}, of another fleet as far as can be seen" if others else ""
    )
    return HEADEND.problem(
        f"{seen}{also}", "Start it, or say with HEADEND (or --headend) where it is:", _start(facts)
    )


def _serves_at(headend: Process) -> HostPort | None:
    http = host_port(headend.setting("HEADEND_HTTP_ADDR")) or DEFAULT_HTTP
    return http if http in headend.listens_on else None


def _start(facts: Facts) -> str:
    """The command that starts the headend where this shell looks for it, from whatever folder."""
    settings = []
    if not any(each.inventory for each in facts.readings if each.reader == SHELL):
        settings.append(f"ASSETS_PATH={inventory_to_offer(facts.readings)}")
    http = _http_to_take(facts)
    if not _same(http, host_port(facts.environ.get("HEADEND_HTTP_ADDR")) or DEFAULT_HTTP):
        settings.append(f"HEADEND_HTTP_ADDR={http}")
    if host_port(facts.environ.get("HEADEND_GRPC_ADDR")) is None:
        settings.append(f"HEADEND_GRPC_ADDR={_grpc_to_take(facts)}")
    return " ".join([*settings, "der_headend"])


def _http_to_take(facts: Facts) -> HostPort:
    """Where a headend that is started here has to serve REST: where it is looked for, if that is this machine."""
    asked = _asked(facts)
    if asked and is_loopback(asked.host):
        return asked
    return host_port(facts.environ.get("HEADEND_HTTP_ADDR")) or DEFAULT_HTTP


def _grpc_to_take(facts: Facts) -> HostPort:
    """Where a headend that is started here has to listen for agents: where it is told to, or where they call."""
    told = [facts.environ.get("HEADEND_GRPC_ADDR"), facts.environ.get("HEADEND_GRPC")]
    called = [process.setting("HEADEND_GRPC") for process in facts.agent_processes]
    return next(filter(None, map(host_port, told + called)), _GRPC)


def _asked(facts: Facts) -> HostPort | None:
    return host_port(urlsplit(facts.url).netloc)


def _ports(facts: Facts) -> Finding:
    headend = facts.grpc
    if headend is None:
        return PORTS.unchecked("nobody says where the headend listens for agents")
    here = reachable(headend.address)
    callers: list[tuple[str, HostPort | None, Process | None]] = [
        (str(p), host_port(p.setting("HEADEND_GRPC")), p) for p in facts.agent_processes
    ]
    if "HEADEND_GRPC" in facts.environ and facts.knows(facts.environ.get):
        callers.append((SHELL, host_port(facts.environ["HEADEND_GRPC"]), None))
    wrong = []
    for name, target, process in callers:
        if (
            target
            and not _same(target, here)
            and not (process is not None and _connected(process, facts.agents))
        ):
            heard = "something else listens there" if facts.listens(target) else "nothing listens there"
            wrong.append(f"{name} calls {target} (HEADEND_GRPC), {heard}")
    listens = f"{headend.source} listens for agents on {headend.address} (HEADEND_GRPC_ADDR)"
    if wrong:
        return PORTS.problem(
            f"{listens}, but {listing(wrong)}",
            "Let the agents call where the headend listens, and start them again:",
            f"export HEADEND_GRPC={here}",
        )
    agreeing = [name for name, target, _ in callers if target]
    if not agreeing:
        return PORTS.unchecked(
            f"{listens}; neither an agent on this machine nor this shell names a host:port to call"
        )
    return PORTS.ok(f"{listens}, and {listing(agreeing)} {'agrees' if len(agreeing) == 1 else 'agree'}")


def _variables(facts: Facts) -> Finding:
    grpc = reachable(facts.grpc.address) if facts.grpc else _GRPC
    wrong = list(_wrong(facts.environ, SHELL, grpc))
    for process in (*facts.agent_processes, *([facts.headend_process] if facts.headend_process else [])):
        wrong += _wrong(process.environ or {}, str(process), grpc)
    for process in facts.agent_processes:
        if process.environ is not None and process.setting("HEADEND_GRPC") is None:
            wrong.append((f"{process}: HEADEND_GRPC is missing", f"export HEADEND_GRPC={grpc}"))
    if not wrong:
        return VARIABLES.ok("those that are set here, and of the programs on this machine, make sense")
    return VARIABLES.problem(
        listing(list(dict.fromkeys(seen for seen, _ in wrong)), most=6),
        "Correct them, and start the program again in whose terminal that is; `--help` of each program and "
        "docs/configuration.md list all of them:",
        *dict.fromkeys(command for _, command in wrong),
    )


def _wrong(environ: Mapping[str, str], where: str, grpc: HostPort) -> Iterator[tuple[str, str]]:
    """What is wrong, and the command that mends it; ``grpc`` is where agents should call."""
    right = {"HEADEND_GRPC": grpc, "HEADEND_GRPC_ADDR": grpc, "HEADEND_HTTP_ADDR": DEFAULT_HTTP}
    for name, meant in sorted(misspelt(environ).items()):
        yield (
            f"{where}: {name} is no variable of ours; {meant} is meant?",
            # Other values may be secrets, which are not shown.
            f"unset {name}; export {meant}={right[meant]}"
            if meant in right
            else f'export {meant}="${name}"; unset {name}',
        )
    for name, address in right.items():
        if (text := environ.get(name)) and host_port(text) is None:
            yield f"{where}: {name} wrong: {text!r} is not host:port", f"export {name}={address}"
    for name, listed in (("SITE_ID", "sites"), ("GATEWAY_SITE_ID", "sites"), ("ASSET_ID", "assets")):
        if (text := environ.get(name)) and not _is_uuid(text):
            yield f"{where}: {name} wrong: {text!r} is not a UUID", f"der {listed} --json | grep -w id"
    if "HEADEND_GRPC_ADDR" in environ and "HEADEND_GRPC" not in environ and "SITE_ID" in environ:
        yield (
            f"{where}: HEADEND_GRPC missing: an agent calls HEADEND_GRPC, HEADEND_GRPC_ADDR is the headend's",
            f"export HEADEND_GRPC={grpc}",
        )


def _agents(facts: Facts) -> Finding:
    if facts.agents is None:
        return AGENTS.unchecked("the headend does not answer")
    away = [f"{agent['site_name']} ({agent['agent_id']})" for agent in missed(facts.agents)]
    up = sum(agent["connected"] for agent in facts.agents)
    absent = [str(p) for p in facts.agent_processes if not _connected(p, facts.agents)]
    missing = f"{listing(absent)} {'runs and is' if len(absent) == 1 else 'run and are'} not connected"
    if refused := _refused(facts):
        said = AGENTS.problem if absent else AGENTS.warning
        return said(
            "; ".join([*([missing] if absent else []), f"the headend refuses: {listing(refused)}"]),
            "Do what the refusal says; docs/protocol.md lists the codes. The alarm ends when the agent is let in, or a "
            "while after it has stopped trying. All of them:",
            "der events --active",
        )
    if absent:
        return AGENTS.problem(
            missing,
            "Mend what else is told to be wrong here; its log says why (`no link yet`, or `registration refused` with "
            "the reason).",
        )
    if away:
        return AGENTS.warning(
            f"{up} connected, {len(away)} not: {listing(away)}",
            "Start them again or, if they are not wanted any more, leave it. Since when they are away:",
            "der agents",
        )
    if not facts.agents:
        return AGENTS.problem(
            "no agent has connected yet",
            "Start one; HEADEND_GRPC has to be the headend's HEADEND_GRPC_ADDR:",
            f"ASSETS_PATH={shipped_inventory()} SITE_ID=… "
            f"HEADEND_GRPC={reachable(facts.grpc.address) if facts.grpc else _GRPC} edge_agent",
        )
    gone = len(facts.agents) - up
    replaced = f"; {gone} gone, whose assets others serve now" if gone else ""
    return AGENTS.ok(f"{up} connected{replaced}")


def _refused(facts: Facts) -> list[str]:
    """The alarms about agents that the headend turns away, each with its code and why."""
    alarms = (facts.headend.alarms if facts.headend else None) or ()
    return [f"{each['code']}: {each['message']}" for each in alarms if each["code"].startswith(_REFUSED)]


def _exposed(facts: Facts) -> Finding:
    for name in ("HEADEND_HTTP_ADDR", "HEADEND_GRPC_ADDR", "HEADEND_GRPC"):
        address = host_port(facts.environ.get(name))
        if address and not is_loopback(address.host) and "ALLOW_INSECURE" not in facts.environ:
            return EXPOSED.warning(
                f"{name}={facts.environ[name]} is not this machine alone, and ALLOW_INSECURE is not set: a program "
                "started from this shell refuses it, as nothing is encrypted or authenticated yet",
                "Use a loopback address or, in a network where nobody else is:",
                "export ALLOW_INSECURE=1",
            )
    return EXPOSED.ok("the addresses set in this shell are this machine's alone, or meant to be open")


def _taken(facts: Facts) -> Finding:
    """Something has a port that the headend would take, be it as the near end of a connection."""
    if facts.headend is not None or facts.headend_process:
        return TAKEN.ok("the headend has its ports")
    asked = _asked(facts)
    if asked and not is_loopback(asked.host) and "HEADEND_HTTP_ADDR" not in facts.environ:
        return TAKEN.unchecked("the headend is looked for on another machine")
    ports = {"HEADEND_HTTP_ADDR": _http_to_take(facts), "HEADEND_GRPC_ADDR": _grpc_to_take(facts)}
    for name, address in ports.items():
        here = name in facts.environ or is_loopback(address.host)
        if here and (held := facts.in_the_way(address)):
            free = replace(address, port=_FREE_FROM + address.port % 10_000)
            return TAKEN.problem(
                f"the headend does not run, and could not listen on {address} ({name}): {held}",
                "See which program it is, and stop it or wait until its connection is closed; or choose another port:",
                f"ss -tanp 'sport = :{address.port}'",
                f"export {name}={free}",
                f"export {_CALLED_AS[name]}{reachable(free)}",
            )
    return TAKEN.ok("the headend's ports are free")


def agent_id_of(process: Process) -> str | None:
    """What an agent's process calls itself, as far as can be seen."""
    return next(
        (
            canonical(found)
            for name in ("ASSET_ID", "GATEWAY_ID", "SITE_ID", "GATEWAY_SITE_ID")
            if (found := process.setting(name))
        ),
        None,
    )


def _connected(process: Process, agents: Sequence[Agent] | None) -> bool:
    agent_id = agent_id_of(process)
    return any(each["connected"] and canonical(each["agent_id"]) == agent_id for each in agents or ())


def _same(one: HostPort, other: HostPort) -> bool:
    alike = one.host == other.host or (is_loopback(one.host) and is_loopback(other.host))
    return alike and one.port == other.port


def _is_uuid(text: str) -> bool:
    try:
        UUID(text.strip())
    except ValueError:
        return False
    return True
