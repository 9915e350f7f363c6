"""What is wrong with an option: what was given and what is expected, in words that are not those of a library.

The kind of an option's value is told by its metavar, in one way for all commands.
"""

from typing import Any

import typer

from der_runtime.display import shown

_EXPECTED = {
    "MW": ("a number of MW", "12 or -5"),
    "S": ("a number of seconds", "900"),
    "N": ("a whole number", "20"),
    "UUID": ("a UUID", "0b1a7c0e-6d58-4f2c-8d2f-0c8a8c1b7d11"),
}


def reword(error: typer.BadParameter) -> None:
    """Put our words in the place of what a library says of a value that cannot be read, if it was one."""
    problems = getattr(error.__cause__, "errors", None)
    if problems is None:
        return
    (problem, *_), parameter = problems(), error.param
    expected = _EXPECTED.get(getattr(parameter, "metavar", None) or "")
    if expected is None:
        error.message = error.message.removeprefix("Value error, ")
        return
    kind, example = expected
    error.message = (
        f"expected {kind}{_bounds(parameter)}, such as {example}; {shown(problem['input'])} is none"
    )


def _bounds(parameter: Any) -> str:
    told = {"at least": parameter.min, "at most": parameter.max} if hasattr(parameter, "min") else {}
    return "".join(f", {word} {bound:,}" for word, bound in told.items() if bound is not None)
