"""One tree of errors for both programs.

    DerError
    ├── Rejected            the caller asked for something that cannot be done; asking again won't help
    │   └── NotFound        ... because what it named does not exist
    ├── Conflict            it clashes with the present state (an asset at its SOC limit, an id used twice)
    ├── Unavailable         not now; ``retry_after_s`` says when to try again
    └── Defect              our own fault

Adapters wrap foreign errors in one of these once, where they occur. ``der_headend.rest.problems`` holds the
one table from this tree to HTTP status codes.
"""


class DerError(Exception):
    """Root of the tree.

    ``code`` is stable and machine-readable, ``detail`` says in a sentence what was wrong and what to do,
    ``field`` names the offending input where there is one.
    """

    def __init__(self, code: str, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field


class Rejected(DerError):
    """The request is wrong in itself."""


class NotFound(Rejected):
    """What the request names does not exist."""


class Conflict(DerError):
    """The request clashes with the present state."""


class Unavailable(DerError):
    """A part that is needed is away for the moment."""

    def __init__(self, code: str, detail: str, *, retry_after_s: float, field: str | None = None) -> None:
        super().__init__(code, detail, field=field)
        self.retry_after_s = retry_after_s


class Defect(DerError):
    """Something happened that the program promises never happens."""
