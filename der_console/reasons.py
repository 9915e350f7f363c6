"""What went wrong with a request, in an operator's words, and what to do. The codes are of docs/api.md."""

from der_client import HeadendError, HeadendProblem, HeadendUnreachable

_ADVICE = {
    "unknown_asset": "Choose the target anew: the inventory may have changed.",
    "unknown_site": "Choose the target anew: the inventory may have changed.",
    "not_controllable": "Choose another target.",
    "soc_at_minimum": "Charge it first, or choose another target.",
    "soc_at_maximum": "Discharge it first, or choose another target.",
    "id_in_use": "Preview it again: that gives it a new id.",
}


def told(error: HeadendError) -> str:
    """What went wrong, and what an operator can do about it."""
    match error:
        case HeadendProblem(code=code, detail=detail) if code in _ADVICE:
            what, _, _ = (detail or error.title).partition(";")
            return f"{_sentence(what)} {_ADVICE[code]}"
        case HeadendProblem():
            return f"{_sentence(error.detail or error.title)} ({error.code})"
        case HeadendUnreachable(maybe_done=True):
            return (
                f"The headend did not answer ({error.why}). It may have taken it all the same: try again, "
                "it keeps its id and cannot be carried out twice."
            )
        case HeadendUnreachable():
            return f"The headend does not answer ({error.why}). Nothing was done; try again when it is back."
        case _:
            return str(error)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
