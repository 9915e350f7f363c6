"""What can go wrong between a caller and the headend.

HeadendError
├── HeadendProblem        the headend answered, and the answer is no
│   ├── NotFound          404: what the request names is not there, or not yet
│   ├── Conflict          409: it clashes with the present state
│   ├── Invalid           400, 413, 422: the request is wrong in itself
│   ├── Unavailable       503: a part is away; ``retry_after_s`` says when to try again
│   └── ServerFault       any other 5xx: the headend made a mistake
└── HeadendUnreachable    nothing answered, or not a headend
"""

from der_client.addresses import without_login


class HeadendError(Exception):
    """Root of the tree; its text is a sentence for an operator."""


class HeadendProblem(HeadendError):
    """The headend refused or failed; it said why as an RFC 9457 problem.

    Attributes:
        code: stable and machine-readable, e.g. ``unknown_asset``.
        status: the HTTP status.
        title: what kind of problem it is.
        detail: what was wrong with this request and what to do.
        field: the offending field of the request, where there is one.
    """

    def __init__(self, *, code: str, status: int, title: str, detail: str, field: str | None = None) -> None:
        where = "" if field is None else f", field {field}"
        super().__init__(f"{detail or title} ({code}{where})")
        self.code = code
        self.status = status
        self.title = title
        self.detail = detail
        self.field = field


class NotFound(HeadendProblem):
    """What the request names is not there, or not yet (``no_telemetry_yet``)."""


class Conflict(HeadendProblem):
    """The request clashes with the present state: an asset at its SOC limit, an id used twice."""


class Invalid(HeadendProblem):
    """The request is wrong in itself; asking again will not help."""


class Unavailable(HeadendProblem):
    """A part that is needed is away for the moment; ``retry_after_s`` is ``None`` where it was not said."""

    def __init__(
        self,
        *,
        code: str,
        status: int,
        title: str,
        detail: str,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code=code, status=status, title=title, detail=detail, field=field)
        self.retry_after_s = retry_after_s


class ServerFault(HeadendProblem):
    """The headend made a mistake; its log says which."""


class HeadendUnreachable(HeadendError):
    """No headend answered at ``url``; the text says what to look at.

    ``url`` is without a login, ``why`` is the reason in a few words. ``maybe_done`` is true when the request had left
    before the link failed, so the headend may have acted on it: ask again with the same id to learn what became of it.
    """

    def __init__(self, url: str, why: str, *, maybe_done: bool = False) -> None:
        shown = without_login(url)
        super().__init__(
            f"no headend answers at {shown}: {why}. Is it running there? HEADEND (or --headend) says where to look."
        )
        self.url = shown
        self.why = why
        self.maybe_done = maybe_done


MAY_PASS = (HeadendUnreachable, Unavailable, ServerFault)
"""What ends by itself: whoever watches something goes on asking."""
