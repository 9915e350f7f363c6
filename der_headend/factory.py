"""The composition root: the only place of the headend that knows real parts and puts them together."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from uuid import UUID

from prometheus_client import CollectorRegistry, ProcessCollector

from der_core import __version__
from der_core.assets import Inventory
from der_headend.absences import Absences
from der_headend.admissions import Admissions
from der_headend.agents import SESSIONS_KEPT, Session
from der_headend.alarms import Alarms
from der_headend.announcements import Announcements
from der_headend.dispatcher import Dispatcher
from der_headend.dispatcher.records import ENDED_KEPT
from der_headend.fleet import Fleet
from der_headend.grpc.server import GrpcServer, room_for_agents
from der_headend.grpc.servicer import AgentLink
from der_headend.headend import Headend
from der_headend.history import TelemetryHistory
from der_headend.ingest import Ingest
from der_headend.measures import LOOP_LAG_S, Distribution
from der_headend.metrics import HeadendMetrics
from der_headend.ports import SessionRecord
from der_headend.rest.app import beside, create_app
from der_headend.rest.http_server import HttpServer
from der_headend.rest.services import Check, Services
from der_headend.sessions import Sessions
from der_headend.settings import OTLP_ENDPOINT, HeadendSettings
from der_headend.store.memory import MemoryStore
from der_headend.turns import Turns
from der_runtime.clock import Clock, SystemClock
from der_runtime.gate import Gate
from der_runtime.inventory_file import find_inventory
from der_runtime.inventory_loading import load_unless_stopped
from der_runtime.logs import get_logger
from der_runtime.open_files import raise_open_files_limit
from der_runtime.right_of_way import RightOfWay
from der_runtime.settings import SettingsInvalid, refuse_exposed

if TYPE_CHECKING:
    from der_headend.store.postgres import PostgresStore

_REGISTER_AGAIN_S = 0.1

_log = get_logger("der_headend")


async def build(settings: HeadendSettings, stop: asyncio.Event) -> Headend | None:
    """Put a headend together; nothing listens yet. ``None`` if ``stop`` is set meanwhile.

    Raises:
        StartFailed: something that the operator must mend: the inventory, an address, a setting.
    """
    _check(settings)
    reset = _reset(settings)
    inventory_path = find_inventory(settings.assets_path, Path.cwd())
    inventory = await _inventory(inventory_path, stop)
    if inventory is None:
        return None
    fleet = Fleet(inventory)
    clock = SystemClock()
    alarms, announcements = Alarms(), Announcements()
    right_of_way = RightOfWay(clock)
    store = _store(settings, fleet, right_of_way, clock)

    def tell_stored(spool_id: UUID, through_seq: int) -> None:
        if (session := sessions.of_spool(spool_id)) is not None:
            turns.stored(session, through_seq)

    def ask_again(spool_id: UUID) -> None:
        if (session := sessions.of_spool(spool_id)) is not None:
            session.link.drain("the store is back, register again", _REGISTER_AGAIN_S)

    async def prepare() -> None:
        await store.open(reset=reset)
        await store.sessions.close_open("headend restarted")
        recent = await store.sessions.recent(SESSIONS_KEPT)
        standing = await store.events.open_alarms()
        unfinished = await store.dispatches.unfinished()
        newest = await store.dispatches.newest(ENDED_KEPT)
        # All or nothing: whoever loses the store on the way begins again.
        sessions.restore(recent)
        alarms.restore(standing)
        dispatcher.restore(unfinished, newest=newest)

    def session_changed(record: SessionRecord) -> None:
        ingest.session(record)
        announcements.announce(record)

    def session_closed(session: Session) -> None:
        dispatcher.disconnected(session)

    ingest = Ingest(
        fleet=fleet,
        alarms=alarms,
        announcements=announcements,
        journal=store,
        right_of_way=right_of_way,
        clock=clock,
        tell_stored=tell_stored,
        ask_again=ask_again,
    )
    turns = Turns(ingest=ingest, right_of_way=right_of_way, clock=clock)
    sessions = Sessions(fleet=fleet, clock=clock, changed=session_changed, closed=session_closed)
    dispatcher = Dispatcher(
        fleet=fleet,
        sessions=sessions,
        announcements=announcements,
        journal=store,
        store=store.dispatches,
        later=ingest,
        right_of_way=right_of_way,
        clock=clock,
        weighting=settings.split_weighting,
    )
    absences = Absences(sessions=sessions, inventory=inventory, alarms=alarms, events=ingest, clock=clock)
    admissions = Admissions(fleet=fleet, sessions=sessions, alarms=alarms, events=ingest, clock=clock)
    gate = Gate(right_of_way)
    room = room_for_agents(raise_open_files_limit())
    grpc_server = GrpcServer(
        address=settings.grpc_addr,
        agent_link=AgentLink(
            sessions=sessions,
            admissions=admissions,
            dispatcher=dispatcher,
            ingest=ingest,
            turns=turns,
            alarms=alarms,
            clock=clock,
            version=__version__,
            room=room,
            gate=gate,
        ),
        room=room,
    )
    registry = CollectorRegistry()
    loop_lag_s = Distribution(LOOP_LAG_S)
    registry.register(
        HeadendMetrics(
            fleet=fleet,
            alarms=alarms,
            sessions=sessions,
            absences=absences,
            admissions=admissions,
            ingest=ingest,
            turns=turns,
            right_of_way=right_of_way,
            dispatches=dispatcher.tally,
            announcements=announcements,
            store=store,
            clock=clock,
            loop_lag_s=loop_lag_s,
            version=__version__,
        )
    )
    ProcessCollector(registry=registry)

    def readiness() -> list[Check]:
        ok, detail = store.health()
        return [
            Check("store", ok=ok, detail=detail),
            Check("grpc", ok=grpc_server.listening, detail=str(settings.grpc_addr)),
        ]

    console = _console(settings)
    stopping = asyncio.Event()
    services = Services(
        fleet=fleet,
        sessions=sessions,
        alarms=alarms,
        dispatcher=dispatcher,
        history=TelemetryHistory(store=store.telemetry, fleet=fleet, clock=clock),
        events=store.events,
        unstored=ingest.holds_event,
        heartbeats=store.heartbeats,
        announcements=announcements,
        right_of_way=right_of_way,
        clock=clock,
        readiness=readiness,
        version=__version__,
        registry=registry,
        stopping=stopping,
    )
    return Headend(
        summary=f"{len(fleet.assets)} assets at {len(fleet.inventory.sites)} sites from {inventory_path}, "
        f"stored {store.summary}",
        store=store,
        prepare=prepare,
        sessions=sessions,
        dispatcher=dispatcher,
        ingest=ingest,
        absences=absences,
        admissions=admissions,
        gate=gate,
        grpc_server=grpc_server,
        loop_lag_s=loop_lag_s,
        tracing=_tracing(settings, announcements),
        http_server=HttpServer(
            address=settings.http_addr,
            app=beside(create_app(services), console.create_app() if console else None),
        ),
        stopping=stopping,
        console=console.run if console else None,
    )


def _check(settings: HeadendSettings) -> None:
    for variable, address in (
        ("HEADEND_HTTP_ADDR", settings.http_addr),
        ("HEADEND_GRPC_ADDR", settings.grpc_addr),
    ):
        refuse_exposed(address.host, variable, allow_insecure=settings.allow_insecure)
        if address.tls:
            raise SettingsInvalid(variable, "TLS is not available yet", "host:port", "127.0.0.1:50070")


async def _inventory(path: Path, stop: asyncio.Event) -> Inventory | None:
    """The inventory; ``None`` if ``stop`` is set meanwhile."""
    inventory = await load_unless_stopped(path, stop)
    if inventory is not None and not inventory.assets:
        _log.warning(
            "the inventory has no assets, so every agent will be refused; add them and restart",
            path=str(path),
        )
    return inventory


def _store(
    settings: HeadendSettings, fleet: Fleet, right_of_way: RightOfWay, clock: Clock
) -> "MemoryStore | PostgresStore":
    if settings.database_url is None:
        return MemoryStore(assets=len(fleet.assets), history_samples=settings.history_samples)
    # Alembic and SQLAlchemy are a quarter of the time a headend takes to start, and in memory it needs neither.
    from der_headend.store.postgres import PostgresStore, Retention  # noqa: PLC0415

    return PostgresStore(
        settings.database_url,
        inventory=fleet.inventory,
        states=fleet.states,
        right_of_way=right_of_way,
        clock=clock,
        retention=Retention(
            samples=timedelta(days=settings.retention_days),
            one_minute=timedelta(days=settings.rollup_retention_days),
        ),
    )


def _tracing(
    settings: HeadendSettings, announcements: Announcements
) -> Callable[[], Coroutine[object, object, None]] | None:
    """What sends traces, if they are asked for."""
    if settings.otlp_endpoint is None:
        return None
    try:
        from der_headend.tracing import Tracing  # noqa: PLC0415 - an extra, and a quarter of a second
    except ModuleNotFoundError as missing:
        raise SettingsInvalid(OTLP_ENDPOINT, f"needs the extra `otel`: {missing}") from missing
    return Tracing(announcements=announcements, endpoint=settings.otlp_endpoint, version=__version__).run


def _console(settings: HeadendSettings) -> ModuleType | None:
    """The console, where it is wanted and installed."""
    if not settings.console or find_spec("nicegui") is None:
        return None
    from der_console import mounting  # noqa: PLC0415 - a third of a second and 23 MB that a headend may do without

    return mounting


def _reset(settings: HeadendSettings) -> str | None:
    """What ``DB_RESET`` asks for: ``yes``, ``force``, or nothing."""
    match settings.db_reset and settings.db_reset.lower():
        case None | "0" | "false" | "no" | "off":
            return None
        case "force":
            return "force"
        case "1" | "true" | "yes" | "on":
            return "yes"
        case other:
            raise SettingsInvalid("DB_RESET", f"{other!r} is not valid", "1, 0 or force", "1")
