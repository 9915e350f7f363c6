"""What the contract suites are run on; each new implementation joins here."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import pytest

from der_client import HeadendClient
from der_client.fake import FakeHeadend
from der_client.questions import PAGE
from der_headend.store.memory import MemoryStore
from der_headend.store.postgres import PostgresStore
from kit.live_headend import Headend, LiveHeadend
from kit.postgres_store import database, new_store
from kit.stores import ASSETS, Stores


@pytest.fixture(params=["memory", "postgres"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Where to store; ``None``: in memory."""
    if request.param == "memory":
        yield None
    else:
        with database() as url:
            yield url


@pytest.fixture
async def stores(database_url: str | None) -> AsyncIterator[Stores]:
    """An empty store."""
    if database_url is None:
        yield _behind_ports(MemoryStore(assets=ASSETS))
    else:
        store = new_store(database_url)
        await store.open()
        yield _behind_ports(store)
        await store.close()


def _behind_ports(store: MemoryStore | PostgresStore) -> Stores:
    return Stores(
        journal=store,
        dispatches=store.dispatches,
        events=store.events,
        heartbeats=store.heartbeats,
        telemetry=store.telemetry,
    )


@pytest.fixture(params=["fake", "real"])
def headend(request: pytest.FixtureRequest) -> Iterator[Headend]:
    if request.param == "fake":
        yield FakeHeadend(now=lambda: datetime.fromisoformat("2026-06-01T12:00:00Z"))
    else:
        with LiveHeadend() as live:
            yield live


@pytest.fixture
def client(headend: Headend) -> Iterator[HeadendClient]:
    with client_of(headend) as made:
        yield made


@pytest.fixture
def by_twos(headend: Headend) -> Iterator[HeadendClient]:
    """A client that asks for two entries of a list at once."""
    with client_of(headend, page=2) as made:
        yield made


def client_of(headend: Headend, *, page: int = PAGE) -> HeadendClient:
    if isinstance(headend, FakeHeadend):
        return HeadendClient(
            "http://headend", page=page, transport=headend.transport, sleep=lambda _seconds: None
        )
    return HeadendClient(headend.url, page=page)
