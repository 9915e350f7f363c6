"""How one definition of a route becomes a method of both clients.

A route is a function that makes a ``Question``, a ``Listing`` or a ``Subscription``. As an attribute of a client it is
a method with the same parameters: of a blocking client it returns the answer, of an awaiting one a coroutine of it;
lists and the stream are iterators and asynchronous iterators. The type checker knows each by its own overload.

What happens between question and answer is written once, as coroutines (``der_client.exchange``). In a blocking
client their network blocks, so they run from beginning to end without ever waiting, and no event loop is needed.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import update_wrapper
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from der_client.exchange import Exchange
from der_client.questions import Listing, Question, Subscription
from der_client.stream_events import StreamEvent

P = ParamSpec("P")
T = TypeVar("T")


class Blocking:
    """A client whose methods return when the answer is there."""

    _exchange: Exchange

    @staticmethod
    def _run(work: Coroutine[Any, Any, T]) -> T:
        return finished(work)

    @staticmethod
    def _iterate(entries: AsyncGenerator[T, None]) -> Generator[T, None, None]:
        end = object()

        async def following() -> T | object:
            return await anext(entries, end)

        try:
            while (entry := finished(following())) is not end:
                yield entry  # type: ignore[misc]  # it is not `end`
        finally:
            finished(entries.aclose())


class Awaiting:
    """A client whose methods are awaited."""

    _exchange: Exchange

    @staticmethod
    def _run(work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        return work

    @staticmethod
    def _iterate(entries: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        return entries


class Call(Generic[P, T]):
    """A route with one answer."""

    def __init__(self, ask: Callable[Concatenate[Any, P], Question[T]]) -> None:
        self._ask = ask

    @overload
    def __get__(self, client: Blocking, owner: type | None = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type | None = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: type | None = None) -> Callable[P, Any]:
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client._run(client._exchange.answer(self._ask(client, *args, **kwargs)))  # noqa: SLF001

        return _described(method, self._ask, client)


class Pages(Generic[P, T]):
    """A route with a list for an answer: an iterator over all its pages, read as far as it is looked at."""

    def __init__(self, ask: Callable[Concatenate[Any, P], Listing[T]]) -> None:
        self._ask = ask

    @overload
    def __get__(
        self, client: Blocking, owner: type | None = None
    ) -> Callable[P, Generator[T, None, None]]: ...
    @overload
    def __get__(
        self, client: Awaiting, owner: type | None = None
    ) -> Callable[P, AsyncGenerator[T, None]]: ...
    def __get__(self, client: Any, owner: type | None = None) -> Callable[P, Any]:
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client._iterate(client._exchange.entries(self._ask(client, *args, **kwargs)))  # noqa: SLF001

        return _described(method, self._ask, client)


class Stream(Generic[P]):
    """A route with no end: an iterator over what happens."""

    def __init__(self, ask: Callable[Concatenate[Any, P], Subscription]) -> None:
        self._ask = ask

    @overload
    def __get__(
        self, client: Blocking, owner: type | None = None
    ) -> Callable[P, Generator[StreamEvent, None, None]]: ...
    @overload
    def __get__(
        self, client: Awaiting, owner: type | None = None
    ) -> Callable[P, AsyncGenerator[StreamEvent, None]]: ...
    def __get__(self, client: Any, owner: type | None = None) -> Callable[P, Any]:
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client._iterate(client._exchange.events(self._ask(client, *args, **kwargs)))  # noqa: SLF001

        return _described(method, self._ask, client)


def _described(method: Callable[P, T], ask: Callable[..., Any], client: Any) -> Callable[P, T]:
    """With the name, the parameters and the words of the route."""
    return update_wrapper(method, MethodType(ask, client))


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for, because its network blocks."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # typeshed cannot know
    work.close()
    raise AssertionError("the work of a blocking client never waits")
