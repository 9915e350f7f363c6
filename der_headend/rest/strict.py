"""Nothing that a caller sends is passed over in silence: a misspelt parameter, one given twice, a key twice in a body.

Each would leave the caller with another answer than asked for, or move another power than meant.
"""

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams

from der_core.errors import Rejected
from der_runtime.display import one_line

_NAME_SHOWN = 100


class StrictRoute(APIRoute):
    """A route that takes the query parameters it declares, each once, and JSON without a key that stands twice."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What handles a request of this route; which parameters it has is looked up here, once."""
        handle = super().get_route_handler()
        known = [parameter.alias for parameter in self.dependant.query_params]

        async def handle_strictly(request: Request) -> Response:
            strict = _StrictRequest(request.scope, request.receive)
            if request.scope["query_string"]:
                _check(strict.query_params, known)
            return await handle(strict)

        return handle_strictly


class _StrictRequest(Request):
    """A request whose JSON says nothing twice."""

    async def json(self) -> Any:
        return json.loads(await self.body(), object_pairs_hook=_unequivocal)


def _check(given: QueryParams, known: Sequence[str]) -> None:
    names = [name for name, _ in given.multi_items()]
    for name in names:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            shown = one_line(name, longest=_NAME_SHOWN)
            raise Rejected(
                "unknown_parameter", f"{shown}: is not a parameter of this route; {has}", field=shown
            )
    if len(names) > len(given):
        raise Rejected("repeated_parameter", f"{_repeated(names)}: may be given once", field=_repeated(names))


def _unequivocal(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object that the pairs make; of two pairs with the same key the later one would count."""
    made = dict(pairs)
    if len(made) < len(pairs):
        key = _repeated([key for key, _ in pairs])
        raise Rejected("repeated_field", f"{key}: stands more than once in the body", field=key)
    return made


def _repeated(names: Sequence[str]) -> str:
    """The name that comes more than once, fit to be shown: it may be anything."""
    return one_line(Counter(names).most_common(1)[0][0], longest=_NAME_SHOWN)
