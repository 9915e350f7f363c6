"""The command: gather, check, show."""

from collections.abc import Sequence

import typer
from rich.console import Console
from rich.text import Text

from der_cli.doctor import database, dispatching, inventories, links, reach
from der_cli.doctor.facts import Facts, gather
from der_cli.doctor.findings import Finding, Verdict
from der_cli.progress import progressing
from der_cli.screen import out, print_json, words
from der_cli.world import DEFAULT_HEADEND, HeadendOption, JsonOption, world_of

_UNHEALTHY = 1
_STYLES = {
    Verdict.OK: "green",
    Verdict.UNCHECKED: "dim",
    Verdict.WARNING: "yellow",
    Verdict.PROBLEM: "bold red",
}
_INDENT = 13
_NARROWEST = 20


def doctor(ctx: typer.Context, headend: HeadendOption = DEFAULT_HEADEND, as_json: JsonOption = False) -> None:
    """Look for the runbook's common issues and say what to do; exit code 0 only if nothing is wrong."""
    with progressing("Looking at") as step:
        facts = gather(world_of(ctx), headend, step=step)
        findings = diagnose(facts)
    if as_json:
        print_json(as_document(facts, findings))
    else:
        for finding in findings:
            show_finding(out(), finding)
        out().print()
        _show_wrapped(out(), _summary(facts, findings), style="bold")
    if not all(finding.verdict.healthy for finding in findings):
        raise typer.Exit(_UNHEALTHY)


def diagnose(facts: Facts) -> list[Finding]:
    """Every check, in the order in which one would look."""
    return [
        finding
        for part in (reach, inventories, links, dispatching, database)
        for finding in part.check(facts)
    ]


def as_document(facts: Facts, findings: Sequence[Finding]) -> dict[str, object]:
    """What ``--json`` prints."""
    return {
        "headend": facts.url,
        "checked_at": facts.now.isoformat(),
        "strangers": facts.strangers,
        "healthy": all(finding.verdict.healthy for finding in findings),
        "checks": [finding.as_json() for finding in findings],
    }


def show_finding(console: Console, finding: Finding) -> None:
    """A finding as a paragraph; commands stand on lines of their own, whole, to be copied."""
    head = Text.assemble(
        (f"{finding.verdict.value:<{_INDENT}}", _STYLES[finding.verdict]), (finding.heading, "bold")
    )
    console.print(head, soft_wrap=True)
    for text in (finding.seen, finding.advice):
        if text:
            _show_wrapped(console, words(text), indent=_INDENT)
    for command in finding.commands:
        console.print(Text(f"{'':{_INDENT}}  {words(command)}", style="cyan"), soft_wrap=True)


def _show_wrapped(console: Console, text: str, *, indent: int = 0, style: str = "") -> None:
    """Text over several lines, without the blanks that rich leaves at the end of each."""
    for line in Text(text).wrap(console, max(console.width - indent, _NARROWEST)):
        console.print(f"{'':{indent}}{line.plain.rstrip()}", style=style, soft_wrap=True)


def _summary(facts: Facts, findings: Sequence[Finding]) -> str:
    counts = {verdict: sum(f.verdict is verdict for f in findings) for verdict in reversed(Verdict)}
    told = ", ".join(
        f"{count} {verdict.value}{'s' if count > 1 and not verdict.healthy else ''}"
        for verdict, count in counts.items()
        if count
    )
    left = (
        f" Left out: {facts.strangers} of this machine's programs, of other fleets."
        if facts.strangers
        else ""
    )
    return f'{told}. docs/runbook.md, "Common issues and fixes", has more on each.{left}'
