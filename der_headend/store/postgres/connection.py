"""Connections to PostgreSQL: a small pool, a time limit on everything, and our own errors.

Each kind of work has a ``Database`` of its own (writing, reading, upkeep, probing), so that none waits for another's
connections. A unit of work has one deadline for all of it, waiting for a connection included; when it passes, the
connection is dropped without asking the server, which may be the very thing that does not answer. The next unit of work
makes a new one: nothing has to be told that the server is back.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from der_core.errors import Defect, DerError, Unavailable

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]"
Isolation: TypeAlias = Literal["repeatable_read", "read_committed"]

RETRY_AFTER_S = 2.0

REFUSES = "database_refuses"
"""The code of what is neither a server that is away nor the data's fault: damage, missing rights, our own mistake."""

SESSION_SETTINGS = {
    "application_name": "der_headend",
    "timezone": "UTC",
    # A plan made for one asset and one hour is no plan for another asset and a month.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    "work_mem": "32MB",
    # A headend that vanishes in the middle of a transaction must not hold its locks for hours.
    "idle_in_transaction_session_timeout": "20s",
    "client_connection_check_interval": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.ObjectInUseError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What says that the server, and not our question, is at fault; asking again later may help.

The last two are asyncpg's own words for a connection that ended while it was in use."""

_ABOUT_THE_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What says that this data can't be stored, however often it is tried: SQLSTATE classes 22 and 23."""

_FOREIGN = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def wrapped(error: BaseException, *, storing: bool = False) -> DerError:
    """Our error for one of asyncpg's or the network's.

    ``storing``: whoever asked takes a ``Defect`` for data that can't be stored, so nothing else becomes one.
    """
    if isinstance(error, _AWAY) and not isinstance(error, _ABOUT_THE_DATA):
        return Unavailable(
            "database_unavailable",
            f"the database does not answer as it should: {describe(error)}",
            retry_after_s=RETRY_AFTER_S,
        )
    detail = f"the database refused what this program asked: {describe(error)}"
    if storing and not isinstance(error, _ABOUT_THE_DATA):
        return Unavailable(REFUSES, detail, retry_after_s=RETRY_AFTER_S)
    return Defect("database_defect", detail)


def describe(error: BaseException) -> str:
    """An error on one line; errors without words go by their type."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return " ".join(str(error).split()) or type(error).__name__


async def _nothing_to_reset(_: Connection) -> None:
    pass


class Database:
    """A pool of at most ``size`` connections for one kind of work, each unit of which takes ``limit_s`` at most.

    ``brief``: its work is to store a few rows, and somebody waits for it. Such statements need no plan of their own
    each time, and leave nothing behind on a connection that the server would have to be asked to reset; the connection
    goes back to the pool by itself, which takes some turns of the event loop.

    ``storing``: its work is to store what must not be lost; only what is wrong with the data is a ``Defect``.
    """

    def __init__(
        self, url: str, *, size: int, limit_s: float, brief: bool = False, storing: bool = False
    ) -> None:
        self._url = url
        self._size = size
        self.limit_s = limit_s
        self._settings = SESSION_SETTINGS | ({"plan_cache_mode": "auto"} if brief else {})
        self._brief = brief
        self._storing = storing
        self._going_back: set[asyncio.Task[None]] = set()
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Make the pool; connections are made when they are needed."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._size,
            max_inactive_connection_lifetime=0,
            server_settings=self._settings,
            reset=_nothing_to_reset if self._brief else None,
        )

    async def close(self) -> None:
        """Drop the connections; whatever is under way on them fails."""
        if self._pool is not None:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self, *, limit_s: float | None = None) -> AsyncIterator[Connection]:
        """A connection for one unit of work.

        Raises:
            Unavailable: the server is away, or did not finish in time.
            Defect: it refused what was asked.
        """
        pool = self._pool
        if pool is None:
            raise Defect("store_not_open", "the store is used before open() or after close()")
        try:
            async with asyncio.timeout(limit_s or self.limit_s):
                connection = await pool.acquire()
                try:
                    yield connection
                except (asyncpg.PostgresError, DerError):
                    raise
                except BaseException:
                    connection.terminate()
                    raise
                finally:
                    release = pool.release(connection, timeout=self.limit_s)
                    if self._brief:
                        self._give_back_later(release)
                    else:
                        await release
        except _FOREIGN as error:
            raise wrapped(error, storing=self._storing) from error

    def _give_back_later(self, release: Coroutine[None, None, None]) -> None:
        going = asyncio.create_task(release, name="give back a connection")
        self._going_back.add(going)
        going.add_done_callback(self._gone_back)

    def _gone_back(self, task: asyncio.Task[None]) -> None:
        self._going_back.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, _FOREIGN):
            raise error
        # Else it was lost, at worst: the next to ask gets a new one.

    @asynccontextmanager
    async def transaction(
        self, *, limit_s: float | None = None, snapshot: bool = False
    ) -> AsyncIterator[Connection]:
        """A connection within a transaction; with ``snapshot`` one that reads everything as of one moment.

        Raises:
            Unavailable, Defect: as ``connection``.
        """
        async with self.connection(limit_s=limit_s) as connection:
            isolation: Isolation = "repeatable_read" if snapshot else "read_committed"
            transaction = connection.transaction(isolation=isolation, readonly=snapshot)
            await transaction.start()
            try:
                yield connection
            except (asyncpg.PostgresError, DerError):
                await transaction.rollback()
                raise
            # Whatever else it is, ``connection`` drops the connection: a server that stands still rolls nothing back.
            await transaction.commit()
