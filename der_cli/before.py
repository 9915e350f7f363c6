"""Options that may stand before the command: ``der --headend URL assets``, ``der --json db status``."""

from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup


class HandsOn(TyperGroup):
    """A group that hands on to its commands what was given before them, as far as they take it."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command and its arguments: first what was given before it, so that what is given again counts."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is None or isinstance(command, TyperGroup):
            return name, command, rest
        taken = {option for each in command.params for option in each.opts}
        before = []
        for option, *value in _given(ctx.find_root().params):
            if option in taken:
                before += [option, *value]
            elif not ctx.resilient_parsing:  # which is for completion
                ctx.fail(f"`{_called(ctx)} {name}` takes no {option}")
        return name, command, [*before, *rest]


def _given(before: dict[str, Any]) -> Iterator[list[str]]:
    if before.get("headend"):
        yield ["--headend", before["headend"]]
    if before.get("as_json"):
        yield ["--json"]


def _called(ctx: Any) -> str:
    """The words before the command, however the program itself was called."""
    return "der" if ctx.parent is None else f"{_called(ctx.parent)} {ctx.info_name}"
