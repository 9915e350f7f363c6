"""The first contact with the database at start: wait for it a while, visibly, or say plainly what is wrong."""

import asyncio
import ssl
import time

import asyncpg

from der_headend.store.postgres.connection import SESSION_SETTINGS, Connection, describe
from der_headend.store.postgres.url import EXAMPLE, check_url, shown
from der_runtime.backoff import Backoff
from der_runtime.failure import StartFailed
from der_runtime.logs import get_logger

OLDEST_SERVER = 150000
PATIENCE_S = 30.0
_CONNECT_S = 5.0

_log = get_logger("der_headend.store")

_NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.PostgresConnectionError,
)


async def first_connection(url: str, *, patience_s: float = PATIENCE_S) -> Connection:
    """A connection of its own, not from a pool; tries again for ``patience_s`` while the server can't be reached.

    Raises:
        StartFailed: the URL is no good, or the server stays unreachable, or refuses us, or is too old.
    """
    check_url(url)
    deadline_s = time.monotonic() + patience_s
    backoff = Backoff(first_s=0.25, cap_s=4.0)
    backoff.next_s()  # the first attempt is this one
    while True:
        try:
            connection = await asyncpg.connect(url, timeout=_CONNECT_S, server_settings=SESSION_SETTINGS)
            await _refuse_old(connection, url)
        except _NOT_YET as error:
            if _about_tls(error):
                raise StartFailed(
                    f"can't use the database at {shown(url)}: {describe(error)}. Give the server TLS that fits "
                    "sslmode in DATABASE_URL, or correct sslmode, e.g. sslmode=disable on this machine."
                ) from error
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise StartFailed(
                    f"no database at {shown(url)} after {patience_s:g} s: {describe(error)}. "
                    "Start PostgreSQL or correct DATABASE_URL; without DATABASE_URL the headend stores in memory."
                ) from error
            wait_s = min(backoff.next_s(), left_s)
            _log.warning(
                "database unreachable, trying again",
                database=shown(url),
                reason=describe(error),
                again_in_s=round(wait_s, 2),
                giving_up_in_s=round(left_s, 1),
            )
            await asyncio.sleep(wait_s)
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise StartFailed(
                f"the database at {shown(url)} refuses the user or the password: {describe(error)}. "
                "Correct DATABASE_URL."
            ) from error
        except asyncpg.InvalidCatalogNameError as error:
            raise StartFailed(
                f"there is no such database at {shown(url)}: {describe(error)}. Create it or correct DATABASE_URL."
            ) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise StartFailed(
                f"can't use the database at {shown(url)}: {describe(error).rstrip('.')}. "
                f"Correct DATABASE_URL, e.g. DATABASE_URL={EXAMPLE}"
            ) from error
        else:
            return connection


def _about_tls(error: BaseException) -> bool:
    """Whether what failed is TLS, which no waiting mends; asyncpg tells that from a lost connection by words alone."""
    return isinstance(error, ssl.SSLCertVerificationError) or "rejected SSL upgrade" in str(error)


async def _refuse_old(connection: Connection, url: str) -> None:
    number = int(await connection.fetchval("show server_version_num", timeout=_CONNECT_S))
    if number < OLDEST_SERVER:
        await connection.close()
        raise StartFailed(
            f"the database at {shown(url)} is PostgreSQL {number // 10000}; "
            f"{OLDEST_SERVER // 10000} or newer is needed."
        )
