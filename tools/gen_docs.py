"""Fill the generated blocks of ``docs/``: import contracts, the life of a dispatch, settings.

A block stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. ``make docs`` writes the blocks;
with ``--check`` nothing is written and the exit code is 1 if one of them is out of date.
"""

import argparse
import configparser
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from der_core import lifecycle
from der_headend.settings import HeadendSettings
from der_runtime.settings import Settings
from edge_agent.settings import AgentSettings

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def layers(contract: str) -> str:
    """A layers contract of ``.importlinter`` as a diagram: one box per layer, an arrow to the layer below it."""
    section = _contracts()[f"importlinter:contract:{contract}"]
    rows = [row.split("|") for row in section["layers"].split("\n") if row.strip()]
    lines = ["```mermaid", "flowchart TD"]
    for place, row in enumerate(rows):
        lines.append(f'    subgraph {contract}{place}[" "]')
        lines += [f"        {name.strip(' ()')}" for name in row]
        lines.append("    end")
    chain = " --> ".join(f"{contract}{place}" for place in range(len(rows)))
    return "\n".join([*lines, f"    {chain}", "```", ""])


def forbidden() -> str:
    """The contracts of ``.importlinter`` that forbid imports, as a table."""
    lines = ["| contract | these | never import |", "|---|---|---|"]
    for section in _contracts().values():
        if section.get("type") == "forbidden":
            these, never = (_names(section[key]) for key in ("source_modules", "forbidden_modules"))
            lines.append(f"| {section['name']} | {these} | {never} |")
        elif section.get("type") == "independence":
            lines.append(f"| {section['name']} | {_names(section['modules'])} | each other |")
    return "\n".join([*lines, ""])


def life() -> str:
    """The transitions that the stages of ``der_core.lifecycle`` have methods for, as a diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> submitted"]
    for stage in typing.get_args(lifecycle.Open):
        lines += [f"    {stage.state} --> {to}" for to in _following(stage)]
    lines += [f"    {stage.state} --> [*]" for stage in typing.get_args(lifecycle.Final)]
    return "\n".join([*lines, "```", ""])


def settings(model: type[Settings]) -> str:
    """The settings of a program, as tables by group."""
    lines = []
    group = None
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        if extra.get("group") != group:
            group = extra.get("group")
            lines += [
                "",
                f"**{str(group).capitalize()}**",
                "",
                "| variable | flag | default | meaning |",
                "|---|---|---|---|",
            ]
        first, *others = _variables(name, field)
        variable = " or ".join(f"`{each}`" for each in (first, *others))
        flag = f"`--{first.lower().replace('_', '-')}`"
        lines.append(f"| {variable} | {flag} | {_default(field, extra)} | {_meaning(field, extra)} |")
    return "\n".join([*lines, "", ""])


def _contracts() -> configparser.ConfigParser:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    return contracts


def _names(text: str) -> str:
    return ", ".join(f"`{name}`" for name in text.split())


def _following(stage: type) -> Iterator[lifecycle.State]:
    for name, method in inspect.getmembers(stage, inspect.isfunction):
        to = typing.get_type_hints(method, vars(lifecycle)).get("return")
        if not name.startswith("_") and name != "at" and isinstance(to, type):
            yield to.state  # type: ignore[attr-defined]  # the methods of a stage return stages


def _variables(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias if isinstance(alias, str) else name.upper()]


def _default(field: FieldInfo, extra: Mapping[str, object]) -> str:
    if field.is_required():
        return "required"
    default = extra.get("default", field.default)
    if default is None:
        return "not set"
    if isinstance(default, bool):
        return "no"
    text = f"{default:g}" if isinstance(default, float) else str(default)
    return text if " " in text else f"`{text}`"


def _meaning(field: FieldInfo, extra: Mapping[str, object]) -> str:
    expects = f"Expects {extra['expects']}." if "expects" in extra else ""
    example = f"E.g. `{extra['example']}`." if "example" in extra else ""
    return " ".join(filter(None, (field.description, expects, example)))


BLOCKS: Mapping[str, Callable[[], str]] = {
    "layers-house": lambda: layers("house"),
    "layers-headend": lambda: layers("headend"),
    "layers-agent": lambda: layers("agent"),
    "layers-fleet": lambda: layers("fleet"),
    "forbidden": forbidden,
    "life": life,
    "settings-headend": lambda: settings(HeadendSettings),
    "settings-agent": lambda: settings(AgentSettings),
}


def filled(text: str) -> str:
    """A document with its generated blocks as they should be."""
    return _BLOCK.sub(lambda found: found[1] + BLOCKS[found[2]]() + found[3], text)


def main(argv: list[str] | None = None) -> int:
    """Write the blocks, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description="Fill the generated blocks of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a block is out of date")
    options = parser.parse_args(argv)
    stale = 0
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (fresh := filled(text)) == text:
            continue
        stale += 1
        if options.check:
            print(f"{path.relative_to(ROOT)} is out of date. Run `make docs`.", file=sys.stderr)
        else:
            path.write_text(fresh, encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
