"""What goes into a bug report. Each part that cannot be had is told, and the others are still there."""

import json
import platform
import shlex
import socket
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from getpass import getuser
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from typing import Any

from der_cli.bugreport.archive import Entry
from der_cli.bugreport.excerpts import Wanted, excerpt, read_lines
from der_cli.doctor.command import as_document, diagnose
from der_cli.doctor.facts import Facts
from der_cli.masking import Mask, passwords_in, secrets_in, secrets_of
from der_cli.variables import OURS
from der_client import HeadendClient, HeadendError
from der_core import __version__

ASSETS = 5000
"""So many assets are listed; a large fleet's inventory would only hide what matters."""
_EVENTS = 1000
_ALSO_SHOWN = frozenset({"LANG", "LC_ALL", "PYTHONPATH", "TZ", "VIRTUAL_ENV"})
_ALSO_PREFIXES = ("PG", "OTEL_")
_SHORTEST_NAME = 2


@dataclass(slots=True)
class Report:
    """What was collected, and what is missing and why."""

    mask: Mask
    entries: list[Entry] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def text(self, name: str, about: str, text: str) -> None:
        """Add a text."""
        self.entries.append(Entry(self.mask.text(name), about, self.mask.text(text)))

    def document(self, name: str, about: str, value: Any) -> None:
        """Add JSON."""
        clean = json.dumps(self.mask.document(value), indent=2, ensure_ascii=False)
        self.entries.append(Entry(name, about, f"{clean}\n"))

    def lacks(self, what: str, why: object) -> None:
        """Note that a part could not be had."""
        self.missing.append(self.mask.text(f"{what}: {why}"))


def mask_for(facts: Facts, *, headend: str, anonymise: bool) -> Mask:
    """A mask that knows the secrets of this shell, of ``headend``, of running programs and, if wished, names."""
    secrets = secrets_of(facts.environ) | passwords_in(headend)
    for process in facts.processes or ():
        secrets |= secrets_of(process.environ or {}) | secrets_in(process.argv)
    return Mask(secrets, _names(facts) if anonymise else None)


def collect_here(report: Report, facts: Facts) -> None:
    """This machine's part: how programs were started, their environment, versions, the doctor's findings."""
    processes = facts.ours
    if facts.processes is None:
        report.lacks("command lines of the running programs", "this system does not show them")
    else:
        lines = [f"{process.pid}\t{shlex.join(process.argv)}\tin {process.cwd}" for process in processes]
        if facts.strangers:
            lines.append(f"and {facts.strangers} of other fleets, which are left out")
        report.text(
            "programs/command-lines.txt", "how the running programs were started", "\n".join([*lines, ""])
        )
        if not processes:
            report.lacks("command lines of headend and agents", "none runs on this machine")
    environments = {"this shell": facts.environ} | {
        str(process): process.environ for process in processes if process.environ is not None
    }
    report.document(
        "programs/environment.json",
        "the variables that matter: ours, and those of PostgreSQL's and OpenTelemetry's libraries",
        {owner: relevant(environ) for owner, environ in environments.items()},
    )
    report.document("versions.json", "versions of everything", _versions(facts))
    report.document("doctor.json", "what `der doctor --json` says", as_document(facts, diagnose(facts)))


def collect_headend(
    report: Report,
    facts: Facts,
    client: HeadendClient,
    dispatch_id: str | None,
    *,
    step: Callable[[str], None],
) -> None:
    """The headend's part: what its routes answer."""
    answers = facts.headend
    if answers is None:
        report.lacks("everything that the headend would say", f"no headend at {facts.url}: {facts.why_not}")
        return
    questions: list[tuple[str, str, Callable[[], Any]]] = [
        ("assets", f"`/assets`, the first {ASSETS}", lambda: list(islice(client.assets(), ASSETS))),
        ("agents", "`/agents`", lambda: list(client.agents())),
        ("events", f"`/events`, the newest {_EVENTS}", lambda: list(client.events(limit=_EVENTS))),
        ("dispatches", "`/dispatch/history`, the newest", lambda: list(answers.dispatches or ())),
        ("readyz", "`/readyz`", client.readiness),
    ]
    if dispatch_id is not None:
        questions.append(
            (
                f"dispatch-{dispatch_id}",
                f"`/dispatch/{dispatch_id}`",
                lambda: client.get_dispatch(dispatch_id),
            )
        )
    for name, about, ask in questions:
        step(f"/{name}")
        try:
            report.document(f"headend/{name}.json", about, ask())
        except HeadendError as error:
            report.lacks(about, error)
    step("/metrics")
    try:
        report.text("headend/metrics.txt", "`/metrics`", client.metrics())
    except HeadendError as error:
        report.lacks("`/metrics`", error)


def collect_logs(
    report: Report, logs: Sequence[Path], wanted: Wanted, *, step: Callable[[str], None]
) -> None:
    """The lines of the logs that matter."""
    if not logs:
        report.lacks("logs", "no --log FILE was given, and no running program writes to a file")
    for place, path in enumerate(logs, 1):
        step(path.name)
        try:
            lines = excerpt(read_lines(path), wanted)
        except (OSError, EOFError, zlib.error) as error:
            report.lacks(f"log {path}", getattr(error, "strerror", None) or error)
            continue
        if not lines:
            report.lacks(f"log {path}", "it has no line of the time or the dispatch that was asked for")
        report.text(
            f"logs/{place}-{path.name.removesuffix('.gz')}",
            f"{len(lines)} lines of {path}",
            "\n".join([*lines, ""]),
        )


def relevant(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that matter; the report's mask takes the secrets out of them."""
    return {
        name: value
        for name, value in sorted(environ.items())
        if name in OURS or name in _ALSO_SHOWN or name.startswith(_ALSO_PREFIXES)
    }


def _versions(facts: Facts) -> dict[str, Any]:
    packages = {each.name: each.version for each in distributions() if each.name}
    agents = facts.agents or ()
    return {
        "der": __version__,
        "headend": facts.headend.version if facts.headend else None,
        "agents": {agent["agent_id"]: agent.get("software") for agent in agents},
        "python": sys.version,
        "system": platform.platform(),
        "distribution": _distribution(),
        "packages": dict(sorted(packages.items(), key=lambda each: each[0].lower())),
    }


def _distribution() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _names(facts: Facts) -> dict[str, str]:
    """Every name by which a fleet, a machine or a person could be known, and what stands in its place."""
    assets = (facts.headend.assets if facts.headend else None) or ()
    agents = facts.agents or ()
    shell = facts.environ
    groups: dict[str, Iterable[str]] = {
        "asset": [each["name"] for each in assets] + _given(shell, "ASSET_NAME"),
        "site": [each["site_name"] for each in assets]
        + [each["site_name"] for each in agents]
        + _given(shell, "SITE_NAME"),
        "location": [each["location"] for each in assets] + _given(shell, "ASSET_LOCATION"),
        "host": [socket.gethostname()],
        "home": [str(Path.home())],
        "user": _user(),
    }
    return dict(_numbered(groups))


def _numbered(groups: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    taken: set[str] = set()
    for group, names in groups.items():
        for place, name in enumerate(dict.fromkeys(names), 1):
            if len(name) >= _SHORTEST_NAME and name not in taken:
                taken.add(name)
                yield name, f"{group}-{place}"


def _given(environ: Mapping[str, str], name: str) -> list[str]:
    return [environ[name]] if name in environ else []


def _user() -> list[str]:
    try:
        return [getuser()]
    except (OSError, KeyError):
        return []
