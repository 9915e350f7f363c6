"""What stands around all handlers: commands go first, a limit on bodies, and an answer for what nobody foresaw.

All are plain ASGI, so that streams pass through them unbuffered.
"""

from functools import partial
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from der_headend.rest.problems import Answer, answer_and_log
from der_runtime.right_of_way import RightOfWay


class CommandsFirst:
    """Has the right of way taken for what may be a command, from its first byte until it is ``taken_over``.

    ``path``: under which commands are given.
    """

    def __init__(self, app: ASGIApp, *, path: str, right_of_way: RightOfWay) -> None:
        self._app = app
        self._path = path
        self._right_of_way = right_of_way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not self._commands(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        command = object()
        self._right_of_way.begin(command, certain=False)
        scope.setdefault("state", {})["taken_over"] = partial(self._right_of_way.end, command)
        try:
            await self._app(scope, receive, send)
        finally:
            self._right_of_way.end(command)

    def _commands(self, method: str, path: str) -> bool:
        return path == self._path if method == "POST" else method == "DELETE" and path.startswith(self._path)


def taken_over(request: Request) -> None:
    """The dispatcher has the command, and knows for how long it goes first; its answer may have to wait far longer."""
    request.state.taken_over()


class BodyLimit:
    """Answers 413 to a body of more than ``max_bytes``, declared or chunked; smaller ones are passed on whole."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        declared = headers.get("content-length", "0")
        if "transfer-encoding" not in headers and declared == "0":
            await self._app(scope, receive, send)
            return
        too_large = declared.isdecimal() and int(declared[:20]) > self._max_bytes
        body = None if too_large else await self._read(receive)
        if body is None:
            await self._refuse(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> list[Message] | None:
        """The messages of the body, or ``None`` if it is too large."""
        messages: list[Message] = []
        size = 0
        while not messages or messages[-1].get("more_body", False):
            messages.append(await receive())
            size += len(messages[-1].get("body", b""))
            if size > self._max_bytes:
                return None
        return messages

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = Answer(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body_too_large",
            f"a body may have at most {self._max_bytes} bytes",
            headers={"Connection": "close"},
        )
        await answer.response()(scope, receive, send)


def _replay(messages: list[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def replayed() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return replayed


class LastResort:
    """Makes a 500 problem of an exception that no handler knows, unless the response has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            response = await answer_and_log(None, error)
            await response(scope, receive, send)
