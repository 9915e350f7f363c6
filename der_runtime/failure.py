"""How a program that cannot start says so: whole lines on stderr, an exit code, never a traceback.

What keeps a program from starting is raised as a ``StartFailed``, which knows the lines that tell the operator; the
program's ``main`` catches that one type and calls ``end_with``.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from der_runtime.display import one_line

USAGE_ERROR = 2
"""Exit code for whatever the operator can mend: settings, flags, the inventory."""


class StartFailed(Exception):
    """Something the operator must mend before the program can start; ``lines`` are to be printed as they are."""

    @property
    def lines(self) -> Sequence[str]:
        """One line per line of the message, the first after ``Error: ``."""
        return f"Error: {self}".splitlines()


def end_with(lines: Iterable[str], *, code: int = USAGE_ERROR) -> NoReturn:
    """Print the lines on stderr and end the program with an exit code."""
    sys.stderr.write("".join(f"{one_line(line)}\n" for line in lines))
    raise SystemExit(code)


def fatal(message: str, *, code: int = USAGE_ERROR) -> NoReturn:
    """Print ``Error: `` and the message on stderr and end the program with an exit code."""
    end_with([f"Error: {message}"], code=code)
